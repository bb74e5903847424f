//! Every way in which a job can end.

use std::path::Path;
use std::thread;

use serde_json::json;

use super::cluster::{
    Cluster, LeaveOnPanic, VERSION, lost, result, run, run_all, wait_for_start, wait_until,
};
use crate::decide::Loss;
use crate::{Driver, EndResult, Exit, GpuType, JobFolder, Outcome, Report};

#[test]
fn a_job_reports_its_events_and_its_result() {
    let Some(cluster) = Cluster::start(&["--gpus", "2"]) else {
        return;
    };
    let submitter = cluster.submitter(cluster.client(), |settings| {
        settings.gpu_types = vec![GpuType {
            name: "fake".to_owned(),
            memory: 8192,
        }];
        settings.setup = vec!["export MINE='a b'".to_owned()];
        settings.container = vec!["env".to_owned(), "X=it's".to_owned()];
    });
    let driver = Driver::new(submitter, VERSION).unwrap();
    let mut job = cluster.job("one", json!({ "events": 100, "units": 2 }));
    job.resources.gpus = 1;
    job.resources.gpu_memory = Some(8 << 30);
    job.resources.seconds = Some(60.0);
    let (followed, reports) = run(&driver, &job);
    assert_eq!(
        result(&followed.outcome)["state"],
        super::programs::undisturbed(2)
    );
    assert!(result(&followed.outcome)["gpus"].is_string());
    let events: Vec<_> = reports
        .iter()
        .filter_map(|report| match report {
            Report::Event(event) => Some(event["event"].as_u64().unwrap()),
            _ => None,
        })
        .collect();
    assert_eq!(events, (0..100).collect::<Vec<_>>());
    let started = reports.iter().find_map(|report| match report {
        Report::Started(started) => Some(started),
        _ => None,
    });
    assert!(cluster.nodes().contains(&started.unwrap().node));
    assert!(
        reports
            .iter()
            .any(|report| matches!(report, Report::Submitted { adopted: false, .. }))
    );
    assert!(followed.folder.log_end().contains("output of the node"));
    // The same ending is collected again until it is marked.
    let (again, _) = run(&driver, &job);
    assert_eq!(again.folder, followed.folder);
    assert_eq!(cluster.runs(), ["one"]);
    again.folder.put_collected().unwrap();
    let (next, _) = run(&driver, &job);
    assert!(next.folder.path().ends_with("attempt-2"));
    assert_eq!(cluster.runs(), ["one", "one"]);
}

#[test]
fn failures_are_told_apart() {
    let Some(cluster) = Cluster::start(&[]) else {
        return;
    };
    let driver = cluster.driver();
    let mut over_memory = cluster.job("memory", json!({ "memory": 300 }));
    over_memory.resources.memory = Some(60 << 20);
    let jobs = [
        cluster.job("fails", json!({ "fail": "the reason" })),
        cluster.job("exits", json!({ "exit": 3 })),
        cluster.job("killed", json!({ "kill": true })),
        cluster.job("script killed", json!({ "kill_parent": true })),
        over_memory,
    ];
    let followed = run_all(&driver, &jobs);
    let Outcome::Ended(ending) = &followed[0].outcome else {
        panic!("{followed:?}");
    };
    assert_eq!(ending.result, EndResult::Failed("the reason".into()));
    let loss = |number: usize| {
        let lost = lost(&followed[number].outcome);
        assert!(lost.started.is_some() && !lost.paused);
        lost.loss.clone()
    };
    assert_eq!(loss(1), Loss::Exited(Exit::Code(3)));
    assert_eq!(loss(2), Loss::Exited(Exit::Signal(9)));
    assert_eq!(loss(3), Loss::Exited(Exit::Signal(9)));
    // Without cgroups, Slurm kills the job, and does not say why.
    let killed = Loss::Exited(Exit::Signal(9));
    let limits = Path::new("/sys/fs/cgroup/memory").is_dir();
    assert_eq!(loss(4), if limits { Loss::OutOfMemory } else { killed });
    assert_eq!(cluster.runs().len(), 5);
}

