//! Errors about the files of a source.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Invalid, ShowPath};

/// An entry of a source that cannot be used.
#[derive(Debug)]
pub struct Broken {
    pub path: PathBuf,
    pub(super) why: Why,
}

/// Reason why an entry cannot be used.
#[derive(Debug)]
pub(super) enum Why {
    /// It cannot be examined or listed. For a link, that is what it leads to.
    Unreadable(io::Error),
    /// It is a FIFO, a socket or a device.
    Special,
    /// It is a link to a folder that contains it.
    Cycle,
}

const SPECIAL: &str = "is neither a file nor a folder";

const CYCLE: &str = "is a link to a folder that contains it";

impl Broken {
    /// Returns the reason. It continues a sentence that begins with the path.
    pub fn reason(&self) -> String {
        match &self.why {
            Why::Unreadable(error) if error.kind() == io::ErrorKind::NotFound => {
                "is a link to a file or folder that does not exist".to_owned()
            }
            Why::Unreadable(error) => format!("cannot be read: {error}"),
            Why::Special => SPECIAL.to_owned(),
            Why::Cycle => CYCLE.to_owned(),
        }
    }

    /// Returns the error for a source that may have no such entry.
    pub(super) fn invalid(&self) -> Invalid {
        let shown = self.path.shown();
        match &self.why {
            Why::Unreadable(error) => unreadable(&self.path, error),
            Why::Special => Invalid::new(format!("`{shown}` {SPECIAL}")),
            Why::Cycle => Invalid::new(format!("`{shown}` {CYCLE}")),
        }
    }
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Invalid {
    let cause = match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        _ => error.to_string(),
    };
    Invalid::new(format!("failed to read `{}`: {cause}", path.shown()))
}
