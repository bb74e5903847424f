//! Processes that a case leaves running.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::sandbox::signal;

/// Time that a killed process gets to disappear.
const GRACE: Duration = Duration::from_secs(10);

/// Maximum number of processes named in a message.
const MAX_NAMED: usize = 3;

/// Describes the processes of the case in `root` that are still running after a moment.
///
/// May miss a process that keeps replacing itself by a child, so check again later.
pub(super) fn running(root: &Path) -> Option<String> {
    let started = Instant::now();
    loop {
        let left = found(root);
        if left.is_empty() {
            return None;
        }
        if started.elapsed() > GRACE {
            let named = left.iter().take(MAX_NAMED);
            let named: Vec<String> = named.map(|(pid, what)| format!("{pid} ({what})")).collect();
            let count = left.len();
            return Some(format!("{count} processes still run: {}", named.join(", ")));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Kills all processes of the case, repeatedly, because they may fork meanwhile.
pub(super) fn kill_all(root: &Path) {
    for _ in 0..1000 {
        let left = found(root);
        if left.is_empty() {
            return;
        }
        for (pid, _) in left {
            // The process may have ended.
            let _ = signal(pid, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Finds processes that have the folder in an argument, in a variable or as working directory.
fn found(root: &Path) -> Vec<(u32, String)> {
    let root = root.to_str().unwrap();
    let mentions = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(root);
    let ids = fs::read_dir("/proc").unwrap().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| *id != std::process::id())
        .filter_map(|id| {
            let file = |name: &str| fs::read(format!("/proc/{id}/{name}")).unwrap_or_default();
            let arguments = file("cmdline");
            let folder = fs::read_link(format!("/proc/{id}/cwd")).unwrap_or_default();
            let is_ours = mentions(&arguments)
                || mentions(&file("environ"))
                || mentions(folder.as_os_str().as_encoded_bytes());
            let has_ended = String::from_utf8_lossy(&file("stat"))
                .rsplit(") ")
                .next()
                .is_some_and(|rest| rest.starts_with(['Z', 'X']));
            let words = String::from_utf8_lossy(&arguments).replace('\0', " ");
            (is_ours && !has_ended).then(|| (id, words.trim_end().to_owned()))
        })
        .collect()
}
