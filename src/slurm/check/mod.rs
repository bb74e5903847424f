//! Checks what runner requires of the file system that driver and nodes share, with one small job.
//!
//! | what | why it is required | how it is checked |
//! | --- | --- | --- |
//! | visibility, both ways | requests and endings are files | each side waits for a file of the other |
//! | atomic rename | a file is whole or missing | the node replaces a file many times while the driver reads it |
//! | exclusive creation | a job is submitted once | the node tries to create a file that the driver has created |
//! | locks between machines | a job runs once; a store is collected safely | the node tries to take two locks of the driver (`flock` and `fcntl`) |
//! | clocks | ages of files | the node asks for the driver's time, and halves the time until the answer |
//! | version | both sides read the same files | `Node::start` compares it |
//!
//! [`run`] is the driver's part. The job is an ordinary one, and the node answers with [`on_node`].

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use contract::files;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::driver::{Driver, NewJob, Report};
use crate::outcome::Outcome;
use crate::records::EndResult;
use crate::resources::{Pack, Resources};
use crate::{Error, clock};

const FROM_DRIVER: &str = "from-driver";
const EXCLUSIVE: &str = "exclusive";
const FLOCK: &str = "flock";
const RANGE: &str = "range";
const REPLACED: &str = "replaced";
const PING: &str = "ping";
const PONG: &str = "pong";

/// Number of times that the node replaces a file.
const RENAMES: u32 = 200;
/// Bytes of the file that is replaced: more than one block, so that half a file can be seen as such.
const REPLACED_BYTES: usize = 32 << 10;
/// Longest wait for a file of the other side.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Result of [`run`].
#[derive(Debug)]
pub enum Checked {
    /// The node answered.
    Answered(SharedCheck),
    /// The job did not answer, which is a problem by itself.
    NoAnswer(Outcome),
}

/// Checks the file system of `folder` with one job, which asks for `resources`. Removes what it has created below
/// `folder`, unless the job is still in Slurm.
///
/// # Errors
/// If the driver itself cannot use the folder.
pub fn run(
    driver: &Driver,
    folder: &Path,
    resources: Resources,
    on_report: &dyn Fn(Report),
) -> Result<Checked, Error> {
    let name = crate::tag::fresh().map_err(Error::io("draw a name in", folder))?;
    let root = folder.join(format!("check-{name}"));
    let files = root.join("files");
    let side = DriverSide::prepare(&files)?;
    let job = NewJob {
        root: root.clone(),
        resources,
        pack: Pack::NONE,
        starts_over: false,
        restarts: 0,
        work: request(&files)?,
    };
    let (followed, counts) = thread::scope(|scope| {
        let watching = scope.spawn(|| side.watch());
        let followed = driver.run(&job, on_report);
        side.stop();
        (followed, watching.join().unwrap_or_default())
    });
    let outcome = followed?.outcome;
    if !matches!(outcome, Outcome::Left(_)) {
        fs::remove_dir_all(&root).map_err(Error::io("remove", &root))?;
    }
    let answer = match &outcome {
        Outcome::Ended(ending) => match &ending.result {
            EndResult::Succeeded(answer) => side.conclude(answer, counts),
            EndResult::Failed(_) | EndResult::Paused | EndResult::Refused(_) => None,
        },
        _ => None,
    };
    Ok(answer.map_or(Checked::NoAnswer(outcome), Checked::Answered))
}

/// Work of the job that checks the file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Work {
    /// Folder for the files of the check.
    check_shared_folder: PathBuf,
}

/// Answer of the node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeAnswer {
    /// `true` if a file that the driver has created could be created again.
    pub created_twice: bool,
    /// `true` if a lock that the driver holds could be taken; an error if there are no locks.
    pub flock_taken: Result<bool, String>,
    pub range_taken: Result<bool, String>,
    /// Milliseconds by which the node's clock is ahead of the driver's, and the bound of the error. `None` if the driver
    /// did not answer.
    pub clock: Option<(i64, i64)>,
}

/// Result of the check.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedCheck {
    pub node: NodeAnswer,
    /// Number of reads of the replaced file, and of those that saw no whole file.
    pub reads: u32,
    pub torn: u32,
}

