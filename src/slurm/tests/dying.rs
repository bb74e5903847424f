//! Drivers that die at any moment: nothing runs twice, and nothing is lost.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::cluster::{Cluster, VERSION, result, run_all, wait_until};
use crate::{Driver, JobFolder, NewJob};

const JOBS: usize = 6;

fn jobs(cluster: &Cluster, what: &serde_json::Value) -> Vec<NewJob> {
    (0..JOBS)
        .map(|number| cluster.job(&format!("job{number}"), what.clone()))
        .collect()
}

/// Runs the jobs with another driver, and checks that each ran once.
fn finish(cluster: &Cluster, driver: &Driver, what: &serde_json::Value) {
    let followed = run_all(driver, &jobs(cluster, what));
    let states: Vec<_> = followed
        .iter()
        .map(|followed| result(&followed.outcome)["state"].clone())
        .collect();
    let expected = super::programs::undisturbed(what["units"].as_u64().unwrap());
    assert!(states.iter().all(|state| *state == expected), "{states:?}");
    wait_until("the end of all jobs", || {
        cluster.slurm("squeue -h").is_empty()
    });
    let names: Vec<String> = (0..JOBS).map(|number| format!("job{number}")).collect();
    assert_eq!(cluster.runs(), names);
}

/// Makes claims look old, so that a test does not wait until they are.
fn age_claims(cluster: &Cluster) {
    for number in 0..JOBS {
        let folder = JobFolder::attempt(&cluster.root(&format!("job{number}")), 1);
        let claim = folder.path().join("claim.json");
        if let Ok(file) = contract::files::open_unlinked(&claim) {
            let then = std::time::SystemTime::now() - Duration::from_secs(60);
            file.set_modified(then).unwrap();
        }
    }
}

#[test]
fn a_driver_that_dies_while_it_submits() {
    let moments = [
        "created",
        "claimed one",
        "claimed",
        "submitted",
        "identified",
        "recorded",
    ];
    for moment in moments {
        let Some(cluster) = Cluster::start(&["--cpus", "4"]) else {
            return;
        };
        let what = json!({ "units": 3 });
        let mut process = cluster.driver_process(JOBS, &what, &[("RUNNER_TEST_KILL_AT", moment)]);
        assert!(
            !process.status().unwrap().success(),
            "it was not killed at `{moment}`"
        );
        age_claims(&cluster);
        finish(&cluster, &cluster.driver(), &what);
    }
}

#[test]
fn a_driver_that_dies_while_sbatch_runs() {
    let Some(cluster) = Cluster::start(&["--cpus", "4"]) else {
        return;
    };
    let what = json!({ "units": 3 });
    let flag = cluster.root("submitting");
    let quoted = crate::quote::word(flag.to_str().unwrap());
    let slow = format!("touch {quoted}; sleep 4; exec \"$REAL\" \"$@\"");
    let mut process = cluster
        .driver_process(JOBS, &what, &[("STAND_IN_SBATCH", &slow)])
        .spawn()
        .unwrap();
    wait_until("the submission", || flag.exists());
    process.kill().unwrap();
    process.wait().unwrap();
    // `sbatch` has not asked Slurm yet. It holds the lock, so nobody else submits.
    age_claims(&cluster);
    finish(&cluster, &cluster.driver(), &what);
}

#[test]
fn a_driver_that_dies_at_any_moment() {
    let Some(cluster) = Cluster::start_for_long(&["--cpus", "4"]) else {
        return;
    };
    let what = json!({ "units": 15 });
    for kill in 0..6_u64 {
        let mut process = cluster.driver_process(JOBS, &what, &[]).spawn().unwrap();
        thread::sleep(Duration::from_millis(60 + 170 * kill));
        process.kill().unwrap();
        process.wait().unwrap();
        age_claims(&cluster);
    }
    finish(&cluster, &cluster.driver(), &what);
}

#[test]
fn two_drivers_at_the_same_time() {
    let Some(cluster) = Cluster::start(&["--cpus", "4"]) else {
        return;
    };
    let what = json!({ "units": 5 });
    let drivers = [cluster.driver(), cluster.driver()];
    thread::scope(|scope| {
        for driver in &drivers {
            let (cluster, what) = (&cluster, &what);
            scope.spawn(move || {
                for followed in run_all(driver, &jobs(cluster, what)) {
                    result(&followed.outcome);
                }
            });
        }
    });
    finish(&cluster, &drivers[0], &what);
}

