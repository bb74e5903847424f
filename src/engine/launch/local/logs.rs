//! Logs: the standard output and error of programs, and the standard error of workers.
//!
//! A process writes to its log directly, at full speed. One thread looks at all logs in use: the middle of a
//! log longer than [`MOST`] is given back to the file system (as a hole in the file), so that a flood of
//! output does not fill the disk. Once the process has ended, the log is cut down to its beginning, a line
//! with the number of bytes left out, and its end.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use contract::{ShowPath, files, lock};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// Bytes of a log that are kept, half of them from its beginning and half from its end.
const MOST: u64 = 64 << 20;
const HALF: u64 = MOST / 2;
/// Interval between looks at the logs.
const LOOK: Duration = Duration::from_millis(20);
/// Maximum number of bytes at the end of a log that are shown when a process fails.
const TAIL: u64 = 4096;
/// Bytes that are copied at once.
const PIECE: u64 = 1 << 20;

/// The logs of stages, one for each that wrote something.
#[derive(Debug, Default)]
pub(super) struct Logs {
    /// Empty logs, removed at the end: file systems are slow at creating files right after others were
    /// removed. They are not reused for other stages, because a leftover process may still write to one.
    empty: Mutex<Vec<PathBuf>>,
    /// Logs that are being written, for the thread that looks at them.
    open: Arc<Mutex<Vec<Weak<File>>>>,
    /// Ends that thread when it is dropped. `None` until the first process runs.
    looking: Mutex<Option<Sender<()>>>,
}

impl Logs {
    /// Opens a log for a process that `run` starts and waits for, and keeps the log small. `run` gets the file for
    /// the process, and a second one to read what was written.
    ///
    /// # Errors
    /// If the log cannot be opened, or if `run` fails.
    pub(super) fn record<T>(
        &self,
        log: &Path,
        run: impl FnOnce(File, &File) -> io::Result<T>,
    ) -> io::Result<T> {
        // Later reads use this descriptor, because another file may have taken the name.
        let mut options = File::options();
        let out = files::open_with(log, options.create(true).append(true).read(true))?;
        let written = self.watch(out.try_clone()?);
        let ran = run(out, &written);
        // The process has ended, so the log is complete.
        if let Err(error) = self.finish(&written) {
            tracing::warn!("failed to shorten `{}`: {error}", log.shown());
        }
        ran
    }

    /// Keeps the log small until it is [finished](Self::finish) or dropped.
    fn watch(&self, log: File) -> Arc<File> {
        let log = Arc::new(log);
        lock(&self.open).push(Arc::downgrade(&log));
        lock(&self.looking).get_or_insert_with(|| watch_logs(Arc::clone(&self.open)));
        log
    }

    /// Cuts the log of a process that has ended down to its beginning and end, if it is too long.
    fn finish(&self, log: &Arc<File>) -> io::Result<()> {
        // From now on the thread must not see this log: it would remove what `shorten` writes into the hole.
        lock(&self.open).retain(|open| !std::ptr::eq(open.as_ptr(), Arc::as_ptr(log)));
        shorten(log)
    }

    /// Notes that the program that writes to `log` has ended. An empty log is removed by
    /// [`Logs::remove_empty`].
    pub(super) fn remove_later_if_empty(&self, log: &Path) {
        if is_empty(log) {
            lock(&self.empty).push(log.to_owned());
        }
    }

    /// Removes the logs of ended programs that are still empty.
    pub(super) fn remove_empty(&self) {
        for log in lock(&self.empty).drain(..) {
            if is_empty(&log) {
                let _ = fs::remove_file(log);
            }
        }
    }
}

fn is_empty(log: &Path) -> bool {
    fs::symlink_metadata(log).is_ok_and(|log| log.is_file() && log.len() == 0)
}

/// Returns what was written to an open log from `start` on, but at most the last 4 KiB.
pub(super) fn tail(written: &File, start: u64) -> String {
    let read = || -> io::Result<String> {
        let end = written.metadata()?.len();
        let from = start.max(end.saturating_sub(TAIL));
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(from)).unwrap_or_default()];
        written.read_exact_at(&mut bytes, from)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}

/// Starts the thread that keeps open logs small.
fn watch_logs(logs: Arc<Mutex<Vec<Weak<File>>>>) -> Sender<()> {
    let (ended, end) = channel();
    let watch = move || {
        while end.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            lock(&logs).retain(|log| match log.upgrade() {
                Some(log) => {
                    punch(&log);
                    true
                }
                None => false,
            });
        }
    };
    if let Err(error) = thread::Builder::new().name("logs".to_owned()).spawn(watch) {
        tracing::warn!("the size of logs is not limited: failed to start a thread: {error}");
    }
    ended
}

/// Gives the middle of a long log back to the file system. If the file system has no holes, cuts the log to
/// its beginning; the process continues there.
fn punch(log: &File) {
    let Ok(metadata) = log.metadata() else {
        return;
    };
    let bytes = metadata.len();
    let held = std::os::unix::fs::MetadataExt::blocks(&metadata).saturating_mul(512);
    if bytes <= MOST || held <= MOST + PIECE {
        return;
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if fallocate(log, flags, HALF, bytes - MOST).is_ok() {
            return;
        }
    }
    if let Err(error) = log.set_len(HALF) {
        tracing::debug!(%error, "failed to truncate a log");
    }
}

fn shorten(log: &File) -> io::Result<()> {
    let bytes = log.metadata()?.len();
    if bytes <= MOST {
        return Ok(());
    }
    // In append mode, a write at a position would go to the end.
    fcntl_setfl(log, fcntl_getfl(log)? - OFlags::APPEND)?;
    let left_out = bytes - MOST;
    let line = format!("\n[runner: {left_out} bytes of this log are left out here]\n");
    log.write_all_at(line.as_bytes(), HALF)?;
    let mut to = HALF + line.len() as u64;
    let mut from = (bytes - HALF).max(to);
    let mut piece = vec![0; usize::try_from(PIECE).unwrap_or_default()];
    loop {
        let read = log.read_at(&mut piece, from)?;
        if read == 0 {
            break;
        }
        log.write_all_at(&piece[..read], to)?;
        from += read as u64;
        to += read as u64;
    }
    log.set_len(to)
}
