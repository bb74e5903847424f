//! `seeds: n`: stages that depend on a seed are repeated with other seeds.

use super::{GRID, executed, run};
use crate::sandbox::Sandbox;

/// Returns the grid's pipeline without its sweep.
fn pipeline() -> String {
    let (pipeline, _) = GRID.split_once("sweep:").unwrap();
    pipeline.to_owned()
}

#[test]
fn seeds_of_a_stage_repeat_only_that_stage_and_those_after_it() {
    let seeded = pipeline().replace("kind: train-cnn\n", "kind: train-cnn\n    seeds: 3\n");
    let sandbox = Sandbox::new(&seeded);
    let names = executed(&run(&sandbox, &["-j", "1"]));
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(
        sorted,
        [
            "augmented",
            "cnn[seed=1]",
            "cnn[seed=2]",
            "cnn[seed=3]",
            "evaluate[seed=1]",
            "evaluate[seed=2]",
            "evaluate[seed=3]",
            "xrays",
        ]
    );
}

#[test]
fn the_first_seed_is_the_pipelines_own_and_an_added_seed_runs_alone() {
    let sandbox = Sandbox::new(&pipeline());
    run(&sandbox, &[]);
    let three = run(&sandbox, &["-S", "stages.cnn.seeds=3"]);
    assert_eq!(executed(&three).len(), 4, "{three:?}");
    let four = executed(&run(&sandbox, &["-S", "stages.cnn.seeds=4"]));
    let mut four = four;
    four.sort();
    assert_eq!(four, ["cnn[seed=4]", "evaluate[seed=4]"]);
}

#[test]
fn seeds_of_the_pipeline_do_not_repeat_a_stage_with_a_seed_of_its_own() {
    // The phantom is drawn again for each seed. A stage with a seed of its own runs once.
    let whole = pipeline().replace("seed: 1\n", "seed: 1\nseeds: 2\n");
    let sandbox = Sandbox::new(&whole);
    assert_eq!(executed(&run(&sandbox, &[])).len(), 8);
    let fixed = whole.replace("kind: dataset\n", "kind: dataset\n    seed: 9\n");
    let sandbox = Sandbox::new(&fixed);
    let names = executed(&run(&sandbox, &[]));
    assert_eq!(
        names
            .iter()
            .filter(|name| name.starts_with("xrays"))
            .count(),
        1
    );
}

#[test]
fn trials_are_repeated_and_judged_by_their_mean() {
    let sandbox = Sandbox::new(&GRID.replace("sweep:\n", "sweep:\n  seeds: 2\n"));
    let axes = ["-S", "sweep.axes.width=[4]", "-S", "sweep.axes.batch=[8]"];
    let seed = ["-S", "stages.xrays.seed=1"];
    let args = [&axes[..], &seed[..]].concat();
    let names = executed(&run(&sandbox, &args));
    let count = |stage: &str| names.iter().filter(|name| name.starts_with(stage)).count();
    assert_eq!((count("xrays"), count("cnn")), (1, 6), "{names:?}");
    let show = [&["sweep", "show", "pipeline.yaml", "--json"][..], &args[..]].concat();
    let shown = sandbox.runner(&show).json();
    for trial in shown["trials"].as_array().unwrap() {
        let values: Vec<f64> = trial["seeds"]
            .as_array()
            .unwrap()
            .iter()
            .map(|seed| seed["value"].as_f64().unwrap())
            .collect();
        assert_eq!(values.len(), 2, "{trial}");
        let mean = (values[0] + values[1]) / 2.0;
        assert!(
            (trial["objective"].as_f64().unwrap() - mean).abs() < 1e-12,
            "{trial}"
        );
    }
}

#[test]
fn a_var_named_seed_does_not_affect_seeds() {
    let text = pipeline()
        .replace("vars: {", "vars: { seed: 7,")
        .replace("seed: 1\n", "seed: 1\nseeds: 2\n");
    let names = executed(&run(&Sandbox::new(&text), &[]));
    assert!(names.contains(&"cnn[seed=2]".to_owned()), "{names:?}");
}
