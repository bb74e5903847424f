//! Sweeps in which results decide which trials run next.

use serde_json::Value;

use super::{executed, kill_after, ranking, run};
use crate::sandbox::Sandbox;

/// Minimizes a function of two numbers instead of training a network.
const FUNCTION: &str = r#"
version: 1
name: function
seed: 5
vars: { x: 0.5, y: 1 }
stages:
  measure:
    kind: command
    params:
      argv: [awk, "BEGIN { x = ${x}; y = log(${y}); printf \"{\\\"loss\\\": %.9f}\", (x - 0.3) ^ 2 + 0.1 * (y - 1) ^ 2 > \"m.json\" }"]
      metrics: m.json
sweep:
  method: tpe
  trials: 20
  axes:
    x: { uniform: [0, 1] }
    y: { log_uniform: [0.01, 100] }
  objective: { metric: measure.loss, direction: minimize }
"#;

#[test]
fn a_sampler_gives_the_same_trials_despite_parallelism_and_interruption() {
    let one = Sandbox::new(FUNCTION);
    assert_eq!(executed(&run(&one, &["-j", "1"])).len(), 20);
    let expected = ranking(&one, &[]);
    assert_eq!(expected.len(), 20);

    let two = Sandbox::new(FUNCTION);
    // Runs eight trials first, then the rest.
    let some = executed(&run(&two, &["-j", "2", "-S", "sweep.trials=8"]));
    let rest = executed(&run(&two, &["-j", "2"]));
    assert_eq!((some.len(), rest.len()), (8, 12));
    assert_eq!(ranking(&two, &[]), expected);
    assert_eq!(executed(&run(&two, &[])), Vec::<String>::new());
}

/// Nine trials of at most nine epochs, with halving.
const HALVING: &str = r#"
version: 1
name: halving
seed: 2
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 60, test_images: 20 } }, image_size: 16, validation: 0.25 }
  cnn:
    kind: train-cnn
    inputs: { train: xrays.train, validation: xrays.validation }
    params:
      model: [{ conv: { filters: 4 } }, { max_pool: 4 }, flatten, { dense: { units: 1 } }]
      epochs: 9
  evaluate:
    kind: evaluate
    inputs: { model: cnn, images: xrays.validation }
    params: { bootstrap: 0 }
sweep:
  method: random
  trials: 9
  axes: { cnn.params.learning_rate: { log_uniform: [1e-5, 1e-1] } }
  objective: { metric: evaluate.roc_auc }
  stop: { asha: { metric: validation_loss, grace_epochs: 1, reduction: 3 } }
"#;

/// Counts the trainings that were executed for this number of epochs.
fn trained(run: &crate::sandbox::Finished, epochs: u64) -> usize {
    let names = executed(run);
    let of = format!("epochs={epochs}]");
    let trained = names
        .iter()
        .filter(|name| name.starts_with("cnn[") && name.ends_with(&of));
    trained.count()
}

#[test]
fn a_promoted_training_resumes_and_the_others_end() {
    let sandbox = Sandbox::new(HALVING);
    let run = run(&sandbox, &["-j", "1"]);
    assert_eq!(
        [1, 3, 9].map(|epochs| trained(&run, epochs)),
        [9, 3, 1],
        "{run:?}"
    );
    // Every promoted training continues where it was stopped.
    let resumed = run
        .stderr
        .matches("resumes after epoch 1, from its checkpoint")
        .count();
    assert_eq!(resumed, 3, "{run:?}");
    let resumed = run
        .stderr
        .matches("resumes after epoch 3, from its checkpoint")
        .count();
    assert_eq!(resumed, 1, "{run:?}");
    // Only the trial that is trained to the end is evaluated.
    let evaluated = executed(&run)
        .into_iter()
        .filter(|name| name.starts_with("evaluate"));
    assert_eq!(evaluated.count(), 1);
}

