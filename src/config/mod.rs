//! Configuration files: what the common options are where nobody says otherwise.
//!
//! A user's own (`$XDG_CONFIG_HOME/runner/config.toml`, or `~/.config/runner/config.toml`) and a
//! project's (`.runner.toml` in the working directory, or above it up to the folder with `.git`).
//! What is typed goes before the environment, that before the project's file, that before the user's.
//! A file sets where and how runner works, never what comes out: no seeds, no vars.

mod file;
mod key;

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

pub use self::key::Key;
use crate::spec::{Diagnostic, Place};

/// A project's file.
const PROJECT: &str = ".runner.toml";

/// One line of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// As the option takes it.
    pub value: String,
    pub place: Place,
}

/// What the files come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    settings: BTreeMap<Key, Setting>,
}

impl Config {
    /// Reads the files that there are for this process.
    ///
    /// # Errors
    /// Everything that is wrong in them.
    pub fn load() -> Result<Self, Vec<Diagnostic>> {
        let mut config = Self::default();
        let mut errors = Vec::new();
        if let Some(path) = user_file() {
            config.add(file::read(&path, None), &mut errors);
        }
        if let Some(folder) = project_folder() {
            let path = folder.join(PROJECT);
            config.add(file::read(&path, Some(&folder)), &mut errors);
        }
        if errors.is_empty() {
            Ok(config)
        } else {
            Err(errors)
        }
    }

    pub fn get(&self, key: Key) -> Option<&Setting> {
        self.settings.get(&key)
    }

    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }

    /// Puts the settings of a file over those there are.
    fn add(
        &mut self,
        read: Result<BTreeMap<Key, Setting>, Vec<Diagnostic>>,
        errors: &mut Vec<Diagnostic>,
    ) {
        match read {
            Ok(settings) => self.settings.extend(settings),
            Err(found) => errors.extend(found),
        }
    }
}

/// Where a user's file is looked for.
pub fn user_file() -> Option<PathBuf> {
    // A relative path there is to be ignored, says the specification.
    let folder = |variable| env::var_os(variable).map(PathBuf::from);
    let configs = folder("XDG_CONFIG_HOME").filter(|folder| folder.is_absolute());
    let configs = configs.or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(configs.join("runner").join("config.toml"))
}

/// The folder with the project's file, from here: empty, `..`, `../..`.
fn project_folder() -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    let mut seen_from_here = PathBuf::new();
    for folder in here.ancestors() {
        if there_is(&folder.join(PROJECT)) {
            return Some(seen_from_here);
        }
        if there_is(&folder.join(".git")) {
            return None;
        }
        seen_from_here.push("..");
    }
    None
}

fn there_is(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
