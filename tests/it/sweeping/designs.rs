//! The trials of a sweep: axes that are zipped or depend on others, and trials that are added or left out.

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

/// Returns the values of each trial of a sweep, without running anything.
fn trials(sweep: &str) -> Vec<Value> {
    let pipeline = format!(
        r#"
version: 1
name: designs
vars: {{ a: 0, b: 0, kind: none, momentum: 0 }}
stages:
  echo:
    kind: command
    params: {{ argv: [echo, "${{a}}", "${{b}}", "${{kind}}", "${{momentum}}"], outputs: {{ out: out }} }}
sweep:
{sweep}
"#
    );
    let sandbox = Sandbox::new(&pipeline);
    let shown = sandbox.runner(&["sweep", "show", "pipeline.yaml", "--json"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let trials = shown.json()["trials"].as_array().unwrap().clone();
    trials
        .into_iter()
        .map(|trial| trial["values"].clone())
        .collect()
}

#[test]
fn decimal_steps_are_exact() {
    let found = trials("  axes: { a: { uniform: [0.1, 0.5, 0.1] } }");
    let values: Vec<String> = found.iter().map(|trial| trial["a"].to_string()).collect();
    assert_eq!(values, ["0.1", "0.2", "0.3", "0.4", "0.5"]);
}

#[test]
fn zipped_axes_vary_together() {
    let found = trials("  axes: { a: [1, 2, 3], b: [4, 5, 6] }\n  zip: [[a, b]]");
    assert_eq!(
        found,
        [
            json!({"a": 1, "b": 4}),
            json!({"a": 2, "b": 5}),
            json!({"a": 3, "b": 6})
        ]
    );
}

#[test]
fn an_axis_can_depend_on_the_value_of_another_axis() {
    let found = trials(
        "  axes: { kind: [sgd, adam], momentum: [0, 0.9] }\n  when: { momentum: { kind: sgd } }",
    );
    assert_eq!(
        found,
        [
            json!({"kind": "sgd", "momentum": 0}),
            json!({"kind": "sgd", "momentum": 0.9}),
            json!({"kind": "adam"}),
        ]
    );
}

#[test]
fn trials_can_be_excluded_and_put_first() {
    let found = trials(
        "  axes: { a: [1, 2], b: [1, 2] }\n  exclude: [{ a: 2, b: 2 }]\n  include: [{ a: 2, b: 1 }]",
    );
    assert_eq!(
        found,
        [
            json!({"a": 2, "b": 1}),
            json!({"a": 1, "b": 1}),
            json!({"a": 1, "b": 2})
        ]
    );
}

#[test]
fn more_random_trials_keep_the_earlier_ones() {
    let sweep = |trials: usize| {
        format!(
            "  method: random\n  trials: {trials}\n  axes: {{ a: {{ uniform: [0, 1] }}, b: {{ int_uniform: [1, 1000] }} }}"
        )
    };
    let (few, many) = (trials(&sweep(5)), trials(&sweep(20)));
    assert_eq!(few, many[..5]);
}

#[test]
fn the_first_trials_of_an_astronomically_large_grid_can_be_planned() {
    let axes: Vec<String> = (0..12)
        .map(|i| format!("v{i}: {{ int_uniform: [1, 1000] }}"))
        .collect();
    let vars: Vec<String> = (0..12).map(|i| format!("v{i}: 0")).collect();
    let used: Vec<String> = (0..12).map(|i| format!("\"${{v{i}}}\"")).collect();
    let pipeline = format!(
        "version: 1\nname: wide\nvars: {{ {} }}\nstages:\n  echo: {{ kind: command, params: {{ argv: [echo, {}], outputs: {{ o: o }} }} }}\nsweep:\n  trials: 5\n  axes: {{ {} }}\n",
        vars.join(", "),
        used.join(", "),
        axes.join(", "),
    );
    let sandbox = Sandbox::new(&pipeline);
    let plan = sandbox.runner(&["sweep", "plan", "pipeline.yaml", "--json"]);
    assert_eq!(plan.json()["trials"], 5, "{plan:?}");
}