impl SharedCheck {
    /// Returns the requirements that are not met, as sentences.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.node.created_twice {
            problems.push("the node could create a file that the driver had created: exclusive creation does not work there; keep the store on another file system".to_owned());
        }
        for (name, taken) in [
            ("flock", &self.node.flock_taken),
            ("fcntl", &self.node.range_taken),
        ] {
            match taken {
                Ok(false) => {}
                Ok(true) => problems.push(format!("the node could take a lock that the driver holds: `{name}` locks do not reach other machines; mount the file system with locks (NFS: without `nolock` and `local_lock`; Lustre: with `flock`), or keep the store on another one")),
                Err(error) => problems.push(format!("the file system has no `{name}` locks: {error}; mount it with locks (Lustre: with `flock`), or keep the store on another one")),
            }
        }
        if self.torn > 0 {
            problems.push(format!(
                "{} of {} reads saw no whole file while the node replaced it: rename is not atomic; keep the store on another file system",
                self.torn, self.reads
            ));
        }
        match self.node.clock {
            None => problems
                .push("the node did not see a new file of the driver within a minute; keep the store on a file system that shows changes earlier (NFS: `actimeo` of some seconds)".to_owned()),
            // Ages of files are compared with minutes.
            Some((ahead, error)) if ahead.abs() > 5000 + error => {
                problems.push(format!(
                    "the clocks of node and driver differ by {} ms; ask the site to synchronize them (NTP)",
                    ahead.abs()
                ));
            }
            Some(_) => {}
        }
        problems
    }
}

/// Returns the work of a job that checks the file system of `folder`.
///
/// # Errors
/// If the folder's path is not UTF-8.
fn request(folder: &Path) -> Result<Value, Error> {
    let what = "a check";
    let check_shared_folder = folder.to_owned();
    serde_json::to_value(Work {
        check_shared_folder,
    })
    .map_err(|source| Error::Serialize { what, source })
}

/// Carries out the node's side if `work` is a check. Returns the answer, which is the result of the job; `None` if the
/// work is something else.
///
/// # Errors
/// If the node cannot use the folder.
pub fn on_node(work: &Value) -> Result<Option<Value>, Error> {
    let Ok(work) = Work::deserialize(work) else {
        return Ok(None);
    };
    let folder = &work.check_shared_folder;
    let failed = || Error::io("check", folder);
    if wait_for(&folder.join(FROM_DRIVER))
        .map_err(failed())?
        .is_none()
    {
        let cause = io::Error::other("the node does not see the files of the driver");
        return Err(failed()(cause));
    }
    replace_often(folder).map_err(failed())?;
    let answer = NodeAnswer {
        created_twice: File::create_new(folder.join(EXCLUSIVE)).is_ok(),
        flock_taken: take_flock(&folder.join(FLOCK)).map_err(|error| error.to_string()),
        range_taken: take_range(&folder.join(RANGE)).map_err(|error| error.to_string()),
        clock: compare_clocks(folder).map_err(failed())?,
    };
    let what = "the answer of a check";
    let value = serde_json::to_value(answer).map_err(|source| Error::Serialize { what, source })?;
    Ok(Some(value))
}

/// The driver's side: files and locks that stay while the job runs.
#[derive(Debug)]
struct DriverSide {
    folder: PathBuf,
    _locks: [File; 2],
    stopped: AtomicBool,
}

impl DriverSide {
    /// Prepares a check in `folder`, which is created.
    ///
    /// # Errors
    /// If the driver itself cannot write or lock files there.
    fn prepare(folder: &Path) -> Result<Self, Error> {
        let failed = || Error::io("check", folder);
        files::create_folders(folder).map_err(failed())?;
        let [flock, range] =
            [FLOCK, RANGE].map(|name| crate::folder::open_lock(&folder.join(name)));
        let (flock, range) = (flock?, range?);
        flock.lock().map_err(failed())?;
        lock_range(&range).map_err(failed())?;
        File::create_new(folder.join(EXCLUSIVE)).map_err(failed())?;
        put(folder, REPLACED, &content(0)).map_err(failed())?;
        put(folder, FROM_DRIVER, b"driver").map_err(failed())?;
        Ok(Self {
            folder: folder.to_owned(),
            _locks: [flock, range],
            stopped: AtomicBool::new(false),
        })
    }

