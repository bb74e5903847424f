//! Programs that misbehave, for `tests/it/hostile`.
//!
//! ```text
//! hostile produce                makes the folder that all other stages read
//! hostile tame                   makes the outputs of a hostile stage and does no harm
//! hostile digest OUTPUT FOLDER…  digests the folders twice, 0.2 s apart, and writes both results
//! hostile NAME ROOT              makes the same outputs and misbehaves
//! hostile list                   prints the NAMEs
//! ```
//!
//! ROOT is the folder of the test case. It holds the store (`artifacts`), a tree that no runner may
//! change (`watched`), and a folder for files that programs keep for themselves (`elsewhere`). ROOT also
//! marks the processes of a case: it is an argument of each, and the test finds them by it.
//!
//! No program does harm outside ROOT, and all of them end: each process has an alarm, and no program
//! forks more than a few hundred times.

#![allow(
    clippy::disallowed_methods,
    reason = "these programs stand for any program of a user"
)]

#[cfg(target_os = "linux")]
mod contents;
#[cfg(target_os = "linux")]
mod descriptors;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod floods;
#[cfg(target_os = "linux")]
mod forks;
#[cfg(target_os = "linux")]
mod leftovers;
#[cfg(target_os = "linux")]
mod links;
#[cfg(target_os = "linux")]
mod place;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(target_os = "linux")]
mod swaps;
#[cfg(target_os = "linux")]
mod tame;

/// The programs use calls that only Linux has.
#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::io::Write;
    use std::process::ExitCode;

    processes::bound_life();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args.as_slice() {
        ["produce"] => tame::produce(),
        ["tame"] => tame::outputs(),
        ["digest", output, folders @ ..] => tame::digest_twice(output, folders),
        ["list"] => {
            let names: Vec<&str> = programs().map(|(name, _)| *name).collect();
            writeln!(std::io::stdout(), "{}", names.join("\n"))
        }
        // Started by `no-environment`.
        ["sleep", _] => {
            processes::sleep();
            Ok(())
        }
        [name, root] => match programs().find(|(known, _)| known == name) {
            Some((_, program)) => program(&place::Place::new(root)),
            None => Err(std::io::Error::other(
                "unknown program; `hostile list` prints all names",
            )),
        },
        _ => Err(std::io::Error::other("usage: hostile NAME ROOT")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "hostile: {args:?}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The name of a program, and its function.
#[cfg(target_os = "linux")]
type Named = (&'static str, fn(&place::Place) -> std::io::Result<()>);

#[cfg(target_os = "linux")]
fn programs() -> impl Iterator<Item = &'static Named> {
    [
        leftovers::PROGRAMS,
        forks::PROGRAMS,
        swaps::PROGRAMS,
        links::PROGRAMS,
        contents::PROGRAMS,
        floods::PROGRAMS,
        files::PROGRAMS,
        descriptors::PROGRAMS,
    ]
    .into_iter()
    .flatten()
}
