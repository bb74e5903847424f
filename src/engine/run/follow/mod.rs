//! Reads the events of a run while it goes on, also from another process.
//!
//! The reader keeps only an offset. It has no thread and no timer: the caller decides when to look again. A run that is
//! killed leaves at most one incomplete line, which is never returned. Lines that this version does not know are
//! skipped.
//!
//! [`read_events`] does not notice that a run was killed. [`recorded::read`](crate::run::recorded::read) does.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use contract::{ShowPath, files};
use jiff::Timestamp;
use serde::Deserialize;

use crate::event::Event;
use crate::run::files::EVENTS_FILE;

/// Number of bytes that one call reads, unless a line is longer.
const CHUNK: u64 = 4 << 20;
/// Longest line that is read, in bytes.
const MOST_LINE: u64 = 256 << 20;
/// Number of bytes at the beginning of a line that contain the name of its event.
const HEAD: usize = 100;
/// The text in a line of progress that comes before the name of the stage.
const PROGRESS: &str = r#""event":"stage-progress","stage":""#;

/// An event that a run recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedEvent {
    /// Time at which it was recorded.
    pub time: Timestamp,
    pub event: Event,
    /// Offset of the next event, in bytes. A reader that has handled this event continues there.
    pub end: u64,
}

/// Events that were read at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewEvents {
    /// In the order in which they were recorded.
    pub events: Vec<RecordedEvent>,
    /// Offset at which to continue, in bytes.
    pub offset: u64,
    /// `true` if the file has more complete lines than one call returns. Reading again does not have to wait.
    pub has_more: bool,
}

/// Choice of the recorded progress events to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressDetail {
    /// All of it: for learning curves.
    All,
    /// The last progress of each stage among the events that one call reads: for the current state. This is several
    /// times as fast.
    Last,
}

/// Reason why the events of a run cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The file, or the run's folder, does not exist (any more).
    #[error("`{}` does not exist any more", path.shown())]
    Missing { path: PathBuf },
    /// The file is shorter than what was read before, so it is another file.
    #[error("`{}` was replaced or cut off", path.shown())]
    Replaced { path: PathBuf },
    #[error("failed to read `{}`: {source}", path.shown())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl RecordedEvent {
    /// Returns the seconds from the run's first event, which was recorded at `first`, to this one.
    pub fn seconds_since(&self, first: Timestamp) -> f64 {
        seconds_between(first, self.time)
    }
}

/// Returns the seconds from one time to another, negative if it is earlier.
pub(super) fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    (to - from).total(jiff::Unit::Second).unwrap_or_default()
}

#[derive(Deserialize)]
struct Line {
    time: Timestamp,
    #[serde(flatten)]
    event: Event,
}

/// Reads the events that the run in `folder` has recorded from `offset` on: 0, or the offset of an earlier call. The
/// result is empty if nothing was recorded since.
///
/// # Errors
/// If the file is missing, is shorter than `offset`, is not a regular file or cannot be read.
pub fn read_events(
    folder: &Path,
    offset: u64,
    detail: ProgressDetail,
) -> Result<NewEvents, FollowError> {
    let path = folder.join(EVENTS_FILE);
    let failed = |source: io::Error| match files::is_absence(&source) {
        true => FollowError::Missing { path: path.clone() },
        false => FollowError::Io {
            path: path.clone(),
            source,
        },
    };
    let mut file = files::open_unlinked(&path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length < offset {
        return Err(FollowError::Replaced { path });
    }
    if length == offset {
        return Ok(NewEvents {
            offset,
            ..NewEvents::default()
        });
    }
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut bytes = Vec::new();
    let mut limit = CHUNK;
    let complete = loop {
        let missing = limit - bytes.len() as u64;
        let read = Read::take(&mut file, missing)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        match bytes.iter().rposition(|&byte| byte == b'\n') {
            Some(last) => break last + 1,
            None if (read as u64) < missing => break 0,
            None if limit >= MOST_LINE => {
                return Err(failed(io::Error::other("it has a line that is too long")));
            }
            None => limit *= 4,
        }
    };
    let end = offset + complete as u64;
    Ok(NewEvents {
        events: parse(&bytes[..complete], offset, detail),
        offset: end,
        has_more: complete > 0 && bytes.len() as u64 == limit,
    })
}

/// Calls `each` with every event that the run in `folder` has recorded. Returns the offset at which to continue.
///
/// # Errors
/// As for [`read_events`].
pub fn replay_events(
    folder: &Path,
    detail: ProgressDetail,
    mut each: impl FnMut(&RecordedEvent),
) -> Result<u64, FollowError> {
    let mut offset = 0;
    loop {
        let new = read_events(folder, offset, detail)?;
        new.events.iter().for_each(&mut each);
        offset = new.offset;
        if !new.has_more {
            return Ok(offset);
        }
    }
}

/// Parses whole lines, which begin at `offset` in the file.
fn parse(bytes: &[u8], offset: u64, detail: ProgressDetail) -> Vec<RecordedEvent> {
    let mut lines: Vec<(&[u8], u64)> = Vec::new();
    let mut end = offset;
    // Positions in `lines` of the last progress of each stage.
    let mut last: HashMap<&[u8], usize> = HashMap::new();
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        end += line.len() as u64;
        if detail == ProgressDetail::Last
            && let Some(stage) = stage_of_progress(line)
            && let Some(earlier) = last.insert(stage, lines.len())
        {
            lines[earlier].0 = &[];
        }
        lines.push((line, end));
    }
    let lines = lines.into_iter().filter(|(line, _)| !line.is_empty());
    let events = lines.filter_map(|(line, end)| {
        let Line { time, event } = serde_json::from_slice(line).ok()?;
        Some(RecordedEvent { time, event, end })
    });
    events.collect()
}

/// Returns the name of the stage, as it is escaped in JSON, if a line is about the progress of a stage.
fn stage_of_progress(line: &[u8]) -> Option<&[u8]> {
    let head = &line[..line.len().min(HEAD)];
    let windows = &mut head.windows(PROGRESS.len());
    let start = windows.position(|window| window == PROGRESS.as_bytes())? + PROGRESS.len();
    let name = &line[start..];
    let mut escaped = false;
    let end = name.iter().position(|&byte| {
        let is_end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    })?;
    Some(&name[..end])
}
