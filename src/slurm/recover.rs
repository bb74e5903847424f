//! Finds the Slurm job of a job folder after its driver died.
//!
//! | folder | submission | Slurm | result |
//! | --- | --- | --- | --- |
//! | `job.json` | | | that job |
//! | no claim | | | free: submit it |
//! | claim | lock held | | busy: its driver, or its `sbatch`, is alive |
//! | claim | id written | | that job |
//! | claim, `started.json` | | | the job that started |
//! | claim | no id | has a job with the tag | that job |
//! | claim | no id, claim is young | no job with the tag | busy: the request may be on its way to the controller |
//! | claim | no id | no job with the tag | the claim is removed: free |
//! | claim | no id | no answer | error; ask again |
//!
//! "No job with the tag" needs an answer of both `squeue` and `scontrol`. If both are wrong and the job is submitted
//! again, the job of the removed claim ends as soon as it starts, because a node runs only what its submission has
//! claimed.

use std::collections::HashMap;
use std::fs::TryLockError;
use std::path::Path;
use std::time::Duration;

use contract::files;

use crate::records::{Claim, JobRecord};
use crate::script::LIST;
use crate::submit::{Submitter, lock_of, record, recorded};
use crate::{Error, JobFolder, clock, tag};

/// Age that a claim must have before a job that cannot be found counts as not submitted. A controller that is busy
/// carries out a request of a dead `sbatch` within its message timeout (10 s by default).
const SETTLED: Duration = Duration::from_secs(20);

/// Result of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovered {
    Job(JobRecord),
    /// Not submitted.
    Free,
    /// It is not known yet whether the job was submitted. Try again later.
    Busy,
}

/// Searches for jobs, and remembers the answers for the other jobs of a submission.
#[derive(Debug)]
pub struct Recovery<'a> {
    submitter: &'a Submitter,
    /// Ids of submissions. `None` for one that did not happen.
    known: HashMap<String, Option<Found>>,
}

/// The Slurm job of a submission.
#[derive(Clone, Copy, Debug)]
struct Found {
    job: u32,
    is_array: bool,
}

impl<'a> Recovery<'a> {
    pub fn new(submitter: &'a Submitter) -> Self {
        Self {
            submitter,
            known: HashMap::new(),
        }
    }

    /// Searches for the job of a folder.
    ///
    /// # Errors
    /// If Slurm does not answer, or a file cannot be read or written.
    pub fn find(&mut self, folder: &JobFolder) -> Result<Recovered, Error> {
        if let Some(job) = folder.job()? {
            return Ok(Recovered::Job(job));
        }
        let Some(claim) = folder.claim()? else {
            return Ok(Recovered::Free);
        };
        if !tag::is_tag(&claim.tag) {
            folder.void_claim()?;
            return Ok(Recovered::Free);
        }
        let submission = self.submitter.submission(&claim.tag);
        let lock = lock_of(&submission)?;
        match lock.as_ref().map(std::fs::File::try_lock) {
            Some(Err(TryLockError::WouldBlock)) => return Ok(Recovered::Busy),
            Some(Err(TryLockError::Error(error))) => {
                return Err(Error::io("lock", &submission)(error));
            }
            Some(Ok(())) | None => {}
        }
        // Another driver may have been faster.
        if let Some(job) = folder.job()? {
            return Ok(Recovered::Job(job));
        }
        if folder.claim()?.as_ref() != Some(&claim) {
            return Ok(Recovered::Busy);
        }
        self.find_locked(folder, &claim, &submission)
    }

    fn find_locked(
        &mut self,
        folder: &JobFolder,
        claim: &Claim,
        submission: &Path,
    ) -> Result<Recovered, Error> {
        if let Some(started) = folder.started()?
            && let Some(job) = started.job
        {
            return adopt(folder, claim, (job, started.element));
        }
        let found = match self.known.get(&claim.tag) {
            Some(found) => *found,
            None => self.search(claim, submission)?,
        };
        self.known.insert(claim.tag.clone(), found);
        match found {
            Some(found) => {
                let element = found.is_array.then_some(claim.line / claim.pack.max(1));
                adopt(folder, claim, (found.job, element))
            }
            None if age(folder)? < SETTLED => {
                self.known.remove(&claim.tag);
                Ok(Recovered::Busy)
            }
            None => {
                folder.void_claim()?;
                tracing::debug!(?folder, "a claim without a job was removed");
                Ok(Recovered::Free)
            }
        }
    }

    /// Searches for the Slurm job of a submission: in its folder, and then in both lists of jobs.
    fn search(&self, claim: &Claim, submission: &Path) -> Result<Option<Found>, Error> {
        let mut job = recorded(submission)?;
        let client = &self.submitter.client;
        for is_first in [true, false] {
            if job.is_none() {
                let all = if is_first {
                    client.queue()?
                } else {
                    client.everything()?
                };
                job = all
                    .iter()
                    .find(|seen| tag::is_of(seen, &claim.tag))
                    .map(|seen| seen.id.job);
                if let Some(job) = job {
                    record(submission, job)?;
                }
            }
        }
        let Some(job) = job else {
            return Ok(None);
        };
        let list = submission.join(LIST);
        let text = files::read_text(&list, files::MOST_TEXT).map_err(Error::io("read", &list))?;
        let is_array = text.lines().count() > claim.pack as usize;
        Ok(Some(Found { job, is_array }))
    }
}

/// Records the job that was found.
fn adopt(
    folder: &JobFolder,
    claim: &Claim,
    (job, element): (u32, Option<u32>),
) -> Result<Recovered, Error> {
    let record = JobRecord {
        tag: claim.tag.clone(),
        job,
        element,
        pack: claim.pack,
        submitted: clock::now(),
    };
    folder.put_job(&record)?;
    tracing::debug!(?folder, job, ?element, "found a job of an earlier driver");
    Ok(Recovered::Job(record))
}

/// Returns the age of a claim by the clock of the file system.
fn age(folder: &JobFolder) -> Result<Duration, Error> {
    let path = folder.path();
    let fresh = tempfile::NamedTempFile::new_in(path);
    let fresh = fresh.map_err(Error::io("write a file in", path))?;
    let now = fresh
        .as_file()
        .metadata()
        .and_then(|found| found.modified());
    let then = std::fs::metadata(path.join("claim.json")).and_then(|found| found.modified());
    let age = now.and_then(|now| Ok(now.duration_since(then?).unwrap_or_default()));
    age.map_err(Error::io("examine the claim in", path))
}
