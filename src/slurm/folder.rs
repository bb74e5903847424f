//! Job folders: reading and writing the files of the protocol.
//!
//! Files other than `events.jsonl` and `log` exist whole or not at all. A node's files are also on disk before they get
//! their names.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::files;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::records::{Claim, Ending, JobRecord, Request, Started};

/// Largest file of the protocol that is read, in bytes.
const MOST_BYTES: u64 = files::MOST_TEXT;
/// Part of a log that an error shows, in bytes.
const LOG_END: u64 = 4096;

const REQUEST: &str = "request.json";
const CLAIM: &str = "claim.json";
const JOB: &str = "job.json";
const STARTED: &str = "started.json";
const ENDING: &str = "ending.json";
const CANCEL: &str = "cancel";
const COLLECTED: &str = "collected";
const NODE_LOCK: &str = "node.lock";
/// Events, one JSON value on each line.
pub(crate) const EVENTS: &str = "events.jsonl";
const LOG: &str = "log";

/// The folder of one attempt at a job. It must be on a file system that driver and nodes share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobFolder {
    path: PathBuf,
}

impl JobFolder {
    /// Refers to a folder, which need not exist.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Returns the folder of the latest attempt below `root`, and its number.
    ///
    /// # Errors
    /// If `root` cannot be read. A missing one has no attempts.
    pub fn latest(root: &Path) -> Result<Option<(u32, Self)>, Error> {
        let entries = match fs::read_dir(root) {
            Ok(entries) => entries,
            Err(error) if files::is_absence(&error) => return Ok(None),
            Err(error) => return Err(Error::io("read", root)(error)),
        };
        let mut latest = None;
        for entry in entries {
            let name = entry.map_err(Error::io("read", root))?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("attempt-"));
            latest = latest.max(number.and_then(|number| number.parse().ok()));
        }
        Ok(latest.map(|number| (number, Self::attempt(root, number))))
    }

    /// Returns the folder of an attempt below `root`.
    pub fn attempt(root: &Path, number: u32) -> Self {
        Self::at(root.join(format!("attempt-{number}")))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder for the outputs of one start of the job. Each start has its own, because a lost node may
    /// still write.
    pub fn outputs(&self, restart: u32) -> PathBuf {
        self.path.join("outputs").join(restart.to_string())
    }

    /// Returns the path of the file for the output of the programs.
    pub fn log(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// Returns the end of the log, or an empty text if there is none.
    pub fn log_end(&self) -> String {
        end_of(&self.log())
    }

    /// Creates the folder, and writes the request if there is none.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn create(&self, request: &Request) -> Result<(), Error> {
        files::create_folders(&self.path).map_err(Error::io("create", &self.path))?;
        match self.request()? {
            Some(_) => Ok(()),
            None => self.put(REQUEST, request, Durability::None),
        }
    }

    pub fn request(&self) -> Result<Option<Request>, Error> {
        self.get(REQUEST)
    }

    pub(crate) fn claim(&self) -> Result<Option<Claim>, Error> {
        self.get(CLAIM)
    }

    /// Creates the claim exclusively. Returns `false` if there is one.
    pub(crate) fn put_claim(&self, claim: &Claim) -> Result<bool, Error> {
        let path = self.path.join(CLAIM);
        let fresh = self.fresh(&encode(CLAIM, claim)?, Durability::None)?;
        match fresh.persist_noclobber(&path) {
            Ok(_) => Ok(true),
            // On NFS, a request that was repeated finds its own file.
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(self.claim()?.is_some_and(|found| found.tag == claim.tag))
            }
            Err(error) => Err(Error::io("write", &path)(error.error)),
        }
    }

    /// Removes the claim of a submission that did not happen. The caller holds the lock of the submission.
    pub(crate) fn void_claim(&self) -> Result<(), Error> {
        self.remove(CLAIM)
    }

    pub fn job(&self) -> Result<Option<JobRecord>, Error> {
        self.get(JOB)
    }

    pub(crate) fn put_job(&self, job: &JobRecord) -> Result<(), Error> {
        self.put(JOB, job, Durability::None)
    }

    pub fn started(&self) -> Result<Option<Started>, Error> {
        self.get(STARTED)
    }

    pub(crate) fn put_started(&self, started: &Started) -> Result<(), Error> {
        self.put(STARTED, started, Durability::Disk)
    }

    pub fn ending(&self) -> Result<Option<Ending>, Error> {
        self.get(ENDING)
    }

    pub(crate) fn put_ending(&self, ending: &Ending) -> Result<(), Error> {
        self.put(ENDING, ending, Durability::Disk)
    }

    /// Marks the job as cancelled, so that it does not start any more.
    pub(crate) fn put_cancel(&self) -> Result<(), Error> {
        self.put(CANCEL, &true, Durability::None)
    }

    /// Returns `true` if the job was cancelled by a driver.
    ///
    /// # Errors
    /// If the folder cannot be accessed.
    pub fn is_cancelled(&self) -> Result<bool, Error> {
        let path = self.path.join(CANCEL);
        files::exists(&path).map_err(Error::io("access", &path))
    }

    /// Marks the attempt as over for the driver: its ending was used, and the next attempt is a new one.
    ///
    /// # Errors
    /// If the mark cannot be written.
    pub fn put_collected(&self) -> Result<(), Error> {
        self.put(COLLECTED, &true, Durability::None)
    }

    /// Returns `true` if the ending of the attempt was used.
    ///
    /// # Errors
    /// If the folder cannot be accessed.
    pub fn is_collected(&self) -> Result<bool, Error> {
        let path = self.path.join(COLLECTED);
        files::exists(&path).map_err(Error::io("access", &path))
    }

    /// Returns the time since the ending of the attempt was used; `None` if it was not.
    ///
    /// # Errors
    /// If the folder cannot be accessed.
    pub(crate) fn collected_age(&self) -> Result<Option<Duration>, Error> {
        let path = self.path.join(COLLECTED);
        match fs::metadata(&path).and_then(|found| found.modified()) {
            // A clock that is behind makes it young.
            Ok(time) => Ok(Some(time.elapsed().unwrap_or_default())),
            Err(error) if files::is_absence(&error) => Ok(None),
            Err(error) => Err(Error::io("access", &path)(error)),
        }
    }

    /// Opens the file that a node locks while it runs the job.
    pub(crate) fn node_lock(&self) -> Result<File, Error> {
        open_lock(&self.path.join(NODE_LOCK))
    }

    /// Opens the file to which events are appended.
    pub(crate) fn events(&self) -> Result<File, Error> {
        let path = self.path.join(EVENTS);
        files::open_with(&path, File::options().create(true).append(true))
            .map_err(Error::io("open", &path))
    }

    /// Makes a client of a shared file system ask the server for the folder's entries again, instead of answering from
    /// its cache of names that do not exist.
    pub(crate) fn refresh(&self) {
        // Reading a folder revalidates it. An error shows up again when a file is read.
        if let Ok(entries) = fs::read_dir(&self.path) {
            entries.for_each(drop);
        }
    }

    /// Removes the folder with everything in it.
    ///
    /// # Errors
    /// If something cannot be removed. A missing folder is no error.
    pub fn delete(&self) -> Result<(), Error> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if !files::is_absence(&error) => Err(Error::io("remove", &self.path)(error)),
            _ => Ok(()),
        }
    }

    fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        read(&self.path.join(name))
    }

    fn put(&self, name: &str, value: &impl Serialize, durability: Durability) -> Result<(), Error> {
        let path = self.path.join(name);
        let fresh = self.fresh(&encode("a file of a job", value)?, durability)?;
        let persisted = fresh.persist(&path);
        persisted.map_err(|error| Error::io("write", &path)(error.error))?;
        if durability == Durability::Disk {
            files::sync(&self.path).map_err(Error::io("flush", &self.path))?;
        }
        Ok(())
    }

    fn fresh(
        &self,
        bytes: &[u8],
        durability: Durability,
    ) -> Result<tempfile::NamedTempFile, Error> {
        let written = tempfile::Builder::new()
            .prefix(".tmp-")
            .permissions(mode())
            .tempfile_in(&self.path)
            .and_then(|mut fresh| {
                fresh.write_all(bytes)?;
                if durability == Durability::Disk {
                    fresh.as_file().sync_all()?;
                }
                Ok(fresh)
            });
        written.map_err(Error::io("write a file in", &self.path))
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if !files::is_absence(&error) => Err(Error::io("remove", &path)(error)),
            _ => Ok(()),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// A power failure may undo the write. The protocol copes with that.
    None,
    /// On disk when the call returns.
    Disk,
}

