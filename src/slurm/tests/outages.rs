//! Slurm that does not answer, or answers wrongly.

use std::thread;
use std::time::Duration;

use serde_json::json;

use super::cluster::{
    Cluster, LeaveOnPanic, VERSION, lost, result, run, run_all, wait_for_start, wait_until,
};
use crate::check::{self, Checked};
use crate::decide::Loss;
use crate::{Driver, Exit, JobFolder, Report};

#[test]
fn a_controller_that_is_down_for_half_a_minute_changes_nothing() {
    let Some(cluster) = Cluster::start_for_long(&[]) else {
        return;
    };
    let driver = cluster.driver();
    let short = cluster.job("short", json!({ "units": 50 }));
    let long = cluster.job("long", json!({ "units": 450 }));
    let late = cluster.job("late", json!({}));
    thread::scope(|scope| {
        let _guard = LeaveOnPanic(&driver);
        let [short, long] = [&short, &long].map(|job| scope.spawn(|| run(&driver, job)));
        wait_for_start(&cluster.root("short"), 0);
        wait_for_start(&cluster.root("long"), 0);
        cluster.stop("slurmctld");
        // A job that ends meanwhile is collected without Slurm. A new job, and even a new driver, wait.
        let late = scope.spawn(|| run(&cluster.driver(), &late));
        let (short, _) = short.join().unwrap();
        result(&short.outcome);
        thread::sleep(Duration::from_secs(30));
        assert!(!long.is_finished() && !late.is_finished());
        cluster.start_again();
        let (long, reports) = long.join().unwrap();
        result(&long.outcome);
        let told =
            |report: &Report| matches!(report, Report::Notice(text) if text.contains("not known"));
        assert!(reports.iter().any(told), "{reports:?}");
        result(&late.join().unwrap().0.outcome);
    });
    assert_eq!(cluster.runs(), ["late", "long", "short"]);
}

#[test]
fn jobs_are_cancelled_when_the_controller_is_back() {
    let Some(cluster) = Cluster::start_for_long(&[]) else {
        return;
    };
    let driver = cluster.driver();
    let jobs = [0, 1].map(|number| cluster.job(&format!("c{number}"), json!({ "units": 10_000 })));
    thread::scope(|scope| {
        let _guard = LeaveOnPanic(&driver);
        let running = scope.spawn(|| run_all(&driver, &jobs));
        for job in &jobs {
            wait_for_start(&job.root, 0);
        }
        cluster.stop("slurmctld");
        driver.cancel();
        let marked = JobFolder::attempt(&jobs[0].root, 1);
        wait_until("the mark", || marked.is_cancelled().unwrap());
        cluster.start_again();
        for followed in running.join().unwrap() {
            assert_eq!(lost(&followed.outcome).loss, Loss::Cancelled(None));
        }
    });
    // The next run is a new attempt, although nobody has collected this one.
    let next = Driver::new(cluster.submitter(cluster.client(), |_| {}), VERSION).unwrap();
    let (followed, _) = run(&next, &cluster.job("c0", json!({ "units": 1 })));
    assert!(followed.folder.path().ends_with("attempt-2"));
    result(&followed.outcome);
}

#[test]
fn wrong_answers_of_squeue_are_noticed() {
    let Some(cluster) = Cluster::start(&[]) else {
        return;
    };
    for (name, squeue) in [
        ("empty", "exit 0"),
        ("fails", "echo broken >&2; exit 1"),
        ("words", "echo hello"),
    ] {
        let client = cluster.client_with(&[("squeue", squeue)]);
        let driver = Driver::new(cluster.submitter(client, |_| {}), VERSION).unwrap();
        let job = |what: &str, work| cluster.job(&format!("{name} {what}"), work);
        let good = job("good", json!({ "units": 20 }));
        assert_eq!(
            result(&run(&driver, &good).0.outcome)["state"],
            super::programs::undisturbed(20)
        );
        if name != "fails" {
            // `scontrol` knows how it ended.
            let (followed, _) = run(&driver, &job("bad", json!({ "exit": 3 })));
            assert_eq!(lost(&followed.outcome).loss, Loss::Exited(Exit::Code(3)));
        }
    }
}

