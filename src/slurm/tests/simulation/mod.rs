//! Measures the driver with more jobs than a real cluster on one machine can run: a simulated cluster plays the
//! controller and the nodes.
//!
//! The driver, its files and its commands are real. The controller answers at once and starts a job as soon as a node is
//! free. So the figures are those of the driver; `many` measures a real controller. A run takes minutes:
//!
//! ```sh
//! RUNNER_SUITE=full cargo test --release -p slurm --lib -- simulation:: --ignored --nocapture
//! ```

mod controller;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use super::cluster::{VERSION, result, say};
use super::many::cpu_seconds;
use crate::state::JobId;
use crate::submit::SUBMISSIONS;
use crate::{Driver, NewJob, Pack, Resources, Settings, State, Submitter, answers};
use controller::{Controller, Site, write_line};

/// Number of jobs that the engine hands to the driver at the same time.
const AT_ONCE: usize = 4096;
const NODES: usize = 1000;

fn is_full() -> bool {
    std::env::var("RUNNER_SUITE").as_deref() == Ok("full")
}

/// A hundred thousand jobs on a thousand nodes. Without `RUNNER_SUITE=full`, ten thousand.
#[test]
#[ignore = "measures time"]
fn many_jobs_on_many_nodes() {
    let count = if is_full() { 100_000 } else { 10_000 };
    let site = Site {
        nodes: NODES,
        seconds: 3.0,
        remembers: 300,
    };
    measure(count, &site, 2000);
}

/// The pace of a thousand nodes with jobs of ten minutes: 1.7 of them end each second.
#[test]
#[ignore = "measures time"]
fn jobs_that_end_now_and_then() {
    let site = Site {
        nodes: 20,
        seconds: 12.0,
        remembers: 300,
    };
    measure(200, &site, 40);
}

fn measure(count: usize, site: &Site, max_jobs: u32) {
    let temporary = tempfile::tempdir().unwrap();
    let controller = Controller::start(temporary.path(), site);
    let root = temporary.path().join("jobs");
    fs::create_dir(&root).unwrap();
    let settings = Settings {
        max_jobs,
        ..Settings::default()
    };
    let submitter = Submitter::new(
        controller.client(),
        settings,
        &root,
        Path::new("/bin/false"),
    );
    let driver = Driver::new(submitter.unwrap(), VERSION).unwrap();
    let (began, before) = (Instant::now(), cpu_seconds());
    let delays = follow_all(&driver, &root, count);
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - before);
    let counts = controller.counts();
    assert_eq!((counts.started, counts.wrong), (count, 0));
    let each = 1e3 / count as f64;
    say(&format!(
        "{count} jobs of {} s on {} nodes: {seconds:.1} s, {:.1} jobs/s; nodes worked {:.1} % of the time",
        site.seconds,
        site.nodes,
        count as f64 / seconds,
        100.0 * counts.work / seconds / site.nodes as f64
    ));
    say(&format!(
        "driver: {cpu:.1} s of CPU time, {:.2} ms for each job; peak memory {:.0} MiB",
        cpu * each,
        peak_memory()
    ));
    say(&format!(
        "an ending was noticed after {:.2} s on average, {:.2} s at most",
        delays.iter().sum::<f64>() / count as f64,
        delays.iter().copied().fold(0.0, f64::max)
    ));
    say(&format!("{counts:?}"));
    let (files, folders) = entries(&root.join(SUBMISSIONS));
    say(&format!(
        "left of submissions: {files} files, {folders} folders"
    ));
}

/// Runs jobs as the engine does: on threads, each of which removes the folder of its job before it takes the next one.
/// Returns for each job the time from its ending until the driver returned it, in seconds.
fn follow_all(driver: &Driver, root: &Path, count: usize) -> Vec<f64> {
    let (next, delays) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(count)));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            if number == count / 2 {
                report_folders(root);
            }
            let job = job(root, number);
            let followed = driver.run(&job, &|_| {}).unwrap();
            let ending = fs::metadata(followed.folder.path().join("ending.json")).unwrap();
            let delay = SystemTime::now().duration_since(ending.modified().unwrap());
            assert_eq!(result(&followed.outcome), &json!(true));
            contract::lock(&delays).push(delay.unwrap_or_default().as_secs_f64());
            fs::remove_dir_all(&job.root).unwrap();
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(count) {
            scope.spawn(work);
        }
    });
    contract::into_inner(delays)
}

fn job(root: &Path, number: usize) -> NewJob {
    NewJob {
        root: root.join(format!("{number:064x}")),
        resources: Resources {
            cpus: 1,
            memory: Some(1 << 30),
            seconds: None,
            gpus: 0,
            gpu_memory: None,
        },
        pack: Pack::NONE,
        restarts: 5,
        starts_over: false,
        work: json!({ "number": number }),
    }
}

/// Prints how many files and folders there are while the queue is full.
fn report_folders(root: &Path) {
    let (files, folders) = entries(root);
    let jobs = fs::read_dir(root).unwrap().count() - 1;
    let (listed, _) = entries(&root.join(SUBMISSIONS));
    say(&format!(
        "in between: {jobs} job folders; {files} files, of which {listed} of submissions, and {folders} folders"
    ));
}

/// Counts files and folders. Others are removed meanwhile.
fn entries(folder: &Path) -> (usize, usize) {
    let Ok(found) = fs::read_dir(folder) else {
        return (0, 1);
    };
    let mut counted = (0, 1);
    for entry in found.flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let (files, folders) = if is_folder {
            entries(&entry.path())
        } else {
            (1, 0)
        };
        counted = (counted.0 + files, counted.1 + folders);
    }
    counted
}

/// Returns the largest resident size of this process, in MiB.
fn peak_memory() -> f64 {
    let status = contract::files::system_text("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib / 1024.0
}

/// Reading answers of `squeue` with many jobs, most of which have ended.
#[test]
#[ignore = "measures time"]
fn long_answers_of_squeue() {
    for count in [2000, 50_000, 100_000] {
        let mut text = String::new();
        for number in 0..count {
            let id = JobId {
                job: number / 1000,
                element: Some(number % 1000),
            };
            let state = if number < count - 2000 {
                "COMPLETED"
            } else {
                "RUNNING"
            };
            write_line(
                &mut text,
                id,
                state,
                Some(number as usize % NODES),
                "0123456789abcdef",
            );
        }
        let mut times: Vec<Duration> = (0..5)
            .map(|_| {
                let began = Instant::now();
                let seen = answers::parse_squeue(&text);
                let states: BTreeMap<JobId, State> =
                    seen.into_iter().map(|seen| (seen.id, seen.state)).collect();
                assert_eq!(states.len(), count as usize);
                began.elapsed()
            })
            .collect();
        times.sort_unstable();
        say(&format!(
            "{count} jobs listed by `squeue`: {:.1} MB, read in {:.1} ms (median of 5)",
            text.len() as f64 / 1e6,
            times[2].as_secs_f64() * 1e3
        ));
    }
}
