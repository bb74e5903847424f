//! Reads the events of a run while it goes on, also from another process.
//!
//! The reader keeps only an offset. It has no thread and no timer: the caller decides when to look again. A run that is
//! killed leaves at most one incomplete line, which is never returned. Lines that this version does not know are
//! skipped.
//!
//! [`read_events`] does not notice that a run was killed. [`recorded::read`](super::recorded::read) does.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use contract::{ShowPath, files};
use jiff::Timestamp;
use serde::Deserialize;

use super::files::EVENTS_FILE;
use crate::event::Event;

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
    /// Whether the file has more complete lines than one call returns, so that reading again does not have to wait.
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

#[cfg(test)]
mod tests {
    use std::fs;

    use contract::{Position, Progress};

    use super::*;
    use crate::event::{BestTrial, Observer, StageReport, TrialResult};
    use crate::run::event_log::EventLog;
    use crate::scheduler::{Counts, Outcome};
    use store::keys::Key;

    fn progress(stage: &str, done: f64) -> Event {
        Event::StageProgress {
            stage: stage.to_owned(),
            progress: Progress {
                unit: "epoch".to_owned(),
                done,
                total: 4.0,
                figures: vec![("loss".to_owned(), 0.5)],
                measurement: None,
            },
        }
    }

    fn note(message: &str) -> Event {
        Event::StageNote {
            stage: "a".to_owned(),
            message: message.to_owned(),
        }
    }

    /// Returns one event of each kind.
    fn one_of_each() -> Vec<Event> {
        let stage = || "cnn[\"a\\b\"]".to_owned();
        vec![
            Event::RunStarted {
                run: "r".to_owned(),
                pipeline: "p".to_owned(),
                stages: 2,
                cached: 1,
                device: None,
            },
            Event::StageStarted {
                stage: stage(),
                reason: "new".to_owned(),
            },
            Event::StageResumed {
                stage: stage(),
                from: Position::after(3),
            },
            Event::StageStartsOver {
                stage: stage(),
                why: "w".to_owned(),
            },
            progress("cnn", 1.5),
            Event::StageCheckpoint {
                stage: stage(),
                position: Position { epoch: 1, batch: 2 },
                seconds: 0.25,
            },
            Event::StageWarning {
                stage: stage(),
                message: "m".to_owned(),
                about_run_only: true,
            },
            Event::StageWarning {
                stage: stage(),
                message: "m".to_owned(),
                about_run_only: false,
            },
            note("n\n\u{1b}"),
            Event::StageEnded {
                stage: StageReport {
                    seconds: Some(1.25),
                    error: Some("e".to_owned()),
                    ..StageReport::not_executed(
                        "a",
                        Outcome::Failed,
                        &"0".repeat(64).parse::<Key>().unwrap(),
                    )
                },
            },
            Event::TrialJudged {
                trial: 1,
                values: "a=1".to_owned(),
                judgement: TrialResult::Reached {
                    epochs: 3,
                    value: 0.5,
                },
            },
            Event::RoundEnded {
                round: 1,
                trials: 2,
                best: Some(BestTrial {
                    trial: 1,
                    values: "a=1".to_owned(),
                    objective: None,
                }),
            },
            Event::RoundStarted {
                round: 2,
                stages: 3,
                cached: 0,
            },
            Event::Interrupted { signal: 2 },
            Event::RunEnded {
                counts: Counts::default(),
                seconds: 1.5,
            },
        ]
    }

    fn read(folder: &Path, offset: u64) -> NewEvents {
        read_events(folder, offset, ProgressDetail::All).unwrap()
    }

    fn events(read: &NewEvents) -> Vec<Event> {
        read.events.iter().map(|read| read.event.clone()).collect()
    }

