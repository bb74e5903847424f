//! A *remote*: a place outside this machine where several machines share results. It is a folder, an S3 bucket or an
//! HTTP server.
//!
//! [`Remote`] looks up records, fetches trees and blobs, and uploads records with their outputs; [`Uploader`] does the
//! latter in the background. A remote never makes a run fail: lookups and downloads that fail count as misses, uploads
//! that fail stay pending, and [`Remote::problem`] returns one warning. Everything that arrives is verified: a record by
//! its checksum and, if keys are accepted, by a signature; trees and blobs by their digests.
//!
//! This package does not write into the local store, and does not know when a result is needed. docs/remote.md describes
//! the layout and the guarantees.
//!
//! | module | what it does |
//! | --- | --- |
//! | `address`, `settings`, `aws`, `keys` | settings, credentials, signing keys |
//! | `names` | layout below the remote's address |
//! | `objects` | reads and writes single objects, once: `folder`, and `web` for S3 and HTTP |
//! | `remote`, `health` | retries, and the decision to ask no more |
//! | `lookup`, `download`, `upload`, `collect`, `inspect` | operations on results |
//! | `shared` | a remote as a store uses it |
//! | `known`, `pending`, `sent` | what this machine and this process remember |

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read what they wrote")
)]

mod address;
#[cfg(feature = "s3")]
mod aws;
mod collect;
mod counters;
mod download;
mod fault;
mod health;
mod inspect;
pub mod keys;
mod known;
mod lookup;
mod names;
mod objects;
mod pending;
mod remote;
#[cfg(feature = "s3")]
mod secret;
mod sent;
mod settings;
mod shared;
#[cfg(all(test, feature = "s3"))]
mod tests;
mod upload;
mod uploader;

pub use address::{Address, AddressError, Mode};
pub use collect::{Collection, LEAST_GRACE, Policy, Removed};
pub use counters::Statistics;
pub use fault::{Fault, FaultKind};
pub use health::Problem;
#[cfg(feature = "s3")]
pub use objects::encryption;
pub use remote::Remote;
pub use settings::{ABSENCE, Limits, Settings, SetupError};
pub use shared::{LocalFolder, SharedCache};
pub use upload::{Source, Uploaded};
