//! Programs that replace folders by symbolic links, or move them away.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::Named;
use super::place::Place;
use super::processes::{harm, leave, pause};
use super::tame;

pub(crate) const PROGRAMS: &[Named] = &[
    ("scratch-to-watched", |place| {
        scratch_to(place, &place.watched(""))
    }),
    ("scratch-to-root", |place| scratch_to(place, place.root())),
    ("scratch-to-blobs", |place| {
        scratch_to(place, &place.store("cas"))
    }),
    ("scratch-moved", scratch_moved),
    ("session-to-watched", session_to_watched),
    ("parent-to-watched", |place| {
        linked("below", &place.watched(""))
    }),
    ("parent-to-blobs", |place| {
        linked("below", &place.store("cas"))
    }),
    ("output-to-watched", |place| {
        linked("made", &place.watched("made"))
    }),
    ("input-to-watched", |place| linked("in", &place.watched(""))),
    ("scratch-in-turns", scratch_in_turns),
    ("parent-in-turns", |place| {
        in_turns("below", &place.watched(""))
    }),
    ("folder-in-turns", |place| {
        in_turns("made/sub", &place.watched(""))
    }),
    ("output-in-turns", |place| {
        in_turns("made", &place.watched("made"))
    }),
    ("file-in-turns", |place| {
        in_turns("result", &place.watched("result"))
    }),
    ("input-in-turns", |place| in_turns("in", &place.watched(""))),
];

/// Replaces its scratch folder by a link. No link leads to `/`, where a faulty runner would delete the
/// files of the machine.
fn scratch_to(_: &Place, target: &Path) -> io::Result<()> {
    tame::outputs()?;
    let scratch = env::current_dir()?;
    fs::rename(&scratch, scratch.with_extension("aside"))?;
    symlink(target, &scratch)
}

fn scratch_moved(place: &Place) -> io::Result<()> {
    tame::outputs()?;
    fs::rename(env::current_dir()?, place.elsewhere("scratch")?)
}

/// Replaces the parent of its scratch folder by a link.
fn session_to_watched(place: &Place) -> io::Result<()> {
    tame::outputs()?;
    let scratch = env::current_dir()?;
    let Some(session) = scratch.parent() else {
        return Ok(());
    };
    fs::rename(session, place.elsewhere("session")?)?;
    symlink(place.watched(""), session)
}

/// Moves a folder into an ignored one and puts a link in its place.
fn linked(folder: &str, target: &Path) -> io::Result<()> {
    tame::outputs()?;
    fs::rename(folder, "ignored/aside")?;
    symlink(target, folder)
}

/// Exchanges its scratch folder and a link, over and over.
fn scratch_in_turns(place: &Place) -> io::Result<()> {
    tame::outputs()?;
    let scratch = env::current_dir()?;
    let link = scratch.with_extension("link");
    symlink(place.watched(""), &link)?;
    exchange_for_a_while(&scratch, &link)
}

fn in_turns(path: &str, target: &Path) -> io::Result<()> {
    tame::outputs()?;
    symlink(target, "ignored/link")?;
    exchange_for_a_while(Path::new(path), Path::new("ignored/link"))
}

/// Exchanges a path and a link over and over, and goes on after the stage has ended.
fn exchange_for_a_while(path: &Path, link: &Path) -> io::Result<()> {
    leave(|| {
        harm(1, |_| {
            for _ in 0..100 {
                renameat_with(CWD, path, CWD, link, RenameFlags::EXCHANGE)?;
            }
            Ok(())
        })
    })?;
    pause(50);
    Ok(())
}
