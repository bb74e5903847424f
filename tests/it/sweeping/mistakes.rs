//! Mistakes in a sweep are reported with their position before anything runs, and failed trials are recorded.

use super::GRID;
use crate::sandbox::Sandbox;

/// Returns the error about the grid in which `old` is replaced by `new`.
fn refusal(old: &str, new: &str) -> String {
    assert!(GRID.contains(old), "{old}");
    let sandbox = Sandbox::new(&GRID.replace(old, new));
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(!sandbox.path("artifacts").exists(), "a stage ran");
    run.stderr
}

/// Checks that a refusal shows this line and this message.
fn assert_shown(refusal: &str, line: &str, says: &str) {
    assert!(refusal.contains(says), "{refusal}");
    assert!(refusal.contains(line), "{refusal}");
    assert!(refusal.contains("--> pipeline.yaml:"), "{refusal}");
}

const RATE: &str = "cnn.params.learning_rate: [0.001, 0.003, 0.01]";
const BATCH: &str = "batch: [8, 16]\n  objective";

#[test]
fn an_axis_of_an_unknown_stage_is_refused() {
    let error = refusal("cnn.params.learning_rate", "cn.params.learning_rate");
    assert_shown(
        &error,
        "cn.params.learning_rate",
        "there is no `cn` in `stages`",
    );
    assert!(error.contains("did you mean `cnn`?"), "{error}");
}

#[test]
fn an_axis_of_an_unknown_parameter_is_refused() {
    let error = refusal("cnn.params.learning_rate", "cnn.params.learning_rat");
    assert_shown(
        &error,
        "cnn.params.learning_rat",
        "unknown parameter `learning_rat`",
    );
    assert!(error.contains("did you mean `learning_rate`?"), "{error}");
}

#[test]
fn an_axis_of_an_unknown_var_is_refused() {
    let error = refusal(BATCH, "bach: [8, 16]\n  objective");
    assert_shown(&error, "bach: [8, 16]", "there is no var `bach`");
}

#[test]
fn a_value_of_the_wrong_type_is_refused() {
    let error = refusal(RATE, "cnn.params.learning_rate: [0.001, fast]");
    assert_shown(
        &error,
        "[0.001, fast]",
        "expected a number, found the text `fast`",
    );
}

#[test]
fn a_value_out_of_range_is_refused() {
    let error = refusal(RATE, "cnn.params.learning_rate: [0.001, 100]");
    assert_shown(&error, "[0.001, 100]", "`learning_rate` is 100");
}