#[test]
fn a_job_without_a_state_is_not_lost() {
    let Some(cluster) = Cluster::start(&[]) else {
        return;
    };
    // Neither `squeue` nor `scontrol` says anything about jobs.
    let mute = [
        ("squeue", "exit 0"),
        (
            "scontrol",
            "[ \"$3\" = job ] && { echo 'Unable to contact slurm controller' >&2; exit 1; }; exec \"$REAL\" \"$@\"",
        ),
    ];
    let driver = Driver::new(
        cluster.submitter(cluster.client_with(&mute), |_| {}),
        VERSION,
    )
    .unwrap();
    let job = cluster.job("mute", json!({ "exit": 3 }));
    thread::scope(|scope| {
        let _guard = LeaveOnPanic(&driver);
        let running = scope.spawn(|| run(&driver, &job).0);
        wait_for_start(&job.root, 0);
        wait_until("the end", || cluster.slurm("squeue -h").is_empty());
        thread::sleep(Duration::from_secs(6));
        assert!(!running.is_finished());
        driver.leave();
        assert!(matches!(
            running.join().unwrap().outcome,
            crate::Outcome::Left(Some(_))
        ));
    });
}

#[test]
fn a_forgotten_job_is_judged_by_its_folder() {
    for accounting in [false, true] {
        let options: &[&str] = if accounting { &["--accounting"] } else { &[] };
        let Some(cluster) = Cluster::start(options) else {
            return;
        };
        let driver = cluster.driver();
        let ended = cluster.job("ended", json!({ "units": 20 }));
        let died = cluster.job("died", json!({ "exit": 3 }));
        thread::scope(|scope| {
            let _guard = LeaveOnPanic(&driver);
            let running = [&ended, &died].map(|job| scope.spawn(|| run(&driver, job)));
            wait_for_start(&ended.root, 0);
            driver.leave();
            for running in running {
                running.join().unwrap();
            }
        });
        wait_until("the end", || cluster.slurm("squeue -h").is_empty());
        if accounting {
            let state = "sacct -n -X -o State";
            wait_until("accounting", || cluster.slurm(state).contains("FAILED"));
        }
        cluster.stop("slurmctld");
        cluster.forget_all();
        cluster.start_again();
        let next = cluster.driver();
        let followed = run_all(&next, &[ended, died]);
        assert_eq!(
            result(&followed[0].outcome)["state"],
            super::programs::undisturbed(20)
        );
        let expected = if accounting {
            Loss::Exited(Exit::Code(3))
        } else {
            Loss::Forgotten
        };
        assert_eq!(lost(&followed[1].outcome).loss, expected);
        assert_eq!(cluster.runs(), ["died", "ended"]);
        let folder = JobFolder::attempt(&cluster.root("died"), 1);
        assert!(folder.job().unwrap().is_some());
    }
}

#[test]
fn the_shared_folder_is_checked_with_a_job() {
    let Some(cluster) = Cluster::start(&[]) else {
        return;
    };
    let driver = cluster.driver();
    let resources = cluster.job("check", json!({})).resources;
    let checked = check::run(&driver, &cluster.shared(), resources.clone(), &|_| {}).unwrap();
    let Checked::Answered(found) = checked else {
        panic!("{checked:?}");
    };
    assert_eq!(found.problems(), Vec::<String>::new(), "{found:?}");
    assert!(found.reads > 0 && found.node.clock.is_some());

    let submitter = cluster.submitter(cluster.client(), |settings| {
        settings.binary = Some("/nowhere/runner".into());
    });
    let driver = Driver::new(submitter, VERSION).unwrap();
    let checked = check::run(&driver, &cluster.shared(), resources, &|_| {}).unwrap();
    let Checked::NoAnswer(outcome) = checked else {
        panic!("{checked:?}");
    };
    assert_eq!(lost(&outcome).loss, Loss::Exited(Exit::Code(127)));
    let left = std::fs::read_dir(cluster.shared()).unwrap().count();
    assert_eq!(left, 1, "only the submissions stay");
}

#[test]
fn limits_of_an_account_are_read() {
    let Some(cluster) = Cluster::start(&["--accounting"]) else {
        return;
    };
    let settings = |account: &str| crate::Settings {
        account: Some(account.to_owned()),
        ..crate::Settings::default()
    };
    let user = cluster.slurm("id -un");
    let user = user.trim();
    cluster.slurm("sacctmgr -i add account lab; sacctmgr -i add account other");
    cluster.slurm(&format!("sacctmgr -i add user {user} account=lab maxsubmitjobs=7; sacctmgr -i add user {user} account=other"));
    let client = cluster.client().with("USER", user);
    let limits = |account: &str| client.limits(&settings(account)).unwrap();
    if std::env::var("USER").as_deref() == Ok(user) {
        assert_eq!(limits("lab").submitted, 7);
    }
    assert_eq!(limits("other").submitted, 10_000);
    assert_eq!(limits("other").elements, 1000);
}