#[test]
fn jobs_that_a_person_or_the_limit_ends() {
    let Some(cluster) = Cluster::start_for_long(&[]) else {
        return;
    };
    let driver = cluster.driver();
    let limited = |name: &str, what| {
        let mut job = cluster.job(name, what);
        job.restarts = 0;
        job.resources.seconds = Some(30.0);
        job
    };
    let jobs = [
        limited("deaf", json!({ "units": 10_000, "deaf": true })),
        limited("limited", json!({ "units": 10_000 })),
        cluster.job("cancelled", json!({ "units": 10_000 })),
    ];
    let followed = thread::scope(|scope| {
        let _guard = LeaveOnPanic(&driver);
        let running = scope.spawn(|| run_all(&driver, &jobs));
        let [deaf, limited, cancelled] = [&jobs[0], &jobs[1], &jobs[2]].map(|job| {
            let started = wait_for_start(&job.root, 0);
            match started.element {
                Some(element) => format!("{}_{element}", started.job.unwrap()),
                None => started.job.unwrap().to_string(),
            }
        });
        cluster.slurm(&format!("scancel {cancelled}"));
        for limited in [deaf, limited] {
            cluster.slurm(&format!("scontrol update jobid={limited} EndTime=now"));
        }
        running.join().unwrap()
    });
    let [deaf, limited, cancelled] = [0, 1, 2].map(|number: usize| lost(&followed[number].outcome));
    assert_eq!(deaf.loss, Loss::TimedOut);
    assert!(!deaf.paused && !deaf.is_interruption() && deaf.hint().is_some());
    // It saved its checkpoint after the signal before the limit, or after the one at the limit if Slurm sends both at
    // once, and may not be started again.
    let losses = [Loss::Exited(Exit::Code(1)), Loss::TimedOut];
    assert!(losses.contains(&limited.loss), "{limited:?}");
    assert!(limited.paused && limited.is_interruption());
    assert_eq!(cancelled.loss, Loss::Cancelled(None));
    assert!(cancelled.paused && !cancelled.is_interruption());
    assert_eq!(cluster.runs(), ["cancelled", "deaf", "limited"]);
}

#[test]
fn requests_that_cannot_be_fulfilled() {
    let Some(cluster) = Cluster::start_for_long(&[]) else {
        return;
    };
    let driver = cluster.driver();
    let mut too_wide = cluster.job("wide", json!({}));
    too_wide.resources.cpus = 64;
    let mut too_large = cluster.job("large", json!({}));
    too_large.resources.memory = Some(1 << 50);
    let mut no_gpu = cluster.job("gpu", json!({}));
    no_gpu.resources.gpus = 1;
    let followed = run_all(&driver, &[too_wide.clone(), too_large, no_gpu]);
    let Outcome::Held(held) = &followed[0].outcome else {
        panic!("{followed:?}");
    };
    assert_eq!(held.reason, "PartitionConfig");
    assert!(held.hint().unwrap().contains("fewer cpus"));
    for followed in &followed[1..] {
        let Outcome::Failed(error) = &followed.outcome else {
            panic!("{followed:?}");
        };
        assert!(error.to_string().starts_with("`sbatch` failed"), "{error}");
        assert!(error.hint().is_some());
        assert!(followed.folder.claim().unwrap().is_none());
    }
    let short = cluster.submitter(cluster.client(), |settings| {
        settings.partition = Some("short".to_owned());
    });
    let mut too_long = cluster.job("long", json!({}));
    too_long.resources.seconds = Some(600.0);
    let (followed, _) = run(&Driver::new(short, VERSION).unwrap(), &too_long);
    let Outcome::Held(held) = &followed.outcome else {
        panic!("{followed:?}");
    };
    assert_eq!(held.reason, "PartitionTimeLimit");
    assert!(held.hint().unwrap().contains("slurm.time_limit"));
    // The held job does not stay in the queue.
    wait_until("the cancellation", || cluster.slurm("squeue -h").is_empty());
    let bad = cluster.submitter(cluster.client(), |settings| {
        settings.partition = Some("nowhere".to_owned());
    });
    let (followed, _) = run(
        &Driver::new(bad, VERSION).unwrap(),
        &cluster.job("bad", json!({})),
    );
    let Outcome::Failed(error) = &followed.outcome else {
        panic!("{followed:?}");
    };
    assert!(error.hint().unwrap().contains("slurm.partition"), "{error}");
    assert!(cluster.runs().is_empty());
}

