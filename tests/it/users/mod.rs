//! Users of one group who share a store. Only root can act as several users, so other users skip these tests.

mod shared;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use self::shared::{ANN, BOB, Shared};
use crate::sandbox::{eventually, finish, list, signal};

fn close(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o0)).unwrap();
}

/// Lists the files below a folder whose paths end with `end`.
fn ending(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in list(folder) {
        if path.is_dir() {
            found.extend(ending(&path, end));
        } else if path.to_str().unwrap().ends_with(end) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn both_users_see_all_runs_and_reuse_all_results() {
    let Some(shared) = Shared::new("002") else {
        return;
    };
    assert_eq!(shared.run(ANN, "1"), ["succeeded", "succeeded"]);
    assert_eq!(shared.run(BOB, "1"), ["cached", "cached"]);
    assert_eq!(shared.run(BOB, "2"), ["succeeded", "succeeded"]);
    assert_eq!(shared.run(ANN, "2"), ["cached", "cached"]);
    // A repeated run finds the results that the other user made.
    assert_eq!(shared.run(BOB, "1"), ["cached", "cached"]);
    for user in [ANN, BOB] {
        let listed = shared.listed(user);
        assert_eq!(listed["runs"].as_array().unwrap().len(), 5, "{listed}");
        assert_eq!(
            listed["unreadable"].as_array().unwrap().len(),
            0,
            "{listed}"
        );
        shared.ok(user, &["cache", "verify"]);
        shared.ok(user, &["lineage", "p.yaml", "b.o"]);
    }
    let owners = |user: u32| {
        use std::os::unix::fs::MetadataExt;
        let runs = shared.runs();
        runs.iter()
            .filter(|run| fs::metadata(run).unwrap().uid() == user)
            .count()
    };
    assert_eq!((owners(ANN), owners(BOB)), (2, 3));
}

#[test]
fn gc_by_one_user_keeps_what_the_other_users_runs_use() {
    let Some(shared) = Shared::new("002") else {
        return;
    };
    shared.run(ANN, "1");
    shared.run(ANN, "2");
    shared.ok(BOB, &["run", "q.yaml"]);
    shared.ok(BOB, &["cache", "gc", "--keep-runs", "2", "--apply"]);
    assert!(shared.is_cached(ANN, "1") && shared.is_cached(BOB, "2"));
    // Results and runs are removed regardless of the user who made them.
    shared.ok(BOB, &["cache", "gc", "--keep-runs", "1", "--apply"]);
    assert!(!shared.is_cached(ANN, "1") && shared.is_cached(ANN, "2"));
    assert_eq!(shared.runs().len(), 2);
    shared.ok(ANN, &["cache", "verify"]);
}

#[test]
fn one_user_can_run_stages_while_the_other_runs_gc() {
    let Some(shared) = Shared::new("002") else {
        return;
    };
    shared.ok(ANN, &["run", "p.yaml", "-S", "v=0", "--until", "a"]);
    for value in ["0", "1"] {
        let set = format!("v={value}");
        let mut run = shared.start(ANN, &["run", "p.yaml", "--json", "-S", &set]);
        let mut collections = 0;
        while run.try_wait().unwrap().is_none() {
            let limits = ["--max-size", "1B", "--keep-runs", "1", "--apply", "--wait"];
            shared.ok(BOB, &[&["cache", "gc"], &limits[..]].concat());
            collections += 1;
        }
        let run = finish(run);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(collections > 1, "`gc` did not run during the run");
        shared.ok(BOB, &["cache", "verify"]);
        assert_eq!(shared.run(BOB, value), ["cached", "cached"]);
    }
}

#[test]
fn unreadable_files_are_reported_and_nothing_is_removed() {
    type Closed = (&'static str, fn(&Shared) -> PathBuf);
    let record = |shared: &Shared| ending(&shared.path("artifacts/v1/actions"), ".json").remove(0);
    let tree = |shared: &Shared| ending(&shared.path("artifacts/v1/cas"), ".tree").remove(0);
    let mark =
        |shared: &Shared| ending(&shared.path("artifacts/latest"), ".outputs.json").remove(0);
    let closed: [Closed; 6] = [
        ("run.json and plan.json", |shared| {
            close(&shared.runs()[0].join("plan.json"));
            shared.runs()[0].join("run.json")
        }),
        ("a run's folder", |shared| shared.runs()[0].clone()),
        ("a folder of views", |shared| {
            shared.path("artifacts/latest/p/a")
        }),
        ("a record", record),
        ("a list of files", tree),
        ("a mark", mark),
    ];
    for (what, path) in closed {
        let Some(shared) = Shared::new("002") else {
            return;
        };
        for value in ["1", "2", "3"] {
            shared.run(ANN, value);
        }
        let path = path(&shared);
        let mode = fs::metadata(&path).unwrap().permissions();
        close(&path);

        let name = path.strip_prefix(shared.path("artifacts")).unwrap();
        let name = name.to_str().unwrap();
        let limits = ["--keep-runs", "1", "--max-age", "1ms", "--max-size", "1B"];
        let collected = shared.ok(BOB, &[&["cache", "gc", "--apply"], &limits[..]].concat());
        let stderr = &collected.stderr;
        assert!(
            stderr.contains(name) && stderr.contains("cannot be read"),
            "{what}: {stderr}"
        );
        let verified = shared.runner(BOB, &["cache", "verify"]);
        assert_eq!(verified.code, Some(1), "{what}: {verified:?}");
        assert!(verified.stdout.contains(name), "{what}: {verified:?}");
        // The unreadable file may be sound, so a repair does not set it aside.
        let repaired = shared.runner(BOB, &["cache", "verify", "--repair"]);
        assert_eq!(repaired.code, Some(1), "{what}: {repaired:?}");
        if name.contains("runs/") {
            let listed = shared.ok(BOB, &["runs", "list"]);
            assert!(
                listed.stderr.contains("cannot be read"),
                "{what}: {listed:?}"
            );
        }

        fs::set_permissions(&path, mode).unwrap();
        for file in ["run.json", "plan.json"] {
            let file = shared.runs()[0].join(file);
            fs::set_permissions(file, Permissions::from_mode(0o664)).unwrap();
        }
        for value in ["1", "2", "3"] {
            assert!(shared.is_cached(ANN, value), "{what}: v={value} is lost");
        }
        shared.ok(BOB, &["cache", "verify"]);
        assert_eq!(shared.runs().len(), 3, "{what}");
    }
}

#[test]
fn an_unreadable_file_does_not_count_as_damaged() {
    let Some(shared) = Shared::new("002") else {
        return;
    };
    shared.run(ANN, "1");
    let mut blobs = ending(&shared.path("artifacts/v1/cas"), "");
    blobs.retain(|file| file.extension().is_none());
    let blob = blobs.remove(0);
    close(&blob);
    let verified = shared.runner(BOB, &["cache", "verify", "--repair"]);
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(verified.stdout.contains("cannot be read"), "{verified:?}");
    assert!(blob.exists());
    fs::set_permissions(&blob, Permissions::from_mode(0o444)).unwrap();
    shared.ok(BOB, &["cache", "verify"]);
    assert!(shared.is_cached(BOB, "1"));
}

#[test]
fn a_process_that_cannot_be_checked_counts_as_alive() {
    let Some(shared) = Shared::new("002") else {
        return;
    };
    shared.ok(ANN, &["run", "p.yaml", "-S", "v=1", "--until", "a"]);
    let slow = fs::read_to_string(shared.path("p.yaml")).unwrap();
    fs::write(
        shared.path("p.yaml"),
        slow.replace("sleep 0.3", "sleep 600"),
    )
    .unwrap();
    let run = shared.start(ANN, &["run", "p.yaml", "-S", "v=1"]);
    eventually("recorded", || (shared.runs().len() == 2).then_some(()));
    let session = eventually("begun", || {
        let mut sessions = list(&shared.path("artifacts/v1/tmp"));
        sessions.retain(|path| path.join("needs.json").exists());
        sessions.pop()
    });
    // Gives the session folder the mode with which `tempfile` creates folders, as earlier versions did.
    let mode = fs::metadata(&session).unwrap().permissions();
    fs::set_permissions(&session, Permissions::from_mode(0o700)).unwrap();
    let collected = shared.runner(BOB, &["cache", "gc", "--keep-runs", "1", "--apply"]);
    assert_eq!(collected.code, Some(1), "{collected:?}");
    assert!(
        collected.stderr.contains("belongs to another user"),
        "{collected:?}"
    );
    assert!(session.exists());
    assert_eq!(shared.listed(BOB)["runs"][0]["state"], "running");

    fs::set_permissions(&session, mode).unwrap();
    shared.runner(
        BOB,
        &["cache", "gc", "--keep-runs", "1", "--apply", "--wait"],
    );
    assert_eq!(shared.listed(BOB)["runs"][0]["state"], "running");
    signal(run.id(), Signal::TERM).unwrap();
    assert_eq!(finish(run).code, Some(143));
    assert_eq!(shared.listed(BOB)["runs"][0]["state"], "cancelled");
}

#[test]
fn a_store_that_only_its_owner_can_write_is_reported_as_such() {
    let Some(shared) = Shared::new("022") else {
        return;
    };
    shared.run(ANN, "2");
    shared.run(ANN, "1");
    for look in [
        &["status", "p.yaml"][..],
        &["runs", "list"],
        &["artifacts", "ls"],
        &["cache", "verify"],
        &["cache", "gc"],
    ] {
        shared.ok(BOB, look);
    }
    for write in [
        &["run", "p.yaml"][..],
        &["run", "q.yaml"],
        &["cache", "gc", "--keep-runs", "1", "--apply"],
    ] {
        let refused = shared.runner(BOB, write);
        assert_eq!(refused.code, Some(1), "{write:?}: {refused:?}");
        let stderr = &refused.stderr;
        assert!(
            stderr.contains("belongs to another user"),
            "{write:?}: {stderr}"
        );
        assert!(stderr.contains("umask 002"), "{write:?}: {stderr}");
    }
    // A store that another user cannot open is not reported as missing.
    fs::set_permissions(shared.path("artifacts"), Permissions::from_mode(0o700)).unwrap();
    let refused = shared.runner(BOB, &["runs", "list"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("belongs to another user"),
        "{refused:?}"
    );
    assert!(shared.is_cached(ANN, "1") && shared.is_cached(ANN, "2"));
}

#[test]
fn locks_that_a_user_can_only_read_are_respected() {
    let Some(shared) = Shared::new("002") else {
        return;
    };
    shared.run(ANN, "1");
    let locks = ["collector.lock", "tmp/.lock", "leases.lock"];
    let [collector, gate, leases] = locks.map(|name| shared.path("artifacts/v1").join(name));
    let allow = |lock: &Path, mode: u32| {
        fs::set_permissions(lock, Permissions::from_mode(mode)).unwrap();
    };
    // The mode that the locks have if Ann uses another umask.
    allow(&collector, 0o644);
    allow(&gate, 0o644);
    let collecting = fs::File::open(&collector).unwrap();
    collecting.lock().unwrap();
    let mut run = shared.start(BOB, &["run", "p.yaml", "-S", "v=2"]);
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert!(
        run.try_wait().unwrap().is_none(),
        "the run did not wait for the lock"
    );
    collecting.unlock().unwrap();
    let run = finish(run);
    assert_eq!(run.code, Some(0), "{run:?}");

    // A lock that cannot be taken is an error; the command does not go on without it.
    for (lock, closed, args) in [
        (&collector, 0o600, &["run", "p.yaml", "-S", "v=3"][..]),
        (&collector, 0o600, &["cache", "gc", "--apply"]),
        (&gate, 0o600, &["run", "p.yaml", "-S", "v=3"]),
        (&leases, 0o644, &["run", "p.yaml", "-S", "v=3"]),
    ] {
        allow(lock, closed);
        let refused = shared.runner(BOB, args);
        assert_ne!(refused.code, Some(0), "{}, {args:?}", lock.display());
        assert!(
            refused.stderr.contains("belongs to another user"),
            "{}, {args:?}: {refused:?}",
            lock.display()
        );
        allow(lock, 0o664);
    }
    assert_eq!(shared.run(BOB, "3"), ["succeeded", "succeeded"]);
}
