//! Reads the command line. Options come from arguments, else from the environment, else from configuration
//! files.

use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, ColorChoice, FromArgMatches};
use engine::error::Error;
use engine::spec::Diagnostic;

use super::{Cli, Color, command};
use crate::config::{self, SettingKey};
use crate::report::{Console, Verbosity};

/// The command line of this process.
pub(super) struct CommandLine {
    pub verbosity: Verbosity,
    /// The parsed arguments, or an error in a configuration file.
    pub cli: Result<Cli, Error>,
    /// Origin of the profile, unless it was typed. Printed if the pipeline is invalid, because the
    /// pipeline may have no profile of that name.
    pub profile_from: Option<String>,
}

impl CommandLine {
    /// Reads the command line. Exits the process for help, and for mistakes in what was typed.
    pub(super) fn of_this_process() -> Self {
        let args: Vec<OsString> = std::env::args_os().collect();
        let color = color(&args);
        set_colors(color);
        let command = command().color(match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        });
        let mut matches = matches(command.clone(), &args);
        let verbosity = verbosity(&matches).unwrap_or_else(|error| end(&error));
        let mut from = None;
        let cli = config_for(&command, &matches).and_then(|config| {
            if !config.is_empty() {
                matches = self::matches(with_defaults(command.clone(), &config), &args);
            }
            from = profile_from(&command, &matches, &config);
            Cli::from_arg_matches(&matches).map_err(|error| Error::Internal(error.to_string()))
        });
        Self {
            verbosity,
            cli,
            profile_from: from,
        }
    }
}

/// Reads the command line of another process. Exits the process for mistakes in it.
///
/// # Errors
/// If a configuration file is invalid, or sets something that needs the user's consent.
pub(super) fn of_another_process(args: &[OsString]) -> Result<Cli, Error> {
    let command = command();
    let mut matches = matches(command.clone(), args);
    let config = config_for(&command, &matches)?;
    if !config.is_empty() {
        matches = self::matches(with_defaults(command, &config), args);
    }
    Cli::from_arg_matches(&matches).map_err(|error| Error::Internal(error.to_string()))
}

/// The origin of the profile, unless it was typed.
fn profile_from(
    command: &clap::Command,
    matches: &ArgMatches,
    config: &config::Config,
) -> Option<String> {
    let (command, matches) = leaf(command, matches);
    let id = SettingKey::Profile.name();
    command.get_arguments().find(|arg| *arg.get_id() == id)?;
    let typed = matches.value_source(id)? == ValueSource::CommandLine;
    (!typed).then(|| origin(matches, SettingKey::Profile, config))?
}

/// The innermost subcommand that was typed, and its options.
fn leaf<'a>(
    mut command: &'a clap::Command,
    mut matches: &'a ArgMatches,
) -> (&'a clap::Command, &'a ArgMatches) {
    while let Some((name, inner)) = matches.subcommand()
        && let Some(subcommand) = command.find_subcommand(name)
    {
        (command, matches) = (subcommand, inner);
    }
    (command, matches)
}

/// The same command, with the settings of `config` as defaults of its options.
pub(super) fn with_defaults(command: clap::Command, config: &config::Config) -> clap::Command {
    let setting = |arg: &clap::Arg| config.get(SettingKey::named(arg.get_id().as_str())?);
    for_all_args(command, &|arg| match setting(&arg) {
        Some(setting) => arg.default_value(setting.value.clone()),
        None => arg,
    })
}

/// Origin of the value of an option: `--jobs`, `RUNNER_JOBS`, or a line of a file. `None` for a
/// built-in default.
pub(super) fn origin(
    matches: &ArgMatches,
    key: SettingKey,
    config: &config::Config,
) -> Option<String> {
    match matches.value_source(key.name())? {
        ValueSource::CommandLine => Some(format!("--{}", key.option())),
        ValueSource::EnvVariable => Some(variable(&key.option())),
        _ => config.get(key).map(|setting| setting.place.to_string()),
    }
}

/// Name of the environment variable for an option.
pub(super) fn variable(option: &str) -> String {
    format!("RUNNER_{}", option.to_uppercase().replace('-', "_"))
}

/// Reads the configuration files if the subcommand has options that they can set. Other subcommands start
/// even if a file is invalid.
///
/// # Errors
/// If a file is invalid, or if an option would take a value from the project's file that needs the user's
/// consent.
fn config_for(command: &clap::Command, matches: &ArgMatches) -> Result<config::Config, Error> {
    let (command, matches) = leaf(command, matches);
    let keys = command.get_arguments();
    let keys: Vec<SettingKey> = keys
        .filter_map(|arg| SettingKey::named(arg.get_id().as_str()))
        .collect();
    if keys.is_empty() {
        return Ok(config::Config::default());
    }
    let config = config::Config::load().map_err(Error::Invalid)?;
    let is_given = |key: SettingKey| {
        let source = matches.value_source(key.name());
        matches!(
            source,
            Some(ValueSource::CommandLine | ValueSource::EnvVariable)
        )
    };
    // Nothing is used of the project's remote if another one is given.
    let is_overridden =
        |key: SettingKey| is_given(key) || key.is_remote() && is_given(SettingKey::RemoteUrl);
    let untrusted = config.untrusted();
    let untrusted = untrusted.filter(|(key, _)| keys.contains(key) && !is_overridden(*key));
    let refused: Vec<Diagnostic> = untrusted
        .map(|(key, setting)| {
            let hint =
                "`runner config trust` allows it; an option or a `RUNNER_*` variable overrides it";
            config::needs_consent(key.name(), &setting.value, &setting.place).hint(hint.to_owned())
        })
        .collect();
    if refused.is_empty() {
        Ok(config)
    } else {
        Err(Error::Invalid(refused))
    }
}

