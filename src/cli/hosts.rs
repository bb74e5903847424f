//! Checks, before anything runs, that the hosts of a plan can be reached over SSH.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use contract::Failure;
use engine::error::Error;
use engine::graph::Graph;
use engine::launch::{Executors, SshHost, reach_host};
use engine::plan::Plan;
use engine::spec::Executor;

use crate::report::{Console, Verbosity};

/// Time after which a message says that hosts are being waited for.
const SILENCE: Duration = Duration::from_secs(2);

/// Connects to all hosts that a plan needs, at the same time.
///
/// # Errors
/// If one cannot be reached, or has another program. Lists all such hosts.
pub(super) fn check(
    graph: &Graph,
    plan: &Plan,
    executors: &Executors,
    console: &Console,
) -> Result<(), Error> {
    let Ok(settings) = &executors.ssh else {
        // A stage that needs them fails with the reason.
        return Ok(());
    };
    let needed = plan
        .misses()
        .map(|miss| &graph.stages[miss.node].executor)
        .collect::<BTreeSet<_>>();
    let hosts = needed.iter().filter_map(|executor| match executor {
        Executor::Ssh(host) => Some(&**host),
        Executor::Local | Executor::Slurm => None,
    });
    let hosts: Vec<&str> = hosts.collect();
    let failures = reach(&hosts, settings, console);
    if failures.is_empty() {
        return Ok(());
    }
    let hint = match failures.len() == needed.len() {
        true => "",
        false => "; `--keep-going` runs the stages of other machines",
    };
    let failures: Vec<String> = failures.iter().map(Failure::to_string).collect();
    Err(Error::System(format!(
        "{}\nnothing was run{hint}",
        failures.join("\nerror: ")
    )))
}

/// Returns the failures, in the order of the hosts.
fn reach(hosts: &[&str], settings: &BTreeMap<String, SshHost>, console: &Console) -> Vec<Failure> {
    let default = SshHost::default();
    let reached = thread::scope(|scope| {
        let (ended, end) = channel();
        for host in hosts {
            let ended = ended.clone();
            let settings = settings.get(*host).unwrap_or(&default);
            scope.spawn(move || {
                // The receiver lives as long as this scope.
                let _ = ended.send((*host, reach_host(host, settings)));
            });
        }
        drop(ended);
        let mut reached = BTreeMap::new();
        let mut patience = SILENCE;
        while reached.len() < hosts.len() {
            match end.recv_timeout(patience) {
                Ok((host, result)) => drop(reached.insert(host, result)),
                Err(RecvTimeoutError::Timeout) => {
                    patience = Duration::MAX;
                    let open = hosts.iter().filter(|host| !reached.contains_key(*host));
                    say_waiting(open, console);
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        reached
    });
    reached.into_values().filter_map(Result::err).collect()
}

fn say_waiting<'a>(hosts: impl Iterator<Item = &'a &'a str>, console: &Console) {
    if console.verbosity > Verbosity::Quiet {
        let hosts: Vec<String> = hosts.map(|host| format!("`{host}`")).collect();
        let text = format!("waiting for an answer from {}", hosts.join(", "));
        console.message(&text);
    }
}
