//! `runner runs`: `list`, `show`, `diff` and `logs`.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::sandbox::{Sandbox, TINY, eventually, finish, first_worker, has_ended, list, signal};

fn runs(sandbox: &Sandbox, args: &[&str]) -> Value {
    let done = sandbox.runner(&[&["runs"], args, &["--json"]].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    done.json()
}

/// Runs the pipeline and returns the id of the run.
fn run(sandbox: &Sandbox, args: &[&str]) -> String {
    let done = sandbox.run_json(args);
    done.json()["run"].as_str().unwrap().to_owned()
}

fn ids(listed: &Value) -> Vec<String> {
    let runs = listed["runs"].as_array().unwrap().iter();
    runs.map(|run| run["run"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn list_shows_the_newest_runs_first_up_to_the_limit() {
    let sandbox = Sandbox::new(TINY);
    assert_eq!(
        sandbox.runner(&["runs", "list"]).code,
        Some(2),
        "`runs list` must fail without a store"
    );
    // Several runs in the same second: their ids do not show which is newer.
    let mut made: Vec<String> = (0..6)
        .map(|_| run(&sandbox, &["--until", "xrays"]))
        .collect();
    made.reverse();
    let all = runs(&sandbox, &["list"]);
    assert_eq!(ids(&all), made);
    assert_eq!(all["more"], false);
    assert_eq!(all["runs"][5]["counts"]["succeeded"], 1);
    assert_eq!(all["runs"][0]["counts"]["cached"], 1);
    let some = runs(&sandbox, &["list", "--limit", "2"]);
    assert_eq!(ids(&some), made[..2]);
    assert_eq!(some["more"], true);

    fs::write(
        sandbox.path("other.yaml"),
        TINY.replace("name: tiny", "name: other"),
    )
    .unwrap();
    sandbox.runner(&["run", "other.yaml", "--until", "xrays"]);
    assert_eq!(ids(&runs(&sandbox, &["list", "--pipeline", "tiny"])), made);
    let text = sandbox.runner(&["runs", "list", "--limit", "1"]);
    assert!(text.stdout.contains("  other     succeeded  "), "{text:?}");
    assert!(text.stderr.contains("older"), "{text:?}");
}

#[test]
fn a_run_is_found_by_id_by_prefix_and_by_age() {
    let sandbox = Sandbox::new(TINY);
    let first = run(&sandbox, &["--until", "xrays"]);
    let second = run(&sandbox, &["--until", "xrays"]);
    let shown = |name: &str| {
        runs(&sandbox, &["show", name])["run"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(shown("latest"), second);
    assert_eq!(shown("latest~0"), second);
    assert_eq!(shown("latest~1"), first);
    assert_eq!(shown(&first), first);
    // The ids of two runs differ early if they started in different seconds, and otherwise near the end.
    let differs = (1..=first.len())
        .find(|&end| !second.starts_with(&first[..end]))
        .unwrap();
    assert_eq!(shown(&first[..differs]), first);
    for (name, says) in [
        ("2", "matches several runs: `"),
        ("latest~2", "there are only 2"),
        ("latest~x", "`latest~1`"),
        ("lates", "there is no run `lates`"),
        ("", "matches several runs"),
    ] {
        let refused = sandbox.runner(&["runs", "show", name]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(says), "{refused:?}");
    }
    let slip = sandbox.runner(&["runs", "show", &format!("{first}0")]);
    assert!(
        slip.stderr.contains(&format!("did you mean `{first}`?")),
        "{slip:?}"
    );
}

#[test]
fn show_prints_the_outcome_of_every_stage_and_the_reason() {
    let sandbox = Sandbox::new(TINY);
    run(&sandbox, &["-S", "widths=[4]", "-S", "epochs=1"]);
    let shown = runs(&sandbox, &["show", "latest"]);
    assert_eq!(shown["sets"][1], "epochs=1");
    assert_eq!(shown["stages"][1]["name"], "cnn[4]");
    assert_eq!(shown["stages"][1]["outcome"], "succeeded");
    let text = sandbox.runner(&["runs", "show", "latest"]).stdout;
    for expected in [
        "-S widths=[4] -S epochs=1",
        "tiny (pipeline.yaml)",
        "succeeded",
        " MiB",
    ] {
        assert!(text.contains(expected), "`{expected}`: {text}");
    }

    let args = [
        "-S",
        "widths=[4]",
        "-S",
        "epochs=100000",
        "--timeout",
        "200ms",
    ];
    let failed = sandbox.run_json(&args);
    assert_eq!(failed.code, Some(100), "{failed:?}");
    let text = sandbox.runner(&["runs", "show", "latest"]).stdout;
    assert!(text.contains("\ncnn[4]: "), "{text}");
    assert!(text.contains(", failed\n"), "{text}");
}

#[test]
fn running_and_killed_runs_have_different_states() {
    let sandbox = Sandbox::new(TINY);
    run(&sandbox, &["--until", "xrays"]);
    let args = ["run", "pipeline.yaml", "-S", "epochs=100000", "-j", "1"];
    let mut runner = sandbox.start(&args);
    let worker = first_worker(&runner);
    let state = || {
        runs(&sandbox, &["list"])["runs"][0]["state"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(state(), "running");
    let stages = |word: &str| {
        let shown = runs(&sandbox, &["show", "latest"]);
        let stages = shown["stages"].as_array().unwrap().clone();
        stages.iter().filter(|stage| stage["state"] == word).count()
    };
    eventually("running", || (stages("running") == 1).then_some(()));
    assert_eq!(runs(&sandbox, &["list"])["runs"][0]["counts"]["cached"], 1);

    signal(runner.id(), Signal::KILL).unwrap();
    runner.wait().unwrap();
    assert_eq!(state(), "killed");
    assert_eq!(
        (stages("running"), stages("killed"), stages("not started")),
        (0, 1, 1)
    );
    // The worker ends by itself. The states are the same after that.
    eventually("gone", || has_ended(worker).then_some(()));
    let text = sandbox.runner(&["runs", "show", "latest"]).stdout;
    assert!(
        text.contains(", killed\n") && text.contains("not started"),
        "{text}"
    );
    assert_eq!(runs(&sandbox, &["list"])["runs"][1]["state"], "succeeded");
}

#[test]
fn diff_shows_changes_and_their_effects() {
    let sandbox = Sandbox::new(TINY);
    run(&sandbox, &[]);
    run(&sandbox, &["-S", "epochs=1", "-S", "widths=[4, 8]"]);
    let diff = runs(&sandbox, &["diff", "latest~1", "latest"]);
    assert_eq!(diff["asked"][0]["what"], "options");
    assert_eq!(diff["asked"][0]["b"], "-S epochs=1 -S widths=[4, 8]");
    let stage = |name: &str| {
        let stages = diff["stages"].as_array().unwrap().clone();
        stages
            .into_iter()
            .find(|stage| stage["name"] == name)
            .unwrap()
    };
    assert_eq!(stage("xrays")["change"], "same");
    assert_eq!(stage("cnn[4]")["reason"], "params.epochs 2 → 1");
    assert_eq!(stage("cnn[6]")["change"], "only-in-a");
    assert_eq!(stage("cnn[8]")["change"], "only-in-b");
    let metrics = stage("cnn[4]")["metrics"].as_array().unwrap().clone();
    assert!(!metrics.is_empty());
    for metric in metrics {
        let number = |side: &str| metric[side].as_f64().unwrap();
        assert_eq!(number("difference"), number("b") - number("a"), "{metric}");
    }

    let text = sandbox
        .runner(&["runs", "diff", "latest~1", "latest"])
        .stdout;
    for expected in [
        "options  none → -S epochs=1",
        "params.epochs 2 → 1",
        "only in A",
        "1 stage is the same",
        "best_epoch",
    ] {
        assert!(text.contains(expected), "`{expected}`: {text}");
    }
    // A stage that only one of the runs has is not compared.
    assert_eq!(text.matches("\ncnn[8]").count(), 1, "{text}");
}

#[test]
fn diff_traces_an_input_to_the_stage_that_makes_it() {
    let sandbox = Sandbox::new(TINY);
    run(&sandbox, &["-S", "widths=[4]"]);
    run(&sandbox, &["-S", "widths=[4]", "-S", "images=44"]);
    let text = sandbox
        .runner(&["runs", "diff", "latest~1", "latest"])
        .stdout;
    assert!(
        text.contains("params.source.phantom.images 40 → 44"),
        "{text}"
    );
    assert!(text.contains("input `train` changed: xrays"), "{text}");
    let same = runs(&sandbox, &["diff", "latest", "latest"]);
    assert_eq!(same["asked"].as_array().unwrap().len(), 0);
    assert!(
        same["stages"]
            .as_array()
            .unwrap()
            .iter()
            .all(|stage| stage["change"] == "same")
    );
}

#[test]
fn logs_prints_what_stages_wrote() {
    let sandbox = Sandbox::new(TINY);
    run(&sandbox, &[]);
    let folder = list(&sandbox.path("artifacts/v1/runs")).remove(0);
    // Logs as the standard error of workers would have left them.
    fs::write(folder.join("cnn[4].log"), "four\n").unwrap();
    fs::write(folder.join("xrays.log"), "rays\n").unwrap();
    let logs = |args: &[&str]| {
        let done = sandbox.runner(&[&["runs", "logs", "latest"], args].concat());
        assert_eq!(done.code, Some(0), "{done:?}");
        (done.stdout, done.stderr)
    };
    assert_eq!(logs(&[]).0, "==> xrays <==\nrays\n\n==> cnn[4] <==\nfour\n");
    assert_eq!(logs(&["xrays"]).0, "rays\n");
    assert_eq!(logs(&["cnn"]).0, "==> cnn[4] <==\nfour\n");
    let (out, stderr) = logs(&["cnn[6]"]);
    assert!(
        out.is_empty() && stderr.starts_with("`cnn[6]` wrote nothing in run `"),
        "{stderr}"
    );
    assert_eq!(
        runs(&sandbox, &["logs", "latest"])["logs"][1]["text"],
        "four\n"
    );
    let refused = sandbox.runner(&["runs", "logs", "latest", "cn"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("did you mean `cnn`?"),
        "{refused:?}"
    );
    run(&sandbox, &[]);
    let (_, stderr) = logs(&["cnn[6]"]);
    assert!(
        stderr.starts_with("`cnn[6]` did not run in run `") && stderr.contains("`: cached"),
        "{stderr}"
    );
}

#[test]
fn the_runs_commands_change_nothing() {
    let sandbox = Sandbox::new(TINY);
    run(&sandbox, &["--until", "xrays"]);
    let before = crate::sandbox::files(&sandbox.path("artifacts/v1/runs"));
    for args in [
        &["list"][..],
        &["show", "latest"],
        &["diff", "latest", "latest"],
        &["logs", "latest"],
    ] {
        runs(&sandbox, args);
    }
    assert!(crate::sandbox::files(&sandbox.path("artifacts/v1/runs")) == before);
    let child = sandbox.start(&["runs", "list"]);
    assert_eq!(finish(child).code, Some(0));
}
