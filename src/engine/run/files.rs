//! The files in a run's folder that record its plan and its outcome.
//!
//! `plan.json` and then `run.json` are written before anything is executed, and again before a round that adds
//! stages. `run.json` is also written at the end. A folder without `run.json` and without events belongs to a run that
//! has just begun, or that was killed before it did anything. If there are events, a missing file was lost.

use std::fmt;
use std::fs::Metadata;
use std::io;
use std::path::Path;

use contract::files;
use serde::de::DeserializeOwned;

use super::planned_stage::PlannedStage;
use crate::atomic_file::{self, Flush};
use crate::event::RunReport;
use store::keys::Digest;
use store::{Found, read_file};

/// Name of the file with the [`RunReport`].
pub const RUN_FILE: &str = "run.json";
/// Name of the file with the planned stages and their action keys.
pub const PLAN_FILE: &str = "plan.json";
/// Name of the file with the run's events, one per line.
pub const EVENTS_FILE: &str = "events.jsonl";

const CONTEXT: &str = "runner run record checksum v1";
/// Beginning of the last field of a sealed report. Nothing inside a report looks like it: line breaks in
/// strings are escaped, and nested fields are indented further.
const FIELD: &[u8] = b",\n  \"checksum\": \"";
/// Prefix of the names of files before they are renamed.
const FRESH: &str = ".tmp-";

/// The result of reading a file of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunFile<T> {
    Sound(T),
    Missing,
    Bad(Fault),
}

/// Reason why a file of a run cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It should exist.
    Missing,
    /// Its content is not what was written.
    Damaged(String),
    /// The system refuses to read it. It may be intact.
    Refused(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::Damaged(why) => write!(f, "is damaged: {why}"),
            Self::Refused(why) => write!(f, "cannot be read: {why}"),
        }
    }
}

/// Writes the report of a run. The file is replaced atomically.
pub fn write_run(folder: &Path, report: &RunReport) -> io::Result<()> {
    let bytes = sealed(report)?;
    let file = folder.join(RUN_FILE);
    atomic_file::write(&file, FRESH, Flush::No, |to| to.write_all(&bytes))
}

/// Writes the planned stages of a run.
pub fn write_plan(folder: &Path, stages: &[PlannedStage]) -> io::Result<()> {
    atomic_file::write(&folder.join(PLAN_FILE), FRESH, Flush::No, |to| {
        serde_json::to_writer(&mut *to, stages)?;
        to.write_all(b"\n")
    })
}

/// Reads the fields of `run.json` that `T` has.
pub fn read_run<T: DeserializeOwned>(folder: &Path) -> RunFile<T> {
    read(&folder.join(RUN_FILE), |bytes| {
        if is_as_written(bytes) {
            serde_json::from_slice(bytes).map_err(|error| error.to_string())
        } else {
            Err("its checksum does not match".to_owned())
        }
    })
}

/// Reads the planned stages of a run.
pub fn read_plan(folder: &Path) -> RunFile<Vec<PlannedStage>> {
    read(&folder.join(PLAN_FILE), |bytes| {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    })
}

/// Returns `true` if a run has recorded an event, or if this cannot be determined.
pub fn has_events(folder: &Path) -> bool {
    let is_filled = |events: &Metadata| !events.is_file() || events.len() > 0;
    files::is(&folder.join(EVENTS_FILE), is_filled).unwrap_or(true)
}

/// Reads a file of a run and decodes its bytes.
pub(super) fn read<T>(file: &Path, decode: impl FnOnce(&[u8]) -> Result<T, String>) -> RunFile<T> {
    match read_file(file) {
        Ok(Found::Bytes(bytes)) => match decode(&bytes) {
            Ok(read) => RunFile::Sound(read),
            Err(why) => RunFile::Bad(Fault::Damaged(why)),
        },
        Ok(Found::Missing) => RunFile::Missing,
        Ok(Found::Foreign) => RunFile::Bad(Fault::Damaged("it is not a regular file".to_owned())),
        Err(error) if files::is_absence(&error) => RunFile::Missing,
        Err(error) => RunFile::Bad(Fault::Refused(error.to_string())),
    }
}

/// The report as JSON, with a checksum of everything before it as the last field.
fn sealed(report: &RunReport) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(report)?;
    bytes.truncate(bytes.len() - "\n}".len());
    let end = end(&bytes);
    bytes.extend(end);
    Ok(bytes)
}

/// The end of a sealed report, after its other fields.
fn end(fields: &[u8]) -> Vec<u8> {
    let checksum = Digest::derive(CONTEXT, fields).to_string();
    [FIELD, checksum.as_bytes(), b"\"\n}\n"].concat()
}

/// Returns `true` if a report is as it was sealed. Reports without a checksum, from before checksums existed, count
/// as unchanged.
fn is_as_written(bytes: &[u8]) -> bool {
    let mut windows = bytes.windows(FIELD.len());
    match windows.rposition(|window| window == FIELD) {
        Some(at) => end(&bytes[..at]) == bytes[at..],
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::event::RunState;
    use crate::scheduler::Counts;

    fn report() -> RunReport {
        RunReport {
            run: "20261123-081500-0042".to_owned(),
            number: Some(7),
            pipeline: "a \"p\",\n  \"checksum\": \"".to_owned(),
            file: "p.yaml".to_owned(),
            profile: None,
            sets: vec!["v=1".to_owned()],
            runner: "1".to_owned(),
            commit: None,
            device: None,
            machine: None,
            started: "2026-11-23T08:15:00Z".to_owned(),
            finished: None,
            seconds: 0.1,
            state: RunState::Running,
            counts: Counts::default(),
            stages: Vec::new(),
        }
    }

    #[test]
    fn a_changed_record_is_damaged_or_reads_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(RUN_FILE);
        let read = || read_run::<RunReport>(folder.path());
        assert_eq!(read(), RunFile::Missing);
        write_run(folder.path(), &report()).unwrap();
        assert_eq!(read(), RunFile::Sound(report()));

        let whole = fs::read(&file).unwrap();
        for at in 0..whole.len() - 1 {
            fs::write(&file, &whole[..at]).unwrap();
            assert!(
                matches!(read(), RunFile::Bad(Fault::Damaged(_))),
                "cut at {at}"
            );
            let mut flipped = whole.clone();
            flipped[at] ^= 0x01;
            fs::write(&file, flipped).unwrap();
            // If the checksum's field name was damaged, the rest of the file is still correct.
            assert!(
                matches!(read(), RunFile::Bad(Fault::Damaged(_)))
                    || read() == RunFile::Sound(report()),
                "flipped bit in byte {at}"
            );
        }
    }

    #[test]
    fn a_record_without_a_checksum_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut old = report();
        old.number = None;
        let bytes = serde_json::to_vec_pretty(&old).unwrap();
        fs::write(folder.path().join(RUN_FILE), bytes).unwrap();
        assert_eq!(read_run(folder.path()), RunFile::Sound(old));
    }
}