#[test]
fn the_best_trial_has_exactly_the_result_it_has_without_halving() {
    let halved = Sandbox::new(HALVING);
    run(&halved, &[]);
    let best = ranking(&halved, &[])[0].clone();

    let throughout = Sandbox::new(HALVING);
    let all = ["-S", "sweep.stop=null"];
    let names = executed(&run(&throughout, &all));
    assert_eq!(
        names.iter().filter(|name| name.starts_with("cnn[")).count(),
        9
    );
    let same: Vec<(Value, Value)> = ranking(&throughout, &all)
        .into_iter()
        .filter(|(values, _)| *values == best.0)
        .collect();
    assert_eq!(same, [best]);
}

#[test]
fn a_killed_halved_sweep_makes_the_same_decisions() {
    let undisturbed = Sandbox::new(HALVING);
    run(&undisturbed, &[]);
    let sandbox = Sandbox::new(HALVING);
    // The 15 stages of the sweep leave 30 records.
    for records in [5, 9, 4] {
        kill_after(&sandbox, records, &[]);
    }
    run(&sandbox, &[]);
    assert_eq!(ranking(&sandbox, &[]), ranking(&undisturbed, &[]));
}

#[test]
fn a_stage_that_cannot_run_in_a_later_round_fails_only_its_trial() {
    // The stage runs only for trials that are trained to the end, and requests more GPUs than there are.
    let report = "  report:
    kind: command
    inputs: { metrics: evaluate }
    resources: { gpus: 99 }
    params: { argv: ['true'], metrics: m.json }
sweep:
";
    let pipeline = HALVING
        .replace("sweep:\n", report)
        .replace(
            "metric: evaluate.roc_auc",
            "metric: report.loss, direction: minimize",
        )
        .replace("trials: 9", "trials: 3")
        .replace("epochs: 9", "epochs: 3");
    let sandbox = Sandbox::new(&pipeline);
    let args = ["run", "pipeline.yaml", "--junit", "junit.xml"];
    let run = sandbox.runner(&args);
    assert_eq!(run.code, Some(100), "{run:?}");
    let why = "requests more GPUs than are available";
    assert!(run.stderr.contains(why), "{run:?}");
    assert!(run.stdout.contains("learning_rate"), "{run:?}");
    let junit = std::fs::read_to_string(sandbox.path("junit.xml")).unwrap();
    assert!(junit.contains("evaluate["), "{junit}");
    assert_eq!(sandbox.last_run()["state"], "failed");
    let show = sandbox.runner(&["sweep", "show", "pipeline.yaml", "--json"]);
    let trials = show.json()["trials"].as_array().unwrap().clone();
    let failed = trials.iter().filter(|trial| trial["state"] == "failed");
    let errors: Vec<&str> = failed
        .map(|trial| trial["error"].as_str().unwrap())
        .collect();
    assert!(
        !errors.is_empty() && errors.iter().all(|error| error.contains(why)),
        "{show:?}"
    );

    // A request that is known before the first round is refused before it.
    let program = HALVING.replace("  cnn:\n", "  cnn:\n    resources: { gpus: 1 }\n");
    if stages::gpus::survey().is_err() {
        let sandbox = Sandbox::new(&program);
        let refused = sandbox.run_json(&[]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(crate::sandbox::list(&sandbox.path("artifacts/v1/runs")).is_empty());
        let plan = sandbox.runner(&["sweep", "plan", "pipeline.yaml"]);
        assert_eq!(plan.code, Some(0), "{plan:?}");
        assert!(plan.stderr.contains("a run would be refused: "), "{plan:?}");
    }
}

#[test]
fn decisions_are_recorded() {
    let sandbox = Sandbox::new(HALVING);
    run(&sandbox, &[]);
    let runs = crate::sandbox::list(&sandbox.path("artifacts/v1/runs"));
    let record = std::fs::read(runs[0].join("sweep.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    let decisions = record["decisions"].as_array().unwrap();
    let promoted = decisions
        .iter()
        .filter(|entry| !entry["decided"]["promote"].is_null());
    assert_eq!(promoted.count(), 4, "{record}");
}

/// Runs the example sweep with and without halving.
#[test]
fn halving_finds_as_good_a_trial_in_far_fewer_epochs() {
    let sandbox = Sandbox::new(include_str!("../../../pipelines/sweep-asha.yaml"));
    let shown = |args: &[&str]| {
        run(&sandbox, args);
        let show = [&["sweep", "show", "pipeline.yaml", "--json"], args].concat();
        sandbox.runner(&show).json()
    };
    let best = |shown: &Value| shown["trials"][0]["objective"].as_f64().unwrap();
    let halved = shown(&[]);
    let whole = shown(&["-S", "sweep.stop=null"]);
    assert!(
        best(&halved) >= 0.99 * best(&whole),
        "the best objective is {} with halving and {} without",
        best(&halved),
        best(&whole)
    );
    let epochs = |trial: &Value| trial["epochs"].as_u64().unwrap();
    let spent: u64 = halved["trials"]
        .as_array()
        .unwrap()
        .iter()
        .map(epochs)
        .sum();
    assert!(spent * 100 <= 40 * 27 * 27, "the sweep took {spent} epochs");

    // Importance is that of all trials at the first rung, or of the objective if all trials reach it.
    let of = &halved["importance_of"];
    assert_eq!(of["metric"], "cnn.validation_loss", "{of}");
    assert_eq!((&of["epochs"], &of["trials"]), (&3.into(), &27.into()));
    let of = &whole["importance_of"];
    assert_eq!(of["metric"], "validate.roc_auc", "{of}");
    assert_eq!((&of["epochs"], &of["trials"]), (&Value::Null, &27.into()));
}

#[test]
fn a_plan_says_if_halving_stops_no_training() {
    let planned = |pipeline: &str| {
        let sandbox = Sandbox::new(pipeline);
        sandbox.runner(&["sweep", "plan", "pipeline.yaml"]).stdout
    };
    let text = planned(HALVING);
    assert!(text.contains("after 1, 3, 9 epochs"), "{text}");
    let text = planned(&HALVING.replace("epochs: 9", "epochs: 10"));
    assert!(text.contains("after 1, 3, 10 epochs"), "{text}");
    let text = planned(&HALVING.replace("grace_epochs: 1", "grace_epochs: 4"));
    assert!(text.contains("no training is stopped early"), "{text}");
}

#[test]
fn importance_needs_enough_trials() {
    let sandbox = Sandbox::new(FUNCTION);
    let shown = |args: &[&str]| {
        run(&sandbox, args);
        let show = [&["sweep", "show", "pipeline.yaml"], args].concat();
        let text = sandbox.runner(&show).stdout;
        let json = sandbox.runner(&[&show[..], &["--json"]].concat()).json();
        (text, json)
    };
    let (text, json) = shown(&["-S", "sweep.trials=19"]);
    let reason = "needs at least 20 trials with a value, found 19";
    let line = format!("importance for measure.loss: - ({reason})\n");
    assert!(text.ends_with(&line), "{text}");
    assert_eq!(json["importance_of"]["note"], reason);
    for known in json["importance"].as_array().unwrap() {
        assert_eq!(
            (&known["share"], &known["correlation"]),
            (&Value::Null, &Value::Null)
        );
    }

    let (text, json) = shown(&[]);
    assert!(
        text.contains("over the declared space (fANOVA, 20 trials)\n"),
        "{text}"
    );
    // The exact share of y is 0.97.
    let first = &json["importance"][0];
    assert_eq!(first["axis"], "y");
    assert!(first["share"].as_f64().unwrap() > 0.7, "{first}");
}

#[test]
fn a_stage_that_all_trials_need_can_be_run_alone() {
    let sandbox = Sandbox::new(HALVING);
    assert_eq!(executed(&run(&sandbox, &["--until", "xrays"])), ["xrays"]);
    let forced = executed(&run(&sandbox, &["--force", "xrays"]));
    assert_eq!(
        forced.iter().filter(|name| *name == "xrays").count(),
        1,
        "{forced:?}"
    );
}

#[test]
fn until_with_a_stage_after_the_training_runs_the_whole_sweep() {
    let sandbox = Sandbox::new(HALVING);
    let names = executed(&run(&sandbox, &["--until", "evaluate"]));
    assert_eq!(
        names
            .iter()
            .filter(|name| name.starts_with("evaluate"))
            .count(),
        1,
        "{names:?}"
    );
    let shown = sandbox.runner(&["run", "pipeline.yaml", "-n"]);
    assert!(shown.stdout.contains("0 will run, 0 waiting"), "{shown:?}");
}
