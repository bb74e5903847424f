//! What two runs differ in, without what only follows from it.

use std::collections::HashMap;

use engine::plan::{self, Fingerprint, InputId};
use serde::Serialize;
use serde_json::{Value, json};

use super::comparison::{Looking, Makers};

/// A difference that is the cause of others.
#[derive(Serialize)]
pub struct Changed {
    /// In a few words: `params.epochs 2 → 1`.
    pub what: String,
    /// Where it is a parameter, its path and its values in full; none where it is not there.
    pub param: Option<String>,
    pub a: Option<Value>,
    pub b: Option<Value>,
    /// The stages that differ in this.
    pub stages: Vec<String>,
}

impl Changed {
    /// In what two actions differ, without inputs that are made by the same stages as before: those
    /// stages differ, then, and say why.
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

/// Causes, each with all stages that it is found in.
#[derive(Default)]
pub struct Causes {
    pub found: Vec<Changed>,
    /// Where each is, by what it says.
    positions: HashMap<String, usize>,
}

impl Causes {
    pub fn add(&mut self, stage: &str, cause: Changed) {
        // Long values are cut in words.
        let whole = json!([cause.what, cause.a, cause.b]).to_string();
        let position = *self.positions.entry(whole).or_insert(self.found.len());
        if position == self.found.len() {
            self.found.push(cause);
        }
        self.found[position].stages.push(stage.to_owned());
    }
}

/// What makes an input, in the words of a run.
pub fn maker<'a>(makers: &Makers<'a>, input: &InputId) -> Option<&'a str> {
    match input {
        InputId::Action { key, .. } => makers.get(key).copied(),
        InputId::Content { .. } => None,
    }
}

/// What makes the inputs of a role, and through which ports.
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
