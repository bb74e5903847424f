//! Checks the records of a run that [`history`](super::history) does not read: its metrics and its events.

use std::io::{self, BufRead, BufReader};
use std::path::Path;

use contract::files;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::files::{EVENTS_FILE, Fault, RunFile, read};
use super::run_metrics::METRICS_RECORD;

/// Fields that every line of the events has, also of events that this version does not know.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "time")]
    _time: Timestamp,
    #[serde(rename = "event")]
    _event: String,
}

/// Returns the files of the run in `folder` whose content is not what was written, or which cannot be read. A missing
/// file is not a fault, and neither is an incomplete last line of the events: runs that are killed, or that fill the
/// disk, leave them.
pub fn faults(folder: &Path) -> Vec<(&'static str, Fault)> {
    let metrics = read(&folder.join(METRICS_RECORD), |bytes| {
        store::unseal::<IgnoredAny>(bytes).map_err(|error| error.to_string())
    });
    let metrics = match metrics {
        RunFile::Bad(fault) => Some((METRICS_RECORD, fault)),
        RunFile::Sound(_) | RunFile::Missing => None,
    };
    let events = fault_of_events(&folder.join(EVENTS_FILE));
    let events = events.map(|fault| (EVENTS_FILE, fault));
    metrics.into_iter().chain(events).collect()
}

fn fault_of_events(file: &Path) -> Option<Fault> {
    match damaged_line(file) {
        Ok(None) => None,
        Ok(Some(number)) => Some(Fault::Damaged(format!("line {number} is not an event"))),
        Err(error) if files::is_absence(&error) => None,
        Err(error) if files::is_unfit(&error) => {
            Some(Fault::Damaged("it is not a regular file".to_owned()))
        }
        Err(error) => Some(Fault::Refused(error.to_string())),
    }
}

/// Returns the number of the first complete line that is not an event, counted from 1.
fn damaged_line(file: &Path) -> io::Result<Option<usize>> {
    let mut lines = BufReader::new(files::open_unlinked(file)?);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        lines.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            break;
        }
        if serde_json::from_slice::<Line>(&line).is_err() {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn changed_metrics_and_broken_lines_of_events_are_faults() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, bytes: &[u8]| fs::write(folder.path().join(file), bytes).unwrap();
        let faults = || faults(folder.path());
        assert_eq!(faults(), []);

        let metrics = store::seal(&serde_json::json!({ "instances": [] })).unwrap();
        write(METRICS_RECORD, &metrics);
        // A later version may add events. The last line is incomplete.
        let event = r#"{"time":"2026-11-23T08:15:00Z","event":"of-a-later-version","more":1}"#;
        write(EVENTS_FILE, format!("{event}\n{event}\n{{\"ti").as_bytes());
        assert_eq!(faults(), []);

        write(METRICS_RECORD, &metrics[..metrics.len() - 9]);
        write(
            EVENTS_FILE,
            format!("{event}\n{{\"ti\n{event}\n").as_bytes(),
        );
        let damaged = |why: &str| Fault::Damaged(why.to_owned());
        let expected = [
            (METRICS_RECORD, damaged("its checksum does not match")),
            (EVENTS_FILE, damaged("line 2 is not an event")),
        ];
        assert_eq!(faults(), expected);

        fs::remove_file(folder.path().join(EVENTS_FILE)).unwrap();
        fs::create_dir(folder.path().join(EVENTS_FILE)).unwrap();
        write(METRICS_RECORD, &metrics);
        assert_eq!(
            faults(),
            [(EVENTS_FILE, damaged("it is not a regular file"))]
        );
    }
}
