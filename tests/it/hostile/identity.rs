//! The users that cases run as, and binaries that these users can run.

use std::fmt;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};

use contract::lock;
use rustix::process::getuid;
use tempfile::TempDir;

use crate::sandbox::{copy_program, list};

/// A user without an entry in `/etc/passwd`.
const STRANGER: u32 = 64_123;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Identity {
    Root,
    /// The user who runs the tests, if that is not root.
    Ourselves,
    /// A user that root switches to.
    Stranger,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::Ourselves => "a user",
            Self::Stranger => "a user without an entry in `/etc/passwd`",
        })
    }
}

impl Identity {
    /// Returns the user of this process.
    pub(super) fn own() -> Self {
        if getuid().is_root() {
            Self::Root
        } else {
            Self::Ourselves
        }
    }

    /// Returns all users that this process can become.
    pub(super) fn all() -> Vec<Self> {
        match Self::own() {
            Self::Root => vec![Self::Root, Self::Stranger],
            own => vec![own],
        }
    }

    /// Makes `command` run as this user.
    pub(super) fn assume(self, command: &mut Command) {
        if self == Self::Stranger {
            command.uid(STRANGER).gid(STRANGER);
        }
    }

    /// Makes this user the owner of a folder and its contents.
    pub(super) fn give_all(self, path: &Path) {
        if self == Self::Stranger {
            lchown(path, Some(STRANGER), Some(STRANGER)).unwrap();
            if path.is_dir() && !path.is_symlink() {
                for entry in list(path) {
                    self.give_all(&entry);
                }
            }
        }
    }
}

/// The binaries, at paths where the user of a case may run them.
pub(super) struct Tools {
    pub runner: PathBuf,
    pub hostile: PathBuf,
    /// Holds copies of the binaries; `None` if the built ones are used.
    _folder: Option<TempDir>,
}

impl Tools {
    pub(super) fn of(identity: Identity) -> Arc<Self> {
        if identity != Identity::Stranger {
            return Arc::new(Self::built());
        }
        // One set of copies for all cases, removed with the last case that uses it.
        static COPIES: Mutex<Weak<Tools>> = Mutex::new(Weak::new());
        let mut copies = lock(&COPIES);
        if let Some(copies) = copies.upgrade() {
            return copies;
        }
        let fresh = Arc::new(Self::built().copied());
        *copies = Arc::downgrade(&fresh);
        fresh
    }

    fn built() -> Self {
        let tests = std::env::current_exe().unwrap();
        let hostile = tests.with_file_name("../examples/hostile");
        assert!(
            hostile.is_file(),
            "`{}` does not exist; `cargo test -p runner` builds it",
            hostile.display()
        );
        Self {
            runner: PathBuf::from(env!("CARGO_BIN_EXE_runner")),
            hostile: hostile.canonicalize().unwrap(),
            _folder: None,
        }
    }

    fn copied(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        let copy = |tool: &Path, name: &str| {
            let copy = folder.path().join(name);
            copy_program(tool, &copy);
            copy
        };
        let runner = copy(&self.runner, "runner");
        let hostile = copy(&self.hostile, "hostile");
        let mut version = Command::new(&runner);
        version.arg("--version");
        Identity::Stranger.assume(&mut version);
        assert!(
            version
                .output()
                .is_ok_and(|version| version.status.success()),
            "other users cannot run `{}`; set `TMPDIR` to a folder that they can enter",
            runner.display()
        );
        Self {
            runner,
            hostile,
            _folder: Some(folder),
        }
    }
}
