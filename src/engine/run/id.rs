//! Ids of runs, which are also the names of their folders.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// Id of a run: the second in which it started, in UTC, and its [number](super::number) in the store. Ids sort by time,
/// and by number within a second. Earlier versions wrote four random digits in place of the number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId(String);

impl RunId {
    /// Creates the folder of a run under `runs`. Its name is the id, and it is unique there.
    pub fn claim(runs: &Path, now: Timestamp, number: u64) -> io::Result<(Self, PathBuf)> {
        contract::files::create_folders(runs)?;
        let id = format!("{}-{number:04}", now.strftime("%Y%m%d-%H%M%S"));
        // An earlier version may have drawn the same digits, or the numbers may have been lost.
        let others = (2..).map(|copy: u64| format!("{id}-{copy}"));
        for id in [id.clone()].into_iter().chain(others) {
            let folder = runs.join(&id);
            match std::fs::create_dir(&folder) {
                Ok(()) => return Ok((Self(id), folder)),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_by_number_within_a_second() {
        let runs = tempfile::tempdir().unwrap();
        let claim = |now: &str, number| {
            let claimed = RunId::claim(runs.path(), now.parse().unwrap(), number);
            let (id, folder) = claimed.unwrap();
            assert!(folder.is_dir());
            id.to_string()
        };
        let ids = [
            claim("2026-11-23T08:15:00Z", 41),
            claim("2026-11-23T08:15:00Z", 42),
            claim("2026-11-23T08:15:00Z", 100),
            claim("2026-11-23T08:15:01Z", 3),
        ];
        assert_eq!(ids[1], "20261123-081500-0042");
        assert!(ids.is_sorted(), "{ids:?}");
        let again = claim("2026-11-23T08:15:00Z", 42);
        assert_eq!(again, "20261123-081500-0042-2");
    }
}
