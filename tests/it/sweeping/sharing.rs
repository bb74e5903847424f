//! Stages that trials have in common run once, and none runs twice.

use super::{GRID, executed, kill_after, ranking, run};
use crate::sandbox::Sandbox;

#[test]
fn stages_that_no_axis_changes_run_once_for_all_trials() {
    let sandbox = Sandbox::new(GRID);
    let names = executed(&run(&sandbox, &[]));
    let count = |stage: &str| names.iter().filter(|name| name.starts_with(stage)).count();
    assert_eq!(names.len(), 2 + 24 + 24, "{names:?}");
    assert_eq!(count("xrays"), 1);
    assert_eq!(count("augmented"), 1);
    assert_eq!(count("cnn["), 24);
    assert_eq!(names[0], "xrays");
    let first = "cnn[learning_rate=0.001,width=2,batch=8]";
    assert!(names.iter().any(|name| name == first), "{names:?}");

    let again = run(&sandbox, &[]);
    assert_eq!(executed(&again), Vec::<String>::new());
}

#[test]
fn an_added_value_runs_only_its_own_trials() {
    let sandbox = Sandbox::new(GRID);
    run(&sandbox, &[]);
    let set = "sweep.axes.batch=[8, 16, 32]";
    let names = executed(&run(&sandbox, &["-S", set]));
    assert_eq!(names.len(), 12 + 12, "{names:?}");
    assert!(
        names.iter().all(|name| name.contains("batch=32")),
        "{names:?}"
    );
}

#[test]
fn fewer_values_leave_the_rest_cached() {
    let sandbox = Sandbox::new(GRID);
    run(&sandbox, &[]);
    let fewer = run(&sandbox, &["-S", "sweep.axes.width=[4, 8]"]);
    assert_eq!(executed(&fewer), Vec::<String>::new());
    assert_eq!(fewer.outcomes().len(), 2 + 12 + 12);
}

#[test]
fn an_axis_repeats_only_the_stages_that_it_changes() {
    let sandbox = Sandbox::new(&GRID.replace(
        "width: { int_uniform: [2, 8, 2] }",
        "augmented.params.zoom: [0.0, 0.1]",
    ));
    let names = executed(&run(&sandbox, &[]));
    let augmented: Vec<&String> = names
        .iter()
        .filter(|name| name.starts_with("aug"))
        .collect();
    assert_eq!(augmented, ["augmented[zoom=0.0]", "augmented[zoom=0.1]"]);
}

/// Whenever the sweep is killed, the next run does the rest, and the ranking is that of an undisturbed sweep.
#[test]
fn a_killed_sweep_continues_where_it_stopped() {
    let undisturbed = Sandbox::new(GRID);
    run(&undisturbed, &["-j", "2"]);
    let expected = ranking(&undisturbed, &[]);

    let sandbox = Sandbox::new(GRID);
    let mut finished = 0;
    // The numbers 0 to 9, in an order that is mixed but the same in every test run.
    for records in (1..=10).map(|kill| kill * 7 % 10) {
        kill_after(&sandbox, records, &["-j", "2"]);
        let cached = cached(&sandbox);
        assert!(
            cached >= finished,
            "{cached} of {finished} finished stages are still cached"
        );
        finished = cached;
    }
    assert!(
        (2..50).contains(&finished),
        "{finished} of 50 stages were finished"
    );
    let last = run(&sandbox, &[]);
    assert_eq!(executed(&last).len(), 50 - finished, "{last:?}");
    assert_eq!(ranking(&sandbox, &[]), expected);
}

/// Returns the number of cached stages, as reported by `status`.
fn cached(sandbox: &Sandbox) -> usize {
    let status = sandbox.runner(&["status", "pipeline.yaml", "--json"]);
    let stages = status.json()["stages"].as_array().unwrap().clone();
    let cached = stages.iter().filter(|stage| stage["state"] == "cached");
    cached.count()
}
