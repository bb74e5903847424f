//! [`LeftJobs`]: Slurm jobs of runs that were stopped or killed.

use contract::files;
use slurm::{EndResult, JobFolder, asks_for_other};
use store::Store;
use store::keys::Key;

use super::requests::of_instance;
use crate::graph::Instance;

/// The jobs of a store that no run has collected yet.
pub struct LeftJobs<'a> {
    store: &'a Store,
    /// `false` if the store never had jobs.
    has_jobs: bool,
}

impl<'a> LeftJobs<'a> {
    pub fn of(store: &'a Store) -> Self {
        Self {
            store,
            has_jobs: files::exists(&store.jobs_folder()).unwrap_or(true),
        }
    }

    /// Describes the job of an action, as far as its folder tells. `instance` is the stage as it is now, if that is
    /// known. `None` if there is no job, also if its folder cannot be read.
    pub fn describe(&self, key: &Key, instance: Option<&Instance>) -> Option<LeftJob> {
        if !self.has_jobs {
            return None;
        }
        let root = self.store.jobs_folder().join(key.to_string());
        let described = JobFolder::latest(&root).and_then(|latest| match latest {
            Some((_, folder)) => describe(&folder, instance),
            None => Ok(None),
        });
        described.unwrap_or_else(|error| {
            tracing::debug!("a job folder is not examined: {error}");
            None
        })
    }
}

/// A Slurm job of a run that was stopped or killed.
pub struct LeftJob {
    /// Sentence fragment: `Slurm job 17 has started on lab1`.
    pub text: String,
    /// `true` if the next run replaces the job, because the stage asks for other resources now.
    pub is_replaced: bool,
}

fn describe(
    folder: &JobFolder,
    instance: Option<&Instance>,
) -> Result<Option<LeftJob>, slurm::Error> {
    if folder.is_collected()? || folder.is_cancelled()? {
        return Ok(None);
    }
    let Some(job) = folder.job()? else {
        return Ok(None);
    };
    let id = job.id();
    let ending = folder.ending()?.map(|ending| ending.result);
    let text = match (ending, folder.started()?) {
        (Some(EndResult::Succeeded(_)), _) => format!("Slurm job {id} has its result"),
        (Some(EndResult::Failed(_) | EndResult::Refused(_)), _) => {
            format!("Slurm job {id} has failed")
        }
        (Some(EndResult::Paused), _) => {
            format!("Slurm job {id} was interrupted, and goes on from its checkpoint")
        }
        (None, Some(started)) => {
            let node = contract::one_line(&started.node).into_owned();
            format!("Slurm job {id} has started on {node}")
        }
        (None, None) => format!("Slurm job {id} is submitted"),
    };
    let is_replaced = match instance {
        Some(instance) => asks_for_other(folder, &of_instance(instance))?,
        None => false,
    };
    Ok(Some(LeftJob { text, is_replaced }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_job_is_described_until_it_is_collected() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let key: Key = "ab".repeat(32).parse().unwrap();
        let describe = || LeftJobs::of(&store).describe(&key, None);
        assert!(describe().is_none());
        let attempt = store.jobs_folder().join(key.to_string()).join("attempt-1");
        fs::create_dir_all(&attempt).unwrap();
        let says = || describe().map_or(String::new(), |job| job.text);
        let put = |name: &str, text: &str| fs::write(attempt.join(name), text).unwrap();
        assert_eq!(says(), "", "it is not submitted");
        put(
            "job.json",
            r#"{"tag":"t","job":17,"element":2,"pack":1,"submitted":0}"#,
        );
        assert_eq!(says(), "Slurm job 17_2 is submitted");
        let started = r#"{"node":"lab1","process":1,"boot":null,"processor":"x86","version":"1","job":17,"element":2,"attempt":1,"restart":0}"#;
        put("started.json", started);
        assert_eq!(says(), "Slurm job 17_2 has started on lab1");
        let ended = |result: &str| {
            let rest = r#""seconds":1.0,"cpu_seconds":1.0,"peak_memory_mib":1.0"#;
            put(
                "ending.json",
                &format!(r#"{{"attempt":1,"restart":0,"result":{result},{rest}}}"#),
            );
        };
        ended(r#""paused""#);
        assert!(says().ends_with("from its checkpoint"), "{}", says());
        ended(r#"{"succeeded":null}"#);
        assert_eq!(says(), "Slurm job 17_2 has its result");
        put("collected", "true");
        assert_eq!(says(), "");
    }
}
