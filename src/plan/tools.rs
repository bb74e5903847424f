//! Programs of this machine that a stage runs, and what each counts as in the fingerprint.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stages::contract::{Invalid, Source, Tool};

use super::source::Sources;
use crate::store::{self, Digest, Store};

/// What a program counts as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToolId {
    /// The digest of its file.
    Content(Digest),
    /// What its version command answered.
    Version(String),
    /// A version command was not asked yet; only `run` does.
    Unknown,
    /// There is no such program.
    Missing,
}

impl fmt::Display for ToolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(digest) => write!(f, "content {}", digest.short()),
            Self::Version(answer) => f.write_str(answer.lines().next().unwrap_or_default()),
            Self::Unknown => f.write_str("unknown until run"),
            Self::Missing => f.write_str("not found"),
        }
    }
}

/// What a program counts as, and the hash of its file's stamps; none where it has no file.
pub(super) fn identify(
    tool: &Tool,
    sources: &mut Sources<'_>,
) -> Result<(ToolId, Option<Digest>), Invalid> {
    let Some(path) = &tool.path else {
        return Ok((ToolId::Missing, None));
    };
    let seen = sources.see(&Source::new(Vec::new(), path))?;
    let id = match &tool.version {
        None => ToolId::Content(seen.digest),
        Some(command) => match sources.store().memo(&memo_path(&seen.digest, command)) {
            Some(answer) => ToolId::Version(answer),
            None => ToolId::Unknown,
        },
    };
    Ok((id, Some(seen.stamps)))
}

/// Version commands that were not asked yet of the files that `tools` lead to.
pub fn unasked(store: &Store, tools: &[Tool]) -> Result<Vec<Unasked>, Invalid> {
    let mut sources = Sources::new(store);
    let mut unasked = BTreeMap::new();
    for tool in tools {
        let (Some(path), Some(command)) = (&tool.path, &tool.version) else {
            continue;
        };
        let memo = memo_path(
            &sources.see(&Source::new(Vec::new(), path))?.digest,
            command,
        );
        if store.memo::<String>(&memo).is_none() {
            unasked.entry(memo.clone()).or_insert_with(|| Unasked {
                tool: tool.name.clone(),
                command: command.clone(),
                memo,
            });
        }
    }
    Ok(unasked.into_values().collect())
}

/// A version command whose answer is not known.
#[derive(Clone, Debug)]
pub struct Unasked {
    pub tool: String,
    pub command: String,
    memo: PathBuf,
}

impl Unasked {
    /// Keeps the answer for the file that was to be asked about.
    pub fn answered(&self, store: &Store, answer: &str) -> Result<(), store::Error> {
        store.set_memo(&self.memo, &answer)
    }
}

/// Where the answer to `command` is, of the program whose file has this digest.
fn memo_path(file: &Digest, command: &str) -> PathBuf {
    let asked = Digest::derive("runner version command v1", command.as_bytes());
    Path::new("sources")
        .join("tools")
        .join(format!("{}-{}.json", file.short(), asked.short()))
}
