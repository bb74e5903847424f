//! Errors of the store.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use contract::ShowPath;

use crate::keys::Digest;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused an operation on a file.
    #[error("failed to {what} `{}`: {source}", path.shown())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// An output holds something that cannot be stored.
    #[error("cannot store `{}`: {why}", path.shown())]
    Unstorable { path: PathBuf, why: &'static str },
    /// A tree is missing or damaged. A damaged one was set aside.
    #[error("tree `{}` {}", digest.short(), lost(*damaged))]
    Tree { digest: Digest, damaged: bool },
    /// A blob is missing or damaged. A damaged one was set aside.
    #[error("artifact file `{name}` (blob `{}`) {}", digest.short(), lost(*damaged))]
    Blob {
        name: String,
        digest: Digest,
        damaged: bool,
    },
    /// A file that a living process wrote cannot be read, so it is unknown what the process needs.
    #[error("`{}` cannot be read; try again when no run is in progress", path.shown())]
    Unreadable { path: PathBuf },
    /// The wait for other users of the store took too long.
    #[error("the store is in use")]
    Busy,
    /// A value has no JSON form, which is a bug in runner.
    #[error("internal error: failed to serialize {what}: {source}")]
    Serialize {
        what: &'static str,
        source: serde_json::Error,
    },
}

impl Error {
    /// Converts an I/O error for `map_err`, as `failed to <what> <path>: <cause>`.
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            what,
            path: path.to_owned(),
            source: explained(path, source),
        }
    }
}

/// Adds to an error what is wrong with the path, if that can be seen: a missing folder, a file in place of a folder, or
/// a folder of another user.
pub fn explained(path: &Path, error: io::Error) -> io::Error {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => nearest(path)
            .filter(|(_, found)| found.uid() != rustix::process::geteuid().as_raw())
            .map(|(path, _)| {
                format!(
                    "`{}` belongs to another user; users can share a store if its folders have the \
                     set-group-ID bit and all users have the umask 002",
                    path.shown()
                )
            }),
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => nearest(path)
            .filter(|(_, found)| !found.is_dir())
            .map(|(path, _)| format!("`{}` is not a folder", path.shown())),
        io::ErrorKind::NotFound => path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty() && fs::metadata(parent).is_err())
            .map(|parent| format!("the folder `{}` does not exist", parent.shown())),
        _ => None,
    };
    match hint {
        Some(hint) => io::Error::new(error.kind(), format!("{error}; {hint}")),
        None => error,
    }
}

/// Returns the longest part of a path that exists, with its metadata.
fn nearest(path: &Path) -> Option<(&Path, fs::Metadata)> {
    let mut paths = path
        .ancestors()
        .map(|path| match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        });
    paths.find_map(|path| Some((path, fs::symlink_metadata(path).ok()?)))
}

fn lost(damaged: bool) -> &'static str {
    if damaged {
        "is damaged and was set aside; run again to recreate it"
    } else {
        "is missing; run again to recreate it"
    }
}
