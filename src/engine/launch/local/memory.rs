//! Memory of a process, and the number of processes that the kernel killed for lack of
//! memory. Known on Linux only.

use contract::files::system_text;
use rustix::process::Pid;

/// Returns the bytes of memory that the process `pid` holds for itself. Mapped files, which the system can
/// take back, do not count.
pub(super) fn held(pid: Pid) -> Option<u64> {
    let status = system_text(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    let kib = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    Some((kib("RssAnon:")? + kib("RssShmem:")?) * 1024)
}

/// Returns what a person can do if the kernel killed a stage for lack of memory. In a Slurm job, it had no more than it
/// asked for.
pub(super) fn remedy() -> &'static str {
    match std::env::var_os(slurm::TAG_VARIABLE) {
        Some(_) => {
            "raise `resources.memory` of the stage, or `slurm.memory` for stages that do not set it"
        }
        None => "lower `--jobs`, or reduce the memory that the stage needs",
    }
}

/// Number of processes that the kernel has killed for lack of memory, as counted for the whole machine and
/// for this process's control group. Either count may be hidden from this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OomKills {
    machine: u64,
    group: u64,
}

impl OomKills {
    pub(super) fn count() -> Self {
        let field = |text: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("oom_kill "))?;
            line.trim().parse().ok()
        };
        let group = || {
            let groups = system_text("/proc/self/cgroup").ok()?;
            let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
            let events = system_text(format!("/sys/fs/cgroup/{path}/memory.events")).ok()?;
            field(&events)
        };
        Self {
            machine: system_text("/proc/vmstat")
                .ok()
                .and_then(|text| field(&text))
                .unwrap_or_default(),
            group: group().unwrap_or_default(),
        }
    }
}
