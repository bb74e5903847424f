//! [`StoreFolder`]: the folder of a store, as `runner doctor` shows it.

use std::fs::Metadata;
use std::path::Path;

use contract::files;
use serde::{Deserialize, Serialize};
use store::{FORMAT, probe};

use super::Machine;

/// Folder of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreFolder {
    pub folder: String,
    pub is_there: bool,
    /// Bytes that are available in its file system.
    pub free_bytes: Option<u64>,
    pub why_not_writable: Option<String>,
    /// `true` if files can be linked; `None` if no files can be written.
    pub links: Option<bool>,
}

impl StoreFolder {
    /// Tries to write in a folder, without creating a store. Also returns the resources of this machine.
    pub fn probe(folder: &Path) -> (Self, Machine) {
        let probe = probe(folder);
        let machine = Machine::current(&probe.folder);
        let (links, why_not_writable) = match probe.links {
            Ok(links) => (Some(links), None),
            Err(why) => (None, Some(why.to_string())),
        };
        let found = Self {
            folder: folder.to_string_lossy().into_owned(),
            is_there: files::leads_to(&folder.join(FORMAT), Metadata::is_dir).unwrap_or(false),
            free_bytes: machine.disk,
            why_not_writable,
            links,
        };
        (found, machine)
    }
}
