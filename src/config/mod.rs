//! Configuration files: what the common options are where nobody says otherwise.
//!
//! A user's own (`$XDG_CONFIG_HOME/runner/config.toml`, or `~/.config/runner/config.toml`) and a
//! project's (`.runner.toml` in the working directory, or above it up to the folder with `.git`).
//! What is typed goes before the environment, that before the project's file, that before the user's.
//! A file sets where and how runner works, never what comes out: no seeds, no vars.
//!
//! A project's file comes with the project, perhaps from a stranger: what it sets outside its folder needs the
//! user's consent ([`Trust`]).

mod file;
mod key;
mod trust;

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use contract::files;
use engine::spec::{Diagnostic, PROJECT_FILE, Place, is_project};

pub use self::key::Key;
pub use self::trust::Trust;

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
    untrusted: BTreeMap<Key, Setting>,
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
            match file::read(&path) {
                Ok(settings) => config.settings.extend(settings),
                Err(found) => errors.extend(found),
            }
        }
        if let Some(folder) = project_folder() {
            let path = folder.join(PROJECT_FILE);
            match file::read_project(&path, &folder) {
                Ok(settings) => config.add_project(settings, &folder, &mut errors),
                Err(found) => errors.extend(found),
            }
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

    /// The settings of the project's file that reach outside the project and that the user did not consent to.
    pub fn untrusted(&self) -> impl Iterator<Item = (Key, &Setting)> {
        self.untrusted.iter().map(|(key, setting)| (*key, setting))
    }

    /// Puts the settings of a project's file over the user's, but for those that need consent.
    fn add_project(
        &mut self,
        settings: BTreeMap<Key, Setting>,
        folder: &Path,
        errors: &mut Vec<Diagnostic>,
    ) {
        let trust = match Trust::read() {
            Ok(trust) => trust,
            Err(error) => return errors.push(error),
        };
        for (key, setting) in settings {
            let reaches = trust::reaches_outside(key, &setting.value, folder);
            if reaches && !trust.allows(folder, key, &setting.value) {
                self.untrusted.insert(key, setting);
            } else {
                self.settings.insert(key, setting);
            }
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
pub fn project_folder() -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    let mut seen_from_here = PathBuf::new();
    for folder in here.ancestors() {
        if is_project(folder) {
            let file = folder.join(PROJECT_FILE);
            return files::exists(&file)
                .unwrap_or(true)
                .then_some(seen_from_here);
        }
        seen_from_here.push("..");
    }
    None
}
