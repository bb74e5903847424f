//! Runs Slurm's commands in a thread, one after the other.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Instant;

use crate::records::JobRecord;
use crate::recover::{Recovered, Recovery};
use crate::resources::{Pack, Resources};
use crate::site::SiteLimits;
use crate::state::{JobId, State};
use crate::submit::{Batch, Submitter};
use crate::sweep::SWEEPABLE;
use crate::watch::Watch;
use crate::{Error, JobFolder};

use super::Input;

/// Number of a job in this driver.
pub(super) type Number = u64;

/// A question or a request to Slurm.
#[derive(Debug)]
pub(super) enum Errand {
    Recover(Vec<(Number, JobFolder)>),
    Submit {
        numbers: Vec<Number>,
        folders: Vec<JobFolder>,
        resources: Resources,
        pack: Pack,
    },
    Ask(BTreeMap<JobId, String>),
    Cancel(Vec<(JobFolder, JobRecord)>),
    ReadLimits,
}

#[derive(Debug)]
pub(super) enum Answer {
    Recovered(Vec<(Number, Result<Recovered, Error>)>),
    Submitted(Vec<Number>, Result<Vec<Option<JobRecord>>, Error>),
    States(HashMap<JobId, State>),
    Cancelled(Vec<(JobFolder, JobRecord)>, Result<(), Error>),
    Limits(Result<SiteLimits, Error>),
}

/// Sends errands to the thread.
#[derive(Debug)]
pub(super) struct Errands {
    sender: Sender<Errand>,
    submitter: Submitter,
}

impl Errands {
    /// Sends an errand. Its answer arrives as an [`Input`].
    pub(super) fn send(&self, errand: Errand) {
        // The thread ends only when this sender is dropped.
        let _ = self.sender.send(errand);
    }

    /// Returns the path of the log of an allocation.
    pub(super) fn log_of(&self, job: &JobRecord) -> PathBuf {
        self.submitter.log_of(job)
    }
}

pub(super) fn start(submitter: Submitter, answers: Sender<Input>) -> Errands {
    let (sender, errands) = mpsc::channel();
    let own = submitter.clone();
    thread::spawn(move || {
        let mut watch = Watch::new(submitter.client.clone());
        let mut swept = Instant::now();
        for errand in errands {
            let answer = carry_out(&submitter, &mut watch, errand);
            if answers.send(Input::Answer(answer)).is_err() {
                return;
            }
            // A run of days would otherwise keep the files of all its submissions.
            if swept.elapsed() >= SWEEPABLE {
                swept = Instant::now();
                if let Err(error) = submitter.sweep() {
                    tracing::debug!(%error, "old submissions are not removed");
                }
            }
        }
    });
    Errands {
        sender,
        submitter: own,
    }
}

fn carry_out(submitter: &Submitter, watch: &mut Watch, errand: Errand) -> Answer {
    match errand {
        Errand::Recover(jobs) => {
            let mut recovery = Recovery::new(submitter);
            let mut found =
                |(number, folder): (Number, JobFolder)| (number, recovery.find(&folder));
            Answer::Recovered(jobs.into_iter().map(&mut found).collect())
        }
        Errand::Submit {
            numbers,
            folders,
            resources,
            pack,
        } => {
            let batch = Batch {
                resources: &resources,
                pack,
                folders: &folders,
            };
            Answer::Submitted(numbers, submitter.submit(batch))
        }
        Errand::Ask(jobs) => Answer::States(watch.ask(&jobs)),
        Errand::Cancel(jobs) => {
            let result = submitter.cancel(&jobs).map(drop);
            Answer::Cancelled(jobs, result)
        }
        Errand::ReadLimits => Answer::Limits(submitter.client.limits(submitter.settings())),
    }
}
