//! Options for a shared cache.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use contract::{ShowPath, files};
use engine::error::Error;
use remote::keys::{PublicKey, read_private};
use remote::{Address, Mode, Remote, Settings, SharedCache};
use store::Store;

use super::command_line::variable;
use crate::config::{Config, SettingKey, user_file};

/// Value of `--remote` that turns a configured shared cache off.
const NONE: &str = "none";

/// Value of `--remote` if it was typed without one: the configured shared cache.
const CONFIGURED: &str = "configured";

/// Largest file of public keys that is read, in bytes.
const MOST_KEYS: u64 = 1 << 20;

/// Name of the file with the private key, in the user's folder.
const KEY_FILE: &str = "key";

/// A shared cache, and how it is used.
#[derive(Clone, Debug, Args)]
pub(super) struct RemoteArgs {
    // Must come first: clap removes values from its matches when it reads them.
    #[command(flatten)]
    is_typed: IsTyped,
    /// Shared cache: s3://bucket/prefix, file:///folder, https://host/path, or none
    #[arg(
        long = "remote",
        id = "remote.url",
        value_name = "URL",
        env = "RUNNER_REMOTE",
        hide_env_values = true,
        num_args = 0..=1,
        default_missing_value = CONFIGURED
    )]
    remote: Option<String>,
    /// Direction in which results are shared: read, write, read-write
    #[arg(
        long = "remote-mode",
        id = "remote.mode",
        value_name = "MODE",
        env = "RUNNER_REMOTE_MODE",
        default_value = "read-write"
    )]
    remote_mode: String,
    /// File with public keys, one per line: only results that one of them has signed are used
    #[arg(
        long = "remote-keys",
        id = "remote.keys",
        value_name = "FILE",
        env = "RUNNER_REMOTE_KEYS"
    )]
    remote_keys: Option<PathBuf>,
}

/// `true` if `--remote` was typed.
#[derive(Clone, Copy, Debug)]
struct IsTyped(bool);

impl FromArgMatches for IsTyped {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let source = matches.value_source(SettingKey::RemoteUrl.name());
        Ok(Self(source == Some(ValueSource::CommandLine)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// `IsTyped` has no arguments of its own.
impl Args for IsTyped {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl RemoteArgs {
    /// Returns whether `--remote` was typed, with or without a URL, but not with `none`.
    pub(super) fn is_typed(&self) -> bool {
        self.is_typed.0 && self.remote.as_deref() != Some(NONE)
    }

    /// Attaches the shared cache to a store, and returns it. `None` if there is none.
    pub(super) fn attach(&self, store: &mut Store) -> Result<Option<Arc<Remote>>, Error> {
        let Some(remote) = self.open(store)?.map(Arc::new) else {
            return Ok(None);
        };
        let source = Store::open(store.root()).map_err(Error::Store)?;
        store.attach(Arc::new(SharedCache::new(Arc::clone(&remote), source)));
        Ok(Some(remote))
    }

    /// Opens the shared cache, without a connection. `None` if there is none.
    pub(super) fn open(&self, store: &Store) -> Result<Option<Remote>, Error> {
        self.open_in(&store.remotes_folder())
    }

    /// Like [`RemoteArgs::open`]. `memory` is the folder in which this machine remembers answers and uploads.
    pub(super) fn open_in(&self, memory: &Path) -> Result<Option<Remote>, Error> {
        let Some(url) = self.url()? else {
            return Ok(None);
        };
        // Errors never repeat the URL, which may contain a password by mistake.
        let address: Address = url
            .parse()
            .map_err(|error| Error::Usage(format!("`--remote`: {error}")))?;
        let mode: Mode = self
            .remote_mode
            .parse()
            .map_err(|error| Error::Usage(format!("`--remote-mode`: {error}")))?;
        let mut settings = Settings::new(address, mode, memory.to_owned());
        settings.accepted = self.accepted()?;
        settings.signing = match key_file().filter(|file| files::exists(file).unwrap_or(true)) {
            Some(file) if mode.writes() => {
                Some(read_private(&file).map_err(|e| Error::Usage(e.to_string()))?)
            }
            _ => None,
        };
        Remote::open(settings)
            .map(Some)
            .map_err(|error| Error::Usage(format!("`--remote`: {error}")))
    }

    /// Returns the URL. Without a value, `--remote` means the one of the environment or of a configuration file.
    fn url(&self) -> Result<Option<String>, Error> {
        let url = match self.remote.as_deref() {
            Some(CONFIGURED) => match std::env::var(variable(&SettingKey::RemoteUrl.option())) {
                Ok(url) => Some(url),
                Err(_) => {
                    let config = Config::load().map_err(Error::Invalid)?;
                    let setting = config.get(SettingKey::RemoteUrl);
                    setting.map(|setting| setting.value.clone())
                }
            },
            url => url.map(str::to_owned),
        };
        let url = url.filter(|url| !url.is_empty() && url != NONE);
        match self.is_typed() && url.is_none() && self.remote.as_deref() == Some(CONFIGURED) {
            true => Err(none_set()),
            false => Ok(url),
        }
    }

    /// Returns the keys of which one must have signed a result. `None` accepts every result.
    fn accepted(&self) -> Result<Option<Vec<PublicKey>>, Error> {
        let Some(file) = &self.remote_keys else {
            return Ok(None);
        };
        let text = files::read_text(file, MOST_KEYS).map_err(Error::io("read", file))?;
        let lines = text.lines().enumerate();
        let keys = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let keys = keys.map(|(index, line)| {
            line.parse()
                .map_err(|error| Error::Usage(format!("{}:{}: {error}", file.shown(), index + 1)))
        });
        let keys: Vec<PublicKey> = keys.collect::<Result<_, _>>()?;
        match keys.is_empty() {
            true => Err(Error::Usage(format!(
                "`{}` has no keys, so no result would be used; add the line that `runner keys show` prints",
                file.shown()
            ))),
            false => Ok(Some(keys)),
        }
    }
}

/// Path of the user's private key, whether or not it exists.
pub(super) fn key_file() -> Option<PathBuf> {
    Some(user_file()?.with_file_name(KEY_FILE))
}

/// The error if a command needs a shared cache and there is none.
pub(super) fn none_set() -> Error {
    Error::Usage(
        "no shared cache is set; use `--remote URL`, or set `url` in the table `[remote]` of a configuration file"
            .to_owned(),
    )
}
