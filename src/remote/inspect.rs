//! Shows whether a remote works, and for which kinds of processors it has results.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::fault::{Fault, FaultKind};
use crate::health::Side;
use crate::names::{FORMAT, ObjectName, PROCESSORS};
use crate::objects::{Body, How};
use crate::remote::Remote;

/// Largest number of kinds of processors that are used.
const MOST_PROCESSORS: usize = 1000;

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
