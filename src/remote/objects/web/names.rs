//! [`KnownNames`]: remembers the addresses of servers.
//!
//! ureq looks up the name of a server for every request, on a thread of its own if there is a time limit, even if it
//! then uses a connection that is open. For small requests, that is more work than the request.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use contract::lock;
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::uri::Authority;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Time for which addresses are used. Services move to other addresses within minutes.
const VALID: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct KnownNames {
    resolver: DefaultResolver,
    known: Mutex<HashMap<Option<Authority>, (Instant, ResolvedSocketAddrs)>>,
}

impl Resolver for KnownNames {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let server = uri.authority().cloned();
        if let Some((since, addresses)) = lock(&self.known).get(&server)
            && since.elapsed() < VALID
        {
            return Ok(addresses.clone());
        }
        let addresses = self.resolver.resolve(uri, config, timeout)?;
        lock(&self.known).insert(server, (Instant::now(), addresses.clone()));
        Ok(addresses)
    }
}