#[test]
fn a_job_held_by_a_person_goes_on_when_it_is_released() {
    let Some(cluster) = Cluster::start(&[]) else {
        return;
    };
    let submitter = cluster.submitter(cluster.client(), |settings| {
        settings.extra = vec!["#SBATCH --hold".to_owned()];
    });
    let driver = Driver::new(submitter, VERSION).unwrap();
    let job = cluster.job("held", json!({}));
    let released = std::sync::atomic::AtomicBool::new(false);
    let reasons = std::cell::RefCell::new(Vec::new());
    let followed = driver.run(&job, &|report| {
        if let Report::Waits { reason, .. } = &report {
            reasons.borrow_mut().push(reason.clone());
        }
        let is_notice =
            matches!(&report, Report::Notice(text) if text.contains("`scontrol release "));
        if is_notice && !released.swap(true, std::sync::atomic::Ordering::SeqCst) {
            cluster.slurm("scontrol release $(squeue -h -o %A)");
        }
    });
    result(&followed.unwrap().outcome);
    assert_eq!(reasons.borrow()[0].as_deref(), Some("JobHeldUser"));
}

#[test]
fn files_that_are_late_are_waited_for() {
    let Some(cluster) = Cluster::start(&[]) else {
        return;
    };
    let submitter = cluster.submitter(cluster.client(), |settings| settings.late = 20.0);
    let driver = Driver::new(submitter, VERSION).unwrap();
    // The job ends without an ending; its file comes later, as on a slow file system.
    let job = cluster.job("late", json!({ "exit": 0 }));
    thread::scope(|scope| {
        let _guard = LeaveOnPanic(&driver);
        let running = scope.spawn(|| run(&driver, &job).0);
        wait_for_start(&job.root, 0);
        wait_until("the end", || cluster.slurm("squeue -h").is_empty());
        thread::sleep(std::time::Duration::from_secs(3));
        let folder = JobFolder::attempt(&job.root, 1);
        let ending = crate::Ending {
            attempt: 1,
            restart: 0,
            result: EndResult::Succeeded("late".into()),
            seconds: 0.0,
            cpu_seconds: 0.0,
            peak_memory_mib: 0.0,
        };
        folder.put_ending(&ending).unwrap();
        let followed = running.join().unwrap();
        assert_eq!(result(&followed.outcome), "late");
    });
}

#[test]
fn another_version_on_the_node_is_an_error() {
    let Some(cluster) = Cluster::start(&[]) else {
        return;
    };
    let submitter = cluster.submitter(cluster.client(), |settings| {
        settings.setup = vec!["export STAND_IN_VERSION=0.9".to_owned()];
    });
    let driver = Driver::new(submitter, VERSION).unwrap();
    let (followed, _) = run(&driver, &cluster.job("old", json!({})));
    let Outcome::Ended(ending) = &followed.outcome else {
        panic!("{followed:?}");
    };
    let EndResult::Refused(text) = &ending.result else {
        panic!("{ending:?}");
    };
    assert!(text.contains("version 0.9"), "{text}");
    assert!(cluster.runs().is_empty());
}

#[test]
fn a_missing_binary_is_explained_with_the_log_of_the_script() {
    let Some(cluster) = Cluster::start(&[]) else {
        return;
    };
    let submitter = cluster.submitter(cluster.client(), |settings| {
        settings.binary = Some("/nowhere/runner".into());
    });
    let (followed, _) = run(
        &Driver::new(submitter, VERSION).unwrap(),
        &cluster.job("missing", json!({})),
    );
    let lost = lost(&followed.outcome);
    assert_eq!(lost.loss, Loss::Exited(Exit::Code(127)));
    assert!(lost.log.contains("/nowhere/runner"), "{}", lost.log);
    assert!(lost.to_string().contains("before the stage started"));
}