/// Mode of new files. The umask still applies: users who share a store read each other's files.
fn mode() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

fn encode(what: &'static str, value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|source| Error::Serialize { what, source })
}

/// Reads a file of the protocol. Returns `None` if it does not exist.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let bytes = match files::read_unlinked(path, MOST_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if files::is_absence(&error) => return Ok(None),
        // The file was replaced on the server while this machine had it open.
        Err(error) if error.raw_os_error() == Some(libc::ESTALE) => return Ok(None),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let parsed = serde_json::from_slice(&bytes).map_err(|source| Error::Damaged {
        path: path.to_owned(),
        source,
    })?;
    Ok(Some(parsed))
}

/// Opens a file to lock it, and creates it if it does not exist.
pub(crate) fn open_lock(path: &Path) -> Result<File, Error> {
    let mut options = File::options();
    files::open_with(
        path,
        options.create(true).truncate(false).read(true).write(true),
    )
    .map_err(Error::io("open", path))
}

/// Returns the end of a text file, or an empty text if it cannot be read.
pub(crate) fn end_of(path: &Path) -> String {
    let read = files::open_unlinked(path).and_then(|file| {
        let length = file.metadata()?.size();
        let mut bytes = vec![0; length.min(LOG_END) as usize];
        let from = length - bytes.len() as u64;
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, from)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    });
    read.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(tag: &str) -> Claim {
        Claim {
            tag: tag.to_owned(),
            line: 0,
            pack: 1,
            host: "here".to_owned(),
            process: 1,
        }
    }

    #[test]
    fn one_of_many_claims_wins() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = JobFolder::at(temporary.path());
        let won = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|number| {
                    let folder = &folder;
                    scope.spawn(move || folder.put_claim(&claim(&number.to_string())).unwrap())
                })
                .collect();
            let won = threads.into_iter().map(|thread| thread.join().unwrap());
            won.filter(|won| *won).count()
        });
        assert_eq!(won, 1);
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);
        folder.void_claim().unwrap();
        assert!(folder.claim().unwrap().is_none());
        assert!(folder.put_claim(&claim("next")).unwrap());
    }

    #[test]
    fn missing_and_damaged_files_are_told_apart() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = JobFolder::at(temporary.path());
        assert_eq!(folder.ending().unwrap(), None);
        fs::write(temporary.path().join(ENDING), "{").unwrap();
        let error = folder.ending().unwrap_err();
        assert!(
            error.to_string().contains("ending.json` is damaged"),
            "{error}"
        );
        let missing = JobFolder::at(temporary.path().join("missing"));
        assert_eq!(missing.started().unwrap(), None);
        missing.delete().unwrap();
    }

    #[test]
    fn the_latest_attempt_is_found() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path();
        assert_eq!(JobFolder::latest(&root.join("missing")).unwrap(), None);
        assert_eq!(JobFolder::latest(root).unwrap(), None);
        for name in ["attempt-2", "attempt-10", "attempt-x", "checkpoints"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        let (number, folder) = JobFolder::latest(root).unwrap().unwrap();
        assert_eq!((number, folder.path()), (10, &*root.join("attempt-10")));
    }

    #[test]
    fn only_the_end_of_a_log_is_read() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = JobFolder::at(temporary.path());
        assert_eq!(folder.log_end(), "");
        let text = format!("{}end", "x".repeat(LOG_END as usize));
        fs::write(folder.log(), &text).unwrap();
        assert_eq!(folder.log_end(), text[3..]);
    }
}
