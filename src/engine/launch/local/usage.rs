//! Waits for child processes and measures the CPU time and memory that they used.

use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::launch::Usage;

/// Waits until the child `pid` has ended. Until it is [reaped](reap) it stays a zombie and keeps its id.
pub(super) fn wait(pid: Pid) -> io::Result<()> {
    loop {
        match waitid(
            WaitId::Pid(pid),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        ) {
            Err(rustix::io::Errno::INTR) => {}
            other => return other.map(drop).map_err(io::Error::from),
        }
    }
}

/// Reaps the child `pid`. Returns its exit status and the resources that it used.
pub(super) fn reap(pid: Pid) -> io::Result<(ExitStatus, Usage)> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are to live, writable places of the right type.
    while unsafe {
        libc::wait4(
            pid.as_raw_nonzero().get(),
            &raw mut status,
            0,
            usage.as_mut_ptr(),
        )
    } < 0
    {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: `wait4` has filled in the struct, and all zeros would be a valid value too.
    let usage = unsafe { usage.assume_init() };
    Ok((ExitStatus::from_raw(status), Usage::from(usage)))
}

/// Returns the largest resident size of this process so far, in MiB.
pub fn peak_memory_mib() -> f64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a live, writable place of the right type. The call fails only for an unknown target;
    // then the zeros stay, which are a valid value too.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    Usage::from(usage).peak_memory_mib
}

impl From<libc::rusage> for Usage {
    fn from(usage: libc::rusage) -> Self {
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
        // Linux counts in KiB, macOS in bytes.
        let per_mib = if cfg!(target_os = "macos") {
            1024.0 * 1024.0
        } else {
            1024.0
        };
        Self {
            cpu_seconds: seconds(usage.ru_utime) + seconds(usage.ru_stime),
            peak_memory_mib: usage.ru_maxrss as f64 / per_mib,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::Pid;

    use super::{reap, wait};

    #[test]
    #[expect(clippy::zombie_processes, reason = "`reap` waits for it")]
    fn a_child_is_reaped_with_its_status_and_usage() {
        let child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
        let pid = Pid::from_child(&child);
        wait(pid).unwrap();
        let (status, usage) = reap(pid).unwrap();
        assert_eq!(status.code(), Some(7));
        assert!(
            usage.peak_memory_mib > 0.1 && usage.peak_memory_mib < 1000.0,
            "{usage:?}"
        );
        assert!(usage.cpu_seconds < 10.0, "{usage:?}");
    }
}
