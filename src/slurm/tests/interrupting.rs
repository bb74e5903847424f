//! Jobs that are interrupted and go on.

use std::thread;

use serde_json::json;

use super::cluster::{
    Cluster, LeaveOnPanic, VERSION, lost, result, run, wait_for_start, wait_until,
};
use super::programs::undisturbed;
use crate::decide::Loss;
use crate::{Driver, JobFolder, Pack};

#[test]
fn a_requeued_job_goes_on_from_its_checkpoint() {
    let Some(cluster) = Cluster::start_for_long(&[]) else {
        return;
    };
    let driver = cluster.driver();
    let job = cluster.job("requeued", json!({ "units": 60, "events": 3 }));
    thread::scope(|scope| {
        let _guard = LeaveOnPanic(&driver);
        let running = scope.spawn(|| run(&driver, &job).0);
        let started = wait_for_start(&job.root, 0);
        cluster.slurm(&format!("scontrol requeue {}", started.job.unwrap()));
        let again = wait_for_start(&job.root, 1);
        assert_eq!(again.job, started.job);
        let followed = running.join().unwrap();
        assert_eq!(result(&followed.outcome)["state"], undisturbed(60));
    });
    assert_eq!(cluster.runs(), ["requeued", "requeued"]);
}

#[test]
fn a_job_whose_node_is_lost_goes_on_elsewhere() {
    let Some(cluster) = Cluster::start_for_long(&[]) else {
        return;
    };
    let driver = cluster.driver();
    let job = cluster.job("moved", json!({ "units": 60 }));
    thread::scope(|scope| {
        let _guard = LeaveOnPanic(&driver);
        let running = scope.spawn(|| run(&driver, &job).0);
        let started = wait_for_start(&job.root, 0);
        lose(&cluster, &started);
        let again = wait_for_start(&job.root, 1);
        assert_ne!(again.node, started.node);
        let followed = running.join().unwrap();
        assert_eq!(result(&followed.outcome)["state"], undisturbed(60));
    });
    assert_eq!(cluster.runs(), ["moved", "moved"]);
}

#[test]
fn a_job_that_goes_on_although_its_node_was_given_up_is_collected() {
    let Some(cluster) = Cluster::start_for_long(&[]) else {
        return;
    };
    let driver = cluster.driver();
    let job = cluster.job("alive", json!({ "units": 40 }));
    let followed = thread::scope(|scope| {
        let _guard = LeaveOnPanic(&driver);
        let running = scope.spawn(|| run(&driver, &job).0);
        let started = wait_for_start(&job.root, 0);
        give_up(&cluster, &started);
        running.join().unwrap()
    });
    assert_eq!(result(&followed.outcome)["state"], undisturbed(40));
    assert_eq!(cluster.runs(), ["alive"]);
}

/// Makes Slurm believe that a node is lost. Its jobs are not told.
fn give_up(cluster: &Cluster, started: &crate::Started) {
    let node = &started.node;
    cluster.stop(&format!("slurmd-{node}"));
    cluster.slurm(&format!(
        "scontrol update nodename={node} state=down reason=test"
    ));
}

