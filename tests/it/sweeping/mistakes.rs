//! Mistakes in a sweep are reported with their position before anything runs, and failed trials are recorded.

use crate::sandbox::Sandbox;

use super::GRID;

/// Returns the error about the grid in which `old` is replaced by `new`.
fn refusal(old: &str, new: &str) -> String {
    assert!(GRID.contains(old), "{old}");
    let sandbox = Sandbox::new(&GRID.replace(old, new));
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(!sandbox.path("artifacts").exists(), "something was run");
    run.stderr
}

/// Checks that a refusal shows this line and this message.
fn points(refusal: &str, line: &str, says: &str) {
    assert!(refusal.contains(says), "{refusal}");
    assert!(refusal.contains(line), "{refusal}");
    assert!(refusal.contains("--> pipeline.yaml:"), "{refusal}");
}

const RATE: &str = "cnn.params.learning_rate: [0.001, 0.003, 0.01]";
const BATCH: &str = "batch: [8, 16]\n  objective";

#[test]
fn an_axis_of_no_stage() {
    let said = refusal("cnn.params.learning_rate", "cn.params.learning_rate");
    points(
        &said,
        "cn.params.learning_rate",
        "there is no `cn` in `stages`",
    );
    assert!(said.contains("did you mean `cnn`?"), "{said}");
}

#[test]
fn an_axis_of_no_parameter() {
    let said = refusal("cnn.params.learning_rate", "cnn.params.learning_rat");
    points(
        &said,
        "cnn.params.learning_rat",
        "unknown parameter `learning_rat`",
    );
    assert!(said.contains("did you mean `learning_rate`?"), "{said}");
}

#[test]
fn an_axis_of_no_var() {
    let said = refusal(BATCH, "bach: [8, 16]\n  objective");
    points(&said, "bach: [8, 16]", "there is no var `bach`");
}

#[test]
fn a_value_of_the_wrong_type() {
    let said = refusal(RATE, "cnn.params.learning_rate: [0.001, fast]");
    points(
        &said,
        "[0.001, fast]",
        "expected a number, found the text `fast`",
    );
}

#[test]
fn a_value_out_of_range() {
    let said = refusal(RATE, "cnn.params.learning_rate: [0.001, 100]");
    points(&said, "[0.001, 100]", "`learning_rate` is 100");
}

