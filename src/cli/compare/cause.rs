//! The differences between two runs that are causes, without their consequences.

use std::collections::HashMap;

use engine::keys::{Fingerprint, InputId};
use engine::plan::{self};
use serde::Serialize;
use serde_json::{Value, json};

use super::comparison::{Looking, Makers};

/// A difference that causes others.
#[derive(Serialize)]
pub struct Changed {
    /// A short description: `params.epochs 2 → 1`.
    pub what: String,
    /// Path of the parameter, if it is one.
    pub param: Option<String>,
    /// Values in run A and run B in full, of a parameter or as the makers of an input. `None` if missing.
    pub a: Option<Value>,
    pub b: Option<Value>,
    /// The stages that have this difference.
    pub stages: Vec<String>,
}

impl Changed {
    /// The differences between two actions. Inputs that the same stages made are left out, because those
    /// stages have the causes.
    pub fn of(looking: &Looking<'_>, was: &Fingerprint, is: &Fingerprint) -> Vec<Changed> {
        let changes = plan::changes(looking.store, was, is, &[]).into_iter();
        changes
            .filter_map(|change| {
                let mut what = change.to_string();
                let mut changed = Changed {
                    what: String::new(),
                    param: None,
                    a: None,
                    b: None,
                    stages: Vec::new(),
                };
                match change {
                    plan::Change::Param(param) => {
                        changed.param = Some(param.path);
                        (changed.a, changed.b) = (param.from, param.to);
                    }
                    plan::Change::Input { role } => {
                        let a = makers(&looking.makers_a, was.inputs.get(&role));
                        let b = makers(&looking.makers_b, is.inputs.get(&role));
                        if a == b {
                            return None;
                        }
                        let shown = |names: &[String]| match names {
                            [] => "none".to_owned(),
                            names => names.join(", "),
                        };
                        what = format!("input `{role}`: {} → {}", shown(&a), shown(&b));
                        (changed.a, changed.b) = (Some(json!(a)), Some(json!(b)));
                    }
                    _ => {}
                }
                changed.what = what;
                Some(changed)
            })
            .collect()
    }
}

/// Causes, each with all stages in which it was found.
#[derive(Default)]
pub struct Causes {
    pub found: Vec<Changed>,
    /// Index of each cause in `found`, by its content.
    positions: HashMap<String, usize>,
}

impl Causes {
    pub fn add(&mut self, stage: &str, cause: Changed) {
        // `what` abbreviates long values, so the key has them in full.
        let whole = json!([cause.what, cause.a, cause.b]).to_string();
        let position = *self.positions.entry(whole).or_insert(self.found.len());
        if position == self.found.len() {
            self.found.push(cause);
        }
        self.found[position].stages.push(stage.to_owned());
    }
}

/// The stage of a run that makes an input.
pub fn maker<'a>(makers: &Makers<'a>, input: &InputId) -> Option<&'a str> {
    match input {
        InputId::Action { key, .. } => makers.get(key).copied(),
        InputId::Content { .. } => None,
    }
}

/// The stages and ports that make the inputs of a role.
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
