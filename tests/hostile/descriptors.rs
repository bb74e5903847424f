//! Programs that use up descriptors, and programs that lower resource limits.

use std::fs::{self, File};
use std::io::{self, Write};

use rustix::process::{Pid, Resource, Rlimit, getppid, getrlimit, prlimit, setrlimit};

use super::Named;
use super::place::Place;
use super::processes::{leave, sleep};
use super::tame;

pub(crate) const PROGRAMS: &[Named] = &[
    ("opens-all", opens_all),
    ("inherits-nothing", inherits_nothing),
    ("left-with-many", left_with_many),
    ("no-descriptors", no_descriptors),
    ("small-files", small_files),
    ("limits-its-runner", limits_its_runner),
];

/// Maximum number of descriptors that a program opens, even if its limit is higher.
const MAX_DESCRIPTORS: u64 = 20_000;

/// Opens files until it cannot, and ends with all of them open.
fn opens_all(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    let mut open = Vec::new();
    for _ in 0..MAX_DESCRIPTORS {
        match File::open("result") {
            Ok(file) => open.push(file),
            Err(_) => break,
        }
    }
    Ok(())
}

/// Fails if it has any descriptor besides standard input, output and error.
fn inherits_nothing(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    let mut foreign = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let leads_to = fs::read_link(entry.path())?;
        let number: u32 = entry.file_name().to_string_lossy().parse().unwrap_or(0);
        // The descriptor that reads this folder.
        let is_own = leads_to.starts_with("/proc");
        if number > 2 && !is_own {
            foreign.push(format!("{number}: {}", leads_to.display()));
        }
    }
    match foreign.is_empty() {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "inherited descriptors: {}",
            foreign.join(", ")
        ))),
    }
}

/// Leaves a process that holds 500 files of its scratch folder open.
fn left_with_many(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    let open = |number| File::create(format!("ignored/{number}"));
    let files: Vec<File> = (0..500).map(open).collect::<io::Result<_>>()?;
    leave(|| {
        sleep();
        drop(files);
        Ok(())
    })
}

fn lower(resource: Resource, value: u64) -> io::Result<()> {
    let limit = Rlimit {
        current: Some(value),
        maximum: Some(value),
    };
    Ok(setrlimit(resource, limit)?)
}

/// Lowers its limit so that it cannot open anything, and fails.
fn no_descriptors(_: &Place) -> io::Result<()> {
    fs::create_dir("made")?;
    lower(Resource::Nofile, 3)?;
    tame::outputs()
}

/// Limits the size of files to 1 KiB, writes more, and is killed.
fn small_files(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    lower(Resource::Fsize, 1024)?;
    File::create("result")?.write_all(&[b'x'; 4096])?;
    File::options().append(true).open("result")?.write_all(b"x")
}

/// Lowers the descriptor limit of its parent process if the parent belongs to the same test case.
fn limits_its_runner(place: &Place) -> io::Result<()> {
    tame::outputs()?;
    let Some(runner) = getppid() else {
        return Ok(());
    };
    let is_ours = |pid: Pid| -> io::Result<bool> {
        let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()))?;
        let root = place.root().as_os_str().as_encoded_bytes();
        Ok(environment.windows(root.len()).any(|part| part == root))
    };
    if is_ours(runner)? {
        let limit = Rlimit {
            current: Some(4),
            ..getrlimit(Resource::Nofile)
        };
        prlimit(Some(runner), Resource::Nofile, limit)?;
    }
    Ok(())
}
