//! Many jobs: arrays, packs and limits.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::cluster::{Cluster, VERSION, result, run_all, say, wait_until};
use crate::{Driver, Followed, NewJob, Pack, Settings};

fn jobs(cluster: &Cluster, count: usize) -> Vec<NewJob> {
    (0..count)
        .map(|number| cluster.job(&format!("job{number:03}"), json!({})))
        .collect()
}

/// Returns the numbers of Slurm jobs and of allocations.
fn ids(followed: &[Followed]) -> (usize, usize) {
    let records: Vec<_> = followed
        .iter()
        .map(|followed| followed.folder.job().unwrap().unwrap())
        .collect();
    let jobs: BTreeSet<u32> = records.iter().map(|job| job.job).collect();
    let allocations: BTreeSet<_> = records.iter().map(crate::JobRecord::id).collect();
    (jobs.len(), allocations.len())
}

fn check_all(cluster: &Cluster, followed: &[Followed]) {
    for followed in followed {
        result(&followed.outcome);
    }
    let names: Vec<String> = (0..followed.len())
        .map(|number| format!("job{number:03}"))
        .collect();
    assert_eq!(cluster.runs(), names);
}

#[test]
fn equal_requests_become_one_array() {
    let Some(cluster) = Cluster::start(&["--cpus", "4"]) else {
        return;
    };
    let followed = run_all(&cluster.driver(), &jobs(&cluster, 20));
    check_all(&cluster, &followed);
    assert_eq!(ids(&followed), (1, 20));
}

#[test]
fn packed_jobs_share_allocations() {
    let Some(cluster) = Cluster::start(&["--cpus", "4"]) else {
        return;
    };
    let mut jobs = jobs(&cluster, 23);
    for job in &mut jobs {
        job.pack = Pack {
            size: 5,
            at_once: 2,
        };
    }
    let followed = run_all(&cluster.driver(), &jobs);
    check_all(&cluster, &followed);
    assert_eq!(ids(&followed), (1, 5));
}

#[test]
fn arrays_are_split_at_the_limits_of_the_site() {
    let Some(cluster) = Cluster::start(&["--cpus", "4"]) else {
        return;
    };
    let small = "[ \"$2\" = config ] && { echo 'MaxArraySize = 5'; exit; }; exec \"$REAL\" \"$@\"";
    let client = cluster.client_with(&[("scontrol", small)]);
    let driver = Driver::new(cluster.submitter(client, |_| {}), VERSION).unwrap();
    let followed = run_all(&driver, &jobs(&cluster, 10));
    check_all(&cluster, &followed);
    let (jobs, allocations) = ids(&followed);
    assert!(
        (3..=10).contains(&jobs) && allocations == 10,
        "{jobs} {allocations}"
    );
}

#[test]
fn no_more_jobs_are_submitted_than_allowed() {
    let Some(cluster) = Cluster::start(&["--cpus", "4"]) else {
        return;
    };
    let submitter = cluster.submitter(cluster.client(), |settings| settings.max_jobs = 3);
    let driver = Driver::new(submitter, VERSION).unwrap();
    let done = AtomicBool::new(false);
    let followed = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::SeqCst) {
                let queue = cluster.client().queue().unwrap();
                let alive = queue
                    .iter()
                    .filter(|seen| !seen.state.is_over() && seen.state != crate::State::Completing);
                most = most.max(alive.count());
                thread::sleep(Duration::from_millis(50));
            }
            most
        });
        let followed = run_all(&driver, &jobs(&cluster, 10));
        done.store(true, Ordering::SeqCst);
        // A job may have written its ending, while Slurm has not noticed its end.
        let most = watching.join().unwrap();
        assert!((1..=6).contains(&most), "{most}");
        followed
    });
    check_all(&cluster, &followed);
}

#[test]
fn a_full_queue_is_waited_for() {
    let Some(cluster) = Cluster::start(&[]) else {
        return;
    };
    // Slurm takes no jobs at the first two attempts.
    let flag = cluster.root("refused");
    let quoted = crate::quote::word(flag.to_str().unwrap());
    let full = format!(
        "if [ \"$(cat {quoted} 2>/dev/null | wc -l)\" -lt 2 ]; then echo x >>{quoted}; echo 'sbatch: error: Slurm temporarily unable to accept job' >&2; exit 1; fi; exec \"$REAL\" \"$@\""
    );
    let client = cluster.client_with(&[("sbatch", &full)]);
    let driver = Driver::new(cluster.submitter(client, |_| {}), VERSION).unwrap();
    let followed = run_all(&driver, &jobs(&cluster, 4));
    check_all(&cluster, &followed);
}

