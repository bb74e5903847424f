//! `runner runs logs`: prints the output of stages.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use contract::ShowPath;
use engine::error::Error;
use engine::executor::{failed_outputs_folder, log_file};
use engine::run::recorded::Recorded;
use engine::spec::suggest;
use serde_json::{Value, json};
use store::{Found, read_file};

use crate::cli::run_filter::RunFilter;
use crate::cli::unwritten;
use crate::report::{Console, Verbosity};

/// Print the output that the stages of a run wrote
#[derive(Debug, Args)]
pub(super) struct Logs {
    /// Run: an id, the beginning of an id, `latest`, or `latest~N` for the Nth run before the latest
    #[arg(value_name = "RUN", default_value = "latest")]
    run: String,
    /// Stage: `cnn` for all of its instances, or `cnn[model1]` [default: all]
    #[arg(value_name = "STAGE")]
    stage: Option<String>,
    #[command(flatten)]
    filter: RunFilter,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Print the bytes unchanged, including colors and other control characters
    #[arg(long, conflicts_with = "json")]
    raw: bool,
}

impl Logs {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let store = self.filter.store.existing()?;
        let run = self.filter.find(&store, &self.run, console)?;
        let names = self.names(&run)?;
        let mut logs = Vec::new();
        let mut files = Vec::new();
        for &name in &names {
            files.push((name.to_owned(), log_file(&run.folder, name)));
            // Outputs of a failed stage may have been kept.
            let folder = failed_outputs_folder(&run.folder, name);
            let kept = regular_files(&folder).map_err(Error::io("read", &folder))?;
            files.extend(kept.into_iter().map(|path| {
                let shown = path.strip_prefix(&folder).unwrap_or(&path);
                (format!("{name}: {}", shown.shown()), path)
            }));
        }
        let is_one = files.len() == 1;
        for (name, path) in files {
            match read_file(&path).map_err(Error::io("read", &path))? {
                Found::Bytes(bytes) => logs.push((name, bytes)),
                // A stage that writes nothing leaves no file.
                Found::Missing => {}
                Found::Foreign => {
                    let message = format!("`{}` is not a regular file", path.shown());
                    return Err(Error::Damaged(message));
                }
            }
        }
        if self.json {
            let logs = logs.iter().map(
                |(name, bytes)| json!({ "stage": name, "text": String::from_utf8_lossy(bytes) }),
            );
            let object = json!({ "run": run.report.run, "logs": logs.collect::<Vec<Value>>() });
            return console.result(&object.to_string()).map_err(unwritten);
        }
        if logs.is_empty() && console.verbosity > Verbosity::Quiet {
            let id = &run.report.run;
            let only = match names[..] {
                [name] => run.stages.iter().find(|stage| stage.planned.name == name),
                _ => None,
            };
            console.message(&match (&self.stage, only) {
                (Some(_), Some(stage)) if !stage.started => format!(
                    "`{}` did not run in run `{id}`: {}",
                    stage.planned.name,
                    stage.status(run.report.state)
                ),
                (Some(stage), _) => format!("`{stage}` wrote nothing in run `{id}`"),
                (None, _) => format!("no stage wrote anything in run `{id}`"),
            });
        }
        for (index, (name, bytes)) in logs.iter().enumerate() {
            // A single log has no header.
            let head = match (is_one, index) {
                (true, _) => String::new(),
                (_, 0) => format!("==> {name} <==\n"),
                _ => format!("\n==> {name} <==\n"),
            };
            let printed = if self.raw {
                console.raw(&[head.as_bytes(), bytes].concat())
            } else {
                console.result(&format!("{head}{}", readable(bytes)))
            };
            printed.map_err(unwritten)?;
        }
        Ok(())
    }

    /// The instances that the arguments select, in the run's order.
    fn names<'a>(&self, run: &'a Recorded) -> Result<Vec<&'a str>, Error> {
        let stages = || run.stages.iter().map(|stage| &stage.planned);
        let Some(wanted) = &self.stage else {
            return Ok(stages().map(|stage| stage.name.as_str()).collect());
        };
        let found: Vec<&str> = stages()
            .filter(|stage| stage.name == *wanted || stage.stage == *wanted)
            .map(|stage| stage.name.as_str())
            .collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let known = stages().map(|stage| match wanted.contains('[') {
            true => stage.name.as_str(),
            false => stage.stage.as_str(),
        });
        let hint = suggest::hint("stages", wanted, known);
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        let id = &run.report.run;
        Err(Error::Usage(format!(
            "run `{id}` has no stage `{wanted}`{hint}"
        )))
    }
}

/// Removes colors from a log, and puts every state of a progress bar on its own line.
fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = console::strip_ansi_codes(&text);
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// The regular files below a folder, sorted; empty if the folder does not exist.
fn regular_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}
