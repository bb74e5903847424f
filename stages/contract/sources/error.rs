//! Errors about the files of a source.

use std::io;
use std::path::Path;

use crate::{Invalid, ShowPath};

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Invalid {
    let cause = match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        _ => error.to_string(),
    };
    Invalid::new(format!("failed to read `{}`: {cause}", path.shown()))
}

pub(super) fn no_file(path: &Path) -> Invalid {
    Invalid::new(format!("`{}` is neither a file nor a folder", path.shown()))
}
