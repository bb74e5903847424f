//! Submits jobs.
//!
//! | step | if the driver dies after it |
//! | --- | --- |
//! | folder of the submission, with its lock held | the empty folder stays |
//! | claim in each job folder, created exclusively | the lock is free: `recover` finds no job with the tag, and removes the claims |
//! | list of jobs, script | as before |
//! | `sbatch`, which holds the lock too | `recover` waits for the lock, and then finds the job by its tag |
//! | id in the folder of the submission | `recover` reads it |
//! | `job.json` in each job folder | nothing is left to do |
//!
//! The lock is a kernel lock on an open file that `sbatch` inherits as its standard input. So whoever gets the lock knows
//! that no submission with this tag is under way.

use std::fs;
use std::path::{Path, PathBuf};

use contract::files;
use rustix::process::getpid;

use crate::client::Client;
use crate::folder::{open_lock, read};
use crate::quote::one_line_path;
use crate::records::{Claim, JobRecord};
use crate::resources::{Pack, Resources};
use crate::script::{LIST, SCRIPT, script};
use crate::{Error, JobFolder, Settings, clock, failpoint, tag};

/// Folder of submissions, beside the job folders.
pub(crate) const SUBMISSIONS: &str = "submissions";
const LOCK: &str = "lock";
const ID: &str = "id.json";

/// Submits jobs to one site.
#[derive(Clone, Debug)]
pub struct Submitter {
    pub(crate) client: Client,
    settings: Settings,
    /// Folder in which the folder of submissions is.
    root: PathBuf,
    binary: PathBuf,
}

/// Jobs that are submitted together.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    pub resources: &'a Resources,
    pub pack: Pack,
    /// Folders with requests.
    pub folders: &'a [JobFolder],
}

