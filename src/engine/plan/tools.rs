//! Identifies the programs of this machine that a stage runs, for its fingerprint.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use contract::{Invalid, Source, Tool};

use super::source::{ReadSource, Sources};
use store::keys::{Digest, ToolId};
use store::{Memo, Store};

/// Returns the identity of a program and the hash of its file's stamps. The hash is `None` if the program does not
/// exist.
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
        Some(command) => match sources
            .store()
            .memo(Memo::Version(&seen.digest, &digest(command)))
        {
            Some(answer) => ToolId::Version(answer),
            None => ToolId::Unknown,
        },
    };
    Ok((id, Some(seen.stamps)))
}

/// Returns the version commands of `tools` that have no stored answer for the present program files.
pub fn unknown_versions(store: &Store, tools: &[Tool]) -> Result<Vec<UnknownVersion>, Invalid> {
    let mut sources = Sources::new(store);
    let mut unknown = BTreeMap::new();
    for tool in tools {
        let (Some(path), Some(command)) = (&tool.path, &tool.version) else {
            continue;
        };
        let file = content(path, &mut sources)?.digest;
        let asked = digest(command);
        if store.memo::<String>(Memo::Version(&file, &asked)).is_none() {
            unknown
                .entry((file.to_string(), asked.to_string()))
                .or_insert_with(|| UnknownVersion {
                    tool: tool.name.clone(),
                    command: command.clone(),
                    path: path.clone(),
                    file,
                });
        }
    }
    Ok(unknown.into_values().collect())
}

/// A version command without a stored answer.
#[derive(Clone, Debug)]
pub struct UnknownVersion {
    pub tool: String,
    pub command: String,
    path: PathBuf,
    /// Digest of the file at `path` before the command runs.
    file: Digest,
}

impl UnknownVersion {
    /// Returns whether the program's file still has the content that it had before the command ran.
    pub fn is_same(&self, store: &Store) -> Result<bool, Invalid> {
        let now = content(&self.path, &mut Sources::new(store))?;
        Ok(now.digest == self.file)
    }

    pub fn store_answer(&self, store: &Store, answer: &str) -> Result<(), store::Error> {
        store.set_memo(Memo::Version(&self.file, &digest(&self.command)), &answer)
    }
}

/// Reads the content of the program at `path`.
fn content(path: &Path, sources: &mut Sources<'_>) -> Result<ReadSource, Invalid> {
    sources
        .read(&Source::new(Vec::new(), path))
        .map_err(|error| {
            error.hint("make the program readable, because its content is part of the stage's key")
        })
}

/// Returns the digest of a version command. It is part of the name under which the answer is stored.
fn digest(command: &str) -> Digest {
    Digest::derive("runner version command v1", command.as_bytes())
}
