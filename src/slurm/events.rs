//! Reads the events of a job while the node appends them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use contract::files;
use serde_json::Value;

use crate::folder::EVENTS;
use crate::{Error, JobFolder};

/// Bytes that are read at once.
const CHUNK: usize = 1 << 16;
/// Longest line that is read. A longer one is skipped.
const MOST_LINE: usize = 16 << 20;

/// Reads events from a position on. A line without its end is read again later.
#[derive(Debug)]
pub struct EventReader {
    path: PathBuf,
    /// Offset of the first byte that was not read.
    offset: u64,
    /// Beginning of a line whose end was not there yet.
    partial: Vec<u8>,
    /// `true` while the rest of a line that is too long is skipped.
    skips: bool,
    /// Number of lines that are not JSON, or too long.
    broken: usize,
}

impl EventReader {
    /// Starts at the beginning of the events of a job.
    pub fn new(folder: &JobFolder) -> Self {
        Self {
            path: folder.path().join(EVENTS),
            offset: 0,
            partial: Vec::new(),
            skips: false,
            broken: 0,
        }
    }

    /// Returns the number of lines that could not be read as events.
    pub fn broken(&self) -> usize {
        self.broken
    }

    /// Returns the events that were appended since the last call. A missing file has none.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(&mut self) -> Result<Vec<Value>, Error> {
        let file = match files::open_unlinked(&self.path) {
            Ok(file) => file,
            Err(error) if files::is_absence(&error) => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("open", &self.path)(error)),
        };
        let mut events = Vec::new();
        match self.read_open(&file, &mut events) {
            Ok(()) => Ok(events),
            // The file was replaced on the server. It is opened again with the next call.
            Err(error) if error.raw_os_error() == Some(libc::ESTALE) => Ok(events),
            Err(error) => Err(Error::io("read", &self.path)(error)),
        }
    }

    fn read_open(&mut self, file: &File, events: &mut Vec<Value>) -> std::io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = file.read_at(&mut chunk, self.offset)?;
            if count == 0 {
                return Ok(());
            }
            self.offset += count as u64;
            let mut rest = &chunk[..count];
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                self.take(&rest[..end]);
                self.end_line(events);
                rest = &rest[end + 1..];
            }
            self.take(rest);
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.skips |= self.partial.len() + bytes.len() > MOST_LINE;
        if self.skips {
            self.partial.clear();
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self, events: &mut Vec<Value>) {
        match serde_json::from_slice(&self.partial) {
            Ok(event) if !self.skips => events.push(event),
            _ if self.partial.is_empty() && !self.skips => {}
            _ => self.broken += 1,
        }
        self.partial.clear();
        self.skips = false;
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use serde_json::json;

    use super::*;

    #[test]
    fn lines_are_read_once_and_only_when_they_are_complete() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = JobFolder::at(temporary.path());
        let mut reader = EventReader::new(&folder);
        assert!(reader.read().unwrap().is_empty());
        let append = |text: &str| {
            let mut options = OpenOptions::new();
            let file = files::open_with(
                &temporary.path().join(EVENTS),
                options.create(true).append(true),
            );
            file.unwrap().write_all(text.as_bytes()).unwrap();
        };
        append("1\n{\"a\":");
        assert_eq!(reader.read().unwrap(), [json!(1)]);
        assert!(reader.read().unwrap().is_empty());
        append("2}\n\nnot json\n3");
        assert_eq!(reader.read().unwrap(), [json!({"a": 2})]);
        assert_eq!(reader.broken(), 1);
        append(&format!("\n\"{}\"\n", "x".repeat(3 * CHUNK)));
        assert_eq!(reader.read().unwrap().len(), 2);
        append(&format!("\"{}\"\n4\n", "x".repeat(MOST_LINE)));
        assert_eq!(reader.read().unwrap(), [json!(4)]);
        assert_eq!(reader.broken(), 2);
    }
}
