//! The use of NVIDIA GPUs, as `nvidia-smi` tells it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Interval between two questions: an answer takes part of a second.
const INTERVAL: Duration = Duration::from_secs(5);

/// Time after which a driver that does not answer is not asked again.
const PATIENCE: Duration = Duration::from_secs(3);

const MIB: f64 = 1024.0 * 1024.0;

#[derive(Default)]
pub(super) struct Gpus {
    asked: Option<Instant>,
    answer: Vec<GpuUse>,
    /// `true` if there is nothing to ask.
    is_absent: bool,
}

/// Use of one GPU by all programs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GpuUse {
    pub(super) name: String,
    /// Part of the time in which it computed, in percent.
    pub(super) percent: f64,
    /// Memory in bytes.
    pub(super) used: f64,
    pub(super) memory: f64,
}

impl Gpus {
    /// The use of all GPUs; empty if there are none.
    pub(super) fn now(&mut self) -> Vec<GpuUse> {
        let is_due = self.asked.is_none_or(|asked| asked.elapsed() > INTERVAL);
        if is_due && !self.is_absent {
            self.asked = Some(Instant::now());
            match ask() {
                Some(answer) => self.answer = parse(&answer),
                None => {
                    self.is_absent = true;
                    self.answer.clear();
                }
            }
        }
        self.answer.clone()
    }
}

/// Asks the driver. `None` if it is not installed or does not work.
fn ask() -> Option<String> {
    let mut child = Command::new("nvidia-smi")
        .args([
            "--query-gpu=index,name,utilization.gpu,memory.used,memory.total",
            "--format=csv,noheader,nounits",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let started = Instant::now();
    let status = loop {
        match child.try_wait().ok()? {
            Some(status) => break status,
            None if started.elapsed() > PATIENCE => {
                // A process that waits for a broken driver may not end. It is not waited for.
                let _ = child.kill();
                return None;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take()?, &mut answer).ok()?;
    status.success().then_some(answer)
}

/// Parses lines of index, name, percent, and used and total memory in MiB. A GPU in parts tells no percentage.
fn parse(answer: &str) -> Vec<GpuUse> {
    let gpu = |line: &str| {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let [index, name, percent, used, memory] = fields[..] else {
            return None;
        };
        let number = |field: &str| field.parse::<f64>().ok();
        Some(GpuUse {
            name: format!("GPU {index} ({name})"),
            percent: number(percent).unwrap_or_default(),
            used: number(used)? * MIB,
            memory: number(memory)? * MIB,
        })
    };
    answer.lines().filter_map(gpu).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_the_driver_is_parsed() {
        let answer =
            "0, NVIDIA H200, 87, 1024, 143771\n1, NVIDIA A30, [N/A], 0, 24576\nno devices\n";
        let gpus = parse(answer);
        assert_eq!(gpus.len(), 2);
        assert_eq!(gpus[0].name, "GPU 0 (NVIDIA H200)");
        assert_eq!((gpus[0].percent, gpus[0].used), (87.0, 1024.0 * MIB));
        assert_eq!((gpus[1].percent, gpus[1].memory), (0.0, 24576.0 * MIB));
        assert!(parse("").is_empty());
    }
}
