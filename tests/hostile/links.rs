//! Programs that write through symbolic links and hard links.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::Named;
use super::place::{Place, WRITTEN, files_below, poison};
use super::processes::{harm, leave};
use super::tame;

pub(crate) const PROGRAMS: &[Named] = &[
    ("through-result", |place| through(place, "result")),
    ("through-input", |place| through(place, "in/small")),
    ("through-made", |place| through(place, "made/link")),
    ("through-and-gone", through_and_gone),
    ("through-to-blob", through_to_blob),
    ("metrics-to-watched", metrics_to_watched),
    ("result-to-log", result_to_log),
    ("log-to-watched", log_to_watched),
    ("input-kept", input_kept),
    ("output-kept", output_kept),
    ("latest-written", |place| {
        poison(&place.latest("small")?).and_then(|()| tame::outputs())
    }),
    ("blobs-written", blobs_written),
    ("watched-as-output", watched_as_output),
    ("input-as-output", input_as_output),
    ("output-twice", output_twice),
];

/// Writes to a watched file through a link, and leaves the link.
fn through(place: &Place, link: &str) -> io::Result<()> {
    tame::outputs()?;
    let _ = fs::remove_file(link);
    symlink(place.watched("given"), link)?;
    fs::write(link, WRITTEN)
}

fn through_and_gone(place: &Place) -> io::Result<()> {
    tame::outputs()?;
    symlink(place.watched("given"), "ignored/link")?;
    fs::write("ignored/link", WRITTEN)?;
    fs::remove_file("ignored/link")
}

fn through_to_blob(place: &Place) -> io::Result<()> {
    tame::outputs()?;
    symlink(place.latest("small")?, "ignored/link")?;
    poison(Path::new("ignored/link"))
}

fn metrics_to_watched(place: &Place) -> io::Result<()> {
    tame::outputs()?;
    fs::remove_file("metrics.json")?;
    symlink(place.watched("metrics.json"), "metrics.json")
}

/// Replaces its output by a link to its log.
fn result_to_log(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    fs::remove_file("result")?;
    symlink("/proc/self/fd/1", "result")?;
    fs::write("result", "in the log\n")
}

/// Replaces its log by a link and fails, so that the runner shows the end of the log.
fn log_to_watched(place: &Place) -> io::Result<()> {
    let log = log()?;
    fs::remove_file(&log)?;
    symlink(place.watched("result"), &log)?;
    Err(io::Error::other("this program fails on purpose"))
}

/// Returns the file that standard output is written to.
pub(crate) fn log() -> io::Result<PathBuf> {
    fs::read_link("/proc/self/fd/1")
}

/// Keeps a hard link to an input and writes through it.
fn input_kept(place: &Place) -> io::Result<()> {
    tame::outputs()?;
    let kept = place.elsewhere("input")?;
    fs::hard_link("in/small", &kept)?;
    poison(&kept)
}

/// Keeps a hard link to an output and writes through it later, as the test does after the run.
fn output_kept(place: &Place) -> io::Result<()> {
    tame::outputs()?;
    let kept = place.elsewhere("output")?;
    fs::hard_link("result", &kept)?;
    leave(|| harm(50, |_| poison(&kept)))
}

fn blobs_written(place: &Place) -> io::Result<()> {
    tame::outputs()?;
    for blob in files_below(&place.store("cas"))? {
        poison(&blob)?;
    }
    Ok(())
}

/// Replaces its output by a hard link to a watched file.
fn watched_as_output(place: &Place) -> io::Result<()> {
    tame::outputs()?;
    fs::remove_file("result")?;
    fs::hard_link(place.watched("result"), "result")
}

fn input_as_output(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    fs::remove_file("made/a")?;
    fs::hard_link("in/small", "made/a")?;
    fs::hard_link("in/large", "made/large")
}

fn output_twice(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    fs::hard_link("made/a", "made/again")?;
    fs::hard_link("made/a", "made/sub/again")
}
