//! Ids of runs, which are also the names of their folders.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// Id of a run: the second in which it started, in UTC, and four random hex digits. Ids sort by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId(String);

impl RunId {
    fn draw(now: Timestamp) -> Self {
        // A fresh `RandomState` is randomly keyed.
        let random = RandomState::new().hash_one(now) as u16;
        Self(format!("{}-{random:04x}", now.strftime("%Y%m%d-%H%M%S")))
    }

    /// Draws an id and creates its folder under `runs`; the id is unique there.
    pub fn claim(runs: &Path, now: Timestamp) -> io::Result<(Self, PathBuf)> {
        contract::files::create_folders(runs)?;
        loop {
            let id = Self::draw(now);
            let folder = runs.join(&id.0);
            match std::fs::create_dir(&folder) {
                Ok(()) => return Ok((id, folder)),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::RunId;

    #[test]
    fn ids_begin_with_the_time_and_differ() {
        let runs = tempfile::tempdir().unwrap();
        let now = "2026-11-23T08:15:00Z".parse().unwrap();
        let (first, folder) = RunId::claim(runs.path(), now).unwrap();
        let (second, _) = RunId::claim(runs.path(), now).unwrap();
        assert!(first.to_string().starts_with("20261123-081500-"), "{first}");
        assert_eq!(first.to_string().len(), "20261123-081500-ab12".len());
        assert_ne!(first, second);
        assert!(folder.is_dir());
    }
}
