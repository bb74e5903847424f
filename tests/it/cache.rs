//! `runner cache`: `info`, `verify` and `gc`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::Value;

use crate::sandbox::{Sandbox, TINY, files, finish, first_worker, has_ended, list, signal};

fn cache(sandbox: &Sandbox, args: &[&str]) -> Value {
    let done = sandbox.runner(&[&["cache"], args, &["--json"]].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    done.json()
}

fn bytes(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// Lists all blobs of the store.
fn blobs(sandbox: &Sandbox) -> Vec<PathBuf> {
    let shards = list(&sandbox.path("artifacts/v1/cas"));
    let files = shards.iter().flat_map(|shard| list(shard));
    files.filter(|path| path.extension().is_none()).collect()
}

fn damage(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    match bytes.first_mut() {
        Some(first) => *first ^= 0x10,
        None => bytes.push(0),
    }
    fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    fs::write(file, bytes).unwrap();
}

#[test]
fn verify_finds_all_damage_and_repair_removes_it() {
    let sandbox = Sandbox::new(TINY);
    sandbox.run_json(&[]);
    let expected = files(&sandbox.path("artifacts/latest"));
    let sound = sandbox.runner(&["cache", "verify"]);
    assert_eq!(sound.code, Some(0), "{sound:?}");
    assert!(sound.stderr.ends_with("no damage found\n"), "{sound:?}");

    let v1 = sandbox.path("artifacts/v1");
    damage(&blobs(&sandbox)[0]);
    fs::remove_file(&blobs(&sandbox)[1]).unwrap();
    fs::write(v1.join("cas/notes.txt"), "mine").unwrap();
    symlink("/etc/hostname", v1.join("actions/link.json")).unwrap();
    damage(&list(&v1.join("actions"))[0]);
    let memos = list(&v1.join("last/tiny"));
    damage(&memos[0]);
    let bad = sandbox.runner(&["cache", "verify"]);
    assert_eq!(bad.code, Some(1), "{bad:?}");
    for what in [
        "does not match its name",
        "which is missing or damaged",
        "v1/cas/notes.txt does not belong here",
        "v1/actions/link.json does not belong here",
        "is a damaged memo",
        "does not show the published outputs",
    ] {
        assert!(bad.stdout.contains(what), "`{what}`: {bad:?}");
    }
    assert_eq!(sandbox.runner(&["cache", "verify"]).code, Some(1));

    let repaired = sandbox.runner(&["cache", "verify", "--repair"]);
    assert_eq!(repaired.code, Some(0), "{repaired:?}");
    // The damaged record is gone, and blobs that only it named are not reported as damage.
    let again = sandbox.runner(&["cache", "verify"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(sandbox.run_json(&[]).code, Some(0));
    assert!(files(&sandbox.path("artifacts/latest")) == expected);
}

#[test]
fn read_only_commands_create_no_store() {
    let sandbox = Sandbox::new(TINY);
    for look in ["info", "verify", "gc"] {
        let run = sandbox.runner(&["cache", look]);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(
            run.stderr.contains("there is no store in `artifacts`"),
            "{run:?}"
        );
    }
    assert!(!sandbox.path("artifacts").exists());
}

#[test]
fn info_shows_sizes_by_stage() {
    let sandbox = Sandbox::new(TINY);
    sandbox.run_json(&[]);
    let info = cache(&sandbox, &["info"]);
    let sizes: u64 = blobs(&sandbox)
        .iter()
        .map(|blob| fs::metadata(blob).unwrap().len())
        .sum();
    assert_eq!(bytes(&info["result_bytes"]), sizes);
    assert_eq!(bytes(&info["garbage_bytes"]), 0);
    let stages = info["stages"].as_array().unwrap();
    let names: Vec<_> = stages
        .iter()
        .map(|s| s["stage"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["cnn", "xrays"]);
    assert_eq!(bytes(&stages[0]["results"]), 2);
    // The two stages have no file in common.
    let unique: u64 = stages.iter().map(|s| bytes(&s["unique_bytes"])).sum();
    assert_eq!(unique, sizes);

    // Another pipeline with the same results shares every blob, so none is unique.
    let other = TINY.replace("name: tiny", "name: other");
    fs::write(sandbox.path("other.yaml"), other).unwrap();
    assert_eq!(sandbox.runner(&["run", "other.yaml"]).code, Some(0));
    let info = cache(&sandbox, &["info"]);
    let stages = info["stages"].as_array().unwrap();
    assert_eq!(stages.len(), 4);
    assert!(stages.iter().all(|s| bytes(&s["unique_bytes"]) == 0));
    assert_eq!(bytes(&info["result_bytes"]), sizes);
}

#[test]
fn gc_without_apply_only_shows_what_it_would_remove() {
    let sandbox = Sandbox::new(TINY);
    sandbox.run_json(&[]);
    sandbox.run_json(&["-S", "epochs=3"]);
    let before = files(&sandbox.path("artifacts"));
    let would = cache(&sandbox, &["gc", "--keep-runs", "1"]);
    assert_eq!(would["removed"], false);
    assert!(bytes(&would["bytes"]) > 0);
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        let names = files.iter().map(|(name, _)| name.clone());
        names.filter(|name| !name.contains("/tmp/")).collect()
    };
    let after = files(&sandbox.path("artifacts"));
    let new: Vec<_> = names(&after);
    let old: Vec<_> = names(&before);
    assert!(old.iter().all(|name| new.contains(name)));

    let did = cache(&sandbox, &["gc", "--keep-runs", "1", "--apply"]);
    assert_eq!(did["bytes"], would["bytes"]);
    assert_eq!(sandbox.runner(&["cache", "verify"]).code, Some(0));
    // The newest run stays complete; the trainings of the older run are removed.
    let newest = sandbox.run_json(&["-S", "epochs=3"]).json();
    assert_eq!(newest["counts"]["cached"], 3);
    let older = sandbox.run_json(&[]).json();
    assert_eq!(older["counts"]["succeeded"], 2, "{older}");
}

#[test]
fn gc_removes_the_least_recently_used_results_and_those_that_are_too_old() {
    let sandbox = Sandbox::new(TINY);
    for epochs in ["epochs=1", "epochs=2", "epochs=3", "epochs=1"] {
        sandbox.run_json(&["-S", epochs]);
    }
    let nothing = cache(&sandbox, &["gc", "--max-age", "30d"]);
    assert_eq!(bytes(&nothing["bytes"]), 0, "{nothing}");
    // The limit is one byte too low. The results of `epochs=2` were used longest ago; those of `epochs=1`
    // belong to the newest run and to `latest`.
    let left = bytes(&nothing["left_bytes"]);
    let some = cache(
        &sandbox,
        &["gc", "--max-size", &format!("{}B", left - 1), "--apply"],
    );
    assert!(bytes(&some["left_bytes"]) < left, "{some}");
    let cached = |epochs: &str| sandbox.run_json(&["-S", epochs, "-n"]).json();
    let states = |json: Value| -> Vec<String> {
        let stages = json["stages"].as_array().unwrap().iter();
        stages
            .map(|stage| stage["state"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(
        states(cached("epochs=3"))
            .iter()
            .all(|state| state == "cached")
    );
    assert!(
        states(cached("epochs=1"))
            .iter()
            .all(|state| state == "cached")
    );
    assert!(
        states(cached("epochs=2"))
            .iter()
            .any(|state| state != "cached")
    );

    std::thread::sleep(std::time::Duration::from_millis(30));
    cache(&sandbox, &["gc", "--max-age", "20ms", "--apply"]);
    let latest = sandbox.run_json(&["-S", "epochs=1"]).json();
    assert_eq!(
        latest["counts"]["cached"], 3,
        "the newest run must stay, however old it is"
    );
    assert!(
        states(cached("epochs=3"))
            .iter()
            .any(|state| state != "cached")
    );
}

#[test]
fn gc_removes_nothing_that_a_run_in_progress_needs() {
    let sandbox = Sandbox::new(TINY);
    // The run in progress needs a cached dataset of 600 images that the newest finished run (50 images) does
    // not use.
    sandbox.run_json(&["-S", "images=600", "--until", "xrays"]);
    sandbox.run_json(&["-S", "images=50"]);
    for round in 0..4 {
        let epochs = format!("epochs={}", 20 + round);
        let args = ["run", "pipeline.yaml", "-S", "images=600", "-S", &epochs];
        let mut runner = sandbox.start(&args);
        let mut collections = 0;
        while runner.try_wait().unwrap().is_none() {
            cache(
                &sandbox,
                &[
                    "gc",
                    "--max-size",
                    "1B",
                    "--keep-runs",
                    "1",
                    "--apply",
                    "--wait",
                ],
            );
            collections += 1;
        }
        let run = finish(runner);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(run.stdout.contains("paper 2"), "{run:?}");
        assert!(collections > 1, "`gc` did not run during the run");
        assert_eq!(sandbox.runner(&["cache", "verify"]).code, Some(0));
        let again = sandbox.run_json(&["-S", "images=600", "-S", &epochs]);
        assert_eq!(again.json()["counts"]["cached"], 3, "{again:?}");
    }
}

#[test]
fn gc_fails_while_another_runner_works_unless_told_to_wait() {
    let sandbox = Sandbox::new(TINY);
    sandbox.run_json(&["--until", "xrays"]);
    let collector = fs::File::open(sandbox.path("artifacts/v1/collector.lock")).unwrap();
    // A run holds this lock, shared, while it plans.
    collector.lock_shared().unwrap();
    let busy = sandbox.runner(&["cache", "gc", "--apply"]);
    assert_eq!(busy.code, Some(75), "{busy:?}");
    assert!(
        busy.stderr
            .contains("another runner is planning or removing results")
            && busy.stderr.contains("`--wait`"),
        "{busy:?}"
    );
    // A dry run does not need the lock.
    assert_eq!(sandbox.runner(&["cache", "gc"]).code, Some(0));

    let run = sandbox.start(&["run", "pipeline.yaml", "-S", "epochs=100000", "-j", "1"]);
    let worker = first_worker(&run);
    let busy = sandbox.runner(&["cache", "gc", "--apply"]);
    assert_eq!(busy.code, Some(75), "{busy:?}");
    let id = sandbox.last_run()["run"].as_str().unwrap().to_owned();
    assert!(
        busy.stderr.contains(&format!("run `{id}` is in progress")),
        "{busy:?}"
    );
    signal(run.id(), Signal::TERM).unwrap();
    assert_eq!(finish(run).code, Some(143));
    assert!(has_ended(worker));

    let mut waiting = sandbox.start(&["cache", "gc", "--apply", "--wait"]);
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert!(
        waiting.try_wait().unwrap().is_none(),
        "`gc --wait` ended while the lock was held"
    );
    collector.unlock().unwrap();
    assert_eq!(finish(waiting).code, Some(0));
    assert_eq!(
        sandbox.runner(&["cache", "gc", "--wait"]).code,
        Some(2),
        "`--wait` without `--apply` must be refused"
    );
}

#[test]
fn a_foreign_file_in_latest_disturbs_no_command() {
    let sandbox = Sandbox::new(TINY);
    assert_eq!(sandbox.run_json(&[]).code, Some(0));
    fs::write(sandbox.path("artifacts/latest/foreign"), "not the store's").unwrap();
    for command in [
        &["cache", "verify"][..],
        &["cache", "verify", "--repair"],
        &["cache", "info"],
        &["cache", "gc", "--apply"],
    ] {
        let finished = sandbox.runner(command);
        assert_eq!(finished.code, Some(0), "{command:?}: {finished:?}");
    }
    assert!(sandbox.path("artifacts/latest/foreign").exists());
}
