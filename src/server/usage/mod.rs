//! [`Usage`]: what the machine and the processes of a run use now. It is measured only while a page shows it.

mod gpu;
mod process;

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use askama::Template;
use contract::{files, lock};
use store::Store;

use self::gpu::Gpus;
use self::process::Processes;

/// A measurement that is less old than this is shown again.
const FRESH: Duration = Duration::from_millis(1500);
/// A run that nobody looked at for this long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(60);

const MIB: f64 = 1024.0 * 1024.0;

#[derive(Default)]
pub(crate) struct Usage {
    runs: Mutex<HashMap<String, Measured>>,
    gpus: Mutex<Gpus>,
}

/// The last measurement of a run.
struct Measured {
    at: Instant,
    process: u32,
    run: Processes,
    machine: Machine,
    html: Option<String>,
}

/// Counters of the machine: time of all cores in ticks, and memory in bytes.
#[derive(Clone, Copy)]
struct Machine {
    busy: u64,
    cores: usize,
    used: f64,
    memory: f64,
}

#[derive(Template)]
#[template(path = "usage.html")]
struct UsageTemplate {
    meters: Vec<Meter>,
}

/// A part of a whole.
struct Meter {
    name: String,
    value: f64,
    most: f64,
    text: String,
}

impl Usage {
    /// The use of the machine and of a run, as HTML. `None` if it is not known (yet): the run's process is not on this
    /// machine, or it was measured only once. This blocks.
    pub(crate) fn of_run(&self, store: &Store, run: &str) -> Option<String> {
        let mut runs = lock(&self.runs);
        runs.retain(|_, measured| measured.at.elapsed() < FORGOTTEN);
        let before = runs.remove(run);
        if let Some(before) = before {
            if before.at.elapsed() < FRESH {
                let html = before.html.clone();
                runs.insert(run.to_owned(), before);
                return html;
            }
            let after = Measured::now(before.process)?;
            let html = self.html(&before, &after);
            let shown = html.clone();
            runs.insert(run.to_owned(), Measured { html, ..after });
            return shown;
        }
        let process = store.owner(run).ok()???.local_process()?;
        runs.insert(run.to_owned(), Measured::now(process)?);
        None
    }

    fn html(&self, before: &Measured, after: &Measured) -> Option<String> {
        let seconds = (after.at - before.at).as_secs_f64();
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        let used =
            |before: u64, after: u64| after.saturating_sub(before) as f64 / per_second / seconds;
        let cores = after.machine.cores as f64;
        let run = used(before.run.ticks, after.run.ticks).min(cores);
        let machine = used(before.machine.busy, after.machine.busy).min(cores);
        let memory = |name: &str, used: f64| Meter {
            name: name.to_owned(),
            value: used,
            most: after.machine.memory,
            text: format!("{} of {}", size(used), size(after.machine.memory)),
        };
        let cpu = |name: &str, used: f64| Meter {
            name: name.to_owned(),
            value: used,
            most: cores,
            text: format!("{used:.1} of {cores} cores"),
        };
        let mut meters = vec![
            cpu("CPU, this run", run),
            cpu("CPU, machine", machine),
            memory("memory, this run", after.run.memory),
            memory("memory, machine", after.machine.used),
        ];
        for gpu in lock(&self.gpus).now() {
            meters.push(Meter {
                name: format!("{}, busy", gpu.name),
                value: gpu.percent,
                most: 100.0,
                text: format!("{:.0} %", gpu.percent),
            });
            meters.push(Meter {
                name: format!("{}, memory", gpu.name),
                value: gpu.used,
                most: gpu.memory,
                text: format!("{} of {}", size(gpu.used), size(gpu.memory)),
            });
        }
        UsageTemplate { meters }.render().ok()
    }
}

impl Measured {
    fn now(process: u32) -> Option<Self> {
        Some(Self {
            at: Instant::now(),
            process,
            run: Processes::of(process)?,
            machine: Machine::now()?,
            html: None,
        })
    }
}

impl Machine {
    fn now() -> Option<Self> {
        let counters = files::system_text("/proc/stat").ok()?;
        let mut lines = counters.lines();
        let times = lines.next()?.strip_prefix("cpu ")?.split_ascii_whitespace();
        let times: Vec<u64> = times.map_while(|time| time.parse().ok()).collect();
        // User, nice, system, idle, waiting, interrupts, soft interrupts, stolen. The guests' time is part of user.
        let idle = times.get(3)? + times.get(4)?;
        let busy = times.iter().take(8).sum::<u64>().saturating_sub(idle);
        let cores = lines.take_while(|line| line.starts_with("cpu")).count();
        let memory = files::system_text("/proc/meminfo").ok()?;
        let bytes = |name: &str| {
            let mut lines = memory.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            let kib: f64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(kib * 1024.0)
        };
        let total = bytes("MemTotal")?;
        Some(Self {
            busy,
            cores: cores.max(1),
            used: total - bytes("MemAvailable")?,
            memory: total,
        })
    }
}

/// `512 MiB`, `3.2 GiB`.
fn size(bytes: f64) -> String {
    match bytes / MIB {
        mib if mib < 1000.0 => format!("{mib:.0} MiB"),
        mib => format!("{:.1} GiB", mib / 1024.0),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_machine_and_this_process_are_measured() {
        let own = std::process::id();
        let before = Measured::now(own).unwrap();
        // Both counters grow while this thread computes.
        let mut sum = 0u64;
        let after = loop {
            sum = std::hint::black_box(sum.wrapping_add(1));
            let now = Measured::now(own).unwrap();
            if now.run.ticks > before.run.ticks && now.machine.busy > before.machine.busy {
                break now;
            }
        };
        assert!(after.run.memory > MIB && after.machine.used > MIB);
        let html = Usage::default().html(&before, &after).unwrap();
        assert!(
            html.contains("CPU, this run") && html.contains("GiB"),
            "{html}"
        );
    }
}
