//! Configuration files: defaults for common options.
//!
//! There are two: the user's (`$XDG_CONFIG_HOME/runner/config.toml`, or `~/.config/runner/config.toml`) and
//! the project's (`.runner.toml` in the working directory, or above it up to the folder with `.git`).
//! An option's value comes from the first of these that sets it: arguments, the environment, the project's
//! file, the user's file. A file has no seeds, vars or parameters of stages. It can affect results only
//! through `profile`, `device` and `precision`.
//!
//! A project's file comes with the project, perhaps from a stranger. Settings that reach outside the
//! project's folder therefore need the user's consent ([`Trust`]).

mod file;
pub mod hosts;
mod key;
pub mod site;
mod trust;

use std::collections::BTreeMap;
use std::env;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use contract::{ShowPath, files};
use engine::launch::SshHost;
use engine::spec::{Diagnostic, PROJECT_FILE, Place, is_project};

use self::hosts::Hosts;
use self::site::Site;

pub use self::key::SettingKey;
pub use self::site::SiteSetting;
pub use self::trust::Trust;

/// A setting from a configuration file.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The value, as the option takes it.
    pub value: String,
    pub place: Place,
}

/// The merged settings of all configuration files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    settings: BTreeMap<SettingKey, Setting>,
    untrusted: BTreeMap<SettingKey, Setting>,
    site: Site,
    untrusted_site: Site,
    hosts: Hosts,
    untrusted_hosts: Hosts,
}

impl Config {
    /// Reads the user's file and the project's file, as far as they exist.
    ///
    /// # Errors
    /// Every error in the files, and a folder that cannot be checked for a project.
    pub fn load() -> Result<Self, Vec<Diagnostic>> {
        let mut config = Self::default();
        let mut errors = Vec::new();
        if let Some(path) = user_file() {
            match file::read(&path) {
                Ok(settings) => {
                    config.settings.extend(settings.options);
                    config.site.extend(settings.site);
                    config.hosts.extend(settings.hosts);
                }
                Err(found) => errors.extend(found),
            }
        }
        match project_folder() {
            Ok(None) => {}
            Ok(Some(folder)) => match file::read_project(&folder.join(PROJECT_FILE), &folder) {
                Ok(settings) => config.add_project(settings, &folder, &mut errors),
                Err(found) => errors.extend(found),
            },
            Err(error) => errors.push(error),
        }
        if errors.is_empty() {
            Ok(config)
        } else {
            Err(errors)
        }
    }

