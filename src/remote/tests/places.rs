//! Places that tests share results through.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use super::plain_server::PlainServer;
use super::{address, say};
use crate::Address;

/// A place outside the machines of a test.
pub(crate) struct Place {
    pub(super) address: Address,
    variables: HashMap<String, String>,
    _folder: Option<TempDir>,
    pub(super) server: Option<Arc<PlainServer>>,
}

impl Place {
    pub(super) fn folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            address: Address::Folder(folder.path().to_owned()),
            variables: HashMap::new(),
            _folder: Some(folder),
            server: None,
        }
    }

    pub(super) fn server() -> Self {
        let server = PlainServer::start();
        Self {
            address: address(&format!("http://{}/cache", server.address())),
            variables: HashMap::new(),
            _folder: None,
            server: Some(server),
        }
    }

    /// An empty prefix in the bucket of a real S3 server. `None` if there is no such server.
    pub(super) fn s3() -> Option<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let Some(folder) = std::env::var_os("RUNNER_TEST_S3") else {
            say("skipped: `RUNNER_TEST_S3` is not set; see tests/cluster/README.md");
            return None;
        };
        let env = std::fs::read_to_string(Path::new(&folder).join("env")).unwrap();
        let lines = env
            .lines()
            .filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        let variables: HashMap<String, String> = lines
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("test-{}-{number}", std::process::id());
        Some(Self {
            address: address(&format!(
                "s3://{}/{prefix}",
                variables["RUNNER_TEST_BUCKET"]
            )),
            variables,
            _folder: None,
            server: None,
        })
    }

    /// A bucket on a server that accepts every signature.
    pub(super) fn bucket(endpoint: &str) -> Self {
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", "reader"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            address: address("s3://runner/cache"),
            variables: HashMap::from(variables),
            _folder: None,
            server: None,
        }
    }

    /// The same place with other variables.
    pub(super) fn with(&self, changed: &[(&str, &str)]) -> Self {
        let mut variables = self.variables.clone();
        for (name, value) in changed {
            variables.insert((*name).to_owned(), (*value).to_owned());
        }
        Self {
            address: self.address.clone(),
            variables,
            _folder: None,
            server: self.server.clone(),
        }
    }

    /// The same place, reached through another host and port.
    pub(super) fn through(&self, host: &str) -> Self {
        let url = format!("http://{host}");
        let mut place = self.with(&[("AWS_ENDPOINT_URL", &url)]);
        if let Address::Server { rest, .. } = &mut place.address {
            let path = rest.split_once('/').map_or("", |(_, path)| path);
            *rest = format!("{host}/{path}");
        }
        place
    }

    /// A part of the place, with results of its own.
    pub(super) fn below(&self, part: &str) -> Self {
        let mut place = self.with(&[]);
        match &mut place.address {
            Address::Bucket { prefix, .. } => *prefix += &format!("{part}/"),
            Address::Server { rest, .. } => *rest += &format!("/{part}"),
            Address::Folder(path) => path.push(part),
        }
        place
    }

    /// Host and port of the server.
    pub(super) fn host(&self) -> String {
        match &self.address {
            Address::Server { rest, .. } => rest.split('/').next().unwrap().to_owned(),
            _ => self.variables["AWS_ENDPOINT_URL"]
                .trim_start_matches("http://")
                .to_owned(),
        }
    }

    pub(super) fn variables(&self) -> impl Fn(&str) -> Option<String> + '_ {
        |name| self.variables.get(name).cloned()
    }
}

/// All places that exist on this machine.
pub(crate) fn every_place() -> Vec<Place> {
    let places = [Some(Place::folder()), Some(Place::server()), Place::s3()];
    places.into_iter().flatten().collect()
}
