//! The environment variables of a program.

use std::collections::BTreeMap;
use std::env;

use contract::Request;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Variables and their values; `None` for a variable that is not set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Environment(BTreeMap<String, Option<String>>);

impl Serialize for Environment {
    /// Writes `NAME=VALUE` for every variable that is set, and `NAME` for the others.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(name, value)| match value {
            Some(value) => format!("{name}={value}"),
            None => name.clone(),
        }))
    }
}

impl<'de> Deserialize<'de> for Environment {
    /// Reads `[NAME, NAME=VALUE]`. A `NAME` alone takes the value that it has in this process.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut variables = BTreeMap::new();
        for entry in Vec::<String>::deserialize(deserializer)? {
            let (name, value) = match entry.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (entry.as_str(), value_of(&entry).map_err(D::Error::custom)?),
            };
            let fits = |char: char| char.is_ascii_alphanumeric() || char == '_';
            if !name.starts_with(|char: char| fits(char) && !char.is_ascii_digit())
                || !name.chars().all(fits)
            {
                return Err(D::Error::custom(format!(
                    "`{name}` is not the name of a variable; write `NAME` or `NAME=VALUE`"
                )));
            }
            if variables.insert(name.to_owned(), value).is_some() {
                return Err(D::Error::custom(format!("`{name}` is given twice")));
            }
        }
        Ok(Self(variables))
    }
}

/// Returns the value of a variable in this process.
fn value_of(name: &str) -> Result<Option<String>, String> {
    // No variable has such a name. The caller reports the name as invalid.
    if name.is_empty() || name.contains('\0') {
        return Ok(None);
    }
    match env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(format!("the value of `{name}` is not UTF-8")),
    }
}

impl Environment {
    /// Returns the environment of a program, to which the engine adds `CUDA_VISIBLE_DEVICES`.
    pub fn of(&self, request: &Request) -> BTreeMap<String, String> {
        let cpus = request.cpus.max(1).to_string();
        let mut whole = BTreeMap::from([
            ("RUNNER_SEED".to_owned(), request.seed.to_string()),
            ("RUNNER_CPUS".to_owned(), cpus.clone()),
            // Most numerical libraries take their number of threads from this variable.
            ("OMP_NUM_THREADS".to_owned(), cpus),
            // Compiled files could not be reused: every run has a fresh scratch folder.
            ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
        ]);
        if let Ok(path) = env::var("PATH") {
            whole.insert("PATH".to_owned(), path);
        }
        for (name, value) in &self.0 {
            match value {
                Some(value) => whole.insert(name.clone(), value.clone()),
                None => whole.remove(name),
            };
        }
        whole
    }
}