/// Parses the arguments with clap, and exits the process for help and for mistakes. If a wrong value came
/// from the environment, the message says so.
///
/// clap treats a variable like a typed option, so a variable can conflict with other options. Therefore the
/// typed arguments are parsed first, without variables, and only this parse reports conflicts. Errors after
/// that come from the environment.
fn matches(command: clap::Command, args: &[OsString]) -> ArgMatches {
    let is_ours = |name: OsString| name.to_string_lossy().starts_with("RUNNER_");
    if !std::env::vars_os().any(|(name, _)| is_ours(name)) {
        return command
            .try_get_matches_from(args)
            .unwrap_or_else(|error| end(&error));
    }
    let typed = for_all_args(command.clone(), &|arg| arg.env(Resettable::Reset));
    match typed.try_get_matches_from(args) {
        // Print help later, because it names the variables.
        Err(error) if error.exit_code() != 0 => end(&error),
        _ => {}
    }
    let adjusted = |arg: clap::Arg| without_empty_variable(arg.conflicts_with(Resettable::Reset));
    for_all_args(command, &adjusted)
        .try_get_matches_from(args)
        .unwrap_or_else(|mut error| {
            if let Some(variable) = rejected_variable(&error) {
                let note =
                    format!("the value comes from the environment variable `{variable}`").into();
                error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![note]));
            }
            end(&error)
        })
}

/// Exits the process with help or an error. [`Console`] prints errors, because it escapes control
/// characters: arguments can be names of files that others chose.
fn end(error: &clap::Error) -> ! {
    if error.use_stderr() {
        Console::new(Verbosity::Quiet).message(&error.render().to_string());
        std::process::exit(error.exit_code())
    }
    error.exit()
}

/// The command with `change` applied to all arguments, including those of subcommands.
fn for_all_args(command: clap::Command, change: &dyn Fn(clap::Arg) -> clap::Arg) -> clap::Command {
    command
        .mut_args(change)
        .mut_subcommands(|command| for_all_args(command, change))
}

/// The same argument, without its variable if that is empty: `NAME= runner …` is a common way to unset one.
fn without_empty_variable(arg: clap::Arg) -> clap::Arg {
    let value = arg.get_env().and_then(std::env::var_os);
    match value {
        Some(value) if value.is_empty() => arg.env(Resettable::Reset),
        _ => arg,
    }
}

/// The environment variable with the value that clap rejects.
fn rejected_variable(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let option = arg
        .split_whitespace()
        .next()?
        .trim_end_matches("[=<VALUE>]");
    let name = option.strip_prefix("--")?;
    let name = name.split(['[', '=']).next()?;
    let variable = variable(name);
    std::env::var_os(&variable).map(|_| variable)
}

/// Amount of output. Typed options take precedence over the environment.
fn verbosity(matches: &ArgMatches) -> Result<Verbosity, clap::Error> {
    for source in [ValueSource::CommandLine, ValueSource::EnvVariable] {
        let asks = |flag| matches.value_source(flag) == Some(source) && matches.get_flag(flag);
        match (asks("quiet"), asks("verbose")) {
            (true, true) => {
                let message = "`--quiet` and `--verbose` cannot be used together";
                return Err(command().error(ErrorKind::ArgumentConflict, message));
            }
            (true, false) => return Ok(Verbosity::Quiet),
            (false, true) => return Ok(Verbosity::Verbose),
            (false, false) => {}
        }
    }
    Ok(Verbosity::Normal)
}

/// The value of `--color`. It is needed before clap reads the arguments, because clap's own messages have
/// colors too. Clap rejects invalid values later.
fn color(args: &[OsString]) -> Color {
    let mut args = args.iter().map(|arg| arg.to_string_lossy());
    let mut color = Color::Auto;
    while let Some(arg) = args.next() {
        let value = match arg.split_once('=') {
            Some(("--color", value)) => value.to_owned(),
            None if arg == "--color" => args.next().unwrap_or_default().into_owned(),
            None if arg == "--" => break,
            _ => continue,
        };
        color = match value.as_str() {
            "always" => Color::Always,
            "never" => Color::Never,
            _ => Color::Auto,
        };
    }
    color
}

/// Sets the colors of all output. With `auto`, the terminal and the environment decide.
fn set_colors(color: Color) {
    if color != Color::Auto {
        console::set_colors_enabled(color == Color::Always);
        console::set_colors_enabled_stderr(color == Color::Always);
    }
}
