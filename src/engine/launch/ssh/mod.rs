//! Runs stages on another machine, which `ssh` reaches. The machines share no file system.
//!
//! For each stage, `ssh` starts `runner node --ssh` on the host (`ssh_node`), and both talk over its standard input and
//! output ([`protocol`]). The host has a store of its own with the blobs that it received. It sends events, logs and
//! checkpoints as they come, and the outputs at the end. Checkpoints are kept here, so a stage whose connection was lost
//! goes on from the newest one. The stage ends with its connection, however that ends.

mod client;
mod conversation;
mod facts;
#[cfg(test)]
pub(super) mod fixtures;
mod gate;
mod greeting;
pub(super) mod protocol;
mod request;
mod settings;
mod slots;
mod survey;
#[cfg(test)]
mod tests;
mod trouble;

use std::collections::BTreeMap;
use std::io::BufReader;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use contract::{Failure, Gathered, StageEvent, lock};

use super::node::version;
use super::{Ending, Launch, Launcher};
use client::Client;
use conversation::Conversation;
use gate::{Arrival, Gate};
use protocol::{Ended, Hello};
use slots::Slots;
use trouble::not_started;

pub use facts::{HostFacts, HostGpu};
pub(super) use greeting::this_program;
pub use settings::SshHost;
pub use survey::{Survey, reach_host, survey_host};

/// Runs stages on one host.
pub(super) struct Ssh {
    host: String,
    settings: SshHost,
    this: Hello,
    gate: Gate,
    slots: Slots,
    stopping: AtomicBool,
    /// Open connections, by number.
    connections: Mutex<BTreeMap<u64, Arc<Connection>>>,
    next: AtomicU64,
}

/// The connection of one stage.
struct Connection {
    client: Client,
    /// `true` once the host understands a request to stop.
    is_running: AtomicBool,
}

impl Ssh {
    /// Prepares to run stages on a host. Connects with the first stage.
    pub(super) fn new(host: &str, settings: &SshHost) -> Result<Self, String> {
        Ok(Self {
            host: host.to_owned(),
            settings: settings.clone(),
            this: this_program(version()?),
            gate: Gate::new(host),
            slots: Slots::new(usize::from(settings.jobs)),
            stopping: AtomicBool::default(),
            connections: Mutex::default(),
            next: AtomicU64::default(),
        })
    }

    /// Connects if no other stage has failed to, and runs a stage to its end.
    fn connect(
        &self,
        launch: &Launch<'_>,
        (arrival, slot): (Arrival, usize),
        on_event: &dyn Fn(StageEvent),
    ) -> Result<Ended, Failure> {
        let pass = self.gate.pass(launch.stage, arrival, &self.stopping)?;
        let ended = self.talk(launch, slot, &|| pass.answered(), on_event);
        if let Err(failure) = &ended {
            pass.failed(failure);
        }
        ended
    }

    /// Runs a stage over a connection of its own. Calls `on_answer` when the host has answered.
    fn talk(
        &self,
        launch: &Launch<'_>,
        slot: usize,
        on_answer: &dyn Fn(),
        on_event: &dyn Fn(StageEvent),
    ) -> Result<Ended, Failure> {
        let (client, input, output) =
            Client::start(&self.host, &self.settings).map_err(not_started)?;
        let connection = Arc::new(Connection {
            client,
            is_running: AtomicBool::default(),
        });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.connections).insert(number, Arc::clone(&connection));
        // A stop that came before the connection was in the list did not see it.
        if self.is_stopping() {
            connection.client.kill();
        }
        let conversation = Conversation {
            host: &self.host,
            settings: &self.settings,
            launch,
            slot,
            this: &self.this,
            stopping: &self.stopping,
            is_running: &connection.is_running,
            on_answer,
            on_event,
        };
        // Closes both streams, so that the client ends.
        let held = conversation.hold(&mut BufReader::new(output), input);
        let exit = connection.client.wait();
        lock(&self.connections).remove(&number);
        let exit = exit.map_err(|error| tracing::debug!(%error, "failed to wait for `ssh`"));
        held.map_err(|trouble| {
            let program = (&*self.host, &*self.settings.binary);
            let has_run = connection.is_running.load(Ordering::SeqCst);
            trouble.failure(program, exit.ok().as_ref(), has_run)
        })
    }

    fn connections(&self) -> Vec<Arc<Connection>> {
        lock(&self.connections).values().map(Arc::clone).collect()
    }
}

impl Launcher for Ssh {
    fn run(&self, launch: &Launch<'_>, on_event: &dyn Fn(StageEvent)) -> Ending {
        (launch.on_linked)();
        let arrival = self.gate.arrive(launch.stage);
        let on_wait = || {
            on_event(StageEvent::Place {
                node: None,
                text: format!("waits for {}", self.host),
                outlives_run: false,
            });
        };
        let Some(slot) = self.slots.take(&self.stopping, &on_wait) else {
            return Ending::failed(Failure::Cancelled);
        };
        match self.connect(launch, (arrival, slot.index()), on_event) {
            Err(failure) => Ending::failed(failure),
            Ok(ended) => Ending {
                result: ended.result.map(|_| Gathered::default()),
                seconds: ended.seconds,
                usage: ended.usage,
            },
        }
    }

    fn stopping(&self) -> &AtomicBool {
        &self.stopping
    }

    /// Asks running stages to save a checkpoint and stop. Closes the connections of stages that have not started.
    fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        for connection in self.connections() {
            if !connection.is_running.load(Ordering::SeqCst) {
                connection.client.kill();
            }
        }
    }

    /// Has no effect, because hosts run built-in stages only.
    fn kill_programs(&self) {}

    fn kill(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        for connection in self.connections() {
            connection.client.kill();
        }
    }

    fn finish(&self) -> Option<String> {
        None
    }
}
