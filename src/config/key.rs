//! The settings that a configuration file can have, and how their values are read.

use std::path::Path;

use contract::Precision;
use engine::devices::DeviceChoice;
use engine::spec::{Executor, parse_bytes, parse_duration};
use toml::de::DeValue;

/// A setting of a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SettingKey {
    Artifacts,
    Match,
    Jobs,
    Memory,
    Profile,
    Device,
    Precision,
    Executor,
    KeepGoing,
    Timeout,
    Retries,
    Notify,
    RemoteUrl,
    RemoteMode,
    RemoteKeys,
}

impl SettingKey {
    pub const ALL: [Self; 15] = [
        Self::Artifacts,
        Self::Match,
        Self::Jobs,
        Self::Memory,
        Self::Profile,
        Self::Device,
        Self::Precision,
        Self::Executor,
        Self::KeepGoing,
        Self::Timeout,
        Self::Retries,
        Self::Notify,
        Self::RemoteUrl,
        Self::RemoteMode,
        Self::RemoteKeys,
    ];

    /// The key in a file, with its table: `jobs`, `remote.url`. It is also the id of the option whose default it sets.
    pub fn name(self) -> &'static str {
        match self {
            Self::Artifacts => "artifacts",
            Self::Match => "match",
            Self::Jobs => "jobs",
            Self::Memory => "memory",
            Self::Profile => "profile",
            Self::Device => "device",
            Self::Precision => "precision",
            Self::Executor => "executor",
            Self::KeepGoing => "keep_going",
            Self::Timeout => "timeout",
            Self::Retries => "retries",
            Self::Notify => "notify",
            Self::RemoteUrl => "remote.url",
            Self::RemoteMode => "remote.mode",
            Self::RemoteKeys => "remote.keys",
        }
    }

    /// The option whose default it sets, without the dashes: `keep-going`, `remote-mode`.
    pub fn option(self) -> String {
        match self {
            Self::RemoteUrl => "remote".to_owned(),
            _ => self.name().replace(['_', '.'], "-"),
        }
    }

    /// `true` for the settings of the shared cache.
    pub fn is_remote(self) -> bool {
        matches!(self, Self::RemoteUrl | Self::RemoteMode | Self::RemoteKeys)
    }

    /// Returns the keys of a table, such as `url` of `remote`, without the table's name.
    pub(super) fn of_table(table: &str) -> Vec<&'static str> {
        let keys = Self::ALL.map(Self::name);
        let inside = |key: &'static str| key.strip_prefix(table)?.strip_prefix('.');
        keys.into_iter().filter_map(inside).collect()
    }

    /// The built-in default, as shown to the user.
    pub fn default_text(self) -> &'static str {
        match self {
            Self::Artifacts => "artifacts",
            Self::Match => "same",
            Self::Jobs => "all cores",
            Self::Memory => "all memory",
            Self::Profile | Self::Timeout | Self::Notify | Self::RemoteUrl | Self::RemoteKeys => {
                "none"
            }
            Self::RemoteMode => "read-write",
            Self::Device | Self::Precision | Self::Executor => "set by the pipeline",
            Self::KeepGoing => "false; true for sweeps",
            Self::Retries => "0",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    /// Converts a value to the text that the option takes. A relative path is resolved against `base`, the
    /// file's folder, if there is one.
    ///
    /// # Errors
    /// A message that describes the expected value.
    pub(super) fn read(self, value: &DeValue<'_>, base: Option<&Path>) -> Result<String, String> {
        let text = || value.as_str().filter(|text| !text.is_empty());
        let path = text().map(|path| match base {
            Some(base) => base.join(path).to_string_lossy().into_owned(),
            None => path.to_owned(),
        });
        let (expected, read) = match self {
            Self::RemoteKeys => ("a file", path),
            Self::Artifacts => ("a folder", path),
            Self::RemoteUrl => match text().map(str::parse::<remote::Address>) {
                // The text may contain a password by mistake.
                Some(Err(error)) => return Err(format!("`remote.url`: {error}")),
                read => ("a URL", read.and(text()).map(str::to_owned)),
            },
            Self::RemoteMode => (
                "`\"read\"`, `\"write\"` or `\"read-write\"`",
                text()
                    .filter(|text| text.parse::<remote::Mode>().is_ok())
                    .map(str::to_owned),
            ),
            Self::Match => (
                "`\"same\"` or `\"any\"`",
                text()
                    .filter(|text| ["same", "any"].contains(text))
                    .map(str::to_owned),
            ),
            Self::Profile => ("a profile's name", text().map(str::to_owned)),
            Self::Notify => ("a shell command", text().map(str::to_owned)),
            Self::Device => (
                "`\"auto\"`, `\"cpu\"`, `\"cuda\"`, or `\"cuda:0\"` and so on",
                text()
                    .and_then(|text| text.parse::<DeviceChoice>().ok())
                    .map(string),
            ),
            Self::Executor => (
                "`\"local\"`, `\"slurm\"` or `\"ssh:HOST\"`",
                text()
                    .and_then(|text| text.parse::<Executor>().ok())
                    .map(string),
            ),
            Self::Precision => (
                "`\"tf32\"` or `\"float32\"`",
                text()
                    .and_then(|text| text.parse::<Precision>().ok())
                    .map(string),
            ),
            Self::Jobs => (
                "a whole number from 1 to 65535",
                whole(value).filter(|n| (1..=65535).contains(n)).map(string),
            ),
            Self::Retries => (
                "a whole number from 0 to 100",
                whole(value).filter(|n| (0..=100).contains(n)).map(string),
            ),
            Self::KeepGoing => ("`true` or `false`", value.as_bool().map(string)),
            Self::Memory => match text().map(parse_bytes) {
                Some(Err(expected)) => return Err(expected),
                read => (
                    "a size such as `\"8GiB\"`",
                    read.and(text()).map(str::to_owned),
                ),
            },
            Self::Timeout => match text().map(parse_duration) {
                Some(Err(expected)) => return Err(expected),
                read => (
                    "a time such as `\"90s\"` or `\"1h 30m\"`",
                    read.and(text()).map(str::to_owned),
                ),
            },
        };
        read.ok_or_else(|| format!("`{}` takes {expected}, found {}", self.name(), found(value)))
    }
}

/// Describes a value that was not expected.
pub(super) fn found(value: &DeValue<'_>) -> String {
    match value.as_str() {
        Some("") => "an empty string".to_owned(),
        Some(text) => format!("the string `{text}`"),
        None => match whole(value) {
            Some(number) => number.to_string(),
            None => value.type_str().to_owned(),
        },
    }
}

pub(super) fn whole(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn string(value: impl ToString) -> String {
    value.to_string()
}
