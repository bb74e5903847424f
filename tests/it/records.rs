//! Run records that are damaged, missing, or dated by a clock that was set back: what commands report, and
//! what `cache gc` keeps.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::sandbox::{Finished, Sandbox, finish};

/// A pipeline with a result for each value of `v`.
pub(crate) const PIPELINE: &str = r#"
version: 1
name: p
vars: { v: 1 }
stages:
  a: { kind: command, params: { argv: "echo ${v} > o", shell: true, outputs: { o: o } } }
"#;

/// Runs the pipeline with this value of `v` and returns the run's folder.
fn run(sandbox: &Sandbox, value: &str) -> PathBuf {
    let done = sandbox.run_json(&["-S", &format!("v={value}")]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let id = done.json()["run"].as_str().unwrap().to_owned();
    sandbox.path("artifacts/v1/runs").join(id)
}

fn id(folder: &Path) -> String {
    folder.file_name().unwrap().to_str().unwrap().to_owned()
}

fn is_cached(sandbox: &Sandbox, value: &str) -> bool {
    let planned = sandbox.run_json(&["-n", "-S", &format!("v={value}")]);
    planned.json()["stages"][0]["state"] == "cached"
}

fn gc(sandbox: &Sandbox, args: &[&str]) -> Finished {
    let done = sandbox.runner(&[&["cache", "gc", "--apply"], args].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    done
}

fn listed(sandbox: &Sandbox) -> Value {
    let done = sandbox.runner(&["runs", "list", "--json"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    done.json()
}

fn ids(listed: &Value) -> Vec<String> {
    let runs = listed["runs"].as_array().unwrap().iter();
    runs.map(|run| run["run"].as_str().unwrap().to_owned())
        .collect()
}

/// Damages or replaces the file at a path.
type Damage = Box<dyn Fn(&Path)>;

fn damages() -> Vec<(String, Damage)> {
    let replace = |with: fn(&Path)| -> Damage {
        Box::new(move |file| {
            fs::remove_file(file).unwrap();
            with(file);
        })
    };
    let mut damages: Vec<(String, Damage)> = vec![
        (
            "garbage".into(),
            replace(|file| fs::write(file, b"\x00\xff{").unwrap()),
        ),
        (
            "another document".into(),
            replace(|file| fs::write(file, "7").unwrap()),
        ),
        (
            "a folder".into(),
            replace(|file| fs::create_dir(file).unwrap()),
        ),
        (
            "a link".into(),
            replace(|file| symlink("/dev/zero", file).unwrap()),
        ),
        (
            "a pipe".into(),
            replace(|file| {
                assert!(Command::new("mkfifo").arg(file).status().unwrap().success());
            }),
        ),
        ("nothing".into(), replace(|_| {})),
    ];
    for eighths in 0..8 {
        let cut = move |file: &Path| {
            let bytes = fs::read(file).unwrap();
            fs::write(file, &bytes[..bytes.len() * eighths / 8]).unwrap();
        };
        damages.push((format!("cut to {eighths}/8"), Box::new(cut)));
    }
    damages
}

#[test]
fn results_that_a_run_used_stay_even_if_its_records_are_damaged() {
    let recorded = Sandbox::new(PIPELINE);
    for value in ["1", "2", "3"] {
        run(&recorded, value);
    }
    // Either file alone shows which results the run used. If both are damaged, that is unknown.
    for damaged in [
        &["run.json"][..],
        &["plan.json"],
        &["run.json", "plan.json"],
    ] {
        for (what, damage) in damages() {
            let case = format!("{damaged:?}: {what}");
            let sandbox = Sandbox::new(PIPELINE);
            copy(&recorded.path("artifacts"), &sandbox.path("artifacts"));
            let all = ids(&listed(&sandbox));
            let oldest = sandbox.path("artifacts/v1/runs").join(&all[2]);
            for file in damaged {
                damage(&oldest.join(file));
            }

            let after = listed(&sandbox);
            let bad = after["unreadable"].as_array().unwrap();
            assert_eq!(bad.len(), 1, "{case}: {after}");
            assert_eq!(bad[0]["run"], *all[2], "{case}");
            let text = sandbox.runner(&["runs", "list"]);
            assert!(text.stderr.contains(&all[2]), "{case}: {text:?}");
            let verified = sandbox.runner(&["cache", "verify"]);
            assert_eq!(verified.code, Some(1), "{case}: {verified:?}");
            assert!(verified.stdout.contains(&all[2]), "{case}: {verified:?}");

            let done = gc(
                &sandbox,
                &["--keep-runs", "1", "--max-age", "1ms", "--max-size", "1B"],
            );
            assert!(done.stderr.contains(&all[2]), "{case}: {done:?}");
            assert!(
                is_cached(&sandbox, "1") && is_cached(&sandbox, "3"),
                "{case}"
            );
            // If it is unknown what a run used, even unrelated results are kept.
            let is_known = damaged.len() == 1;
            assert_eq!(is_cached(&sandbox, "2"), !is_known, "{case}: {done:?}");

            let repaired = sandbox.runner(&["cache", "verify", "--repair"]);
            assert_eq!(repaired.code, Some(0), "{case}: {repaired:?}");
            assert!(
                repaired.stderr.contains("protected"),
                "{case}: {repaired:?}"
            );
            assert_eq!(sandbox.runner(&["cache", "verify"]).code, Some(0), "{case}");
            assert!(!oldest.exists(), "{case}");
            gc(&sandbox, &["--keep-runs", "1"]);
            assert!(
                !is_cached(&sandbox, "1") && is_cached(&sandbox, "3"),
                "{case}"
            );
        }
    }
}

#[test]
fn damaged_metrics_and_events_of_a_run_are_found_and_set_aside() {
    let sandbox = Sandbox::new(PIPELINE);
    let folder = run(&sandbox, "1");
    assert_eq!(sandbox.runner(&["cache", "verify"]).code, Some(0));
    for (file, why) in [
        ("metrics.json", "its checksum does not match"),
        ("events.jsonl", "line 1 is not an event"),
    ] {
        let path = folder.join(file);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[1..]).unwrap();
        let verified = sandbox.runner(&["cache", "verify"]);
        assert_eq!(verified.code, Some(1), "{verified:?}");
        let found = format!(
            "v1/runs/{}/{file} is a damaged record of a run: {why}\n",
            id(&folder)
        );
        assert_eq!(verified.stdout, found);
        let repaired = sandbox.runner(&["cache", "verify", "--repair"]);
        assert_eq!(repaired.code, Some(0), "{repaired:?}");
        assert!(!path.exists() && sandbox.path("artifacts/v1/quarantine").join(file).exists());
        assert_eq!(sandbox.runner(&["cache", "verify"]).code, Some(0));
    }
    // The run itself stays.
    assert_eq!(ids(&listed(&sandbox)), [id(&folder)]);
}

#[test]
fn a_run_does_not_share_the_damaged_metrics_of_the_last_one() {
    let argv = r#""echo '{\"f1\": ${v}}' > m", shell: true, metrics: m"#;
    let command = r#""echo ${v} > o", shell: true, outputs: { o: o }"#;
    assert!(PIPELINE.contains(command));
    let sandbox = Sandbox::new(&PIPELINE.replace(command, argv));
    let file = |run: &Path| run.join("metrics.json");
    let first = file(&run(&sandbox, "1"));
    let inode = |file: &Path| fs::metadata(file).unwrap().ino();
    assert_eq!(inode(&file(&run(&sandbox, "1"))), inode(&first));
    let bytes = fs::read(&first).unwrap();
    fs::write(&first, &bytes[1..]).unwrap();
    let third = file(&run(&sandbox, "1"));
    assert_eq!(fs::read(third).unwrap(), bytes);
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}

#[test]
fn naming_a_damaged_run_is_an_error_and_latest_skips_it_with_a_warning() {
    let sandbox = Sandbox::new(PIPELINE);
    let [first, second] = ["1", "2"].map(|value| run(&sandbox, value));
    fs::write(second.join("run.json"), "{").unwrap();
    let shown = sandbox.runner(&["runs", "show", &id(&second)]);
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert!(shown.stderr.contains("`run.json` is damaged"), "{shown:?}");
    let latest = sandbox.runner(&["runs", "show", "latest", "--json"]);
    assert_eq!(latest.json()["run"], *id(&first));
    assert!(latest.stderr.contains(&id(&second)), "{latest:?}");
}

#[test]
fn a_run_that_was_killed_before_its_first_record_does_not_count_as_damaged() {
    let sandbox = Sandbox::new(PIPELINE);
    let first = run(&sandbox, "1");
    let killed = run(&sandbox, "2");
    // The states of a run's folder before `run.json` is written, and before `plan.json` is.
    fs::write(killed.join("events.jsonl"), "").unwrap();
    for file in ["run.json", "plan.json"] {
        let sandbox_has = |what: &str| sandbox.runner(&["cache", what]);
        fs::remove_file(killed.join(file)).unwrap();
        let after = listed(&sandbox);
        assert_eq!(ids(&after), [id(&first)], "{after}");
        assert_eq!(after["unreadable"].as_array().unwrap().len(), 0, "{after}");
        assert_eq!(sandbox_has("verify").code, Some(0));
        let shown = sandbox.runner(&["runs", "show", &id(&killed)]);
        assert!(shown.stderr.contains("has no record"), "{shown:?}");
    }
    // The killed run does not count as one of the runs to keep.
    gc(&sandbox, &["--keep-runs", "1"]);
    assert!(is_cached(&sandbox, "1"));
}

/// Changes a run's start time and the name of its folder, as if the clock had been wrong. Returns the new
/// folder.
fn redate(folder: &Path, time: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
    let file = folder.join("run.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    record.as_object_mut().unwrap().remove("checksum");
    let digits: String = time.chars().filter(char::is_ascii_digit).collect();
    let name = format!("{}-{}-0000", &digits[..8], &digits[8..]);
    record["started"] = time.into();
    record["run"] = name.clone().into();
    change(&mut record);
    fs::write(&file, record.to_string()).unwrap();
    let renamed = folder.with_file_name(name);
    fs::rename(folder, &renamed).unwrap();
    renamed
}

#[test]
fn setting_the_clock_back_does_not_reorder_runs() {
    let sandbox = Sandbox::new(PIPELINE);
    let times = [
        "2031-01-01T00:00:00Z",
        "2019-01-01T00:00:00Z",
        "2024-01-01T00:00:00Z",
    ];
    let mut made = Vec::new();
    for (value, time) in ["1", "2", "3"].iter().zip(times) {
        made.push(id(&redate(&run(&sandbox, value), time, |_| {})));
    }
    made.reverse();
    assert_eq!(ids(&listed(&sandbox)), made);
    let shown =
        |name: &str| sandbox.runner(&["runs", "show", name, "--json"]).json()["run"].clone();
    assert_eq!(shown("latest"), *made[0]);
    assert_eq!(shown("latest~2"), *made[2]);
    gc(&sandbox, &["--keep-runs", "2"]);
    assert_eq!(ids(&listed(&sandbox)), made[..2]);
    assert!(!is_cached(&sandbox, "1") && is_cached(&sandbox, "2") && is_cached(&sandbox, "3"));
}

#[test]
fn runs_without_a_number_are_the_oldest_and_ordered_by_time() {
    let sandbox = Sandbox::new(PIPELINE);
    let unnumbered = |record: &mut Value| {
        record.as_object_mut().unwrap().remove("number");
    };
    let second = redate(&run(&sandbox, "1"), "2021-01-01T00:00:00Z", unnumbered);
    let first = redate(&run(&sandbox, "2"), "2020-01-01T00:00:00Z", unnumbered);
    let third = redate(&run(&sandbox, "3"), "2019-01-01T00:00:00Z", |_| {});
    let expected = [third, second, first].map(|folder| id(&folder));
    assert_eq!(ids(&listed(&sandbox)), expected);
}

#[test]
fn several_runners_give_their_runs_distinct_numbers() {
    let sandbox = Sandbox::new(PIPELINE);
    let mut numbers: Vec<u64> = Vec::new();
    for round in 0..3 {
        let args: Vec<String> = (0..4).map(|n| format!("v={}", round * 4 + n)).collect();
        let started: Vec<_> = args
            .iter()
            .map(|set| sandbox.start(&["run", "pipeline.yaml", "--json", "-S", set]))
            .collect();
        let mut these: Vec<u64> = started
            .into_iter()
            .map(|child| finish(child).json()["number"].as_u64().unwrap())
            .collect();
        these.sort_unstable();
        assert!(
            numbers.last() < these.first(),
            "numbers {numbers:?}, then {these:?}"
        );
        numbers.extend(these);
    }
    numbers.dedup();
    assert_eq!(numbers.len(), 12);
}

#[test]
fn a_damaged_record_is_logged_as_the_filter_says() {
    let sandbox = Sandbox::new(PIPELINE);
    fs::write(run(&sandbox, "1").join("run.json"), "{").unwrap();
    let log = |args: &[&str], filter: Option<&str>| {
        let mut command = sandbox.command(args);
        filter.map(|filter| command.env("RUNNER_LOG", filter));
        let output = command.output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let logged = |filter| log(&["cache", "info"], filter);
    let warning = "is left out or only partly known";
    for filter in [None, Some(""), Some("debug"), Some("store=debug")] {
        assert!(logged(filter).contains(warning), "{filter:?}");
    }
    for filter in ["error", "off", "engine=error"] {
        assert!(!logged(Some(filter)).contains(warning), "{filter:?}");
    }
    let ended = log(&["run", "pipeline.yaml", "-f"], Some("engine=debug"));
    assert!(ended.contains("\ndebug: "), "{ended}");
    let invalid = logged(Some("dbug,a=b=c,[x]=debug,engine=warn"));
    let ignored = "ignored in `RUNNER_LOG`: `dbug`, `a=b=c`, `[x]=debug`; expected";
    assert!(invalid.contains(ignored), "{invalid}");
    assert!(invalid.contains(warning), "{invalid}");
}
