//! Removes what no driver and no job needs any more.

use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::files;

use crate::script::LIST;
use crate::submit::{Submitter, lock_of, remove};
use crate::{Error, JobFolder};

impl Submitter {
    /// Removes the folders of submissions whose jobs have all ended or are gone, and those of jobs whose endings were
    /// used long ago. Returns how many were removed.
    ///
    /// # Errors
    /// If a folder cannot be read.
    pub fn sweep(&self) -> Result<usize, Error> {
        let mut removed = 0;
        for submission in folders(&self.submission(""))? {
            if is_unused(&submission)? {
                remove(&submission);
                removed += 1;
            }
        }
        for root in folders(self.root())? {
            if is_old(&root)? {
                remove(&root);
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// Returns the folders in a folder. A missing one has none.
fn folders(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if files::is_absence(&error) => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", root)(error)),
    };
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

/// Age from which the folder of a submission may be removed. A younger one may be about to be locked.
pub(crate) const SWEEPABLE: Duration = Duration::from_secs(3600);

/// Returns `true` if no driver holds the submission, and no job of it can still need it.
fn is_unused(submission: &Path) -> Result<bool, Error> {
    let modified = std::fs::metadata(submission).and_then(|found| found.modified());
    let age = modified.ok().and_then(|modified| modified.elapsed().ok());
    if age.is_none_or(|age| age < SWEEPABLE) {
        return Ok(false);
    }
    let Some(lock) = lock_of(submission)? else {
        return Ok(false);
    };
    if lock.try_lock().is_err() {
        return Ok(false);
    }
    let list = submission.join(LIST);
    let text = match files::read_text(&list, files::MOST_TEXT) {
        Ok(text) => text,
        Err(error) if files::is_absence(&error) => return Ok(true),
        Err(error) => return Err(Error::io("read", &list)(error)),
    };
    for folder in text.lines().map(JobFolder::at) {
        let is_claimed = folder
            .claim()?
            .is_some_and(|claim| submission.ends_with(&claim.tag));
        if is_claimed
            && folder
                .ending()?
                .is_none_or(|ending| ending.result == crate::EndResult::Paused)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Time for which the log and the outputs of a failed job can be inspected after its ending was used.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Returns `true` if the latest attempt at a job was collected long ago. A job that succeeded has no folder any more.
fn is_old(root: &Path) -> Result<bool, Error> {
    let Some((_, attempt)) = JobFolder::latest(root)? else {
        return Ok(false);
    };
    let age = attempt.collected_age()?;
    Ok(age.is_some_and(|age| age >= KEPT))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::SystemTime;

    use super::*;
    use crate::{Client, Settings};

    #[test]
    fn only_jobs_that_were_collected_long_ago_are_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path();
        let submitter = Submitter::new(
            Client::default(),
            Settings::default(),
            root,
            Path::new("/bin/runner"),
        );
        let attempt = |name: &str, number| {
            let folder = JobFolder::attempt(&root.join(name), number);
            fs::create_dir_all(folder.path()).unwrap();
            folder
        };
        let collect = |folder: &JobFolder, age: Duration| {
            folder.put_collected().unwrap();
            let mark = File::options()
                .write(true)
                .open(folder.path().join("collected"));
            mark.unwrap().set_modified(SystemTime::now() - age).unwrap();
        };
        collect(&attempt("old", 1), KEPT * 2);
        collect(&attempt("young", 1), KEPT / 2);
        collect(&attempt("again", 1), KEPT * 2);
        attempt("again", 2);
        attempt("waiting", 1);
        assert_eq!(submitter.unwrap().sweep().unwrap(), 1);
        let mut left = folders(root).unwrap();
        left.sort();
        assert_eq!(
            left,
            ["again", "waiting", "young"].map(|name| root.join(name))
        );
    }
}
