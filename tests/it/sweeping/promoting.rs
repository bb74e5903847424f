//! `runner sweep promote`: a trial becomes a profile.

use std::fs;

use super::{GRID, executed, ranking, run};
use crate::sandbox::Sandbox;

#[test]
fn a_promoted_profile_reproduces_the_best_trial() {
    let sandbox = Sandbox::new(GRID);
    run(&sandbox, &[]);
    let (values, _) = ranking(&sandbox, &[])[0].clone();
    let promoted = sandbox.runner(&["sweep", "promote", "pipeline.yaml"]);
    assert_eq!(promoted.code, Some(0), "{promoted:?}");
    let text = fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap();
    let rate = format!("cnn.params.learning_rate: {}", values["learning_rate"]);
    assert!(text.contains(&rate), "{text}");
    assert!(
        text.contains(&format!("width: {}", values["width"])),
        "{text}"
    );

    // Without the sweep, the pipeline is a single trial, which is cached.
    let alone = run(&sandbox, &["--profile", "best", "-S", "sweep=null"]);
    assert_eq!(executed(&alone), Vec::<String>::new());
    assert_eq!(alone.outcomes().len(), 4, "{alone:?}");
}

#[test]
fn a_profile_with_an_unknown_parameter_is_refused_at_its_place() {
    let profiles = "sweep:\n".replace("sweep", "profiles:\n  wide: { cnn.params.epoch: 3 }\nsweep");
    let sandbox = Sandbox::new(&GRID.replace("sweep:\n", &profiles));
    let refused = sandbox.runner(&["validate", "pipeline.yaml", "--profile", "wide"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("unknown parameter `epoch`"),
        "{refused:?}"
    );
    assert!(
        refused.stderr.contains("cnn.params.epoch: 3"),
        "{refused:?}"
    );
}

#[test]
fn edited_values_of_a_profile_are_replaced_only_if_forced() {
    let few = GRID.replace(
        "cnn.params.learning_rate: [0.001, 0.003, 0.01]\n    width: { int_uniform: [2, 8, 2] }\n    batch: [8, 16]",
        "width: [2, 4]",
    );
    let sandbox = Sandbox::new(&few);
    run(&sandbox, &[]);
    let promote = |args: &[&str]| {
        let args = [&["sweep", "promote", "pipeline.yaml"], args].concat();
        sandbox.runner(&args)
    };
    let text = || fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap();
    // Values that this command wrote are replaced, also with those of another trial.
    for trial in ["1", "2", "2", "1"] {
        let promoted = promote(&[trial]);
        assert_eq!(promoted.code, Some(0), "{promoted:?}");
    }
    assert!(text().contains("    width: 2\n"), "{}", text());
    let again = promote(&["2"]);
    assert!(
        again.stderr.contains("replaced `width`: 2 → 4\n"),
        "{again:?}"
    );

    let edited = text().replace("    width: 4\n", "    width: 6 # mine\n    batch: 8\n");
    fs::write(sandbox.path("pipeline.yaml"), &edited).unwrap();
    let refused = promote(&["2"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let message = "the profile `best` of `pipeline.yaml` has values that this command did not write: `width` is 6, not 4; \
                   `--force` replaces them by those of trial 2, and `--as NAME` writes another profile";
    assert!(refused.stderr.contains(message), "{refused:?}");
    assert_eq!(text(), edited);
    let other = promote(&["2", "--as", "other"]);
    assert_eq!(other.code, Some(0), "{other:?}");
    let forced = promote(&["2", "--force"]);
    assert_eq!(forced.code, Some(0), "{forced:?}");
    assert!(
        text().contains("    width: 4 # mine\n    batch: 8\n"),
        "{}",
        text()
    );
    // The forced values were written by this command.
    assert_eq!(promote(&["1"]).code, Some(0));
}

/// A program whose score is a product of two vars, of which one is an axis.
const PRODUCT: &str = r#"
version: 1
name: product
vars: { x: 1, k: 1, shift: 0 }
profiles:
  shifted: { shift: 100 }
stages:
  it:
    kind: command
    params:
      argv: [sh, -c, 'echo "{\"score\": $(($0 * $1 + $2))}" > m.json', "${x}", "${k}", "${shift}"]
      metrics: m.json
sweep: { axes: { x: [1, 2] }, objective: { metric: it.score, direction: maximize } }
"#;

#[test]
fn a_promoted_profile_has_the_values_that_the_trial_was_given() {
    let sandbox = Sandbox::new(PRODUCT);
    let given = ["-S", "k=10", "--profile", "shifted"];
    let ran = sandbox.runner(&[&["run", "pipeline.yaml", "-q"], &given[..]].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let promoted = sandbox.runner(&[&["sweep", "promote", "pipeline.yaml"], &given[..]].concat());
    assert_eq!(promoted.code, Some(0), "{promoted:?}");
    assert!(promoted.stderr.contains("it.score 120"), "{promoted:?}");
    let metrics = sandbox.runner(&["metrics", "pipeline.yaml", "--profile", "best"]);
    assert_eq!(metrics.code, Some(0), "{metrics:?}");
    assert!(metrics.stdout.contains("120"), "{metrics:?}");
    let alone = run(&sandbox, &["--profile", "best"]);
    assert_eq!(executed(&alone), Vec::<String>::new());

    let text = fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap();
    let seed = ["-S", "k=10", "-S", "seed=3"];
    sandbox.runner(&[&["run", "pipeline.yaml", "-q"], &seed[..]].concat());
    let refused = sandbox.runner(&[&["sweep", "promote", "pipeline.yaml"], &seed[..]].concat());
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("a profile cannot hold `seed`"),
        "{refused:?}"
    );
    let after = fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap();
    assert_eq!(after, text);
}

/// A program whose objective is undefined unless `x` is 1. `AXIS` is replaced.
const UNDEFINED: &str = r#"
version: 1
name: undefined
vars: { x: 1 }
stages:
  it:
    kind: command
    params:
      argv: [sh, -c, 'case $0 in 1) f=0.5;; *) f=NaN;; esac; echo "{\"f1\": $f}" > m.json', "${x}"]
      metrics: m.json
tables: { t: { columns: [{ metric: it.f1 }] } }
sweep: { axes: { x: AXIS }, objective: { metric: it.f1, direction: maximize } }
"#;

#[test]
fn a_sweep_without_a_defined_objective_says_so() {
    let sandbox = Sandbox::new(&UNDEFINED.replace("AXIS", "[a, b, c]"));
    let done = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(done.code, Some(100), "{done:?}");
    assert!(
        done.stdout
            .contains("3 trials by grid: 3 without objective"),
        "{done:?}"
    );
    let why = "`it.f1` is undefined (the program wrote no finite number)";
    assert!(
        done.stdout
            .contains(&format!("trial 1 without objective: {why}")),
        "{done:?}"
    );
    assert!(
        done.stdout.contains("no best trial") && !done.stdout.contains("not run"),
        "{done:?}"
    );
    let promoted = sandbox.runner(&["sweep", "promote", "pipeline.yaml"]);
    assert_eq!(promoted.code, Some(2), "{promoted:?}");
    let message = format!(
        "there is no best trial: the objective `it.f1` has no value in 3 trials (trial 1: {why})"
    );
    assert!(promoted.stderr.contains(&message), "{promoted:?}");
    let shown = sandbox.runner(&["sweep", "show", "pipeline.yaml", "--json"]);
    assert_eq!(shown.json()["trials"][0]["state"], "undefined");

    // One trial with a value is the best one.
    let sandbox = Sandbox::new(&UNDEFINED.replace("AXIS", "[0, 1]"));
    let done = sandbox.runner(&["run", "pipeline.yaml"]);
    assert!(
        done.stdout
            .contains("2 trials by grid: 1 finished, 1 without objective"),
        "{done:?}"
    );
    let promoted = sandbox.runner(&["sweep", "promote", "pipeline.yaml"]);
    assert_eq!(promoted.code, Some(0), "{promoted:?}");
}

#[test]
fn the_reason_for_an_undefined_metric_is_that_of_its_declaration() {
    let few = GRID
        .replace(
            "cnn.params.learning_rate: [0.001, 0.003, 0.01]\n    width: { int_uniform: [2, 8, 2] }\n    batch: [8, 16]",
            "width: [2, 4]",
        )
        .replace("evaluate.roc_auc", "evaluate.precision")
        .replace("bootstrap: 0", "bootstrap: 0, threshold: 0.999999");
    let sandbox = Sandbox::new(&few);
    let done = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(done.code, Some(100), "{done:?}");
    let why = "`evaluate.precision` is undefined (no image was classified as the class)";
    assert!(done.stdout.contains(why), "{done:?}");
}

#[test]
fn a_missing_trial_cannot_be_promoted() {
    let sandbox = Sandbox::new(GRID);
    let nothing = sandbox.runner(&["sweep", "promote", "pipeline.yaml"]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    assert!(
        nothing.stderr.contains("no trial has finished yet"),
        "{nothing:?}"
    );
    let beyond = sandbox.runner(&["sweep", "promote", "pipeline.yaml", "25"]);
    assert!(
        beyond.stderr.contains("give a number from 1 to 24"),
        "{beyond:?}"
    );
    assert_eq!(
        fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap(),
        GRID
    );
}
