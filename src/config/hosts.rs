//! The tables `[ssh.HOST]`: settings of machines that stages run on over SSH.
//!
//! Like those of `[slurm]`, they have no options on the command line. A project's file overrides the user's key by key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::launch::SshHost;
use engine::spec::{Diagnostic, Executor, Place, Source, suggest};
use toml::de::{DeTable, DeValue};

use super::key::{found, whole};
use super::site::SiteSetting;

/// Name of the table of hosts.
pub(super) const TABLE: &str = "ssh";

/// All keys with their built-in defaults, as shown to the user.
const KEYS: [(&str, &str); 5] = [
    ("binary", "runner"),
    ("store", "~/.cache/runner/remote-store"),
    ("processor", "that of the driver"),
    ("gpu", "none"),
    ("jobs", "1"),
];

/// Values by host and key.
pub(super) type Hosts = BTreeMap<(String, &'static str), SiteSetting>;

/// Returns the hosts of some settings.
pub(super) fn names(hosts: &Hosts) -> BTreeSet<&str> {
    hosts.keys().map(|(host, _)| &**host).collect()
}

/// Returns the keys of a host's table, each with its default as shown to the user.
pub fn keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    KEYS.into_iter()
}

/// Returns the name of a host's key as it is written in a file.
pub fn full_name(host: &str, key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    match host.chars().all(is_bare) {
        true => format!("{TABLE}.{host}.{key}"),
        false => format!("{TABLE}.\"{host}\".{key}"),
    }
}

/// Reads the tables of one file. Adds every error to `errors`.
pub(super) fn read(
    tables: &DeTable<'_>,
    source: &Arc<Source>,
    errors: &mut Vec<Diagnostic>,
) -> Hosts {
    let mut hosts = Hosts::new();
    for (host, value) in tables {
        let name = host.get_ref();
        let place = source.place(host.span());
        if format!("ssh:{name}").parse::<Executor>().is_err() {
            let message = format!("`{}` is not the name of a host", contract::one_line(name));
            errors.push(Diagnostic::at(&place, message).hint(a_host()));
            continue;
        }
        match value.get_ref() {
            DeValue::Table(table) => read_host(name, table, source, &mut hosts, errors),
            _ => {
                let message = format!("`{TABLE}.{name}` is a table");
                errors.push(Diagnostic::at(&place, message).hint(a_host()));
            }
        }
    }
    hosts
}

/// The hint for something else in place of a host's table.
pub(super) fn a_host() -> String {
    let keys: Vec<&str> = keys().map(|(key, _)| key).collect();
    format!(
        "write a table for each host, such as `[{TABLE}.lab]`, with the keys `{}`",
        keys.join("`, `")
    )
}

fn read_host(
    host: &str,
    table: &DeTable<'_>,
    source: &Arc<Source>,
    hosts: &mut Hosts,
    errors: &mut Vec<Diagnostic>,
) {
    for (name, value) in table {
        let known = KEYS.into_iter().find(|(key, _)| *key == name.get_ref());
        let Some((key, _)) = known else {
            let message = format!("unknown key `{}`", full_name(host, name.get_ref()));
            let place = source.place(name.span());
            let hint = suggest::hint("keys", name.get_ref(), keys().map(|(key, _)| key));
            errors.push(Diagnostic::at(&place, message).hint(hint));
            continue;
        };
        let place: Place = source.place(value.span());
        match read_value(key, value.get_ref()) {
            Ok(value) => drop(hosts.insert((host.to_owned(), key), SiteSetting { value, place })),
            Err(expected) => {
                let name = full_name(host, key);
                let found = found(value.get_ref());
                let message = format!("`{name}` takes {expected}, found {found}");
                errors.push(Diagnostic::at(&place, message));
            }
        }
    }
}

