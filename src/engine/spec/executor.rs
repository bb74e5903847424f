//! [`Executor`]: the place where a stage runs.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Place where a stage runs. It cannot change a result, except through the kind of its processors.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Executor {
    /// This machine.
    #[default]
    Local,
    /// Jobs on a Slurm cluster.
    Slurm,
    /// Another machine, by the name that `ssh` takes.
    Ssh(String),
}

impl Executor {
    pub fn is_local(&self) -> bool {
        *self == Self::Local
    }
}

impl fmt::Display for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Slurm => f.write_str("slurm"),
            Self::Ssh(host) => write!(f, "ssh:{host}"),
        }
    }
}

impl FromStr for Executor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A host that begins with a dash would be an option of `ssh`.
        let is_host = |host: &&str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-@:%".contains(c);
            !host.is_empty() && !host.starts_with('-') && host.chars().all(is_plain)
        };
        match text {
            "local" => Ok(Self::Local),
            "slurm" => Ok(Self::Slurm),
            _ => match text.strip_prefix("ssh:").filter(is_host) {
                Some(host) => Ok(Self::Ssh(host.to_owned())),
                None => Err(format!(
                    "expected `local`, `slurm` or `ssh:HOST`, found `{text}`"
                )),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Executor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Executor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Executor {
    fn schema_name() -> Cow<'static, str> {
        "Executor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(local|slurm|ssh:[A-Za-z0-9._@:%][A-Za-z0-9._@:%-]*)$",
        })
    }
}

/// Processors of the machines of an executor, as the user declares them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processors {
    /// Kind of the CPUs, as `runner doctor` names it. `None` means the kind of this machine.
    pub cpu: Option<String>,
    /// Model of the GPUs, as `nvidia-smi` names it. `None` if there are none.
    pub gpu: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_executors_are_read_and_written() {
        for text in ["local", "slurm", "ssh:lab", "ssh:me@10.0.0.1", "ssh:[::1]"] {
            match text.parse::<Executor>() {
                Ok(executor) => assert_eq!(executor.to_string(), text),
                Err(error) => assert!(error.contains("`ssh:HOST`"), "{error}"),
            }
        }
        assert_eq!("slurm".parse(), Ok(Executor::Slurm));
        for bad in [
            "",
            "Slurm",
            "ssh",
            "ssh:",
            "ssh:-oProxyCommand=x",
            "ssh:a b",
            "pbs",
        ] {
            bad.parse::<Executor>().unwrap_err();
        }
    }
}
