//! What a process holds, and whether the kernel killed for want of memory. Linux only: elsewhere
//! nothing is known.

use contract::files::system_text;
use rustix::process::Pid;

/// Bytes of memory that the process `pid` holds for itself: without files it has mapped, which the
/// system can take back.
pub(super) fn held(pid: Pid) -> Option<u64> {
    let status = system_text(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    let kib = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    Some((kib("RssAnon:")? + kib("RssShmem:")?) * 1024)
}

/// Processes that the kernel has killed for want of memory, where this one could be among them. The
/// machine's and the control group's own count may each be hidden from us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OomKills {
    machine: u64,
    group: u64,
}

impl OomKills {
    pub fn count() -> Self {
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
