//! Resources of this machine. Memory is known on Linux only.

use std::num::NonZero;
use std::path::Path;
use std::thread::available_parallelism;

use contract::files::system_text;
use rustix::fs::statvfs;

use crate::wording::counted;

/// Resources of the machine that a plan runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Cores that this process may use.
    pub cpus: usize,
    /// Bytes of memory, without swap, that all processes together can have.
    pub ram: Option<u64>,
    /// Bytes of memory, swap included, that all processes together can have.
    pub memory: Option<u64>,
    /// Bytes of memory that are free or can be reclaimed.
    pub free_memory: Option<u64>,
    /// Bytes that are available in the store's file system.
    pub disk: Option<u64>,
}

impl Machine {
    /// Reads the current resources of this machine and of the file system of `store`.
    pub fn current(store: &Path) -> Self {
        let meminfo = system_text("/proc/meminfo").unwrap_or_default();
        let bytes = |field: &str| {
            let line = meminfo.lines().find_map(|line| line.strip_prefix(field))?;
            let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
            Some(kib * 1024)
        };
        let most = group_limit().unwrap_or(u64::MAX);
        let swap = bytes("SwapTotal:").unwrap_or_default();
        let ram = bytes("MemTotal:").map(|memory| memory.min(most));
        Self {
            cpus: available_parallelism().map_or(1, NonZero::get),
            ram,
            memory: bytes("MemTotal:").map(|memory| (memory + swap).min(most)),
            free_memory: bytes("MemAvailable:").map(|memory| memory.min(most)),
            disk: statvfs(store)
                .ok()
                .map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        }
    }

    /// Describes the machine: `AMD EPYC 7763, 2 cores, 23 GiB of memory`. Parts that are not known are left out.
    pub fn describe(&self) -> String {
        let cores = counted(self.cpus, "core");
        let gib = (1_u64 << 30) as f64;
        let memory = self
            .ram
            .map(|bytes| format!("{:.0} GiB of memory", bytes as f64 / gib));
        let parts: Vec<String> = processor_model()
            .into_iter()
            .chain([cores])
            .chain(memory)
            .collect();
        parts.join(", ")
    }
}

/// Returns the model of this machine's processor, where it is known.
pub(crate) fn processor_model() -> Option<String> {
    let cpuinfo = system_text("/proc/cpuinfo").unwrap_or_default();
    let mut lines = cpuinfo.lines();
    lines.find_map(|line| {
        let (field, value) = line.split_once(':')?;
        (field.trim() == "model name").then(|| value.trim().to_owned())
    })
}

/// Returns the memory limit, in bytes, of this process's control group or of one above it, whichever is
/// lowest.
fn group_limit() -> Option<u64> {
    let groups = system_text("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let ancestors = Path::new(own).ancestors();
    let limits = ancestors.filter_map(|group| {
        let file = Path::new("/sys/fs/cgroup").join(group).join("memory.max");
        system_text(file).ok()?.trim().parse().ok()
    });
    limits.min()
}