#[test]
fn a_range_that_leaves_that_of_the_parameter() {
    let range = "cnn.params.learning_rate: { log_uniform: [1e-3, 100] }";
    let random = GRID
        .replace(RATE, range)
        .replace("sweep:\n", "sweep:\n  method: random\n  trials: 3\n");
    let sandbox = Sandbox::new(&random);
    let run = sandbox.runner(&["run", "pipeline.yaml", "-S", "sweep.method=tpe"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    points(
        &run.stderr,
        "log_uniform: [1e-3, 100]",
        "`learning_rate` is 100",
    );
}

#[test]
fn an_empty_axis() {
    let said = refusal(BATCH, "batch: []\n  objective");
    points(&said, "batch: []", "the axis `batch` has no values");
}

#[test]
fn a_grid_without_end() {
    let said = refusal(RATE, "cnn.params.learning_rate: { uniform: [0.001, 0.01] }");
    points(&said, "uniform: [0.001, 0.01]", "has no end of values");
    assert!(said.contains("method: random"), "{said}");
}

#[test]
fn an_objective_of_no_stage() {
    let said = refusal("metric: evaluate.roc_auc", "metric: evaluat.roc_auc");
    points(
        &said,
        "metric: evaluat.roc_auc",
        "there is no stage `evaluat`",
    );
    assert!(said.contains("did you mean `evaluate`?"), "{said}");
}

#[test]
fn an_objective_of_a_stage_that_measures_nothing() {
    let said = refusal("metric: evaluate.roc_auc", "metric: augmented.roc_auc");
    points(
        &said,
        "metric: augmented.roc_auc",
        "`augmented` measures nothing",
    );
}

#[test]
fn an_objective_that_its_stage_does_not_give_fails_each_trial() {
    let pipeline = GRID.replace("evaluate.roc_auc", "evaluate.f2");
    let sandbox = Sandbox::new(&pipeline);
    let run = sandbox.runner(&["run", "pipeline.yaml", "-S", "sweep.axes.width=[2]"]);
    assert_eq!(run.code, Some(100), "{run:?}");
    assert!(
        run.stderr.contains("has no metric `f2`; it has `accuracy`"),
        "{run:?}"
    );
    assert!(run.stderr.contains("6 trials"), "{run:?}");
}

#[test]
fn a_sampler_needs_an_objective_and_a_number_of_trials() {
    let objective = "  objective: { metric: evaluate.roc_auc, direction: maximize }\n";
    let said = refusal(objective, "  method: tpe\n  trials: 5\n");
    points(&said, "method: tpe", "needs an `objective`");
    let said = refusal("sweep:\n", "sweep:\n  method: random\n");
    points(&said, "method: random", "needs `trials`");
}

#[test]
fn an_unknown_range_and_one_upside_down() {
    let said = refusal("int_uniform: [2, 8, 2]", "int_unifrm: [2, 8, 2]");
    points(&said, "int_unifrm", "did you mean `int_uniform`?");
    let said = refusal("int_uniform: [2, 8, 2]", "int_uniform: [8, 2]");
    points(&said, "int_uniform: [8, 2]", "lower bound `8`");
}

#[test]
fn names_of_axes_in_zip_exclude_and_when() {
    let said = refusal("sweep:\n", "sweep:\n  zip: [[widht, batch]]\n");
    points(&said, "widht", "there is no axis `widht`");
    let said = refusal("sweep:\n", "sweep:\n  exclude: [{ batch: 9 }]\n");
    points(&said, "batch: 9", "is no value of `batch`");
    let said = refusal("sweep:\n", "sweep:\n  zip: [[width, batch]]\n");
    points(&said, "[width, batch]", "differ in length");
}

#[test]
fn no_seeds_at_all_and_too_many() {
    let said = refusal("sweep:\n", "sweep:\n  seeds: 0\n");
    points(&said, "seeds: 0", "`seeds` is 0, not 1 to 1000");
    let said = refusal("sweep:\n", "sweep:\n  seeds: 10000000\n");
    points(&said, "seeds: 10000000", "not 1 to 1000");
}

#[test]
fn a_name_of_a_choice_that_names_no_trial() {
    let said = refusal(BATCH, "batch: { choice: { \"a,b=c\": 8 } }\n  objective");
    points(&said, "a,b=c", "tells no trial from another");
}

#[test]
fn an_axis_of_what_halving_or_seeds_set() {
    let stop = "sweep:\n  stop: { asha: { metric: validation_loss } }\n";
    let pipeline = GRID
        .replace("sweep:\n", stop)
        .replace(RATE, "cnn.params.epochs: [1, 2]");
    let sandbox = Sandbox::new(&pipeline);
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    points(
        &run.stderr,
        "cnn.params.epochs: [1, 2]",
        "changes nothing: epochs or seeds are set for it",
    );
    let pipeline = GRID
        .replace("sweep:\n", "sweep:\n  seeds: 2\n")
        .replace(RATE, "seed: [1, 2]");
    let run = Sandbox::new(&pipeline).runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    points(
        &run.stderr,
        "seed: [1, 2]",
        "changes nothing: epochs or seeds are set for it",
    );
}

#[test]
fn a_value_that_keeps_a_training_from_going_on_is_no_trial_of_a_halved_sweep() {
    let stop = "sweep:\n  stop: { asha: { metric: validation_loss, max_epochs: 4 } }\n";
    let pipeline = GRID
        .replace("sweep:\n", stop)
        .replace(RATE, "cnn.params.schedule: [constant, cosine]");
    let run = Sandbox::new(&pipeline).runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        run.stderr
            .contains("cannot be trained on from a checkpoint"),
        "{run:?}"
    );
}

#[test]
fn an_axis_whose_values_are_made_of_another() {
    let said = refusal(BATCH, "batch: [8, \"${width}\"]\n  objective");
    points(
        &said,
        "batch: [8,",
        "the values of `batch` are made of `width`, an axis",
    );
}

#[test]
fn halving_needs_a_training_that_goes_on() {
    let stop = "sweep:\n  stop: { asha: { metric: evaluate.f1 } }\n";
    let said = refusal("sweep:\n", stop);
    points(
        &said,
        "metric: evaluate.f1",
        "cannot be trained on from a checkpoint",
    );
    let cosine = GRID.replace("epochs: 1", "epochs: 4\n      schedule: cosine");
    let sandbox = Sandbox::new(&cosine.replace(
        "sweep:\n",
        "sweep:\n  stop: { asha: { metric: validation_loss } }\n",
    ));
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    points(
        &run.stderr,
        "metric: validation_loss",
        "no training that goes on from checkpoints",
    );
}

const PROGRAM: &str = r#"
version: 1
name: program
vars: { n: 0 }
stages:
  measure:
    kind: command
    params:
      argv: [sh, -c, "test ${n} != 2 || exit 3; test ${n} != 3 && echo '{\"loss\": ${n}}' > m.json || echo '{\"loss\": NaN}' > m.json"]
      metrics: m.json
sweep:
  axes: { n: [1, 2, 3, 4] }
  objective: { metric: measure.loss, direction: minimize }
"#;

#[test]
fn a_trial_that_fails_or_measures_no_number_ends_no_sweep() {
    let sandbox = Sandbox::new(PROGRAM);
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(100), "{run:?}");
    let shown = sandbox
        .runner(&["sweep", "show", "pipeline.yaml", "--json"])
        .json();
    let states: Vec<_> = shown["trials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trial| (trial["number"].clone(), trial["state"].clone()))
        .collect();
    assert_eq!(states[0], (1.into(), "finished".into()));
    assert_eq!(states[1], (4.into(), "finished".into()));
    assert_eq!(states[2], (2.into(), "failed".into()));
    assert_eq!(states[3], (3.into(), "failed".into()));
}

#[test]
fn a_failing_trial_ends_the_sweep_where_that_is_asked_for() {
    let sandbox = Sandbox::new(PROGRAM);
    let run = sandbox.run_json(&["-j", "1", "--keep-going=false"]);
    assert_eq!(run.code, Some(100), "{run:?}");
    let skipped = run
        .outcomes()
        .into_iter()
        .filter(|(_, outcome)| outcome == "skipped");
    assert_eq!(skipped.count(), 2, "{run:?}");
}