    pub fn get(&self, key: SettingKey) -> Option<&Setting> {
        self.settings.get(&key)
    }

    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }

    /// The settings of the project's file that reach outside the project and to which the user did not
    /// consent.
    pub fn untrusted(&self) -> impl Iterator<Item = (SettingKey, &Setting)> {
        self.untrusted.iter().map(|(key, setting)| (*key, setting))
    }

    /// Returns the settings of the site's Slurm, with defaults for those that no file sets.
    ///
    /// # Errors
    /// If the project's file sets some to which the user did not consent, or if values from two files do not fit
    /// together.
    pub fn slurm(&self) -> Result<slurm::Settings, Vec<Diagnostic>> {
        let untrusted = self.untrusted_site.iter();
        match without_consent(untrusted.map(|(key, setting)| (site::full_name(key), setting))) {
            Some(refused) => Err(refused),
            None => site::settings(&self.site),
        }
    }

    /// Returns the settings of the hosts that stages can run on over SSH.
    ///
    /// # Errors
    /// If the project's file sets some to which the user did not consent.
    pub fn ssh(&self) -> Result<BTreeMap<String, SshHost>, Vec<Diagnostic>> {
        let untrusted = self.untrusted_hosts.iter();
        let untrusted =
            untrusted.map(|((host, key), setting)| (hosts::full_name(host, key), setting));
        match without_consent(untrusted) {
            Some(refused) => Err(refused),
            None => Ok(hosts::settings(&self.hosts)),
        }
    }

    /// Returns the names of the hosts with settings.
    pub fn host_names(&self) -> impl Iterator<Item = &str> {
        hosts::names(&self.hosts).into_iter()
    }

    /// Returns a value of the table of a host, unless the project's file sets it without the user's consent.
    pub fn host(&self, host: &str, key: &'static str) -> Option<&SiteSetting> {
        self.hosts.get(&(host.to_owned(), key))
    }

    /// Returns a value of the table `[slurm]`, unless the project's file sets it without the user's consent.
    pub fn site(&self, key: &str) -> Option<&SiteSetting> {
        self.site.get(key)
    }

    /// The values of the project's tables `[slurm]` and `[ssh.HOST]` to which the user did not consent, with their full
    /// names.
    pub fn untrusted_places(&self) -> impl Iterator<Item = (String, &SiteSetting)> {
        let site = self.untrusted_site.iter();
        let site = site.map(|(key, setting)| (site::full_name(key), setting));
        let hosts = self.untrusted_hosts.iter();
        let hosts = hosts.map(|((host, key), setting)| (hosts::full_name(host, key), setting));
        site.chain(hosts)
    }

    /// Lets the settings of the project's file override the user's, except for those that lack consent.
    fn add_project(
        &mut self,
        settings: file::Settings,
        folder: &Path,
        errors: &mut Vec<Diagnostic>,
    ) {
        let trust = match Trust::read() {
            Ok(trust) => trust,
            Err(error) => return errors.push(error),
        };
        for (key, setting) in settings.site {
            match trust.allows_place(folder, &site::full_name(key), &setting) {
                true => self.site.insert(key, setting),
                false => self.untrusted_site.insert(key, setting),
            };
        }
        for ((host, key), setting) in settings.hosts {
            match trust.allows_place(folder, &hosts::full_name(&host, key), &setting) {
                true => self.hosts.insert((host, key), setting),
                false => self.untrusted_hosts.insert((host, key), setting),
            };
        }
        for (key, setting) in settings.options {
            if key == SettingKey::Notify {
                let message = "a project cannot set `notify`, which runs a command";
                let user = user_file().map(|path| format!("set it in `{}`", path.shown()));
                let hint = user.unwrap_or_else(|| "use `--notify`".to_owned());
                errors.push(Diagnostic::at(&setting.place, message).hint(hint));
                continue;
            }
            let reaches = trust::reaches_outside(key, &setting.value, folder);
            if reaches && !trust.allows(folder, key, &setting.value) {
                self.untrusted.insert(key, setting);
            } else {
                self.settings.insert(key, setting);
            }
        }
    }
}

/// Returns the errors about settings of places that lack the user's consent, if there are some.
fn without_consent<'a>(
    untrusted: impl Iterator<Item = (String, &'a SiteSetting)>,
) -> Option<Vec<Diagnostic>> {
    let refused: Vec<Diagnostic> = untrusted
        .map(|(name, setting)| {
            needs_consent(&name, &setting.text(), &setting.place)
                .hint("`runner config trust` allows it".to_owned())
        })
        .collect();
    (!refused.is_empty()).then_some(refused)
}

/// The error about a setting of a project that takes effect only with the user's consent.
pub fn needs_consent(name: &str, value: &str, place: &Place) -> Diagnostic {
    let message = format!(
        "the project sets `{name}` to `{value}`, which has effects outside its folder and needs your consent"
    );
    Diagnostic::at(place, message)
}

/// Path of the user's configuration file, whether or not it exists.
pub fn user_file() -> Option<PathBuf> {
    // The XDG specification says that a relative path in `XDG_CONFIG_HOME` is ignored.
    let folder = |variable| env::var_os(variable).map(PathBuf::from);
    let configs = folder("XDG_CONFIG_HOME").filter(|folder| folder.is_absolute());
    let configs = configs.or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(configs.join("runner").join("config.toml"))
}

/// The folder that contains the project's file, relative to the working directory: empty, `..`, `../..`.
/// `None` if there is no such file up to the first folder with `.git`, or if the search reaches a folder that
/// may not be entered.
///
/// # Errors
/// If a folder cannot be checked for another reason.
pub fn project_folder() -> Result<Option<PathBuf>, Diagnostic> {
    let Ok(here) = env::current_dir() else {
        return Ok(None);
    };
    let mut seen_from_here = PathBuf::new();
    for folder in here.ancestors() {
        let has_file = || files::exists(&folder.join(PROJECT_FILE));
        let found = is_project(folder).and_then(|is_one| Ok((is_one, is_one && has_file()?)));
        match found {
            Ok((true, has_file)) => return Ok(has_file.then_some(seen_from_here)),
            Ok((false, _)) => seen_from_here.push(".."),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(None),
            Err(error) => {
                let folder = folder.shown();
                return Err(Diagnostic::new(format!(
                    "failed to look for `{PROJECT_FILE}` and `.git` in `{folder}`: {error}"
                )));
            }
        }
    }
    Ok(None)
}
