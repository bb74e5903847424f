//! Options for a shared cache.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use contract::{ShowPath, files};
use engine::error::Error;
use remote::keys::{PublicKey, read_private};
use remote::{Address, Mode, Remote, Settings, SharedCache};
use store::Store;

use crate::config::user_file;

/// Largest file of public keys that is read, in bytes.
const MOST_KEYS: u64 = 1 << 20;

/// Name of the file with the private key, in the user's folder.
const KEY_FILE: &str = "key";

/// A shared cache, and how it is used.
#[derive(Clone, Debug, Args)]
pub(super) struct RemoteArgs {
    /// Shared cache: s3://bucket/prefix, file:///folder or https://host/path
    #[arg(
        long,
        value_name = "URL",
        env = "RUNNER_REMOTE",
        hide_env_values = true
    )]
    remote: Option<String>,
    /// Direction in which results are shared: read, write, read-write
    #[arg(
        long,
        value_name = "MODE",
        env = "RUNNER_REMOTE_MODE",
        default_value = "read-write"
    )]
    remote_mode: String,
    /// File with public keys, one per line: only results that one of them has signed are used
    #[arg(long, value_name = "FILE", env = "RUNNER_REMOTE_KEYS")]
    remote_keys: Option<PathBuf>,
}

impl RemoteArgs {
    /// Attaches the shared cache to a store, if there is one.
    pub(super) fn attach(&self, store: &mut Store) -> Result<(), Error> {
        if let Some(remote) = self.open(store)? {
            let source = Store::open(store.root()).map_err(Error::Store)?;
            store.attach(Arc::new(SharedCache::new(Arc::new(remote), source)));
        }
        Ok(())
    }

    /// Opens the shared cache, without a connection. `None` if there is none.
    pub(super) fn open(&self, store: &Store) -> Result<Option<Remote>, Error> {
        // Errors never repeat the URL, which may contain a password by mistake.
        let Some(url) = &self.remote else {
            return Ok(None);
        };
        let address: Address = url
            .parse()
            .map_err(|error| Error::Usage(format!("`--remote`: {error}")))?;
        let mode: Mode = self
            .remote_mode
            .parse()
            .map_err(|error| Error::Usage(format!("`--remote-mode`: {error}")))?;
        let mut settings = Settings::new(address, mode, store.remotes_folder());
        settings.accepted = self.accepted()?;
        settings.signing = match key_file().filter(|file| files::exists(file).unwrap_or(true)) {
            Some(file) => Some(read_private(&file).map_err(|e| Error::Usage(e.to_string()))?),
            None => None,
        };
        Remote::open(settings)
            .map(Some)
            .map_err(|error| Error::Usage(error.to_string()))
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
        keys.collect::<Result<_, _>>().map(Some)
    }
}

/// Path of the user's private key, whether or not it exists.
pub(super) fn key_file() -> Option<PathBuf> {
    Some(user_file()?.with_file_name(KEY_FILE))
}
