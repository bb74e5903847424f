//! Slurm that does not answer, or answers wrongly.

use std::thread;
use std::time::Duration;

use serde_json::json;

use super::cluster::{
    Cluster, LeaveOnPanic, VERSION, lost, result, run, run_all, wait_for_start, wait_until,
};
use crate::decide::Loss;
use crate::{Driver, Exit, JobFolder, Report};

#[test]
fn a_controller_that_is_down_for_half_a_minute_changes_nothing() {
    let Some(cluster) = Cluster::start(&[]) else {
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
        // A job that ends meanwhile is collected without Slurm, and one that is new waits.
        let late = scope.spawn(|| run(&driver, &late));
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
    let folder = cluster.root("check files");
    let side = crate::check::DriverSide::prepare(&folder).unwrap();
    let driver = cluster.driver();
    let mut job = cluster.job("check", json!({}));
    job.work = crate::check::request(&folder).unwrap();
    let check = thread::scope(|scope| {
        let watching = scope.spawn(|| side.watch());
        let (followed, _) = run(&driver, &job);
        side.stop();
        side.conclude(result(&followed.outcome), watching.join().unwrap())
            .unwrap()
    });
    assert_eq!(check.problems(), Vec::<String>::new(), "{check:?}");
}
