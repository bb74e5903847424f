//! The differences between two runs that are causes, without their consequences.

use std::collections::HashMap;

use engine::plan::{self};
use serde::Serialize;
use serde_json::{Value, json};
use store::keys::{Fingerprint, InputId};

use super::run_pair::{Makers, RunPair, maker};

/// A difference that causes others.
#[derive(Serialize)]
pub(super) struct Cause {
    /// A short description: `params.epochs 2 → 1`.
    pub what: String,
    /// Path of the parameter; `None` if the difference is not in a parameter.
    pub param: Option<String>,
    /// In run A and in run B: the full value of the parameter, or the artifacts of the input. `None` if the
    /// parameter is missing there, and for all other differences.
    pub a: Option<Value>,
    pub b: Option<Value>,
    /// The stages that have this difference.
    pub stages: Vec<String>,
}

impl Cause {
    /// The differences between two actions. Inputs that the same stages made are left out, because those
    /// stages have the causes.
    pub(super) fn of(runs: &RunPair<'_>, was: &Fingerprint, is: &Fingerprint) -> Vec<Cause> {
        let changes = plan::changes(runs.store, was, is, &[]).into_iter();
        changes
            .filter_map(|change| {
                let mut what = change.to_string();
                let mut cause = Cause {
                    what: String::new(),
                    param: None,
                    a: None,
                    b: None,
                    stages: Vec::new(),
                };
                match change {
                    plan::Change::Param(param) => {
                        cause.param = Some(param.path);
                        (cause.a, cause.b) = (param.from, param.to);
                    }
                    plan::Change::Input { role } => {
                        let a = makers(&runs.makers_a, was.inputs.get(&role));
                        let b = makers(&runs.makers_b, is.inputs.get(&role));
                        if a == b {
                            return None;
                        }
                        let shown = |names: &[String]| match names {
                            [] => "none".to_owned(),
                            names => names.join(", "),
                        };
                        what = format!("input `{role}`: {} → {}", shown(&a), shown(&b));
                        (cause.a, cause.b) = (Some(json!(a)), Some(json!(b)));
                    }
                    _ => {}
                }
                cause.what = what;
                Some(cause)
            })
            .collect()
    }
}

/// Causes, each with all stages in which it was found.
#[derive(Default)]
pub(super) struct Causes {
    pub found: Vec<Cause>,
    /// Index of each cause in `found`, by its content.
    positions: HashMap<String, usize>,
}

impl Causes {
    pub(super) fn add(&mut self, stage: &str, cause: Cause) {
        // `what` abbreviates long values, so the key has them in full.
        let whole = json!([cause.what, cause.a, cause.b]).to_string();
        let position = *self.positions.entry(whole).or_insert(self.found.len());
        if position == self.found.len() {
            self.found.push(cause);
        }
        self.found[position].stages.push(stage.to_owned());
    }
}

/// Names the artifacts of an input: `stage.port`, `unknown`, or a digest if the input is recorded by content.
fn makers(makers: &Makers<'_>, inputs: Option<&Vec<InputId>>) -> Vec<String> {
    let inputs = inputs.into_iter().flatten();
    inputs
        .map(|input| match input {
            InputId::Action { port, .. } => {
                let maker = maker(makers, input);
                maker.map_or("unknown".to_owned(), |name| format!("{name}.{port}"))
            }
            InputId::Content { digest } => digest.short().to_string(),
        })
        .collect()
}
