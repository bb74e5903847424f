//! The user's consent to settings of a project that reach outside its folder.
//!
//! | setting of a project's `.runner.toml` | needs consent |
//! | --- | --- |
//! | `artifacts`, a folder inside the project | no |
//! | `artifacts`, a folder outside, also through a link | yes: runs write and read results there |
//! | those of the table `remote` | yes: runs read results there, and write them |
//! | those of the table `slurm` | yes: they contain commands that run on a cluster |
//! | those of the tables `ssh` | yes: they name programs and folders on other machines |
//! | `executor`, unless it is `local` | yes: stages run on other machines, in the user's name |
//! | `notify` | not possible: it would run a command of the project's author, so only the user's file may set it |
//! | all others | no: they only control how stages run, or are part of the key |
//!
//! Consent applies to one value in one project. It is stored in the user's folder, so no project can grant
//! it to itself.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use contract::{ShowPath, files};
use engine::atomic_file::{self, Flush};
use engine::spec::Diagnostic;
use serde::{Deserialize, Serialize};

use super::{SettingKey, SiteSetting, user_file};

/// Largest file of consents that is read, in bytes.
const MOST_BYTES: u64 = 16 << 20;

/// Values of settings that the user consented to, by the project's folder.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Trust(BTreeMap<PathBuf, BTreeMap<String, String>>);

impl Trust {
    /// Path of the file of consents, next to the user's configuration.
    pub fn file() -> Option<PathBuf> {
        Some(user_file()?.with_file_name("trusted.json"))
    }

    /// Reads the consents. If the file does not exist, there are none.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged.
    pub fn read() -> Result<Self, Diagnostic> {
        let Some(file) = Self::file() else {
            return Ok(Self::default());
        };
        let failed = |why: String| {
            Diagnostic::new(format!("failed to read `{}`: {why}", file.shown()))
                .hint("remove the file, then consent again with `runner config trust`".to_owned())
        };
        match files::read(&file, MOST_BYTES) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Returns whether the user consented to this value of a setting of the project in `folder`.
    pub fn allows(&self, folder: &Path, key: SettingKey, value: &str) -> bool {
        let settings = self.0.get(&resolved(folder));
        let trusted = settings.and_then(|settings| settings.get(key.name()));
        trusted.is_some_and(|trusted| *trusted == lasting(key, value))
    }

    pub fn add(&mut self, folder: &Path, key: SettingKey, value: &str) {
        let settings = self.0.entry(resolved(folder)).or_default();
        settings.insert(key.name().to_owned(), lasting(key, value));
    }

    /// Returns whether the user consented to this value of a setting of a place where stages run. `name` is its full
    /// name, with that of its table.
    pub(super) fn allows_place(&self, folder: &Path, name: &str, setting: &SiteSetting) -> bool {
        let settings = self.0.get(&resolved(folder));
        let trusted = settings.and_then(|settings| settings.get(name));
        trusted.is_some_and(|trusted| *trusted == setting.text())
    }

    pub fn add_place(&mut self, folder: &Path, name: &str, setting: &SiteSetting) {
        let settings = self.0.entry(resolved(folder)).or_default();
        settings.insert(name.to_owned(), setting.text());
    }

    /// Removes all consents for a project, and returns whether there were any.
    pub fn revoke(&mut self, folder: &Path) -> bool {
        self.0.remove(&resolved(folder)).is_some()
    }

    /// Writes the consents to `file`.
    ///
    /// # Errors
    /// If writing fails. The file is then unchanged.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let bytes = serde_json::to_vec_pretty(self)?;
        atomic_file::write(file, ".trust-", Flush::BeforeRename, |to| {
            to.write_all(&bytes)
        })
    }
}

/// The value of a setting in a form that does not depend on the working directory.
fn lasting(key: SettingKey, value: &str) -> String {
    match key {
        SettingKey::Artifacts | SettingKey::RemoteKeys => {
            resolved(Path::new(value)).to_string_lossy().into_owned()
        }
        _ => value.to_owned(),
    }
}

/// Returns whether a setting of the project in `folder` has effects outside that folder.
pub(super) fn reaches_outside(key: SettingKey, value: &str, folder: &Path) -> bool {
    match key {
        SettingKey::Artifacts => !resolved(Path::new(value)).starts_with(resolved(folder)),
        SettingKey::Executor => value != "local",
        SettingKey::Match
        | SettingKey::Jobs
        | SettingKey::Memory
        | SettingKey::Profile
        | SettingKey::Device
        | SettingKey::Precision
        | SettingKey::KeepGoing
        | SettingKey::Timeout
        | SettingKey::Retries => false,
        // `Config` refuses it in a project's file.
        SettingKey::Notify => true,
        SettingKey::RemoteUrl | SettingKey::RemoteMode | SettingKey::RemoteKeys => true,
    }
}

/// The absolute path with links and `..` resolved, as far as the path exists.
fn resolved(path: &Path) -> PathBuf {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut missing = Vec::new();
    let mut there = absolute.as_path();
    loop {
        if let Ok(known) = fs::canonicalize(there) {
            let rest = missing.iter().rev();
            return rest.fold(known, |path: PathBuf, name| match *name {
                std::path::Component::ParentDir => path.parent().unwrap_or(&path).to_owned(),
                name => path.join(name),
            });
        }
        match (there.components().next_back(), there.parent()) {
            (Some(name), Some(parent)) => {
                missing.push(name);
                there = parent;
            }
            _ => return absolute,
        }
    }
}
