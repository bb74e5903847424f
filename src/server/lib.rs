//! Serves pages about the runs of a store, live, on the loopback interface.
//!
//! A connection ([`connections`]) passes its requests to the [`site`]. That checks who asks ([`access`]), finds what
//! the address means ([`route`]) and renders a [`page`] from the runs in memory ([`index`], [`live`]). A page that is
//! open gets what changes as server-sent events ([`stream`]): as long as somebody looks at a run, one task reads its
//! events once a second for all pages. Nothing happens while no page is open.
//!
//! One thread serves all connections. Everything that reads files runs on other threads.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read what they wrote")
)]

mod access;
mod answer;
mod connections;
mod control;
mod headlines;
mod index;
mod live;
mod page;
mod port;
mod results;
mod route;
mod site;
mod stream;
mod token;
mod usage;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use contract::analysis::Analysis;
use engine::graph::Catalogue;
use store::Store;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

pub use control::Launch;
pub use port::{BindError, DEFAULT_PORT, Ports};
pub use results::ExtrasOf;
pub use token::Token;

use site::Site;

/// Number of threads that read files.
const READERS: usize = 4;

/// Settings of a server.
pub struct Settings {
    pub store: Store,
    pub analysis: &'static dyn Analysis,
    pub catalogue: Catalogue,
    /// Finds the tables of a run, and what compares it with others.
    pub extras: ExtrasOf,
    pub token: Token,
    /// Command that starts runs; `None` if they can be neither started nor cancelled.
    pub launch: Option<Launch>,
}

/// A server that has its port.
pub struct Server {
    settings: Settings,
    listeners: Vec<TcpListener>,
    port: u16,
}

/// Stops a server, from any thread.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Stop {
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::channel(false).0))
    }

    /// Ends the server. Open pages are closed.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// Takes a port on the loopback interface.
    ///
    /// # Errors
    /// If no port is free, or the system refuses it.
    pub fn bind(settings: Settings, ports: Ports) -> Result<Self, BindError> {
        let (listeners, port) = port::bind(ports)?;
        Ok(Self {
            settings,
            listeners,
            port,
        })
    }

    /// The address to open in a browser. It contains the token.
    pub fn address(&self) -> String {
        let token = self.settings.token.text();
        format!(
            "http://127.0.0.1:{}/?{}={token}",
            self.port,
            access::PARAMETER
        )
    }

    /// Answers requests until `stop` stops it.
    ///
    /// # Errors
    /// If the system refuses what the server needs.
    pub fn run(self, stop: &Stop) -> io::Result<()> {
        let runtime: Runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(READERS)
            .build()?;
        let stopped = stop.0.subscribe();
        let site = Site::new(self.settings, stopped.clone());
        runtime.block_on(async {
            let listeners = self
                .listeners
                .into_iter()
                .map(tokio::net::TcpListener::from_std);
            let listeners: Vec<_> = listeners.collect::<io::Result<_>>()?;
            connections::accept(listeners, Arc::new(site), stopped).await;
            Ok(())
        })
    }
}
