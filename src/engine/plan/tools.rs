//! Identifies the programs of this machine that a stage runs, for its fingerprint.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use contract::{Invalid, Source, Tool};

use super::source::{Seen, Sources};
use crate::keys::{Digest, ToolId};
use crate::store::{self, Store};

/// Returns the identity of a program and the hash of its file's stamps. `None` if it has no file.
pub(super) fn identify(
    tool: &Tool,
    sources: &mut Sources<'_>,
) -> Result<(ToolId, Option<Digest>), Invalid> {
    let Some(path) = &tool.path else {
        return Ok((ToolId::Missing, None));
    };
    let seen = content(path, sources)?;
    let id = match &tool.version {
        None => ToolId::Content(seen.digest),
        Some(command) => match sources.store().memo(&memo_path(&seen.digest, command)) {
            Some(answer) => ToolId::Version(answer),
            None => ToolId::Unknown,
        },
    };
    Ok((id, Some(seen.stamps)))
}

/// Returns the version commands of `tools` that have no stored answer for the present program files.
pub fn unasked(store: &Store, tools: &[Tool]) -> Result<Vec<Unasked>, Invalid> {
    let mut sources = Sources::new(store);
    let mut unasked = BTreeMap::new();
    for tool in tools {
        let (Some(path), Some(command)) = (&tool.path, &tool.version) else {
            continue;
        };
        let file = content(path, &mut sources)?.digest;
        let memo = memo_path(&file, command);
        if store.memo::<String>(&memo).is_none() {
            unasked.entry(memo.clone()).or_insert_with(|| Unasked {
                tool: tool.name.clone(),
                command: command.clone(),
                path: path.clone(),
                file,
                memo,
            });
        }
    }
    Ok(unasked.into_values().collect())
}

/// A version command without a stored answer.
#[derive(Clone, Debug)]
pub struct Unasked {
    pub tool: String,
    pub command: String,
    path: PathBuf,
    /// Digest of the file at `path` before the command runs.
    file: Digest,
    memo: PathBuf,
}

impl Unasked {
    /// Whether the program's file is still the one that was found.
    pub fn is_same(&self, store: &Store) -> Result<bool, Invalid> {
        let now = content(&self.path, &mut Sources::new(store))?;
        Ok(now.digest == self.file)
    }

    /// Stores the answer.
    pub fn answered(&self, store: &Store, answer: &str) -> Result<(), store::Error> {
        store.set_memo(&self.memo, &answer)
    }
}

/// Reads the content of the program at `path`.
fn content(path: &Path, sources: &mut Sources<'_>) -> Result<Seen, Invalid> {
    sources
        .see(&Source::new(Vec::new(), path))
        .map_err(|error| error.hint("its content is part of the stage's key: let `runner` read it"))
}

/// Returns the path of the memo with the answer to `command` of the program file with this digest.
fn memo_path(file: &Digest, command: &str) -> PathBuf {
    let asked = Digest::derive("runner version command v1", command.as_bytes());
    Path::new("sources")
        .join("tools")
        .join(format!("{file}-{asked}.json"))
}
