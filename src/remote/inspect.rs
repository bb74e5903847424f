//! Shows what is on a remote, and whether it works.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::fault::{Fault, FaultKind};
use crate::health::Side;
use crate::names::{ACTIONS, CAS, FORMAT, ObjectName, PROCESSORS};
use crate::objects::{Body, How};
use crate::remote::Remote;

/// Largest number of kinds of processors that are used.
const MOST_PROCESSORS: usize = 1000;

/// What is on a remote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub records: u64,
    pub blobs: u64,
    /// Bytes of records, trees and blobs.
    pub bytes: u64,
}

impl Remote {
    /// Tries what the mode needs: to read, and to write an object. Returns the time that it took.
    ///
    /// # Errors
    /// If the remote does not answer or refuses.
    pub fn check(&self) -> Result<Duration, Fault> {
        let begun = Instant::now();
        let name = format!("{FORMAT}/check");
        self.attempt(Side::Read, |objects| objects.stat(&name))?;
        if self.settings.mode.writes() {
            let body = Body::Bytes(b"runner\n");
            self.attempt(Side::Write, |objects| {
                objects.put(&name, &body, How::Replace)
            })?;
        }
        Ok(begun.elapsed())
    }

    /// Counts what is on the remote.
    ///
    /// # Errors
    /// If the remote does not answer, or cannot list.
    pub fn contents(&self) -> Result<Contents, Fault> {
        self.attempt(Side::Read, |objects| {
            let mut contents = Contents::default();
            for folder in [ACTIONS, CAS] {
                objects.list(folder, &mut |page| {
                    for entry in page {
                        contents.bytes += entry.bytes;
                        match entry.name.parse() {
                            Ok(ObjectName::Record(_)) => contents.records += 1,
                            Ok(ObjectName::Blob(_)) => contents.blobs += 1,
                            Ok(ObjectName::Tree(_) | ObjectName::Processor(_)) | Err(_) => {}
                        }
                    }
                    Ok(())
                })?;
            }
            Ok(contents)
        })
    }

    /// Returns the kinds of processors that computed results there.
    ///
    /// # Errors
    /// If the remote does not answer, or cannot list.
    pub fn processors(&self) -> Result<BTreeSet<String>, Fault> {
        self.attempt(Side::Read, |objects| {
            let mut kinds = BTreeSet::new();
            objects.list(PROCESSORS, &mut |page| {
                for entry in page {
                    if let Ok(ObjectName::Processor(kind)) = entry.name.parse() {
                        kinds.insert(kind);
                    }
                }
                match kinds.len() > MOST_PROCESSORS {
                    true => Err(too_many()),
                    false => Ok(()),
                }
            })?;
            Ok(kinds)
        })
    }
}

fn too_many() -> Fault {
    Fault::new(
        FaultKind::Unsupported,
        format!("the remote lists more than {MOST_PROCESSORS} kinds of processors"),
    )
}
