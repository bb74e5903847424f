//! The process that executes a run, and signals to it.
//!
//! A process id alone names no process: it may have been reused, may belong to another machine that shares the store,
//! or may count in another container. [`Owner`] therefore also holds when the process started, and where.
//!
//! | question | answer |
//! | --- | --- |
//! | Does the run go on? | The lock in its session folder is held. The kernel releases it with the process. |
//! | Is its process on this machine? | Host name, boot and namespace of process ids are the same. |
//! | Does the id still name that process? | It started at the same time. This is checked while a descriptor of the process is open, so that the id cannot be reused in between. |
//!
//! Outside Linux only the host name and the lock are compared.

use std::fs;
use std::io;

use contract::files;
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

/// A process, as recorded by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub pid: u32,
    /// Name of the machine.
    pub host: String,
    /// Time at which it started, in ticks since the machine was booted.
    started: Option<u64>,
    /// Id of the machine's current boot.
    boot: Option<String>,
    /// The namespace that its id belongs to: containers have their own.
    namespace: Option<String>,
    /// Id of the Slurm job that runs only this process, if `runner submit` started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slurm_job: Option<u32>,
}

/// Variable that `runner submit` sets to the id of its job. Jobs that are submitted from there inherit it, so it counts
/// only if it is the id of the job in which this process runs.
pub const DRIVER_JOB: &str = "RUNNER_DRIVER_JOB";

/// Reason why a process cannot be signalled.
#[derive(Debug, thiserror::Error)]
pub enum NotSignalled {
    #[error("the process has ended")]
    Ended,
    #[error("it runs on another machine, `{host}`")]
    OtherMachine { host: String },
    #[error("it runs in another container on this machine")]
    OtherContainer,
    #[error("failed to signal process {pid}: {source}")]
    Refused { pid: u32, source: io::Error },
}

impl Owner {
    /// Returns this process.
    pub(super) fn current() -> Self {
        let pid = std::process::id();
        Self {
            pid,
            host: host(),
            started: started(pid),
            boot: boot(),
            namespace: namespace(),
            slurm_job: slurm_job(),
        }
    }

    /// Returns the id of the process if it lives on this machine, in the same container.
    pub fn local_process(&self) -> Option<u32> {
        let is_here = self.host == host() && self.boot == boot() && self.namespace == namespace();
        let is_same = self.started.is_some() && self.started == started(self.pid);
        (is_here && is_same).then_some(self.pid)
    }

    /// Sends SIGTERM to the process. `is_still_owner` is asked once the process can no longer be confused with another.
    ///
    /// # Errors
    /// If it is not on this machine, has ended, or belongs to another user. Then nothing was sent.
    pub fn terminate(&self, is_still_owner: impl FnOnce() -> bool) -> Result<(), NotSignalled> {
        if self.host != host() || self.boot != boot() {
            let host = self.host.clone();
            return Err(NotSignalled::OtherMachine { host });
        }
        if self.namespace != namespace() {
            return Err(NotSignalled::OtherContainer);
        }
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(NotSignalled::Ended)?;
        let failed = |errno: rustix::io::Errno| match errno {
            rustix::io::Errno::SRCH => NotSignalled::Ended,
            errno => NotSignalled::Refused {
                pid: self.pid,
                source: errno.into(),
            },
        };
        self.signal(pid, is_still_owner, failed)
    }

    #[cfg(target_os = "linux")]
    fn signal(
        &self,
        pid: Pid,
        is_still_owner: impl FnOnce() -> bool,
        failed: impl Fn(rustix::io::Errno) -> NotSignalled,
    ) -> Result<(), NotSignalled> {
        use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
        let process = pidfd_open(pid, PidfdFlags::empty()).map_err(&failed)?;
        if self.started.is_none() || self.started != started(self.pid) || !is_still_owner() {
            return Err(NotSignalled::Ended);
        }
        pidfd_send_signal(process, Signal::TERM).map_err(&failed)
    }

    #[cfg(not(target_os = "linux"))]
    fn signal(
        &self,
        pid: Pid,
        is_still_owner: impl FnOnce() -> bool,
        failed: impl Fn(rustix::io::Errno) -> NotSignalled,
    ) -> Result<(), NotSignalled> {
        if !is_still_owner() {
            return Err(NotSignalled::Ended);
        }
        rustix::process::kill_process(pid, Signal::TERM).map_err(&failed)
    }
}

fn host() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}

fn boot() -> Option<String> {
    let text = files::system_text("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

fn namespace() -> Option<String> {
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(link.to_string_lossy().into_owned())
}

fn slurm_job() -> Option<u32> {
    let id = |name| std::env::var(name).ok()?.parse().ok();
    let job: Option<u32> = id(DRIVER_JOB);
    job.filter(|job| id("SLURM_JOB_ID") == Some(*job))
}

/// Returns when a process started, in ticks since boot: field 22 of `/proc/PID/stat` (proc(5)).
fn started(pid: u32) -> Option<u64> {
    let text = files::system_text(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name of the program in parentheses, may contain anything.
    let (_, fields) = text.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command};

    use super::*;

    #[test]
    fn only_a_process_of_this_machine_has_a_local_id() {
        let own = Owner::current();
        assert_eq!(own.local_process(), Some(own.pid));
        let others = [
            Owner {
                host: "elsewhere".to_owned(),
                ..own.clone()
            },
            Owner {
                boot: None,
                ..own.clone()
            },
            Owner {
                namespace: None,
                ..own.clone()
            },
            Owner { pid: 1, ..own },
        ];
        assert!(others.iter().all(|other| other.local_process().is_none()));
    }

    fn sleeper() -> (Child, Owner) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let owner = Owner {
            pid: child.id(),
            started: started(child.id()),
            ..Owner::current()
        };
        (child, owner)
    }

    #[test]
    fn only_the_recorded_process_is_signalled() {
        let (mut child, owner) = sleeper();
        let refused = |owner: &Owner| owner.terminate(|| true).unwrap_err().to_string();
        let reused = Owner {
            started: owner.started.map(|started| started - 1),
            ..owner.clone()
        };
        assert_eq!(refused(&reused), "the process has ended");
        let remote = Owner {
            host: "elsewhere".to_owned(),
            ..owner.clone()
        };
        assert_eq!(refused(&remote), "it runs on another machine, `elsewhere`");
        let rebooted = Owner {
            boot: Some("earlier".to_owned()),
            ..owner.clone()
        };
        assert!(refused(&rebooted).contains("another machine"));
        let contained = Owner {
            namespace: Some("pid:[1]".to_owned()),
            ..owner.clone()
        };
        assert!(refused(&contained).contains("another container"));
        let ended = owner.terminate(|| false).unwrap_err();
        assert!(matches!(ended, NotSignalled::Ended));
        assert!(child.try_wait().unwrap().is_none());

        owner.terminate(|| true).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(libc::SIGTERM));
        assert_eq!(refused(&owner), "the process has ended");
    }
}
