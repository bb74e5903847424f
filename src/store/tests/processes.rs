//! Opening, sweeping and leases with several processes and threads. A second process is this test binary
//! again, which runs the test `child`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::*;

#[test]
fn only_a_new_or_empty_root_gets_a_gitignore() {
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("a/b");
    Store::open(&new).unwrap();
    assert_eq!(fs::read_to_string(new.join(".gitignore")).unwrap(), "*\n");

    let used = folder.path().join("used");
    fill(&used, &[("README.md", "hello")]);
    Store::open(&used).unwrap();
    assert_eq!(names(&used), ["README.md", "v1"]);
}

#[test]
fn a_staging_folder_is_never_used_again() {
    let fixture = Fixture::new();
    let tmp = fixture.home().join("tmp");
    let mut seen = Vec::new();
    for content in ["alpha".to_owned(), "x".repeat(1 << 20)] {
        let staging = fixture.store.staging().unwrap();
        let path = staging.path().to_owned();
        assert!(names(&path).is_empty() && !seen.contains(&path));
        fill(&path, &[("sub/a", &content)]);
        drop(staging);
        // Small content may stay until the store is closed.
        assert_eq!(path.join("sub/a").exists(), content.len() < 4096);
        seen.push(path);
    }
    drop(fixture.store);
    assert_eq!(names(&tmp), [".lock"]);
}

#[test]
fn a_staging_folder_that_was_moved_away_is_left_alone() {
    let fixture = Fixture::new();
    let moved = fixture.folder.path().join("moved");
    let staging = fixture.store.staging().unwrap();
    fill(staging.path(), &[("a", &"x".repeat(1 << 20))]);
    fs::rename(staging.path(), &moved).unwrap();
    std::os::unix::fs::symlink(&moved, staging.path()).unwrap();
    drop(staging);
    drop(fixture.store);
    assert_eq!(names(&moved), ["a"]);
}

/// Runs in a child process. Plays the role in `RUNNER_TEST_CHILD` on the store in `RUNNER_TEST_STORE`: prints
/// `ready`, then keeps what it holds until it is killed or its standard input ends. The role `ingest` stores files
/// then.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child() {
    let Ok(role) = std::env::var("RUNNER_TEST_CHILD") else {
        return;
    };
    let store = Store::open(Path::new(&std::env::var_os("RUNNER_TEST_STORE").unwrap())).unwrap();
    let mut out = std::io::stdout();
    let mut say = |line: &str| {
        writeln!(out, "\n{line}")
            .and_then(|()| out.flush())
            .unwrap()
    };
    match role.as_str() {
        "lease" => {
            let _lease = store.lease(&key("action")).unwrap();
            say("ready");
            std::io::stdin().lines().for_each(drop);
        }
        "staging" => {
            let staging = store.staging().unwrap();
            fill(staging.path(), &[("sub/a", "alpha")]);
            say("ready");
            std::io::stdin().lines().for_each(drop);
        }
        "ingest" => {
            say("ready");
            std::io::stdin().lines().for_each(drop);
            for n in 0..12 {
                ingest(&store, &[("a", &format!("alpha {n}")), ("b", "beta")]);
            }
        }
        role => panic!("no such role: {role}"),
    }
}

/// Starts a child and waits until it is ready.
fn start(fixture: &Fixture, role: &str) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "tests::processes::child",
            "--ignored",
            "--nocapture",
        ])
        .env("RUNNER_TEST_CHILD", role)
        .env("RUNNER_TEST_STORE", fixture.store.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.as_mut().unwrap());
    assert!(
        out.lines().any(|line| line.unwrap() == "ready"),
        "the child did not start"
    );
    child
}

#[test]
fn a_lease_excludes_other_processes_and_vanishes_with_a_kill() {
    let fixture = Fixture::new();
    let mut child = start(&fixture, "lease");
    assert!(fixture.store.try_lease(&key("action")).unwrap().is_none());
    assert!(fixture.store.try_lease(&key("other")).unwrap().is_some());

    thread::scope(|scope| {
        let waiting = scope.spawn(|| fixture.store.lease(&key("action")).unwrap());
        thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished());
        child.kill().unwrap();
        child.wait().unwrap();
        let lease = waiting.join().unwrap();
        assert!(fixture.store.try_lease(&key("action")).unwrap().is_none());
        drop(lease);
    });
    assert!(fixture.store.try_lease(&key("action")).unwrap().is_some());
}

#[test]
fn a_lease_is_held_by_one_thread_at_a_time() {
    let fixture = Fixture::new();
    let inside = std::sync::atomic::AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let _lease = fixture.store.lease(&key("action")).unwrap();
                    assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                    thread::yield_now();
                    inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
    });
}

#[test]
fn staging_is_swept_after_a_kill_and_not_before() {
    let fixture = Fixture::new();
    let tmp = fixture.home().join("tmp");
    let mut child = start(&fixture, "staging");
    fixture.reopened();
    assert_eq!(names(&tmp).len(), 2, "the owner lives");
    child.kill().unwrap();
    child.wait().unwrap();
    fixture.reopened();
    assert_eq!(names(&tmp), [".lock"]);
}

#[test]
fn processes_may_ingest_the_same_content() {
    let fixture = Fixture::new();
    let mut children = [(); 2].map(|()| start(&fixture, "ingest"));
    for child in &mut children {
        drop(child.stdin.take());
    }
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    for n in 0..12 {
        let tree = fixture.tree(&[("a", &format!("alpha {n}")), ("b", "beta")]);
        fixture.reopened().verify(&tree).unwrap();
    }
    assert!(names(&fixture.home().join("quarantine")).is_empty());
    assert_eq!(
        names(&fixture.home().join("tmp")).len(),
        2,
        "nothing is left of the others"
    );
}

#[test]
fn the_run_of_a_process_is_found_while_it_lives() {
    let root = tempfile::tempdir().unwrap();
    let (store, other) = (
        Store::open(root.path()).unwrap(),
        Store::open(root.path()).unwrap(),
    );
    let own = std::process::id();
    assert_eq!(other.run_of(own).unwrap(), None);
    let needs = Needs {
        run: "a".to_owned(),
        keys: Vec::new(),
    };
    store.need(&needs).unwrap();
    assert_eq!(other.run_of(own).unwrap().as_deref(), Some("a"));
    assert_eq!(other.run_of(1).unwrap(), None);
    drop(store);
    assert_eq!(other.run_of(own).unwrap(), None);
}
