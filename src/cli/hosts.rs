//! Checks, before anything runs, that the hosts of a plan can be reached over SSH.

use std::cell::RefCell;
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

/// The hosts that a run has checked.
pub(super) struct HostCheck<'a> {
    executors: &'a Executors,
    console: &'a Console,
    checked: RefCell<BTreeSet<String>>,
}

impl<'a> HostCheck<'a> {
    pub(super) fn new(executors: &'a Executors, console: &'a Console) -> Self {
        Self {
            executors,
            console,
            checked: RefCell::default(),
        }
    }

    /// Connects to every host that a plan needs and that was not checked before, at the same time.
    ///
    /// # Errors
    /// If one cannot be reached, or has another program. Lists all such hosts.
    pub(super) fn check(&self, graph: &Graph, plan: &Plan) -> Result<(), Error> {
        let Ok(settings) = &self.executors.ssh else {
            // A stage that needs them fails with the reason.
            return Ok(());
        };
        let mut checked = self.checked.borrow_mut();
        let needed = plan
            .misses()
            .filter_map(|miss| match &graph.stages[miss.node].executor {
                Executor::Ssh(host) => Some(host.clone()),
                Executor::Local | Executor::Slurm => None,
            });
        let hosts: BTreeSet<String> = needed.filter(|host| checked.insert(host.clone())).collect();
        if hosts.is_empty() {
            return Ok(());
        }
        let failures = self.reach(&hosts, settings);
        let failures: Vec<String> = failures.iter().map(Failure::to_string).collect();
        match failures.is_empty() {
            true => Ok(()),
            false => Err(Error::System(format!(
                "{}\nnothing was run; with `--keep-going`, stages on other machines run in spite of this",
                failures.join("\nerror: ")
            ))),
        }
    }

    /// Returns the failures, in the order of the hosts.
    fn reach(
        &self,
        hosts: &BTreeSet<String>,
        settings: &BTreeMap<String, SshHost>,
    ) -> Vec<Failure> {
        let default = SshHost::default();
        let reached = thread::scope(|scope| {
            let (ended, end) = channel();
            for host in hosts {
                let ended = ended.clone();
                let settings = settings.get(host).unwrap_or(&default);
                scope.spawn(move || {
                    // The receiver lives as long as this scope.
                    let _ = ended.send((host, reach_host(host, settings)));
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
                        self.say_waiting(hosts.iter().filter(|host| !reached.contains_key(host)));
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            reached
        });
        reached.into_values().filter_map(Result::err).collect()
    }

    fn say_waiting<'h>(&self, hosts: impl Iterator<Item = &'h String>) {
        if self.console.verbosity > Verbosity::Quiet {
            let hosts: Vec<String> = hosts.map(|host| format!("`{host}`")).collect();
            let text = format!("waiting for an answer of {}", hosts.join(", "));
            self.console.message(&text);
        }
    }
}
