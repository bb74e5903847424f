//! [`Objects`]: reads and writes whole objects by name, once, without retries.
//!
//! Names are paths below the remote's address (see `names.rs`). An implementation reports what happened as a [`Fault`]
//! and leaves retries, limits and warnings to [`Remote`](crate::Remote).

mod body;
mod folder;
#[cfg(feature = "s3")]
mod web;

use std::sync::Arc;

use crate::address::Address;
use crate::counters::Counters;
use crate::fault::Fault;
use crate::settings::{Settings, SetupError, Variables};

pub(crate) use body::Body;
#[cfg(feature = "s3")]
pub use web::encryption;

/// Receives the bytes of an object, in order.
pub(crate) type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), Fault> + 'a;

/// Receives a part of a listing.
pub(crate) type Page<'a> = dyn FnMut(Vec<Entry>) -> Result<(), Fault> + 'a;

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// Time of the last write by the remote's clock, in seconds since 1970.
    pub(crate) modified: i64,
}

/// Size and time of an object. The time is `None` if the server does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) bytes: u64,
    pub(crate) modified: Option<i64>,
}

/// Whether a write may replace an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Create,
    Replace,
}

/// Result of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    Written,
    /// With [`How::Create`]: there is such an object already.
    Exists,
}

pub(crate) trait Objects: Send + Sync {
    /// Returns text that differs between remotes, without credentials.
    fn identity(&self) -> String;

    /// Passes an object's bytes from the offset `from` to `sink`. `false` if there is no such object.
    fn get(&self, name: &str, from: u64, sink: &mut Sink<'_>) -> Result<bool, Fault>;

    /// Returns the size of an object, or `None` if there is no such object.
    fn stat(&self, name: &str) -> Result<Option<Stat>, Fault>;

    /// Writes an object. Others see all of it or nothing.
    fn put(&self, name: &str, body: &Body<'_>, how: How) -> Result<Put, Fault>;

    /// Sets the time of the last write to now. `false` if that needs another upload.
    fn touch(&self, name: &str) -> Result<bool, Fault>;

    /// `true` if a list of many objects takes fewer requests than a look at each of them.
    fn lists_in_pages(&self) -> bool {
        false
    }

    /// Lists the objects whose names begin with `folder` and a `/`, in any order. `page` is called with a part of them at
    /// a time; its error ends the list.
    fn list(&self, folder: &str, page: &mut Page<'_>) -> Result<(), Fault>;

    /// Deletes an object. It may be gone already.
    fn delete(&self, name: &str) -> Result<(), Fault>;

    /// Returns the time by the remote's clock, in seconds since 1970.
    fn now(&self) -> Result<i64, Fault>;
}

/// Opens the objects at an address. Connects to nothing.
pub(crate) fn open(
    settings: &Settings,
    variable: &Variables<'_>,
    counters: &Arc<Counters>,
) -> Result<Box<dyn Objects>, SetupError> {
    match &settings.address {
        Address::Folder(path) => Ok(Box::new(folder::Folder::new(path, counters))),
        #[cfg(feature = "s3")]
        Address::Server { .. } | Address::Bucket { .. } => web::open(settings, variable, counters),
        #[cfg(not(feature = "s3"))]
        address @ (Address::Server { .. } | Address::Bucket { .. }) => {
            let _ = variable;
            Err(SetupError::new(format!(
                "`{address}` needs a build with the feature `s3`; this one can use `file:///folder` only"
            )))
        }
    }
}

/// Returns the time by this machine's clock, in seconds since 1970.
fn local_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}
