//! Programs that make special files, and programs that take away permissions.

use std::env;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, Dev, FileType, Mode, makedev, mknodat};

use super::Named;
use super::links::log;
use super::place::{Place, files_below};
use super::tame;

pub(crate) const PROGRAMS: &[Named] = &[
    ("fifo-as-result", |_| special("result", FileType::Fifo)),
    ("fifo-as-metrics", |_| {
        special("metrics.json", FileType::Fifo)
    }),
    ("fifo-as-input", |_| special("in/small", FileType::Fifo)),
    ("fifo-in-made", |_| special("made/fifo", FileType::Fifo)),
    ("ignored-fifo", |_| special("ignored/fifo", FileType::Fifo)),
    ("device-as-result", |_| {
        special("result", FileType::CharacterDevice)
    }),
    ("device-in-made", |_| {
        special("made/null", FileType::CharacterDevice)
    }),
    ("socket-as-result", socket_as_result),
    ("sparse-metrics", sparse_metrics),
    ("folder-as-metrics", folder_as_metrics),
    ("folder-as-result", folder_as_result),
    ("log-to-fifo", log_to_fifo),
    ("closed-scratch", |_| with_mode(&["."], 0)),
    ("closed-outputs", |_| {
        with_mode(&["result", "made/a", "below/nested", "metrics.json"], 0)
    }),
    ("closed-folders", |_| {
        with_mode(&["made/sub", "made", "below", "ignored"], 0)
    }),
    ("closed-inputs", |_| {
        with_mode(&["in/small", "in/large", "in"], 0)
    }),
    ("read-only", |_| {
        with_mode(
            &[
                "made/a",
                "made/sub/b",
                "made/sub",
                "made",
                "below",
                "in",
                ".",
            ],
            0o555,
        )
    }),
    ("set-user-id", |_| {
        with_mode(&["result", "made/a", "below/nested"], 0o7777)
    }),
    ("closed-itself", closed_itself),
    ("other-owner", other_owner),
];

/// Puts a FIFO or a device (the null device) in place of a file.
fn special(path: &str, kind: FileType) -> io::Result<()> {
    tame::outputs()?;
    let _ = fs::remove_file(path);
    let device: Dev = match kind {
        FileType::CharacterDevice => makedev(1, 3),
        _ => 0,
    };
    Ok(mknodat(CWD, path, kind, Mode::RUSR | Mode::WUSR, device)?)
}

fn socket_as_result(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    fs::remove_file("result")?;
    UnixListener::bind("result").map(drop)
}

/// Makes the metrics a sparse file of 3 GiB, which takes no space on disk.
fn sparse_metrics(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    File::create("metrics.json")?.set_len(3 << 30)
}

fn folder_as_metrics(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    fs::remove_file("metrics.json")?;
    fs::create_dir("metrics.json")
}

fn folder_as_result(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    fs::remove_file("result")?;
    fs::create_dir_all("result/sub")?;
    fs::write("result/sub/file", "x\n")
}

/// Replaces its log by a FIFO and fails, so that the runner shows the end of the log.
fn log_to_fifo(_: &Place) -> io::Result<()> {
    let log = log()?;
    fs::remove_file(&log)?;
    mknodat(CWD, &log, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    Err(io::Error::other("this program fails on purpose"))
}

/// Sets the mode of files and folders, in the given order.
fn with_mode(paths: &[&str], mode: u32) -> io::Result<()> {
    tame::outputs()?;
    for path in paths {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Runs a copy of itself and then takes all permissions from the copy.
fn closed_itself(_: &Place) -> io::Result<()> {
    fs::create_dir_all("ignored")?;
    let copy = Path::new("ignored/copy");
    fs::copy(env::current_exe()?, copy)?;
    let mut command = Command::new(copy);
    let close = || fs::set_permissions("ignored/copy", Permissions::from_mode(0o000));
    command.arg("tame");
    let mut child = command.spawn()?;
    close()?;
    child.wait()?;
    let again = Command::new(copy).arg("tame").exec();
    tame::outputs()?;
    match again.kind() {
        io::ErrorKind::PermissionDenied => Ok(()),
        _ => Err(again),
    }
}

/// Gives its files to another user. Only root can do that.
fn other_owner(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    for file in files_below(Path::new("."))? {
        chown(&file, Some(4242), Some(4242))?;
    }
    for folder in ["made", "below", "in", "."] {
        chown(folder, Some(4242), Some(4242))?;
    }
    Ok(())
}