impl Submitter {
    /// Submits from the folder `root`, which nodes see under the same path. `binary` is the path of the driver's binary,
    /// for sites that do not set one.
    ///
    /// # Errors
    /// For the first bad setting, and for a path that cannot be used.
    pub fn new(
        client: Client,
        settings: Settings,
        root: &Path,
        binary: &Path,
    ) -> Result<Self, Error> {
        settings
            .check()
            .map_err(|mut errors| errors.swap_remove(0))?;
        let root = std::path::absolute(root).map_err(Error::io("find", root))?;
        let binary = settings.binary.clone().unwrap_or_else(|| binary.to_owned());
        one_line_path(&root)?;
        one_line_path(&binary)?;
        Ok(Self {
            client,
            settings,
            root,
            binary,
        })
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Submits a batch as one job or one array. Returns the record of each job, in order; `None` for one that another
    /// submission has claimed.
    ///
    /// # Errors
    /// After [`Error::NoAnswer`] and [`Error::Unexpected`] the jobs may be submitted: the claims stay, and
    /// [`Recovery`](crate::Recovery) finds out. After other errors, nothing was submitted.
    pub fn submit(&self, batch: Batch<'_>) -> Result<Vec<Option<JobRecord>>, Error> {
        let options = batch.resources.options(batch.pack, &self.settings)?;
        let tag = tag::fresh().map_err(Error::io("draw a name in", &self.root))?;
        let submission = self.submission(&tag);
        files::create_folders(&submission).map_err(Error::io("create", &submission))?;
        let lock = open_lock(&submission.join(LOCK))?;
        lock.lock().map_err(Error::io("lock", &submission))?;
        failpoint::reach("created");

        let claimed = claim(batch, &tag)?;
        failpoint::reach("claimed");
        let jobs: Vec<&JobFolder> = batch
            .folders
            .iter()
            .zip(&claimed)
            .filter_map(|(folder, line)| line.map(|_| folder))
            .collect();
        if jobs.is_empty() {
            remove(&submission);
            return Ok(vec![None; batch.folders.len()]);
        }
        let elements = jobs.len().div_ceil(batch.pack.size as usize);
        let submitted = self
            .write(&submission, &tag, &jobs, batch.pack)
            .and_then(|()| self.sbatch(&submission, &tag, options, elements, lock));
        let job = match submitted {
            Ok(job) => job,
            Err(error) => {
                if !is_uncertain(&error) {
                    for folder in jobs {
                        folder.void_claim()?;
                    }
                    remove(&submission);
                }
                return Err(error);
            }
        };
        failpoint::reach("submitted");
        record(&submission, job)?;
        failpoint::reach("identified");
        let submitted = clock::now();
        let mut records = Vec::with_capacity(claimed.len());
        for (folder, line) in batch.folders.iter().zip(claimed) {
            let Some(line) = line else {
                records.push(None);
                continue;
            };
            let record = JobRecord {
                tag: tag.clone(),
                job,
                element: (elements > 1).then_some(line / batch.pack.size),
                pack: batch.pack.size,
                submitted,
            };
            folder.put_job(&record)?;
            failpoint::reach("recorded");
            records.push(Some(record));
        }
        Ok(records)
    }

    /// Returns the folder of job folders.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder of a submission.
    pub(crate) fn submission(&self, tag: &str) -> PathBuf {
        self.root.join(SUBMISSIONS).join(tag)
    }

    fn write(
        &self,
        submission: &Path,
        tag: &str,
        jobs: &[&JobFolder],
        pack: Pack,
    ) -> Result<(), Error> {
        let list = submission.join(LIST);
        let mut lines = String::new();
        for folder in jobs {
            lines += one_line_path(folder.path())?;
            lines.push('\n');
        }
        fs::write(&list, lines).map_err(Error::io("write", &list))?;
        let [binary, folder] = [&self.binary, submission].map(one_line_path);
        let text = script(&self.settings, tag, binary?, folder?, pack);
        let script = submission.join(SCRIPT);
        fs::write(&script, text).map_err(Error::io("write", &script))
    }

    fn sbatch(
        &self,
        submission: &Path,
        tag: &str,
        options: Vec<String>,
        elements: usize,
        lock: fs::File,
    ) -> Result<u32, Error> {
        let mut arguments = options;
        arguments.extend(self.settings.place_options());
        if elements > 1 {
            arguments.push(format!("--array=0-{}", elements - 1));
        }
        arguments.extend([
            "--parsable".to_owned(),
            "--requeue".to_owned(),
            "--kill-on-invalid-dep=yes".to_owned(),
            "--open-mode=append".to_owned(),
            format!("--signal=B:USR1@{}", self.settings.grace),
            format!("--comment={}", tag::comment(tag)),
            format!("--job-name={}", tag::name(tag)),
            format!("--chdir={}", one_line_path(submission)?),
            // The script opens its log itself: Slurm replaces `%` and `\` in the path of an output.
            "--output=/dev/null".to_owned(),
            one_line_path(&submission.join(SCRIPT))?.to_owned(),
        ]);
        self.client.sbatch(&arguments, Some(lock))
    }
}

impl Settings {
    /// Returns the options of `sbatch` that say where jobs run, and who pays for them.
    pub(crate) fn place_options(&self) -> Vec<String> {
        let named = [
            ("partition", &self.partition),
            ("account", &self.account),
            ("qos", &self.qos),
            ("constraint", &self.constraint),
        ];
        let given = named.into_iter().filter_map(|(option, value)| {
            let value = value.as_ref()?;
            Some(format!("--{option}={value}"))
        });
        given.collect()
    }
}

impl Client {
    /// Runs `sbatch`, and returns the id of the job.
    pub(crate) fn sbatch(
        &self,
        arguments: &[String],
        held: Option<fs::File>,
    ) -> Result<u32, Error> {
        let answer = self.run_holding("sbatch", arguments, held)?;
        // `--parsable` prints the id, and on some sites `;` and the name of the cluster.
        let id = answer.text.lines().last().unwrap_or_default();
        let id = id.split(';').next().unwrap_or_default().trim();
        id.parse().map_err(|_| Error::Unexpected {
            program: "sbatch",
            said: answer.text.clone(),
        })
    }
}

/// Returns `true` if jobs may have been submitted although `sbatch` failed.
fn is_uncertain(error: &Error) -> bool {
    matches!(error, Error::NoAnswer { .. } | Error::Unexpected { .. })
}

/// Claims each job. Returns its line in the list of jobs; `None` for one that has a claim already. The list has no
/// gaps.
fn claim(batch: Batch<'_>, tag: &str) -> Result<Vec<Option<u32>>, Error> {
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let mut line = 0;
    let mut claimed = Vec::with_capacity(batch.folders.len());
    for folder in batch.folders {
        let claim = Claim {
            tag: tag.to_owned(),
            line,
            pack: batch.pack.size,
            host: host.clone(),
            process: getpid().as_raw_nonzero().get().cast_unsigned(),
        };
        let is_ours = folder.put_claim(&claim)?;
        claimed.push(is_ours.then_some(line));
        line += u32::from(is_ours);
        failpoint::reach("claimed one");
    }
    Ok(claimed)
}

/// Writes the id of a submission, whole and to disk.
pub(crate) fn record(submission: &Path, job: u32) -> Result<(), Error> {
    let path = submission.join(ID);
    let written = tempfile::NamedTempFile::new_in(submission).and_then(|mut fresh| {
        std::io::Write::write_all(&mut fresh, job.to_string().as_bytes())?;
        fresh.as_file().sync_all()?;
        fresh.persist(&path)?;
        files::sync(submission)
    });
    written.map_err(Error::io("write", &path))
}

/// Returns the id of a submission, if its driver wrote it.
pub(crate) fn recorded(submission: &Path) -> Result<Option<u32>, Error> {
    read(&submission.join(ID))
}

/// Opens the lock of a submission. Returns `None` if its folder does not exist.
pub(crate) fn lock_of(submission: &Path) -> Result<Option<fs::File>, Error> {
    match files::exists(submission) {
        Ok(true) => open_lock(&submission.join(LOCK)).map(Some),
        Ok(false) => Ok(None),
        Err(error) => Err(Error::io("access", submission)(error)),
    }
}

/// Removes a folder that nobody needs. A failure does no harm.
pub(crate) fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::debug!(?folder, %error, "failed to remove a folder");
    }
}