    /// Reads and answers until [`DriverSide::stop`] is called. Returns how often the replaced file was read, and how
    /// often it was not whole.
    fn watch(&self) -> (u32, u32) {
        let (mut reads, mut torn) = (0, 0);
        let mut answered = false;
        while !self.stopped.load(Ordering::SeqCst) {
            reads += 1;
            torn += u32::from(!is_whole(&self.folder.join(REPLACED)));
            if !answered && fs::read_dir(&self.folder).is_ok() {
                let ping = files::exists(&self.folder.join(PING)).unwrap_or(false);
                let now = clock::now().to_string();
                answered = ping && put(&self.folder, PONG, now.as_bytes()).is_ok();
            }
            thread::sleep(Duration::from_millis(2));
        }
        (reads, torn)
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Interprets the result of the job. `None` if it is no answer.
    fn conclude(&self, answer: &Value, (reads, torn): (u32, u32)) -> Option<SharedCheck> {
        let node = NodeAnswer::deserialize(answer).ok()?;
        Some(SharedCheck { node, reads, torn })
    }
}

/// Returns the content of the file that is replaced: one byte, repeated.
fn content(number: u32) -> Vec<u8> {
    vec![b'a' + (number % 26) as u8; REPLACED_BYTES]
}

fn is_whole(path: &Path) -> bool {
    let read = files::read_unlinked(path, files::MOST_TEXT);
    match read {
        Ok(bytes) => bytes.len() == REPLACED_BYTES && bytes.iter().all(|byte| *byte == bytes[0]),
        // The server replaced the file while it was open here. The next read succeeds, and readers cope with that.
        Err(error) => error.raw_os_error() == Some(libc::ESTALE),
    }
}

fn replace_often(folder: &Path) -> io::Result<()> {
    for number in 1..=RENAMES {
        put(folder, REPLACED, &content(number))?;
    }
    Ok(())
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut fresh, bytes)?;
    fresh.persist(folder.join(name))?;
    Ok(())
}

/// Waits for a file of the other side, and returns its content.
fn wait_for(path: &Path) -> io::Result<Option<String>> {
    let began = Instant::now();
    loop {
        if let Some(folder) = path.parent() {
            fs::read_dir(folder)?.for_each(drop);
        }
        match files::read_unlinked(path, files::MOST_TEXT) {
            Ok(bytes) => return Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if !files::is_absence(&error) => return Err(error),
            Err(_) if began.elapsed() > PATIENCE => return Ok(None),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Estimates the difference of the clocks as NTP does: the driver answers between two readings of the node's clock.
fn compare_clocks(folder: &Path) -> io::Result<Option<(i64, i64)>> {
    let before = clock::now();
    put(folder, PING, b"node")?;
    let answer = wait_for(&folder.join(PONG))?;
    let after = clock::now();
    let driver = answer.and_then(|text| text.parse::<i64>().ok());
    Ok(driver.map(|driver| ((before + after) / 2 - driver, (after - before) / 2 + 1)))
}

fn take_flock(path: &Path) -> io::Result<bool> {
    let mut options = File::options();
    let file = files::open_with(path, options.read(true).write(true))?;
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(fs::TryLockError::WouldBlock) => Ok(false),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

fn take_range(path: &Path) -> io::Result<bool> {
    let mut options = File::options();
    let file = files::open_with(path, options.read(true).write(true))?;
    match lock_range(&file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Locks the first byte of a file for this open file, as the store locks keys.
#[cfg(target_os = "linux")]
fn lock_range(file: &File) -> io::Result<()> {
    // SAFETY: `flock` is plain data, for which zero is valid in every field.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = libc::F_WRLCK as libc::c_short;
    range.l_whence = libc::SEEK_SET as libc::c_short;
    range.l_len = 1;
    // SAFETY: the descriptor is open, and `range` outlives the call, which only reads it.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const range) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Slurm's nodes run Linux. Elsewhere, a lock of the whole file stands for that of a byte.
#[cfg(not(target_os = "linux"))]
fn lock_range(file: &File) -> io::Result<()> {
    let _ = file.as_raw_fd();
    file.try_lock().map_err(io::Error::from)
}

#[cfg(test)]
mod tests;
