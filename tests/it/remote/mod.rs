//! Machines that share results through a folder and, if `RUNNER_TEST_S3` names a folder in which
//! `tests/cluster/s3-start` was run, through a real S3 server.

mod commands;
mod faults;
mod hanging;
mod settings;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::sandbox::{Finished, Sandbox, TINY, finish, skip};

/// A place that machines share.
struct Place {
    url: String,
    variables: Vec<(String, String)>,
    folder: Option<TempDir>,
}

impl Place {
    fn folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            url: format!("file://{}", folder.path().display()),
            variables: Vec::new(),
            folder: Some(folder),
        }
    }

    /// A folder that does not exist, as if it were not mounted.
    fn missing() -> Self {
        let gone = tempfile::tempdir().unwrap();
        Self {
            url: format!("file://{}/missing", gone.path().display()),
            variables: Vec::new(),
            folder: None,
        }
    }

    /// A new prefix on the S3 server of the tests, if it runs.
    fn s3() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let Some(server) = std::env::var_os("RUNNER_TEST_S3") else {
            skip("`RUNNER_TEST_S3` is not set, so S3 is not tested");
            return None;
        };
        let text = fs::read_to_string(Path::new(&server).join("env")).unwrap();
        let variables = text.lines().filter_map(|line| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        });
        let variables: Vec<_> = variables.collect();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let bucket = &variables
            .iter()
            .find(|(name, _)| name == "RUNNER_TEST_BUCKET")
            .unwrap()
            .1;
        Some(Self {
            url: format!("s3://{bucket}/it-{}-{number}", std::process::id()),
            variables,
            folder: None,
        })
    }

    fn all() -> Vec<Self> {
        [Some(Self::folder()), Self::s3()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// The path of the shared folder.
    fn path(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    /// The files of blobs (`false`) or trees (`true`).
    fn objects(&self, are_trees: bool) -> Vec<PathBuf> {
        files_below(&self.path().join("v1/cas"))
            .into_iter()
            .filter(|file| file.extension().is_some() == are_trees)
            .collect()
    }
}

/// A machine with a store and a user of its own.
struct Machine(Sandbox);

impl Machine {
    fn new() -> Self {
        Self(Sandbox::new(TINY))
    }

    /// `runner` with `args`, which shares results at a place.
    fn command(&self, place: &Place, args: &[&str]) -> Command {
        let mut command = self.0.command(args);
        command.envs(place.variables.iter().map(|(name, value)| (name, value)));
        command.env("RUNNER_REMOTE", &place.url);
        command
    }

    fn runner(&self, place: &Place, args: &[&str]) -> Finished {
        self.command(place, args).output().unwrap().into()
    }

    /// Runs the pipeline, which must succeed, and returns its table.
    fn table(&self, place: &Place) -> String {
        let ran = self.runner(place, &["run", "pipeline.yaml"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.contains("epochs"), "{ran:?}");
        ran.stdout
    }

    /// Runs the pipeline, and returns how many stages were cached and how many ran.
    fn counts(&self, place: &Place) -> (u64, u64) {
        let ran = self.runner(place, &["run", "pipeline.yaml", "--json"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let counts = &ran.json()["counts"];
        let count = |name: &str| counts[name].as_u64().unwrap_or_default();
        (count("cached"), count("succeeded"))
    }

    fn has_files(&self) -> usize {
        files_below(&self.0.path("artifacts/v1/cas")).len()
    }
}

/// All files below a folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in crate::sandbox::list(folder) {
        match path.is_dir() {
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files
}

#[test]
fn another_machine_runs_nothing_and_reads_only_what_it_needs() {
    for place in Place::all() {
        let [a, b, c] = [(), (), ()].map(|()| Machine::new());
        assert_eq!(a.counts(&place), (0, 3), "{}", place.url);
        assert_eq!(b.counts(&place), (3, 0), "{}", place.url);
        assert!(b.has_files() < a.has_files() / 2);
        assert_eq!(a.table(&place), b.table(&place));

        // A change runs only what it affects, with inputs from the other machine.
        let changed = ["run", "pipeline.yaml", "--json", "-S", "widths=[4,5]"];
        let ran = c.runner(&place, &changed);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let outcomes = ran.outcomes();
        let ran = outcomes
            .iter()
            .filter(|(_, outcome)| outcome == "succeeded");
        assert_eq!(
            ran.map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["cnn[5]"]
        );
    }
}

#[test]
fn machines_that_run_at_the_same_time_end_with_one_valid_record() {
    for place in Place::all() {
        let machines: Vec<Machine> = (0..3).map(|_| Machine::new()).collect();
        let running = machines.iter().map(|machine| {
            let mut command = machine.command(&place, &["run", "pipeline.yaml"]);
            command
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        });
        let running: Vec<_> = running.collect();
        let ended: Vec<Finished> = running.into_iter().map(finish).collect();
        let first = &ended[0];
        for ended in &ended {
            assert_eq!(ended.code, Some(0), "{ended:?}");
            assert_eq!(ended.stdout, first.stdout);
            assert!(!ended.stderr.contains("warning"), "{ended:?}");
        }
        assert_eq!(Machine::new().counts(&place), (3, 0));
    }
}

/// The results of a run that used a shared cache are complete results once they are read, also without it.
#[test]
fn results_of_a_run_are_found_without_the_shared_cache_after_pull() {
    let place = Place::folder();
    let [a, b] = [(), ()].map(|()| Machine::new());
    a.table(&place);
    b.table(&place);
    let alone = b.0.runner(&["status", "pipeline.yaml", "--exit-code"]);
    assert_eq!(alone.code, Some(3), "{alone:?}");
    let pulled = b.runner(&place, &["pull", "pipeline.yaml"]);
    assert_eq!(pulled.code, Some(0), "{pulled:?}");
    let alone = b.0.runner(&["status", "pipeline.yaml", "--exit-code"]);
    assert_eq!(alone.code, Some(0), "{alone:?}");
    let verified = b.0.runner(&["cache", "verify"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
}
