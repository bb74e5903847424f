//! CPU time and memory of a process and its descendants.

use std::fs;

use contract::files;

/// Number of processes that are counted. A program that starts endlessly many must not keep the server busy.
const MOST: usize = 1000;

/// CPU time and memory that a process and its descendants used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Processes {
    /// CPU time in ticks, including that of children that have ended.
    pub(super) ticks: u64,
    /// Resident memory in bytes. Memory that processes share counts for each.
    pub(super) memory: f64,
}

impl Processes {
    /// Measures a process and its descendants; `None` if it has ended.
    pub(super) fn of(process: u32) -> Option<Self> {
        let mut sum = Self::default();
        let (mut open, mut seen) = (vec![process], 0);
        while let Some(process) = open.pop() {
            seen += 1;
            if seen > MOST {
                break;
            }
            match measured(process) {
                Some(one) => {
                    sum.ticks += one.ticks;
                    sum.memory += one.memory;
                }
                None if seen == 1 => return None,
                // It has just ended.
                None => continue,
            }
            open.extend(children(process));
        }
        Some(sum)
    }
}

fn measured(process: u32) -> Option<Processes> {
    let stat = files::system_text(format!("/proc/{process}/stat")).ok()?;
    // The name of the program, in parentheses, may contain anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    // Own time in user and system mode, then that of children that have ended.
    let ticks = (11..15).map(number).sum::<Option<u64>>()?;
    let memory = number(21)? as f64 * rustix::param::page_size() as f64;
    Some(Processes { ticks, memory })
}

/// The children of a process, listed by the thread that started them.
fn children(process: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| files::system_text(thread.path().join("children")).ok());
    let parse = |list: String| -> Vec<u32> {
        list.split_ascii_whitespace()
            .filter_map(|child| child.parse().ok())
            .collect()
    };
    lists.flat_map(parse).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn descendants_are_counted() {
        // A background program of a shell has no standard input, but it inherits other descriptors.
        let mut child = Command::new("sh")
            .args(["-c", "exec 3<&0; cat <&3 & wait"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        // The shell needs a moment to start the program, which then is a copy of the shell for a moment.
        let memory = loop {
            let (own, sum) = (measured(child.id()), Processes::of(child.id()));
            let (own, sum) = (own.unwrap(), sum.unwrap());
            if children(child.id()).len() == 1 && sum.memory > own.memory {
                break sum.memory;
            }
        };
        assert!(memory > 0.0);
        child.stdin.take();
        child.wait().unwrap();
        assert_eq!(Processes::of(child.id()), None);
    }
}
