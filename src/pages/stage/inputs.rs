//! [`InputView`]: the artifacts that a stage read, and their makers.

use std::collections::HashMap;

use engine::run::recorded::{Recorded, RecordedStage};
use store::keys::{Fingerprint, InputId, Key};

/// An artifact that a stage read.
#[derive(Clone, Debug)]
pub struct InputView {
    pub role: String,
    /// `xrays.train`, or a digest if its maker is not in this run.
    pub artifact: String,
    /// Position of its maker among the stages of the run.
    pub maker: Option<usize>,
    pub port: String,
}

/// Positions of the stages of a run.
pub(super) struct Makers<'a> {
    by_key: HashMap<Key, usize>,
    by_name: HashMap<&'a str, usize>,
    names: Vec<&'a str>,
}

impl<'a> Makers<'a> {
    pub(super) fn new(run: &'a Recorded) -> Self {
        let planned = || run.stages.iter().map(|stage| &stage.planned).enumerate();
        Self {
            // The first of several equal stages represents all of them.
            by_key: planned().rev().map(|(at, stage)| (stage.key, at)).collect(),
            by_name: planned().map(|(at, stage)| (&*stage.name, at)).collect(),
            names: planned().map(|(_, stage)| &*stage.name).collect(),
        }
    }

    /// The inputs of a stage: as planned, or else from its fingerprint.
    pub(super) fn inputs(
        &self,
        stage: &RecordedStage,
        fingerprint: Option<&Fingerprint>,
    ) -> Vec<InputView> {
        let planned = stage.planned.inputs.iter().map(|input| InputView {
            role: input.role.clone(),
            artifact: format!("{}.{}", input.from, input.port),
            maker: self.by_name.get(&*input.from).copied(),
            port: input.port.clone(),
        });
        let planned: Vec<InputView> = planned.collect();
        let fingerprint = match (planned.is_empty(), fingerprint) {
            (true, Some(fingerprint)) => fingerprint,
            _ => return planned,
        };
        let inputs = fingerprint.inputs.iter();
        let inputs = inputs.flat_map(|(role, ids)| ids.iter().map(move |id| (role, id)));
        let input = |(role, id): (&String, &InputId)| {
            let (maker, port, digest) = match id {
                InputId::Action { key, port } => {
                    (self.by_key.get(key).copied(), port.clone(), key.short())
                }
                InputId::Content { digest } => (None, String::new(), digest.short().to_string()),
            };
            InputView {
                role: role.clone(),
                artifact: match maker {
                    Some(at) => format!("{}.{port}", self.names[at]),
                    None => digest,
                },
                maker,
                port,
            }
        };
        inputs.map(input).collect()
    }
}