/// Reads a value.
///
/// # Errors
/// Returns what the key takes.
fn read_value(key: &str, value: &DeValue<'_>) -> Result<serde_json::Value, &'static str> {
    if key == "jobs" {
        let jobs = whole(value).filter(|jobs| (1..=1024).contains(jobs));
        return jobs.map(Into::into).ok_or("a whole number from 1 to 1024");
    }
    let text = match value {
        DeValue::String(text) => text.to_string(),
        _ => String::new(),
    };
    match text.is_empty() || text.contains(char::is_control) {
        true => Err("text without control characters"),
        false => Ok(text.into()),
    }
}

/// Returns the settings of each host, with defaults for those that are not set.
pub(super) fn settings(hosts: &Hosts) -> BTreeMap<String, SshHost> {
    let mut all: BTreeMap<String, SshHost> = BTreeMap::new();
    for ((host, key), setting) in hosts {
        let host = all.entry(host.clone()).or_default();
        let text = || setting.text();
        match *key {
            "binary" => host.binary = text(),
            "store" => host.store = Some(text()),
            "processor" => host.processor = Some(text()),
            "gpu" => host.gpu = Some(text()),
            _ => {
                let jobs = setting.value.as_u64().and_then(|jobs| jobs.try_into().ok());
                host.jobs = jobs.unwrap_or(host.jobs);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read_text(text: &str) -> Result<BTreeMap<String, SshHost>, String> {
        let source = Source::file(Path::new(".runner.toml"), text);
        let table = DeTable::parse(source.text()).unwrap();
        let mut errors = Vec::new();
        let hosts = read(table.get_ref(), &source, &mut errors);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        match errors.is_empty() {
            true => Ok(settings(&hosts)),
            false => Err(texts.join("\n\n")),
        }
    }

    #[test]
    fn the_keys_are_those_of_the_settings() {
        let text = "[lab]\nbinary = '~/bin/runner'\nstore = '/scratch/store'\nprocessor = 'x86-avx512'\n\
                    gpu = 'NVIDIA H200'\njobs = 4\n[\"me@10.0.0.1\"]\njobs = 2\n";
        let all = SshHost {
            binary: "~/bin/runner".to_owned(),
            store: Some("/scratch/store".to_owned()),
            processor: Some("x86-avx512".to_owned()),
            gpu: Some("NVIDIA H200".to_owned()),
            jobs: 4,
        };
        let fields = serde_json::to_value(&all).unwrap();
        let fields = fields.as_object().unwrap().keys();
        assert!(keys().map(|(key, _)| key).eq(fields));
        let read = read_text(text).unwrap();
        assert_eq!(read["lab"], all);
        let other = SshHost {
            jobs: 2,
            ..SshHost::default()
        };
        assert_eq!(read["me@10.0.0.1"], other);
        assert_eq!(SshHost::default().binary, KEYS[0].1);
        assert_eq!(SshHost::default().jobs.to_string(), KEYS[4].1);
    }

    #[test]
    fn all_mistakes_are_shown_at_their_places() {
        let text =
            "x = 1\n[lab]\nbinry = 'x'\njobs = 0\nstore = ''\ngpu = 3\n['-oProxyCommand=x']\n";
        let refused = read_text(text).unwrap_err();
        for part in [
            "`ssh.x` is a table\n  --> .runner.toml:1:1",
            "unknown key `ssh.lab.binry`\n  --> .runner.toml:3:1",
            "did you mean `binary`?",
            "`ssh.lab.jobs` takes a whole number from 1 to 1024, found 0",
            "`ssh.lab.store` takes text without control characters, found an empty string",
            "`ssh.lab.gpu` takes text without control characters, found 3",
            "`-oProxyCommand=x` is not the name of a host",
        ] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
    }

    #[test]
    fn names_are_quoted_where_toml_needs_it() {
        assert_eq!(full_name("lab", "jobs"), "ssh.lab.jobs");
        assert_eq!(full_name("me@lab.org", "jobs"), "ssh.\"me@lab.org\".jobs");
    }
}