#[test]
#[ignore = "measures time"]
fn two_hundred_trivial_jobs_against_a_handwritten_array() {
    let Some(cluster) = Cluster::start(&["--cpus", "8", "--nodes", "2"]) else {
        return;
    };
    let by_hand = || {
        let began = Instant::now();
        cluster.slurm("sbatch --array=0-199 --mem=50 -o /dev/null --wrap true");
        wait_until("the array", || cluster.slurm("squeue -h").is_empty());
        began.elapsed().as_secs_f64()
    };
    let by_driver = |round: usize, pack| {
        let mut jobs: Vec<_> = (0..200)
            .map(|number| cluster.job(&format!("r{round}-{number}"), json!({})))
            .collect();
        jobs.iter_mut().for_each(|job| job.pack = pack);
        let driver = cluster.driver();
        let began = Instant::now();
        let followed = run_all(&driver, &jobs);
        let seconds = began.elapsed().as_secs_f64();
        for followed in &followed {
            result(&followed.outcome);
        }
        wait_until("the array", || cluster.slurm("squeue -h").is_empty());
        seconds
    };
    let packed = Pack {
        size: 20,
        at_once: 1,
    };
    for round in 0..3 {
        let [hand, driver] = [by_hand(), by_driver(round, Pack::NONE)];
        let packs = by_driver(round + 10, packed);
        say(&format!(
            "200 by hand {hand:.1} s, by the driver {driver:.1} s, in packs of 20 {packs:.1} s"
        ));
    }
}

const COUNTED: [&str; 3] = ["sbatch", "squeue", "scontrol"];

/// Returns a driver whose calls of Slurm's commands are counted in a file.
fn counting(cluster: &Cluster, change: impl FnOnce(&mut Settings)) -> Driver {
    let file = crate::quote::word(cluster.root("calls").to_str().unwrap());
    let scripts = COUNTED.map(|name| format!("echo {name} >>{file}; exec \"$REAL\" \"$@\""));
    let scripts = COUNTED.into_iter().zip(scripts.iter().map(String::as_str));
    let client = cluster.client_with(&scripts.collect::<Vec<_>>());
    Driver::new(cluster.submitter(client, change), VERSION).unwrap()
}

/// Runs jobs, and prints the time and the calls.
fn measure(cluster: &Cluster, driver: &Driver, jobs: &[NewJob]) {
    let (began, before) = (Instant::now(), cpu_seconds());
    let followed = run_all(driver, jobs);
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - before);
    check_all(cluster, &followed);
    let count = jobs.len();
    say(&format!(
        "{count} jobs: {seconds:.1} s, {cpu:.1} s of CPU time for the driver"
    ));
    let calls = std::fs::read_to_string(cluster.root("calls")).unwrap();
    for name in COUNTED {
        let count = calls.lines().filter(|line| *line == name).count();
        say(&format!("calls of {name}: {count}"));
    }
}

#[test]
#[ignore = "measures time"]
fn a_thousand_jobs_at_once() {
    let Some(cluster) = Cluster::start(&["--cpus", "8", "--nodes", "2"]) else {
        return;
    };
    let driver = counting(&cluster, |_| {});
    measure(&cluster, &driver, &jobs(&cluster, 1000));
    let folder = crate::quote::word(cluster.shared().to_str().unwrap());
    for kind in ["f", "d"] {
        let listed = cluster.slurm(&format!(
            "cd {folder} && find . -type {kind} | sed 's/[0-9a-f]\\{{16\\}}/TAG/; s/job[0-9]*/JOB/; s/slurm-[0-9]*/slurm-N/' | sort | uniq -c; du -s --apparent-size -B1 ."
        ));
        say(&listed);
    }
}

/// The load on the controller while few jobs are allowed and each that ends is replaced.
#[test]
#[ignore = "measures time"]
fn a_full_queue_is_refilled() {
    let Some(cluster) = Cluster::start(&["--cpus", "8", "--nodes", "2"]) else {
        return;
    };
    let driver = counting(&cluster, |settings| {
        settings.max_jobs = 16;
        settings.poll = 10.0;
    });
    let mut jobs = jobs(&cluster, 200);
    for job in &mut jobs {
        job.work["units"] = json!(50);
    }
    measure(&cluster, &driver, &jobs);
}

/// Returns the CPU time of this process, without that of its children.
pub(super) fn cpu_seconds() -> f64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}
