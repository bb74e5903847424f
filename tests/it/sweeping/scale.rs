//! A sweep with many trials.

use crate::sandbox::Sandbox;

const MANY: &str = r#"
version: 1
name: many
vars: { n: 0 }
stages:
  echo:
    kind: command
    params: { argv: [sh, -c, "echo ${n} > out"], outputs: { out: out } }
sweep:
  axes: { n: { int_uniform: [1, 10000] } }
"#;

/// Checks the result only; docs/performance.md has the time.
#[test]
fn ten_thousand_trials_are_ten_thousand_actions() {
    let sandbox = Sandbox::new(MANY);
    let plan = sandbox.runner(&["sweep", "plan", "pipeline.yaml", "--json"]);
    assert_eq!(plan.code, Some(0), "{plan:?}");
    let plan = plan.json();
    assert_eq!(plan["trials"], 10_000);
    assert_eq!(plan["actions"]["distinct"], 10_000);
    assert_eq!(plan["actions"]["to_run"], 10_000);
}
