//! Facts that decide whether a node may run a job.

use std::fs::{File, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use contract::files;

use super::{Identity, PATIENCE};
use crate::records::{EndResult, Ending, Request, Started};
use crate::{Error, JobFolder};

/// Waits for the request, which a shared file system may show late.
pub(super) fn wait_for_request(folder: &JobFolder) -> Result<Request, Error> {
    let began = Instant::now();
    loop {
        folder.refresh();
        if let Some(request) = folder.request()? {
            return Ok(request);
        }
        if began.elapsed() > PATIENCE || !files::exists(folder.path()).unwrap_or(true) {
            let cause = std::io::Error::other("this node does not see the file of the driver");
            return Err(Error::io("read", &folder.path().join("request.json"))(
                cause,
            ));
        }
        thread::sleep(Duration::from_millis(500));
    }
}

/// Returns `true` if the folder's claim is of the submission `tag`. A claim that was removed may be about to be
/// replaced, and one that is new may be late, so a missing one is looked for again.
pub(super) fn has_claim(folder: &JobFolder, tag: &str) -> Result<bool, Error> {
    for _ in 0..10 {
        if let Some(claim) = folder.claim()? {
            return Ok(claim.tag == tag);
        }
        thread::sleep(Duration::from_millis(500));
        folder.refresh();
    }
    Ok(false)
}

pub(super) enum Lock {
    Ours(File),
    Taken,
    Unsupported,
}

pub(super) fn take_lock(folder: &JobFolder, patience: Duration) -> Result<Lock, Error> {
    let file = folder.node_lock()?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock::Ours(file)),
            Err(TryLockError::WouldBlock) if began.elapsed() >= patience => return Ok(Lock::Taken),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(500)),
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, "this file system has no locks");
                return Ok(Lock::Unsupported);
            }
        }
    }
}

pub(super) fn started(
    folder: &JobFolder,
    request: &Request,
    identity: &Identity,
) -> Result<Started, Error> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    // Slurm counts the restarts of its job. The number also grows if that is lost.
    let before = folder.started()?.map(|started| started.restart + 1);
    let restart = number("SLURM_RESTART_COUNT")
        .max(before)
        .unwrap_or_default();
    let boot = files::system_text("/proc/sys/kernel/random/boot_id");
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    Ok(Started {
        node: std::env::var("SLURMD_NODENAME").unwrap_or(host),
        process: std::process::id(),
        boot: boot.ok().map(|text| text.trim().to_owned()),
        processor: identity.processor.clone(),
        version: identity.version.clone(),
        job: number("SLURM_ARRAY_JOB_ID").or_else(|| number("SLURM_JOB_ID")),
        element: number("SLURM_ARRAY_TASK_ID"),
        attempt: request.attempt,
        restart,
    })
}

pub(super) fn refuse(folder: &JobFolder, started: &Started, text: String) -> Result<(), Error> {
    folder.put_started(started)?;
    folder.put_ending(&Ending {
        attempt: started.attempt,
        restart: started.restart,
        result: EndResult::Refused(text),
        seconds: 0.0,
        cpu_seconds: 0.0,
        peak_memory_mib: 0.0,
    })
}