#[test]
fn a_job_that_slurm_denies_and_then_runs_after_all() {
    let Some(cluster) = Cluster::start_for_long(&["--cpus", "4"]) else {
        return;
    };
    let what = json!({ "units": 3 });
    let nodes = cluster.nodes().join(",");
    cluster.slurm(&format!(
        "scontrol update nodename={nodes} state=drain reason=test"
    ));
    let mut process = cluster.driver_process(JOBS, &what, &[("RUNNER_TEST_KILL_AT", "submitted")]);
    assert!(!process.status().unwrap().success());
    age_claims(&cluster);
    // Both lists of jobs lack the submission, so it is made again.
    let liars = [
        ("squeue", "exit 0"),
        (
            "scontrol",
            "[ \"$3\" = job ] && [ -z \"$4\" ] && exit 0; exec \"$REAL\" \"$@\"",
        ),
    ];
    let driver = Driver::new(
        cluster.submitter(cluster.client_with(&liars), |_| {}),
        VERSION,
    )
    .unwrap();
    let all = jobs(&cluster, &what);
    thread::scope(|scope| {
        let running = scope.spawn(|| run_all(&driver, &all));
        wait_until("the second submission", || {
            let names = cluster.slurm("squeue -h -o %A");
            names
                .split_whitespace()
                .collect::<std::collections::BTreeSet<_>>()
                .len()
                == 2
        });
        cluster.slurm(&format!("scontrol update nodename={nodes} state=resume"));
        for followed in running.join().unwrap() {
            result(&followed.outcome);
        }
    });
    finish(&cluster, &cluster.driver(), &what);
    assert_eq!(
        fs::read_dir(cluster.root("submissions")).unwrap().count(),
        2
    );
}

#[test]
fn a_driver_that_is_itself_a_job() {
    let Some(cluster) = Cluster::start(&["--cpus", "4"]) else {
        return;
    };
    let what = json!({ "units": 1 });
    // What Slurm sets for a job, and what a person may have set for other uses of the commands.
    let variables = [
        ("SLURM_JOB_ID", "77"),
        ("SLURM_ARRAY_TASK_ID", "3"),
        ("SLURM_MEM_PER_CPU", "100"),
        ("SLURM_MEM_PER_NODE", "200"),
        ("SLURM_RESTART_COUNT", "2"),
        ("SBATCH_WAIT", "1"),
        ("SBATCH_ARRAY_INX", "0-3"),
        ("SQUEUE_FORMAT", "%i"),
        ("SQUEUE_STATES", "PENDING"),
    ];
    let mut process = cluster.driver_process(JOBS, &what, &variables);
    assert!(process.status().unwrap().success());
    finish(&cluster, &cluster.driver(), &what);
}

#[test]
fn folders_of_submissions_are_removed_when_they_are_old_and_unused() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    let submitter = crate::Submitter::new(
        crate::Client::default(),
        crate::Settings::default(),
        root,
        std::path::Path::new("/bin/true"),
    );
    let submitter = submitter.unwrap();
    assert_eq!(submitter.sweep().unwrap(), 0);
    let submission = |tag: &str, is_old: bool| {
        let folder = submitter.submission(tag);
        fs::create_dir_all(&folder).unwrap();
        let job = JobFolder::at(root.join(tag).join("attempt-1"));
        fs::create_dir_all(job.path()).unwrap();
        let claim = crate::Claim {
            tag: tag.to_owned(),
            line: 0,
            pack: 1,
            host: String::new(),
            process: 1,
        };
        assert!(job.put_claim(&claim).unwrap());
        fs::write(folder.join("jobs"), format!("{}\n", job.path().display())).unwrap();
        if is_old {
            let then = std::time::SystemTime::now() - Duration::from_secs(7200);
            fs::File::open(&folder).unwrap().set_modified(then).unwrap();
        }
        job
    };
    let ending = crate::Ending {
        attempt: 1,
        restart: 0,
        result: crate::EndResult::Succeeded(true.into()),
        seconds: 0.0,
        cpu_seconds: 0.0,
        peak_memory_mib: 0.0,
    };
    submission("young", false).put_ending(&ending).unwrap();
    submission("ended", true).put_ending(&ending).unwrap();
    submission("running", true);
    submission("gone", true).delete().unwrap();
    assert_eq!(submitter.sweep().unwrap(), 2);
    assert!(submitter.submission("young").is_dir());
    assert!(submitter.submission("running").is_dir());
}
