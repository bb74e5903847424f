//! `runs export` of runs that go on, and of sweeps.

use std::fs;

use serde_json::Value;

use crate::exporting::contents;
use crate::sandbox::{Sandbox, eventually, finish};

/// The stage `second` waits until the file `go` appears.
const WAITING: &str = r#"
version: 1
name: waiting
stages:
  first: { kind: command, params: { shell: true, argv: 'echo "{\"f1\": 0.5}" > m.json', metrics: m.json } }
  second:
    kind: command
    inputs: { first: first }
    params:
      shell: true
      argv: 'until test -e "GO"; do sleep 0.05; done; echo "{\"f1\": 0.75}" > m.json'
      metrics: m.json
"#;

const SWEEP: &str = r#"
version: 1
name: sweep
vars: { v: 1 }
stages:
  score: { kind: command, params: { shell: true, argv: 'echo "{\"f1\": 0.${v}}" > m.json', metrics: m.json } }
sweep:
  method: grid
  axes: { v: [3, 7, 5] }
  objective: { metric: score.f1, direction: maximize }
"#;

#[test]
fn a_run_that_goes_on_is_exported_as_far_as_it_got() {
    let sandbox = Sandbox::new("");
    let go = sandbox.path("go");
    let pipeline = WAITING.replace("GO", go.to_str().unwrap());
    fs::write(sandbox.path("pipeline.yaml"), pipeline).unwrap();
    let run = sandbox.start(&["run", "pipeline.yaml", "-q"]);
    let export = |format: &str, target: &str| {
        let target = format!("{format}-{target}");
        let export = ["runs", "export", "latest", &target, "--format", format];
        let done = sandbox.runner(&export);
        assert_eq!(done.code, Some(0), "{done:?}");
        (done.stderr, contents(&sandbox.path(&target)))
    };
    eventually("running `second`", || {
        let shown = sandbox.runner(&["runs", "show", "latest"]);
        (shown.code == Some(0)
            && shown.stdout.contains("running")
            && shown.stdout.contains("first"))
        .then_some(())
    });
    eventually("finished `first`", || {
        sandbox
            .path("artifacts/latest/waiting/first")
            .exists()
            .then_some(())
    });
    let early = ["tensorboard", "ro-crate"].map(|format| export(format, "early"));
    fs::write(&go, "").unwrap();
    let run = finish(run);
    assert_eq!(run.code, Some(0), "{run:?}");

    for (said, _) in &early {
        let notes: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("note: "))
            .collect();
        let expected = [
            "note: the run has not ended yet",
            "note: 1 stage did not end with a result",
        ];
        assert_eq!(notes, expected);
    }
    let [(_, events), (_, crated)] = &early;
    let folders = |name: &str| events.keys().any(|file| file.starts_with(name));
    assert!(
        folders("first/") && !folders("second/"),
        "{:?}",
        events.keys()
    );
    assert!(crated.contains_key("results/first/metrics/metrics.json"));
    assert!(!crated.contains_key("results/second/metrics/metrics.json"));
    let actions = actions(&crated["ro-crate-metadata.json"]);
    assert_eq!(actions, ["http://schema.org/CompletedActionStatus"]);

    let (said, after) = export("ro-crate", "late");
    assert!(!said.contains("note: "), "{said}");
    assert!(after.contains_key("results/second/metrics/metrics.json"));
}

/// The statuses of all actions in the description of a crate.
fn actions(description: &[u8]) -> Vec<String> {
    let description: Value = serde_json::from_slice(description).unwrap();
    let entities = description["@graph"].as_array().unwrap().iter();
    let statuses = entities.filter_map(|entity| entity["actionStatus"].as_str());
    statuses.map(str::to_owned).collect()
}

#[test]
fn all_trials_of_a_sweep_are_exported() {
    let sandbox = Sandbox::new(SWEEP);
    let run = sandbox.runner(&["run", "pipeline.yaml", "-q"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let trials = ["score[v=3]", "score[v=5]", "score[v=7]"];
    for format in ["tensorboard", "ro-crate"] {
        let done = sandbox.runner(&["runs", "export", "latest", format, "--format", format]);
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(!done.stderr.contains("note: "), "{done:?}");
        let found = contents(&sandbox.path(format));
        for trial in trials {
            let name = match format {
                "tensorboard" => format!("{trial}/events."),
                _ => format!("results/{trial}/metrics/metrics.json"),
            };
            let there = found.keys().any(|file| file.starts_with(&name));
            assert!(there, "{trial}: {:?}", found.keys());
        }
        if format == "ro-crate" {
            assert_eq!(actions(&found["ro-crate-metadata.json"]).len(), 5);
        }
    }
}