#[test]
fn a_range_beyond_that_of_the_parameter_is_refused() {
    let range = "cnn.params.learning_rate: { log_uniform: [1e-3, 100] }";
    let random = GRID
        .replace(RATE, range)
        .replace("sweep:\n", "sweep:\n  method: random\n  trials: 3\n");
    let sandbox = Sandbox::new(&random);
    let run = sandbox.runner(&["run", "pipeline.yaml", "-S", "sweep.method=tpe"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert_shown(
        &run.stderr,
        "log_uniform: [1e-3, 100]",
        "`learning_rate` is 100",
    );
}

#[test]
fn an_empty_axis_is_refused() {
    let error = refusal(BATCH, "batch: []\n  objective");
    assert_shown(&error, "batch: []", "the axis `batch` has no values");
}

#[test]
fn an_infinite_grid_is_refused() {
    let error = refusal(RATE, "cnn.params.learning_rate: { uniform: [0.001, 0.01] }");
    assert_shown(
        &error,
        "uniform: [0.001, 0.01]",
        "has infinitely many values",
    );
    assert!(error.contains("method: random"), "{error}");
}

#[test]
fn an_objective_of_an_unknown_stage_is_refused() {
    let error = refusal("metric: evaluate.roc_auc", "metric: evaluat.roc_auc");
    assert_shown(
        &error,
        "metric: evaluat.roc_auc",
        "there is no stage `evaluat`",
    );
    assert!(error.contains("did you mean `evaluate`?"), "{error}");
    // Values in brackets may contain dots.
    let error = refusal(
        "metric: evaluate.roc_auc",
        "metric: \"evaluat[0.1].roc_auc\"",
    );
    assert_shown(&error, "evaluat[0.1]", "there is no stage `evaluat`\n");
    let error = refusal(
        "metric: evaluate.roc_auc",
        "metric: \"evaluate[0.1].roc_auc\"",
    );
    assert_shown(
        &error,
        "evaluate[0.1]",
        "`evaluate` has no instance `evaluate[0.1]`",
    );
}

#[test]
fn an_objective_of_a_stage_without_metrics_is_refused() {
    let error = refusal("metric: evaluate.roc_auc", "metric: augmented.roc_auc");
    assert_shown(
        &error,
        "metric: augmented.roc_auc",
        "`augmented` has no metrics",
    );
}

#[test]
fn an_objective_that_the_stage_does_not_measure_is_refused() {
    let error = refusal("metric: evaluate.roc_auc", "metric: evaluate.roc_au");
    assert_shown(
        &error,
        "metric: evaluate.roc_au",
        "`evaluate` has no metric `roc_au`",
    );
    assert!(error.contains("did you mean `roc_auc`?"), "{error}");
    // A metric of one class: the class must be one of the images.
    let error = refusal(
        "metric: evaluate.roc_auc",
        "metric: \"evaluate.f1[PNEUMO]\"",
    );
    assert!(
        error.contains("`PNEUMO` is not a class of the images"),
        "{error}"
    );
}

#[test]
fn a_sampler_needs_an_objective_and_a_number_of_trials() {
    let objective = "  objective: { metric: evaluate.roc_auc, direction: maximize }\n";
    let error = refusal(objective, "  method: tpe\n  trials: 5\n");
    assert_shown(&error, "method: tpe", "needs an `objective`");
    let error = refusal("sweep:\n", "sweep:\n  method: random\n");
    assert_shown(&error, "method: random", "needs `trials`");
}

#[test]
fn an_unknown_range_and_a_reversed_one_are_refused() {
    let error = refusal("int_uniform: [2, 8, 2]", "int_unifrm: [2, 8, 2]");
    assert_shown(&error, "int_unifrm", "did you mean `int_uniform`?");
    let error = refusal("int_uniform: [2, 8, 2]", "int_uniform: [8, 2]");
    assert_shown(&error, "int_uniform: [8, 2]", "lower bound `8`");
}

#[test]
fn mistakes_in_zip_and_exclude_are_refused() {
    let error = refusal("sweep:\n", "sweep:\n  zip: [[widht, batch]]\n");
    assert_shown(&error, "widht", "there is no axis `widht`");
    let error = refusal("sweep:\n", "sweep:\n  exclude: [{ batch: 9 }]\n");
    assert_shown(&error, "batch: 9", "is not a value of the axis `batch`");
    let error = refusal("sweep:\n", "sweep:\n  zip: [[width, batch]]\n");
    assert_shown(
        &error,
        "[width, batch]",
        "must have the same number of values",
    );
}

#[test]
fn zero_seeds_and_too_many_seeds_are_refused() {
    let error = refusal("sweep:\n", "sweep:\n  seeds: 0\n");
    assert_shown(
        &error,
        "seeds: 0",
        "`seeds` is 0; it must be between 1 and 1000",
    );
    let error = refusal("sweep:\n", "sweep:\n  seeds: 10000000\n");
    assert_shown(&error, "seeds: 10000000", "must be between 1 and 1000");
}

#[test]
fn a_choice_name_that_cannot_be_part_of_a_trial_name_is_refused() {
    let error = refusal(BATCH, "batch: { choice: { \"a,b=c\": 8 } }\n  objective");
    assert_shown(&error, "a,b=c", "cannot be part of a trial's name");
}

#[test]
fn an_axis_that_halving_or_seeds_override_is_refused() {
    let stop = "sweep:\n  stop: { asha: { metric: validation_loss } }\n";
    let pipeline = GRID
        .replace("sweep:\n", stop)
        .replace(RATE, "cnn.params.epochs: [1, 2]");
    let sandbox = Sandbox::new(&pipeline);
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert_shown(
        &run.stderr,
        "cnn.params.epochs: [1, 2]",
        "has no effect, because the sweep sets epochs or seeds itself",
    );
    let pipeline = GRID
        .replace("sweep:\n", "sweep:\n  seeds: 2\n")
        .replace(RATE, "seed: [1, 2]");
    let run = Sandbox::new(&pipeline).runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert_shown(
        &run.stderr,
        "seed: [1, 2]",
        "has no effect, because the sweep sets epochs or seeds itself",
    );
}

#[test]
fn a_value_that_prevents_resuming_is_refused_in_a_halved_sweep() {
    let stop = "sweep:\n  stop: { asha: { metric: validation_loss, max_epochs: 4 } }\n";
    let pipeline = GRID
        .replace("sweep:\n", stop)
        .replace(RATE, "cnn.params.schedule: [constant, cosine]");
    let run = Sandbox::new(&pipeline).runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        run.stderr
            .contains("cannot continue training from a checkpoint"),
        "{run:?}"
    );
}

#[test]
fn axis_values_that_depend_on_another_axis_are_refused() {
    let error = refusal(BATCH, "batch: [8, \"${width}\"]\n  objective");
    assert_shown(
        &error,
        "batch: [8,",
        "the values of the axis `batch` use `width`, which is an axis, too",
    );
}

#[test]
fn halving_needs_a_training_that_can_resume() {
    let stop = "sweep:\n  stop: { asha: { metric: evaluate.f1 } }\n";
    let error = refusal("sweep:\n", stop);
    assert_shown(
        &error,
        "metric: evaluate.f1",
        "cannot continue training from a checkpoint",
    );
    let cosine = GRID.replace("epochs: 1", "epochs: 4\n      schedule: cosine");
    let sandbox = Sandbox::new(&cosine.replace(
        "sweep:\n",
        "sweep:\n  stop: { asha: { metric: validation_loss } }\n",
    ));
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert_shown(
        &run.stderr,
        "metric: validation_loss",
        "no training that can continue from a checkpoint",
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
fn a_failed_trial_or_an_undefined_objective_does_not_end_the_sweep() {
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
    assert_eq!(states[2], (3.into(), "undefined".into()));
    assert_eq!(states[3], (2.into(), "failed".into()));
}

#[test]
fn a_failed_trial_ends_the_sweep_without_keep_going() {
    let sandbox = Sandbox::new(PROGRAM);
    let run = sandbox.run_json(&["-j", "1", "--keep-going=false"]);
    assert_eq!(run.code, Some(100), "{run:?}");
    let skipped = run
        .outcomes()
        .into_iter()
        .filter(|(_, outcome)| outcome == "skipped");
    assert_eq!(skipped.count(), 2, "{run:?}");
}

/// A program that writes that smaller scores are better.
const MINIMIZED: &str = r#"
version: 1
name: minimized
vars: { x: 1 }
stages:
  it:
    kind: command
    params:
      argv: [sh, -c, 'echo "{\"score\": {\"value\": $0, \"direction\": \"minimize\"}}" > m.json', "${x}"]
      metrics: m.json
sweep: { axes: { x: [1, 2] }, objective: { metric: it.score, direction: maximize } }
"#;

#[test]
fn an_objective_that_contradicts_the_file_of_metrics_is_a_warning_after_the_run() {
    let warning = "warning: lower values of `it.score` are better according to the results, but the objective's \
                   `direction` prefers the trial with the highest";
    let sandbox = Sandbox::new(MINIMIZED);
    let ran = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.stdout.matches(warning).count(), 1, "{ran:?}");
    let shown = sandbox.runner(&["sweep", "show", "pipeline.yaml"]);
    assert_eq!(shown.stdout.matches(warning).count(), 1, "{shown:?}");

    let sandbox = Sandbox::new(&MINIMIZED.replace("direction: maximize", "direction: minimize"));
    let ran = sandbox.runner(&["run", "pipeline.yaml"]);
    assert!(!ran.stdout.contains("warning"), "{ran:?}");
}
