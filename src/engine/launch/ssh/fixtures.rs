//! Code that the tests of both sides of the protocol share.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use contract::lock;
use serde::Serialize;

use store::Blob;

/// A stream that several owners see.
#[derive(Clone, Default)]
pub(in crate::launch) struct Sent(Arc<Mutex<Vec<u8>>>);

impl Sent {
    pub(in crate::launch) fn bytes(&self) -> Vec<u8> {
        lock(&self.0).clone()
    }
}

impl Write for Sent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the name of a blob.
pub(in crate::launch) fn blob(content: &[u8]) -> Blob {
    Blob {
        digest: blake3::hash(content).into(),
        bytes: content.len() as u64,
    }
}

/// Returns the line of a message.
pub(in crate::launch) fn line(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).unwrap();
    line.push(b'\n');
    line
}
