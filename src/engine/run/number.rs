//! Numbers of runs: the order in which they began, independent of the clock.
//!
//! A number is claimed by creating an empty file with that name in a folder of the store, which can succeed
//! only once. Only the file with the largest number has to stay. If none is left, the records of the runs
//! show the largest number.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use contract::ShowPath;
use serde::Deserialize;

use super::files::{Fault, RUN_FILE, RunFile, read_run};
use super::history::folders;

/// Largest possible number of a run. Files with larger names do not belong to the store.
const LARGEST: u64 = 1 << 53;

/// Claims a number in `folder` that is larger than that of every run that began before. `runs` contains the
/// folders of the runs.
pub fn claim(folder: &Path, runs: &Path) -> io::Result<u64> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Create and remove files only in a folder of our own, not behind a link.
    if !fs::symlink_metadata(folder)?.is_dir() {
        let message = "not a folder; move it to another place";
        return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
    }
    loop {
        let claimed = claimed(folder)?;
        let last = match claimed.iter().max() {
            Some(&last) => last,
            None => recorded(runs)?,
        };
        let number = last + 1;
        if number > LARGEST {
            let message =
                format!("file `{last}` in it has the largest possible number; remove that file");
            return Err(io::Error::other(message));
        }
        match File::create_new(folder.join(number.to_string())) {
            // Another process claimed it first.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            made => made?,
        };
        // Other processes may have claimed larger numbers since, and removed files that we no longer see.
        let claimed = self::claimed(folder)?;
        let is_last = claimed.iter().all(|&other| other <= number);
        for old in claimed
            .into_iter()
            .filter(|&other| other < number || !is_last && other == number)
        {
            // It may belong to another user, and can stay.
            let _ = fs::remove_file(folder.join(old.to_string()));
        }
        if is_last {
            return Ok(number);
        }
    }
}

/// The claimed numbers whose files still exist.
fn claimed(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.parse::<u64>().ok());
        numbers.extend(number.filter(|&number| number <= LARGEST));
    }
    Ok(numbers)
}

/// The largest number in the records of runs; 0 if none has one.
fn recorded(runs: &Path) -> io::Result<u64> {
    #[derive(Deserialize)]
    struct Numbered {
        number: Option<u64>,
    }
    let mut largest = 0;
    for folder in folders(runs)? {
        match read_run(&folder) {
            RunFile::Sound(Numbered {
                number: Some(number),
            }) if number < LARGEST => largest = largest.max(number),
            // The unreadable record may have the largest number.
            RunFile::Bad(fault @ Fault::Refused(_)) => {
                let message = format!("`{}` {fault}", folder.join(RUN_FILE).shown());
                return Err(io::Error::other(message));
            }
            _ => {}
        }
    }
    Ok(largest)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;
    use std::thread;

    use super::*;

    /// Folders of a store for runs and for numbers.
    struct Fixture(tempfile::TempDir);

    impl Fixture {
        fn new() -> Self {
            let fixture = Self(tempfile::tempdir().unwrap());
            fs::create_dir(fixture.runs()).unwrap();
            fixture
        }

        fn runs(&self) -> PathBuf {
            self.0.path().join("runs")
        }

        fn numbers(&self) -> PathBuf {
            self.0.path().join("numbers")
        }

        fn claim(&self) -> io::Result<u64> {
            claim(&self.numbers(), &self.runs())
        }
    }

    #[test]
    fn numbers_grow_and_the_last_is_kept() {
        let fixture = Fixture::new();
        for expected in 1..=5 {
            assert_eq!(fixture.claim().unwrap(), expected);
        }
        let kept = claimed(&fixture.numbers()).unwrap();
        assert_eq!(kept, [5]);
    }

    #[test]
    fn no_number_is_claimed_twice_at_once() {
        let fixture = Fixture::new();
        let all: Vec<Vec<u64>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..50).map(|_| fixture.claim().unwrap()).collect()))
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(all.iter().all(|of_one| of_one.is_sorted()));
        let distinct: BTreeSet<u64> = all.iter().flatten().copied().collect();
        assert_eq!(distinct.len(), 400);
    }

    #[test]
    fn numbers_continue_from_the_records_if_the_last_file_is_lost() {
        let fixture = Fixture::new();
        for (name, record) in [("a", r#"{"number": 41}"#), ("b", "{}"), ("c", "{")] {
            fs::create_dir(fixture.runs().join(name)).unwrap();
            fs::write(fixture.runs().join(name).join("run.json"), record).unwrap();
        }
        assert_eq!(fixture.claim().unwrap(), 42);
    }

    #[test]
    fn no_file_is_created_or_removed_behind_a_link() {
        let (fixture, outside) = (Fixture::new(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("1"), "mine").unwrap();
        symlink(outside.path(), fixture.numbers()).unwrap();
        fixture.claim().unwrap_err();
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn files_that_are_not_numbers_are_ignored() {
        let fixture = Fixture::new();
        let folder = fixture.numbers();
        fs::create_dir(&folder).unwrap();
        for name in ["foreign", "18446744073709551615", "-3"] {
            fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!(fixture.claim().unwrap(), 1);
        assert_eq!(fixture.claim().unwrap(), 2);
        fs::write(folder.join(LARGEST.to_string()), "").unwrap();
        fixture.claim().unwrap_err();
    }
}
