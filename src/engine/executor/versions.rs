//! Runs the version commands that a pipeline declares for its programs.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use contract::{Failure, Invalid, Program};
use petgraph::graph::NodeIndex;

use crate::error::Error;
use crate::graph::{Graph, Limits};
use crate::launch::{Local, WHOLE_LOG};
use crate::plan::{UnknownVersion, unknown_versions};
use store::Store;

/// Maximum time that a version command may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest answer in bytes. An answer can be a list of packages.
const LONGEST: usize = 1 << 20;

/// Runs the version commands of the stages `nodes`, except those that were already answered for the same
/// program files. The answers are stored for the plan.
///
/// # Errors
/// If a program cannot be read or changes meanwhile, or if a command fails, prints nothing, or prints too much.
pub fn ask_versions(graph: &Graph, store: &Store, nodes: &[NodeIndex]) -> Result<(), Error> {
    let mut asked = BTreeSet::new();
    let launcher = Local::default();
    for &node in nodes {
        let mut tools = graph.stages[node].stage.tools();
        tools.retain(|tool| tool.version.is_some() && asked.insert(format!("{tool:?}")));
        if tools.is_empty() {
            continue;
        }
        let invalid = |invalid: &Invalid| Error::Invalid(vec![graph.diagnose(node, invalid)]);
        for unknown in unknown_versions(store, &tools).map_err(|error| invalid(&error))? {
            let wrong = |why: String| {
                let error =
                    Invalid::new(format!("the version command of `{}` {why}", unknown.tool));
                invalid(&error.under(&unknown.tool).under("tools"))
            };
            let answer = ask(&unknown, store, &launcher).map_err(wrong)?;
            if !unknown.is_same(store).map_err(|error| invalid(&error))? {
                return Err(wrong(format!(
                    "ran while the program was changed; run again when `{}` no longer changes",
                    unknown.tool
                )));
            }
            tracing::debug!(unknown.tool, answer, "version");
            unknown.store_answer(store, &answer)?;
        }
    }
    Ok(())
}

fn ask(unknown: &UnknownVersion, store: &Store, launcher: &Local) -> Result<String, String> {
    let staging = store.staging().map_err(|error| error.to_string())?;
    let folder = staging.path().join("empty");
    fs::create_dir(&folder).map_err(|error| error.to_string())?;
    let log = staging.path().join("answer");
    let mut environment = BTreeMap::from([("LC_ALL".to_owned(), "C".to_owned())]);
    for name in ["PATH", "HOME"] {
        environment.extend(env::var(name).ok().map(|value| (name.to_owned(), value)));
    }
    let shell = ["/bin/sh", "-ec", &unknown.command];
    let program = Program {
        path: shell[0].into(),
        argv: shell.map(str::to_owned).into(),
        env: environment,
        folder,
        ..Program::default()
    };
    let limits = Limits {
        timeout: Some(PATIENCE),
        ..Limits::default()
    };
    let ending = launcher.run_program(&program, limits, &log, &|message| {
        tracing::warn!("`{}` {message}", unknown.command);
    });
    ending.result.map_err(|failure| match failure {
        // The log that the message names will be removed with the staging folder.
        Failure::Program(message) => match message.rsplit_once(WHOLE_LOG) {
            Some((message, _)) => format!("fails: {message}"),
            None => format!("fails: {message}"),
        },
        failure => format!("fails: {failure}"),
    })?;
    let said = staging.folder().file(Path::new("answer"));
    let said = said.and_then(|file| {
        let mut bytes = Vec::new();
        file.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    let said = said.map_err(|error| error.to_string())?;
    let answer = String::from_utf8_lossy(&said).trim().to_owned();
    if answer.is_empty() {
        return Err("prints nothing".to_owned());
    }
    if said.len() > LONGEST {
        return Err(format!("prints more than {} MiB", LONGEST >> 20));
    }
    Ok(answer)
}
