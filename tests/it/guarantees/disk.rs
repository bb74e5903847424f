//! Disks that are too small or read-only.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;

use super::cases::each;
use super::damage::folders_below;
use super::{
    PIPELINE, Verdict, finish_in_time, finished, full, has_expected_table, recovers, start,
    succeeds_or_reports,
};
use crate::sandbox::Sandbox;

/// A file system mounted on a folder of the sandbox. Dropping it unmounts it.
struct Mounted(PathBuf);

impl Mounted {
    /// Returns `None` if mounting is not permitted.
    fn new(folder: PathBuf, options: &[&str]) -> Option<Self> {
        mount(options, &folder).then(|| Self(folder))
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(mount(&["-o", &options], &self.0), "{options}");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmount = |options: &[&str]| {
            let mut command = Command::new("umount");
            command
                .args(options)
                .arg(&self.0)
                .output()
                .is_ok_and(|output| output.status.success())
        };
        // If files are still open there, unmounts lazily: once they are closed.
        let _ = unmount(&[]) || unmount(&["-l"]);
    }
}

fn mount(options: &[&str], folder: &Path) -> bool {
    let mut command = Command::new("mount");
    let output = command.args(options).arg(folder).output();
    output.is_ok_and(|output| output.status.success())
}

/// Puts the store on a disk in memory with the mount option `limit`. Returns `None` if mounting is not permitted.
fn on_disk(sandbox: &Sandbox, limit: &str) -> Option<Mounted> {
    let folder = sandbox.path("artifacts");
    fs::create_dir(&folder).unwrap();
    Mounted::new(folder, &["-t", "tmpfs", "-o", limit, "tmpfs"])
}

#[expect(
    clippy::print_stdout,
    reason = "the test output shows what was skipped"
)]
fn skip(what: &str) {
    println!("{what}: skipped: mounting is not permitted");
}

/// Returns the disk space that a run takes: in KiB, and as the number of files and folders.
fn needed_space() -> Option<(u64, u64)> {
    let sandbox = Sandbox::new(PIPELINE);
    let disk = on_disk(&sandbox, "size=64m")?;
    let run = sandbox.runner(&["run", "pipeline.yaml", "-j", "1"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let used = rustix::fs::statvfs(&disk.0).unwrap();
    let bytes = (used.f_blocks - used.f_bfree) * used.f_frsize;
    Some((bytes / 1024, used.f_files - used.f_ffree))
}

fn survives(limit: &str) -> Verdict {
    let sandbox = Sandbox::new(PIPELINE);
    let disk = on_disk(&sandbox, limit).ok_or("mounting is no longer permitted")?;
    let args = ["run", "pipeline.yaml", "-j", "1"];
    let run = finish_in_time(start(&mut sandbox.command(&args)))?;
    succeeds_or_reports(&run, "No space left on device")?;
    disk.remount("size=64m,nr_inodes=0");
    recovers(&sandbox)?;
    Ok(match run.code {
        Some(0) => "large enough",
        _ => "too small",
    })
}

#[test]
fn a_full_disk_is_reported_and_loses_nothing() {
    let Some((kib, files)) = needed_space() else {
        return skip("disks");
    };
    let steps = if full() { 40 } else { 6 };
    let by_size = (0..steps).map(|step| 64 + (kib + 64 - 64) * step / (steps - 1));
    let by_size = by_size.map(|size| format!("size={size}k"));
    let by_files = (1..=steps / 2).map(|step| files * step / (steps / 2));
    let by_files = by_files.map(|files| format!("size=64m,nr_inodes={}", files.max(2)));
    let limits: Vec<String> = by_size.chain(by_files).collect();
    each("disks", &limits, |limit| survives(limit));
}

#[test]
fn a_read_only_store_can_be_read() {
    let sandbox = finished();
    let folder = sandbox.path("artifacts");
    let disk = Mounted::new(folder.clone(), &["--bind", folder.to_str().unwrap()]);
    let words = match &disk {
        Some(disk) => {
            disk.remount("bind,ro");
            "Read-only file system"
        }
        None if geteuid().is_root() => return skip("a read-only store"),
        None => {
            permit(&folder, 0o555);
            "Permission denied"
        }
    };
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains(words), "{run:?}");
    let status = sandbox.runner(&["status", "pipeline.yaml"]);
    assert_eq!(status.code, Some(0), "{status:?}");
    assert!(status.stdout.contains("4 cached"), "{status:?}");
    has_expected_table(&sandbox).unwrap();
    if disk.is_none() {
        permit(&folder, 0o755);
    }
}

/// Sets the mode of `folder` and all folders below it.
fn permit(folder: &Path, mode: u32) {
    for folder in folders_below(folder) {
        fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
    }
}
