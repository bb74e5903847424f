//! `runner serve`: shows runs in the browser while they go on.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use clap::Args;
use contract::ShowPath;
use engine::error::Error;
use server::{BindError, Launch, Ports, Server, Settings, Stop, Token};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::pipeline::{ANALYSIS, StoreArgs, catalogue};
use super::report::extras_of;
use super::unwritten;
use crate::config;
use crate::report::{Console, Verbosity};

/// Show runs in the browser while they go on, on this machine only
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    store: StoreArgs,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
    /// Port on the loopback interface; 0 for any that is free [default: 7417, or the next that is free]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Allow the page to start runs of pipelines below the working directory, and to cancel runs. Whoever has the token
    /// can then run any program as you: a value that the page sets can be the command of a stage
    #[arg(long)]
    allow_run: bool,
}

impl Serve {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        // A new project can start its first run from the page.
        let store = match self.allow_run {
            true => self.store.open()?,
            false => self.store.existing()?,
        };
        let launch = match self.allow_run {
            true => Some(launch(self.store.folder())?),
            false => None,
        };
        let settings = Settings {
            store,
            analysis: ANALYSIS,
            catalogue: catalogue(),
            extras: extras_of,
            token: token(console, self.allow_run)?,
            launch,
        };
        let ports = self.port.map_or(Ports::Default, Ports::Only);
        let server = Server::bind(settings, ports).map_err(unbound)?;
        let stop = stop_on_signals()?;
        let address = server.address();
        if console.verbosity > Verbosity::Quiet {
            let may = match self.allow_run {
                true => {
                    "the page can start and cancel runs; whoever has the token below can run any program as you"
                }
                false => "read-only; `--allow-run` allows to start and cancel runs",
            };
            console.message(&format!(
                "serving the runs in `{}` ({may})\nCtrl-C ends the server; runs go on without it\nopen this address in a browser:",
                self.store.folder().shown()
            ));
        }
        console.result(&address).map_err(unwritten)?;
        if self.open {
            open(console, &address);
        }
        let served = server.run(&stop);
        served.map_err(|error| Error::System(format!("failed to serve: {error}")))
    }
}

/// Returns the command with which the page starts runs: this binary, in the working directory.
fn launch(artifacts: &Path) -> Result<Launch, Error> {
    let failed = |error: io::Error| Error::System(format!("failed to find this program: {error}"));
    let artifacts = std::path::absolute(artifacts).map_err(Error::io("access", artifacts))?;
    let arguments = [
        "run".into(),
        "--artifacts".into(),
        artifacts.into_os_string(),
    ];
    Ok(Launch {
        program: std::env::current_exe().map_err(failed)?,
        arguments: Vec::<OsString>::from(arguments),
        folder: std::env::current_dir().map_err(failed)?,
    })
}

/// The token that is kept beside the user's configuration. Servers that can start runs have one of their own, because
/// whoever was shown a page that can only be read must not be able to run programs later. If it cannot be kept, pages
/// that are open must be opened again when the server starts again.
fn token(console: &Console, allow_run: bool) -> Result<Token, Error> {
    let name = match allow_run {
        true => "serve-run-token",
        false => "serve-token",
    };
    let file = config::user_file().map(|file| file.with_file_name(name));
    if let Some(file) = file {
        match Token::kept(&file) {
            Ok(token) => return Ok(token),
            Err(error) => console.message(&format!(
                "warning: the token is new, because `{}` cannot be used: {error}",
                file.shown()
            )),
        }
    }
    Token::random().map_err(|error| Error::System(format!("failed to make a token: {error}")))
}

fn unbound(error: BindError) -> Error {
    match error {
        BindError::InUse(port) => Error::Usage(format!(
            "port {port} is in use, maybe by another `runner serve`; give another with `--port`, or leave `--port` out"
        )),
        BindError::Io { .. } => Error::System(error.to_string()),
    }
}

/// Stops the server at Ctrl-C or SIGTERM.
fn stop_on_signals() -> Result<Stop, Error> {
    let failed = |error| Error::System(format!("failed to watch for signals: {error}"));
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    let stop = Stop::new();
    let stopper = stop.clone();
    let watch = move || {
        // The first signal is enough: the server ends within seconds.
        if signals.forever().next().is_some() {
            stopper.stop();
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(watch)
        .map_err(failed)?;
    Ok(stop)
}

/// Opens the browser. A failure is only a warning: the address was printed.
fn open(console: &Console, address: &str) {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let started = Command::new(program)
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let warn = |console: &Console, why: &str| {
        console.message(&format!(
            "warning: failed to open the browser: {why}; open the address yourself"
        ));
    };
    match started {
        Ok(mut child) => {
            let console = console.clone();
            // The program may run as long as the browser.
            thread::spawn(move || match child.wait() {
                Ok(status) if !status.success() => {
                    warn(&console, &format!("`{program}` failed"));
                }
                Ok(_) | Err(_) => {}
            });
        }
        Err(error) => warn(console, &format!("`{program}`: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use server::DEFAULT_PORT;

    use super::*;

    #[test]
    fn the_help_names_the_default_port() {
        let command = Serve::augment_args(clap::Command::new("serve"));
        let port = command
            .get_arguments()
            .find(|arg| arg.get_id() == "port")
            .unwrap();
        assert!(
            port.get_help()
                .unwrap()
                .to_string()
                .contains(&DEFAULT_PORT.to_string())
        );
    }
}
