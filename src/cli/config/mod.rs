//! `runner config`: shows the defaults of options and where they come from.

mod trust;

use clap::{Args, Subcommand};
use engine::error::Error;
use serde_json::{Value, json};

use super::command_line::{origin, with_defaults};
use super::{command, unwritten};
use crate::config::{self, SettingKey, user_file};
use crate::report::Console;
use crate::report::columns::columns;

/// Show the values that common options have if they are not typed, and where each value comes from
///
/// The value of an option comes from the first of these that sets it: the command line, a `RUNNER_*`
/// variable, the project's `.runner.toml` (in the working directory, or above it up to the folder with
/// `.git`), or the user's `$XDG_CONFIG_HOME/runner/config.toml` (or `~/.config/runner/config.toml`). A file
/// can set artifacts, match, jobs, memory, profile, device, precision, keep_going, timeout and retries, and in
/// the table `[remote]` url, mode and keys. A relative
/// path in a project's file starts at the folder of that file; in a user's file, it starts at the working
/// directory.
///
/// A project's file can put artifacts outside the project, and set a remote, but this takes effect only after
/// `runner config trust`.
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
        let rows = SettingKey::ALL.map(|key| {
            let origin = origin(options, key, &config);
            let mut values = options.get_raw(key.name()).into_iter().flatten();
            let value = values
                .next()
                .map(|value| value.to_string_lossy().into_owned());
            (key, value, origin)
        });
        if self.json {
            let settings: serde_json::Map<String, Value> = rows
                .iter()
                .map(|(key, value, origin)| {
                    let entry = json!({ "value": value, "origin": origin });
                    (key.name().to_owned(), entry)
                })
                .collect();
            let untrusted: serde_json::Map<String, Value> = config
                .untrusted()
                .map(|(key, setting)| {
                    let origin = setting.place.to_string();
                    let entry = json!({ "value": setting.value, "origin": origin });
                    (key.name().to_owned(), entry)
                })
                .collect();
            let object = json!({
                "settings": settings,
                "untrusted": untrusted,
                "user_file": user_file(),
            });
            return console.result(&object.to_string()).map_err(unwritten);
        }
        let rows = rows.map(|(key, value, origin)| {
            let value = value.unwrap_or_else(|| key.default_text().to_owned());
            let origin = origin.unwrap_or_else(|| "default".to_owned());
            [key.name().to_owned(), value, origin]
        });
        console.result(&columns(&rows)).map_err(unwritten)?;
        for (key, setting) in config.untrusted() {
            console.message(&format!(
                "`{}` of {} is not in effect: `{}` has effects outside the project; `runner config trust` allows it",
                key.name(),
                setting.place,
                setting.value
            ));
        }
        Ok(())
    }
}
