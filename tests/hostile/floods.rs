//! Programs that write too much, or data that is hard to handle.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write, stdout};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

use super::Named;
use super::place::Place;
use super::tame;

/// Size of a flood, in bytes.
const FLOOD: usize = 32 << 20;

pub(crate) const PROGRAMS: &[Named] = &[
    ("flood", flood),
    ("one-long-line", one_long_line),
    ("control-characters", control_characters),
    ("endless", endless),
    ("many-files", many_files),
    ("deep", |_| tower("d", 1000)),
    ("too-deep", |_| tower("a-longer-name", 1000)),
    ("far-too-deep", |_| tower("d", 5000)),
    ("long-names", long_names),
    ("names-in-no-encoding", names_in_no_encoding),
    (
        "names-with-control-characters",
        names_with_control_characters,
    ),
];

fn write_all(what: &[u8], to: &mut dyn Write) -> io::Result<()> {
    for _ in 0..FLOOD / what.len() {
        to.write_all(what)?;
    }
    Ok(())
}

/// Writes all byte values, over and over.
fn flood(_: &Place) -> io::Result<()> {
    let all: Vec<u8> = (0..=255).cycle().take(1 << 16).collect();
    write_all(&all, &mut stdout().lock())?;
    tame::outputs()
}

/// Writes 32 MiB without a newline to standard error, then fails.
fn one_long_line(_: &Place) -> io::Result<()> {
    write_all(&[b'x'; 1 << 16], &mut io::stderr().lock())?;
    Err(io::Error::other("this program fails on purpose"))
}

/// Writes lines that would control a terminal, then fails.
fn control_characters(_: &Place) -> io::Result<()> {
    let mut out = stdout().lock();
    for line in [
        "\x1b[2J\x1b[Hcleared",
        "\x1b]0;title\x07",
        "\r\x1b[31mred",
        "\u{9b}31m",
        "back\x08\x08\x08\x08",
        "\u{202e}turned",
    ] {
        writeln!(out, "{line}")?;
    }
    out.write_all(b"\xff\xfe\x00\n")?;
    Err(io::Error::other("this program fails on purpose"))
}

/// Writes until its timeout. The pieces are small so that the disk does not fill up before.
fn endless(_: &Place) -> io::Result<()> {
    loop {
        stdout().write_all(b"and on and on\n")?;
    }
}

fn many_files(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    for number in 0..3000 {
        fs::write(format!("made/sub/{number}"), format!("{number}\n"))?;
    }
    Ok(())
}

/// Creates nested folders, `levels` deep, with a file in the innermost one.
fn tower(name: &str, levels: usize) -> io::Result<()> {
    tame::outputs()?;
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = openat(CWD, "made", flags, Mode::empty())?;
    for _ in 0..levels {
        mkdirat(&folder, name, Mode::RWXU)?;
        folder = openat(&folder, name, flags, Mode::empty())?;
    }
    let file = openat(
        &folder,
        "file",
        OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC,
        Mode::RUSR | Mode::WUSR,
    )?;
    rustix::io::write(&file, b"deep\n")?;
    Ok(())
}

fn long_names(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    let name = |letter: &str| letter.repeat(255);
    let folder = Path::new("made").join(name("f"));
    fs::create_dir(&folder)?;
    fs::write(folder.join(name("n")), "long\n")
}

fn names_in_no_encoding(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    fs::write(Path::new("made").join(OsStr::from_bytes(b"\xff\xfe")), "x")
}

fn names_with_control_characters(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    for name in [
        "line\nline",
        "\x1b[31mred",
        "\r",
        "\u{202e}turned",
        "\\",
        "...",
    ] {
        fs::write(Path::new("made").join(name), "x")?;
    }
    // An undeclared file, so that the runner prints its name.
    fs::write("\x1b[2Jcleared", "x")
}
