//! `runner config`: shows the defaults of options and where they come from.

mod trust;

use clap::{ArgMatches, Args, Subcommand};
use engine::error::Error;
use engine::spec::Place;
use serde_json::{Map, Value, json};

use super::command_line::{origin, with_defaults};
use super::{command, unwritten};
use crate::config::hosts;
use crate::config::site::{self, text};
use crate::config::{self, SettingKey, user_file};
use crate::report::Console;
use crate::report::columns::columns;

/// Show the values that common options have if they are not typed, and where each value comes from
///
/// The value of an option comes from the first of these that sets it: the command line, a `RUNNER_*`
/// variable, the project's `.runner.toml` (in the working directory, or above it up to the folder with
/// `.git`), or the user's `$XDG_CONFIG_HOME/runner/config.toml` (or `~/.config/runner/config.toml`). A file
/// can set artifacts, match, jobs, memory, profile, device, precision, keep_going, timeout and retries, and in
/// the table `[remote]` url, mode and keys. The table `[slurm]` says how jobs are submitted to a cluster; its
/// settings are shown if there are some, and with --json always. A table `[ssh.HOST]` has the settings of a host for
/// `--executor ssh:HOST`. A relative path in a project's file starts at the
/// folder of that file; in a user's file, it starts at the working directory.
///
/// A project's file can put artifacts outside the project, and set a remote, a cluster and hosts, but this takes effect only
/// after `runner config trust`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Config {
    #[command(subcommand)]
    command: Option<ConfigCommand>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    Trust(trust::Trust),
}

impl Config {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        if let Some(ConfigCommand::Trust(trust)) = self.command {
            return trust.execute(console);
        }
        let config = config::Config::load().map_err(Error::Invalid)?;
        // The effective values are those that `run` would use.
        let run = with_defaults(command(), &config);
        let matches = run
            .try_get_matches_from(["runner", "run", "FILE"])
            .unwrap_or_else(|error| error.exit());
        let Some((_, options)) = matches.subcommand() else {
            return Err(Error::Internal("`run` is not a subcommand".to_owned()));
        };
        let mut rows: Vec<Row> = SettingKey::ALL
            .into_iter()
            .map(|key| Row::of_option(key, options, &config))
            .collect();
        let site = site::keys().map(|(key, default)| Row::of_site(key, default, &config));
        let hosts = config.host_names().map(|host| Row::of_host(host, &config));
        if self.json {
            rows.extend(site);
            rows.extend(hosts.flatten());
            return print_json(&rows, &config, console);
        }
        console.result(&table(rows)).map_err(unwritten)?;
        let site: Vec<Row> = site.collect();
        if site.iter().any(|row| row.origin.is_some()) {
            console.result(&table(site)).map_err(unwritten)?;
        }
        for rows in hosts {
            console.result(&table(rows)).map_err(unwritten)?;
        }
        for (name, value, place) in untrusted(&config) {
            console.message(&format!(
                "`{name}` of {place} is not in effect: `{}` has effects outside the project; `runner config trust` allows it",
                text(&value)
            ));
        }
        Ok(())
    }
}

/// A setting, as it is shown.
struct Row {
    name: String,
    /// `None` means the default.
    value: Option<Value>,
    default: &'static str,
    /// `None` for a default.
    origin: Option<String>,
}

impl Row {
    /// The value that an option of `run` has if it is not typed.
    fn of_option(key: SettingKey, options: &ArgMatches, config: &config::Config) -> Self {
        let mut values = options.get_raw(key.name()).into_iter().flatten();
        let value = values.next().map(|value| value.to_string_lossy());
        Self {
            name: key.name().to_owned(),
            value: value.map(|value| value.into_owned().into()),
            default: key.default_text(),
            origin: origin(options, key, config),
        }
    }

    /// A key of the table `[slurm]`.
    fn of_site(key: &str, default: &'static str, config: &config::Config) -> Self {
        let setting = config.site(key);
        Self {
            name: site::full_name(key),
            value: setting.map(|setting| setting.value.clone()),
            default,
            origin: setting.map(|setting| setting.place.to_string()),
        }
    }
}

impl Row {
    /// The keys of the table of a host.
    fn of_host(host: &str, config: &config::Config) -> Vec<Self> {
        let row = |(key, default)| {
            let setting = config.host(host, key);
            Self {
                name: hosts::full_name(host, key),
                value: setting.map(|setting| setting.value.clone()),
                default,
                origin: setting.map(|setting| setting.place.to_string()),
            }
        };
        hosts::keys().map(row).collect()
    }
}

fn table(rows: Vec<Row>) -> String {
    let cells = rows.into_iter().map(|row| {
        let value = row.value.as_ref().map(text);
        let value = value.unwrap_or_else(|| row.default.to_owned());
        let origin = row.origin.unwrap_or_else(|| "default".to_owned());
        [row.name, value, origin]
    });
    columns(&cells.collect::<Vec<_>>())
}

fn print_json(rows: &[Row], config: &config::Config, console: &Console) -> Result<(), Error> {
    let settings = rows.iter().map(|row| {
        let entry = json!({ "value": row.value, "origin": row.origin });
        (row.name.clone(), entry)
    });
    let untrusted = untrusted(config).map(|(name, value, place)| {
        let entry = json!({ "value": value, "origin": place.to_string() });
        (name, entry)
    });
    let object = json!({
        "settings": settings.collect::<Map<_, _>>(),
        "untrusted": untrusted.collect::<Map<_, _>>(),
        "user_file": user_file(),
    });
    console.result(&object.to_string()).map_err(unwritten)
}

/// The settings of the project that lack consent: name, value and place.
fn untrusted(config: &config::Config) -> impl Iterator<Item = (String, Value, &Place)> {
    let options = config.untrusted().map(|(key, setting)| {
        let value = setting.value.clone().into();
        (key.name().to_owned(), value, &setting.place)
    });
    let places = config.untrusted_places().map(|(name, setting)| {
        let value = setting.value.clone();
        (name, value, &setting.place)
    });
    options.chain(places)
}