    #[test]
    fn every_event_is_read_as_it_was_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let log = EventLog::create(folder.path()).unwrap();
        assert_eq!(read(folder.path(), 0), NewEvents::default());
        let recorded = one_of_each();
        recorded.iter().for_each(|event| log.observe(event));
        let all = read(folder.path(), 0);
        assert_eq!(events(&all), recorded);
        // Reading can continue after any event.
        for (index, event) in all.events.iter().enumerate() {
            let rest = read(folder.path(), event.end);
            assert_eq!(events(&rest), recorded[index + 1..]);
            assert_eq!((rest.offset, rest.has_more), (all.offset, false));
        }
    }

    #[test]
    fn a_line_is_read_once_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let log = EventLog::create(folder.path()).unwrap();
        log.observe(&note("one"));
        log.observe(&note("two"));
        let file = folder.path().join(EVENTS_FILE);
        let whole = fs::read(&file).unwrap();
        let first = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        for cut in 0..=whole.len() {
            fs::write(&file, &whole[..cut]).unwrap();
            let found = read(folder.path(), 0);
            let complete = usize::from(cut >= first) + usize::from(cut == whole.len());
            assert_eq!(found.events.len(), complete, "cut at {cut}");
            fs::write(&file, &whole).unwrap();
            let rest = read(folder.path(), found.offset);
            assert_eq!(found.events.len() + rest.events.len(), 2);
        }
    }

    #[test]
    fn unknown_events_fields_and_damaged_lines_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let time = r#""time":"2026-11-23T08:15:00Z""#;
        let text = format!(
            "{{{time},\"event\":\"from-the-future\",\"stage\":1}}\nnot json\n\u{0}\n\n\
             {{{time},\"event\":\"stage-note\",\"stage\":\"a\",\"message\":\"m\",\"more\":[1]}}\n\
             {{{time},\"event\":\"stage-progress\",\"stage\":\"a\",\"progress\":{{\"unit\":\"epoch\",\"done\":1,\"total\":2,\"figures\":[[\"loss\",null]]}}}}\n"
        );
        fs::write(folder.path().join(EVENTS_FILE), &text).unwrap();
        let found = read(folder.path(), 0);
        assert_eq!(found.offset, text.len() as u64);
        let found = events(&found);
        assert_eq!(found[0], note("m"));
        let Event::StageProgress { progress, .. } = &found[1] else {
            panic!("{found:?}");
        };
        assert!(progress.figures[0].1.is_nan());
    }

    #[test]
    fn of_progress_only_the_last_of_each_stage_is_read_if_asked() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["a", "a\"b", "a\\"];
        let mut text = String::new();
        let mut line = |event: &Event| {
            let event = serde_json::to_string(event).unwrap();
            let event = event.strip_prefix('{').unwrap();
            text += &format!("{{\"time\":\"2026-11-23T08:15:00Z\",{event}\n");
        };
        for done in 0..4 {
            for name in names {
                line(&progress(name, f64::from(done)));
            }
            line(&note("n"));
        }
        fs::write(folder.path().join(EVENTS_FILE), &text).unwrap();
        let last = read_events(folder.path(), 0, ProgressDetail::Last).unwrap();
        let mut expected = vec![note("n"); 3];
        expected.extend(names.map(|name| progress(name, 3.0)));
        expected.push(note("n"));
        assert_eq!(events(&last), expected);
        assert_eq!(last.offset, text.len() as u64);
        assert_eq!(events(&read(folder.path(), 0)).len(), 16);
    }

    #[test]
    fn a_large_file_and_a_long_line_are_read_piece_by_piece() {
        let folder = tempfile::tempdir().unwrap();
        let log = EventLog::create(folder.path()).unwrap();
        let long = "x".repeat(CHUNK as usize + 1);
        let texts = ["first", &long, "y", &long, "last"];
        texts.iter().for_each(|text| log.observe(&note(text)));
        let (mut offset, mut found, mut calls) = (0, Vec::new(), 0);
        loop {
            let new = read(folder.path(), offset);
            offset = new.offset;
            found.extend(events(&new));
            calls += 1;
            if !new.has_more {
                break;
            }
        }
        assert_eq!(found, texts.map(note));
        assert!(calls > 1);
    }

    #[test]
    fn a_file_that_is_removed_or_replaced_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let again = |offset| read_events(folder.path(), offset, ProgressDetail::All);
        assert!(matches!(again(0), Err(FollowError::Missing { .. })));
        let log = EventLog::create(folder.path()).unwrap();
        log.observe(&note("n"));
        let offset = again(0).unwrap().offset;
        EventLog::create(folder.path()).unwrap();
        assert!(matches!(again(offset), Err(FollowError::Replaced { .. })));
        let file = folder.path().join(EVENTS_FILE);
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(matches!(again(0), Err(FollowError::Io { .. })));
    }
}
