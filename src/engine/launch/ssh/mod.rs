//! Runs stages on another machine, which `ssh` reaches. The machines share no file system.
//!
//! For each stage, `ssh` starts `runner node --ssh` on the host (`ssh_node`), and both talk over its standard input and
//! output ([`protocol`]). The host has a store of its own with the blobs that it received. It sends events, logs and
//! checkpoints as they come, and the outputs at the end. Checkpoints are kept here, so a stage whose connection was lost
//! goes on from the newest one. The stage ends with its connection, however that ends.

mod client;
mod conversation;
pub(super) mod protocol;
mod request;
mod settings;
mod slots;
#[cfg(test)]
mod tests;
mod trouble;

use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use contract::{Failure, Gathered, StageEvent, lock};

use super::node::version;
use super::{Ending, Launch, Launcher};
use client::Client;
use conversation::Conversation;
use protocol::{Ended, Hello};
use slots::Slots;

pub(super) use conversation::this_program;
pub use settings::SshHost;

/// Runs stages on one host.
pub(super) struct Ssh {
    host: String,
    settings: SshHost,
    this: Hello,
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
            slots: Slots::new(usize::from(settings.jobs)),
            stopping: AtomicBool::default(),
            connections: Mutex::default(),
            next: AtomicU64::default(),
        })
    }

    /// Connects, and runs a stage to its end.
    fn connect(
        &self,
        launch: &Launch<'_>,
        slot: usize,
        on_event: &dyn Fn(StageEvent),
    ) -> Result<Ended, Failure> {
        let (client, input, output) = self.start().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::Data(
                "there is no program `ssh` on this machine; install the OpenSSH client".to_owned(),
            ),
            _ => Failure::System(format!("failed to start `ssh`: {error}")),
        })?;
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

    fn start(&self) -> io::Result<(Client, std::process::ChildStdin, std::process::ChildStdout)> {
        Client::start(&self.host, &self.settings)
    }

    fn connections(&self) -> Vec<Arc<Connection>> {
        lock(&self.connections).values().map(Arc::clone).collect()
    }
}

impl Launcher for Ssh {
    fn run(&self, launch: &Launch<'_>, on_event: &dyn Fn(StageEvent)) -> Ending {
        (launch.on_linked)();
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
        match self.connect(launch, slot.index(), on_event) {
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
