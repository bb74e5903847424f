//! Reads logs of stages, also while they are written.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use contract::{files, printable};

/// Number of bytes that a page shows of a log, and that are sent at once while it grows.
const SHOWN: u64 = 64 << 10;
/// Longest line that is waited for, in bytes. The rest of a longer line counts as the next line.
const MOST_LINE: usize = 32 << 10;

/// The end of a log, or its new lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LogTail {
    /// Without control characters.
    pub(crate) text: String,
    /// Offset after the last line, in bytes.
    pub(crate) end: u64,
    /// Number of bytes before `text` that were left out.
    pub(crate) left_out: u64,
}

impl LogTail {
    /// Reads the lines of a log from `offset` on, or the last of them if there are many. A line that is being written
    /// is read later, unless `is_final`. The log of a stage that wrote nothing does not exist, and is empty.
    ///
    /// # Errors
    /// If the log cannot be read, or is not a regular file.
    pub(crate) fn read(log: &Path, offset: u64, is_final: bool) -> io::Result<Self> {
        let mut file = match files::open_unlinked(log) {
            Err(error) if files::is_absence(&error) => return Ok(Self::default()),
            file => file?,
        };
        let length = file.metadata()?.len();
        // A retry begins the log again.
        let offset = if length < offset { 0 } else { offset };
        let start = offset.max(length.saturating_sub(SHOWN));
        let bytes = bytes(&mut file, start, length - start)?;
        let mut lines = bytes.as_slice();
        let mut left_out = start - offset;
        if left_out > 0 {
            // Do not begin in the middle of a line.
            let first = lines
                .iter()
                .position(|&byte| is_line_end(byte))
                .map_or(0, |at| at + 1);
            lines = &lines[first..];
            left_out += first as u64;
        }
        let begin = length - lines.len() as u64;
        if !is_final && lines.len() < MOST_LINE {
            let last = lines.iter().rposition(|&byte| is_line_end(byte));
            lines = &lines[..last.map_or(0, |at| at + 1)];
        }
        Ok(Self {
            text: readable(lines),
            end: begin + lines.len() as u64,
            left_out,
        })
    }

    /// A sentence about what is shown.
    pub(crate) fn note(&self) -> &'static str {
        match (self.end, self.left_out) {
            (0, _) => "Nothing was written yet.",
            (_, 0) => "",
            (_, _) => "Only the end is shown.",
        }
    }
}

fn bytes(file: &mut File, start: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a whole log as it is; `None` if there is none. Browsers show it as plain text.
///
/// # Errors
/// If it cannot be read, is not a regular file, or is too large.
pub(crate) fn whole(log: &Path) -> io::Result<Option<Vec<u8>>> {
    match files::read_unlinked(log, files::MOST_TEXT) {
        Err(error) if files::is_absence(&error) => Ok(None),
        bytes => bytes.map(Some),
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Removes colors from a log, puts every state of a progress bar on its own line, and makes other control characters
/// visible.
fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = console::strip_ansi_codes(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    printable(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(log: &Path, offset: u64) -> LogTail {
        LogTail::read(log, offset, false).unwrap()
    }

    #[test]
    fn whole_lines_are_read_once_while_a_log_grows() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        assert_eq!(read(&log, 0), LogTail::default());
        let text = "one\r\n\u{1b}[31mtwo\u{1b}[0m\nüber\rthree\n";
        let (mut shown, mut end) = (String::new(), 0);
        for length in 0..=text.len() {
            fs::write(&log, &text.as_bytes()[..length]).unwrap();
            let tail = read(&log, end);
            shown += &tail.text;
            end = tail.end;
        }
        // The line break of the first line was written in two steps.
        assert_eq!(shown.replace("\n\n", "\n"), "one\ntwo\nüber\nthree\n");
        fs::write(&log, format!("{text}rest")).unwrap();
        assert_eq!(read(&log, end).text, "");
        assert_eq!(LogTail::read(&log, end, true).unwrap().text, "rest");
    }

    #[test]
    fn only_the_end_of_a_long_log_is_read_and_never_half_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        let line = "x".repeat(99);
        fs::write(&log, format!("{line}\n").repeat(5000)).unwrap();
        let tail = read(&log, 0);
        assert_eq!(tail.end, 500_000);
        assert!(tail.text.lines().all(|read| read == line));
        assert_eq!(tail.text.len() as u64 + tail.left_out, 500_000);
        assert!(tail.text.len() as u64 <= SHOWN);
        let tail = read(&log, 499_900);
        assert_eq!((tail.text.len(), tail.left_out), (100, 0));
    }

    #[test]
    fn a_retry_begins_the_log_again_and_a_long_line_is_read_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        fs::write(&log, "new\n").unwrap();
        assert_eq!(read(&log, 100).text, "new\n");
        fs::write(&log, "y".repeat(MOST_LINE)).unwrap();
        assert_eq!(read(&log, 0).text.len(), MOST_LINE);
    }

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(readable(b"a\x1b]0;title\x07b\x08\n").find('\u{1b}'), None);
        assert_eq!(readable("\u{202e}".as_bytes()).find('\u{202e}'), None);
    }
}