/// Loses a node with its job, as in a power failure.
fn lose(cluster: &Cluster, started: &crate::Started) {
    give_up(cluster, started);
    let process = rustix::process::Pid::from_raw(started.process.cast_signed()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_lost_node_is_an_outcome_if_slurm_may_not_requeue() {
    let Some(cluster) = Cluster::start(&[]) else {
        return;
    };
    let driver = cluster.driver();
    let job = cluster.job("lost", json!({ "units": 10_000 }));
    thread::scope(|scope| {
        let _guard = LeaveOnPanic(&driver);
        let running = scope.spawn(|| run(&driver, &job).0);
        let started = wait_for_start(&job.root, 0);
        cluster.slurm(&format!(
            "scontrol update jobid={} requeue=0",
            started.job.unwrap()
        ));
        lose(&cluster, &started);
        let followed = running.join().unwrap();
        let lost = lost(&followed.outcome);
        assert_eq!(lost.loss, Loss::NodeFailed);
        assert!(lost.is_interruption());
    });
}

#[test]
fn the_time_limit_is_passed_twice_in_one_training() {
    let Some(cluster) = Cluster::start_for_long(&[]) else {
        return;
    };
    // A limit of one minute, with the signal 35 s before. Slurm looks at limits twice a minute.
    let submitter = cluster.submitter(cluster.client(), |settings| {
        settings.time_limit = Some(1);
        settings.grace = 35;
    });
    let driver = Driver::new(submitter, VERSION).unwrap();
    let job = cluster.job("long", json!({ "units": 650 }));
    thread::scope(|scope| {
        let _guard = LeaveOnPanic(&driver);
        let running = scope.spawn(|| run(&driver, &job).0);
        let first = wait_for_start(&job.root, 0);
        let last = wait_for_start(&job.root, 2);
        assert_eq!(first.job, last.job);
        let followed = running.join().unwrap();
        assert_eq!(result(&followed.outcome)["state"], undisturbed(650));
    });
}

#[test]
fn a_job_that_may_not_be_requeued_is_paused_and_the_driver_submits_it_again() {
    let Some(cluster) = Cluster::start_for_long(&[]) else {
        return;
    };
    let submitter = cluster.submitter(cluster.client(), |settings| {
        // Plays a site where users may not requeue.
        settings.setup =
            vec!["scontrol() { echo not allowed >&2; return 1; }; sleep() { :; }".to_owned()];
    });
    let driver = Driver::new(submitter, VERSION).unwrap();
    let mut job = cluster.job("paused", json!({ "units": 40 }));
    let followed = thread::scope(|scope| {
        let _guard = LeaveOnPanic(&driver);
        let running = scope.spawn(|| run(&driver, &job).0);
        let id = wait_for_start(&job.root, 0).job.unwrap();
        cluster.slurm(&format!("scancel --batch --signal=USR1 {id}"));
        running.join().unwrap()
    });
    let lost = lost(&followed.outcome);
    assert!(lost.paused && lost.is_interruption(), "{lost:?}");
    assert_eq!(lost.loss, Loss::Exited(crate::Exit::Code(75)));
    followed.folder.put_collected().unwrap();
    // The caller brings the checkpoint to the next attempt.
    let next = JobFolder::attempt(&job.root, 2);
    std::fs::create_dir_all(next.path()).unwrap();
    contract::files::copy(
        &followed.folder.path().join("checkpoint"),
        &next.path().join("checkpoint"),
    )
    .unwrap();
    job.restarts = 0;
    let (again, _) = run(&driver, &job);
    assert_eq!(again.folder, next);
    assert_eq!(result(&again.outcome)["state"], undisturbed(40));
}

#[test]
fn leaving_lets_jobs_run_and_cancelling_ends_them() {
    let Some(cluster) = Cluster::start(&[]) else {
        return;
    };
    let driver = cluster.driver();
    let job = cluster.job("left", json!({ "units": 60 }));
    thread::scope(|scope| {
        let _guard = LeaveOnPanic(&driver);
        let running = scope.spawn(|| run(&driver, &job).0);
        wait_for_start(&job.root, 0);
        driver.leave();
        let followed = running.join().unwrap();
        assert!(
            matches!(followed.outcome, crate::Outcome::Left(Some(_))),
            "{followed:?}"
        );
    });
    let next = cluster.driver();
    let (followed, reports) = run(&next, &job);
    assert_eq!(result(&followed.outcome)["state"], undisturbed(60));
    assert!(
        reports
            .iter()
            .any(|report| matches!(report, crate::Report::Submitted { adopted: true, .. }))
    );
    assert_eq!(cluster.runs(), ["left"]);

    let jobs: Vec<_> = (0..6)
        .map(|number| cluster.job(&format!("c{number}"), json!({ "units": 10_000 })))
        .collect();
    thread::scope(|scope| {
        let _guard = LeaveOnPanic(&next);
        let running = scope.spawn(|| super::cluster::run_all(&next, &jobs));
        let has_started = |job: &crate::NewJob| {
            JobFolder::attempt(&job.root, 1)
                .started()
                .unwrap()
                .is_some()
        };
        wait_until("a start", || jobs.iter().any(has_started));
        next.cancel();
        for followed in running.join().unwrap() {
            assert_eq!(lost(&followed.outcome).loss, Loss::Cancelled(None));
        }
    });
    wait_until("an empty queue", || cluster.slurm("squeue -h").is_empty());
}

#[test]
fn preempted_jobs_are_requeued_or_reported() {
    let Some(cluster) = Cluster::start_for_long(&["--cpus", "1"]) else {
        return;
    };
    let driver = |partition: &str| {
        let submitter = cluster.submitter(cluster.client(), |settings| {
            settings.partition = Some(partition.to_owned());
        });
        Driver::new(submitter, VERSION).unwrap()
    };
    let drivers = [driver("main"), driver("cancelled")];
    let jobs = ["requeued", "cancelled"].map(|name| cluster.job(name, json!({ "units": 50 })));
    thread::scope(|scope| {
        let _guards = [LeaveOnPanic(&drivers[0]), LeaveOnPanic(&drivers[1])];
        let [requeued, cancelled] = [0, 1]
            .map(|number: usize| (&drivers[number], &jobs[number]))
            .map(|(driver, job)| {
                let running = scope.spawn(|| run(driver, job).0);
                wait_for_start(&job.root, 0);
                running
            });
        cluster.slurm("sbatch -p urgent --array=0-1 -o /dev/null --wrap 'sleep 2'");
        let cancelled = cancelled.join().unwrap();
        let lost = lost(&cancelled.outcome);
        assert_eq!(lost.loss, Loss::Preempted);
        assert!(lost.is_interruption());
        let requeued = requeued.join().unwrap();
        assert_eq!(result(&requeued.outcome)["state"], undisturbed(50));
    });
    assert_eq!(cluster.runs(), ["cancelled", "requeued", "requeued"]);
}

#[test]
fn a_pack_that_is_interrupted_goes_on_with_the_rest() {
    let Some(cluster) = Cluster::start_for_long(&[]) else {
        return;
    };
    let driver = cluster.driver();
    let jobs: Vec<_> = (0..4)
        .map(|number| {
            let mut job = cluster.job(&format!("p{number}"), json!({ "units": 40 }));
            job.pack = Pack {
                size: 4,
                at_once: 2,
            };
            job
        })
        .collect();
    let followed = thread::scope(|scope| {
        let _guard = LeaveOnPanic(&driver);
        let running = scope.spawn(|| super::cluster::run_all(&driver, &jobs));
        let started = || {
            let started = jobs
                .iter()
                .map(|job| JobFolder::attempt(&job.root, 1).started().unwrap());
            started.flatten().collect::<Vec<_>>()
        };
        wait_until("two starts", || started().len() == 2);
        let id = started()[0].job.unwrap();
        cluster.slurm(&format!("scancel --batch --signal=USR1 {id}"));
        running.join().unwrap()
    });
    for followed in &followed {
        assert_eq!(result(&followed.outcome)["state"], undisturbed(40));
    }
    // The two that ran were interrupted once; the others began after the interruption.
    assert_eq!(cluster.runs().len(), 6);
}
