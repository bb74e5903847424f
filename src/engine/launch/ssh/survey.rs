//! Short conversations with a host that run no stage.

use std::io::{BufRead, BufReader};
use std::process::ChildStdin;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use contract::Failure;

use super::client::Client;
use super::facts::HostFacts;
use super::greeting::{greet, this_program};
use super::protocol::{self, FromDriver, FromHost, Outgoing};
use super::settings::SshHost;
use super::trouble::{Trouble, not_started};
use crate::launch::node::version;

/// Longest time of such a conversation. `ssh` may need 30 s to connect.
const PATIENCE: Duration = Duration::from_secs(60);

/// Facts about a host, and about the connection to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    /// Version of runner on the host, with the beginning of the digest of its file.
    pub build: String,
    /// Operating system and instruction set that it was built for.
    pub platform: String,
    /// Time from the start of `ssh` to the first answer of runner.
    pub connecting: Duration,
    /// Time from a message to its answer.
    pub round_trip: Duration,
    pub facts: HostFacts,
}

/// Asks a host for its facts.
///
/// # Errors
/// If it cannot be reached, or has another program.
pub fn survey_host(host: &str, settings: &SshHost) -> Result<Survey, Failure> {
    visit(host, settings, |mut visit| {
        let began = Instant::now();
        if !matches!(visit.ask(&FromDriver::Ping)?, FromHost::Pong) {
            return Err(out_of_order());
        }
        let round_trip = began.elapsed();
        let store = settings.store.clone();
        let FromHost::Facts(facts) = visit.ask(&FromDriver::Survey { store })? else {
            return Err(out_of_order());
        };
        if !facts.is_sound() {
            return Err(Trouble::Peer("its facts are too long".to_owned()));
        }
        Ok(Survey {
            build: visit.hello.build,
            platform: visit.hello.platform,
            connecting: visit.connecting,
            round_trip,
            facts: *facts,
        })
    })
}

/// Checks that stages can be run on a host: that it can be reached, and has this program.
///
/// # Errors
/// As for [`survey_host`].
pub fn reach_host(host: &str, settings: &SshHost) -> Result<(), Failure> {
    visit(host, settings, |_| Ok(()))
}

/// An open connection to a host that has answered with the right program.
struct Visit<'a> {
    hello: protocol::Hello,
    connecting: Duration,
    from: &'a mut dyn BufRead,
    to: &'a Outgoing<ChildStdin>,
}

impl Visit<'_> {
    fn ask(&mut self, message: &FromDriver) -> Result<FromHost, Trouble> {
        self.to.send(message).map_err(Trouble::of)?;
        let answer = protocol::read(self.from).map_err(Trouble::of)?;
        answer.ok_or_else(|| Trouble::Stream(std::io::ErrorKind::UnexpectedEof.into()))
    }
}

fn out_of_order() -> Trouble {
    Trouble::Peer("an answer is out of order".to_owned())
}

/// Connects to a host, and ends the connection after `talk`, or when it takes too long.
fn visit<T>(
    host: &str,
    settings: &SshHost,
    talk: impl FnOnce(Visit<'_>) -> Result<T, Trouble>,
) -> Result<T, Failure> {
    let this = this_program(version().map_err(Failure::System)?);
    let began = Instant::now();
    let (client, input, output) = Client::start(host, settings).map_err(not_started)?;
    let program = (host, &*settings.binary);
    let (talked, is_late) = thread::scope(|scope| {
        let (ended, end) = channel::<()>();
        let client = &client;
        let limit = move || {
            let is_late = end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
            if is_late {
                client.kill();
            }
            is_late
        };
        let watch = thread::Builder::new().spawn_scoped(scope, limit);
        // Closes both streams at its end, so that the client ends.
        let conversation = move || {
            let (mut from, to) = (BufReader::new(output), Outgoing::new(input));
            let hello = greet(&mut from, &this, program)?;
            talk(Visit {
                hello,
                connecting: began.elapsed(),
                from: &mut from,
                to: &to,
            })
        };
        let talked = conversation();
        drop(ended);
        (
            talked,
            watch.is_ok_and(|watch| watch.join().unwrap_or_default()),
        )
    });
    let exit = client.wait();
    let exit = exit.map_err(|error| tracing::debug!(%error, "failed to wait for `ssh`"));
    talked.map_err(|trouble| match is_late {
        true => Failure::System(format!(
            "`{host}` did not answer within {} s; check that `ssh {host}` works",
            PATIENCE.as_secs()
        )),
        false => trouble.failure(program, exit.ok().as_ref(), false),
    })
}
