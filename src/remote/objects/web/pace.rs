//! [`Pace`]: notices that a transfer makes no progress worth waiting for.

use std::io::{self, Read};
use std::time::{Duration, Instant};

/// Bytes that must be transferred in each period. Fewer count as none: a transfer at one byte a second would never
/// trip a limit for single reads.
const LEAST: usize = 16 << 10;

/// Notices a transfer that makes too little progress. There is no limit on its whole duration.
pub(super) struct Pace {
    period: Duration,
    begun: Instant,
    bytes: usize,
}

impl Pace {
    pub(super) fn new(period: Duration) -> Self {
        Self {
            period,
            begun: Instant::now(),
            bytes: 0,
        }
    }

    /// Counts bytes that were transferred.
    pub(super) fn count(&mut self, bytes: usize) -> io::Result<()> {
        self.bytes += bytes;
        if self.bytes >= LEAST {
            self.begun = Instant::now();
            self.bytes = 0;
        } else if self.begun.elapsed() > self.period {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "too slow"));
        }
        Ok(())
    }
}

/// A reader that fails if it is read too slowly.
pub(super) struct Paced<R> {
    pub(super) inner: R,
    pub(super) pace: Pace,
    /// Receives the number of bytes of each read.
    pub(super) counter: std::sync::Arc<crate::counters::Counters>,
    /// The first error of `inner`, which the HTTP client may wrap.
    pub(super) failure: Option<io::Error>,
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(read) => {
                self.counter.sent.add(read);
                self.pace.count(read)?;
                Ok(read)
            }
            Err(error) => {
                let kind = error.kind();
                self.failure.get_or_insert(error);
                Err(kind.into())
            }
        }
    }
}
