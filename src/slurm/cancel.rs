//! Cancels jobs.
//!
//! A job is marked in its folder first, so that it does not start again, and a job that is still to come in a shared
//! allocation does not start. Then Slurm is asked which of the ids still belong to our submissions, and only these are
//! passed to `scancel`: an id may have been given to another job, and `scancel` succeeds for ids that it does not know.
//! An allocation that several jobs share is cancelled once all its jobs are marked or have ended.

use std::collections::BTreeMap;

use contract::files;

use crate::records::{EndResult, JobRecord};
use crate::script::LIST;
use crate::state::JobId;
use crate::submit::Submitter;
use crate::{Error, JobFolder, tag};

/// Ids for one call of `scancel`.
const MOST_IDS: usize = 200;

impl JobRecord {
    /// Returns the id by which Slurm knows the job.
    pub fn id(&self) -> JobId {
        JobId {
            job: self.job,
            element: self.element,
        }
    }
}

impl Submitter {
    /// Cancels jobs. Returns the ids that were passed to `scancel`. Slurm ends the jobs later.
    ///
    /// # Errors
    /// If a folder cannot be written, or Slurm does not answer. The marks stay, so no further job starts.
    pub fn cancel(&self, jobs: &[(JobFolder, JobRecord)]) -> Result<Vec<JobId>, Error> {
        let mut wanted = BTreeMap::new();
        for (folder, _) in jobs {
            folder.put_cancel()?;
        }
        for (_, record) in jobs {
            if record.pack <= 1 || self.all_are_marked(record)? {
                wanted.insert(record.id(), record.tag.as_str());
            }
        }
        let seen = self.client.queue()?;
        let alive = seen.iter().filter(|seen| !seen.state.is_over());
        let ours = alive.filter(|seen| {
            let tag = wanted.get(&seen.id);
            tag.is_some_and(|tag| tag::is_of(seen, tag))
        });
        let ids: Vec<JobId> = ours.map(|seen| seen.id).collect();
        for ids in ids.chunks(MOST_IDS) {
            let arguments: Vec<String> = ids.iter().map(ToString::to_string).collect();
            self.client.run("scancel", &arguments)?;
        }
        Ok(ids)
    }

    /// Returns `true` if no job of a shared allocation needs it any more.
    fn all_are_marked(&self, record: &JobRecord) -> Result<bool, Error> {
        let list = self.submission(&record.tag).join(LIST);
        let text = files::read_text(&list, files::MOST_TEXT).map_err(Error::io("read", &list))?;
        let pack = record.pack as usize;
        let first = record.element.unwrap_or_default() as usize * pack;
        for folder in text.lines().skip(first).take(pack).map(JobFolder::at) {
            let has_ended = folder
                .ending()?
                .is_some_and(|ending| ending.result != EndResult::Paused);
            if !has_ended && !folder.is_cancelled()? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
