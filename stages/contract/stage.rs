//! What the engine asks a stage.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Context, Expected, External, Failure, Invalid, Port, Signature, Source, Tool, Work};

/// A stage kind with its parameters: everything that the engine may ask it.
///
/// `canonical`, `check`, `doubts`, `sources` and `work` are pure. `preflight` and `tools` look at files and change
/// nothing.
pub trait Stage: Send + Sync {
    /// The parameters with every default filled in, in one fixed form: what enters the fingerprint.
    fn canonical(&self) -> Value;

    /// Checks the parameters' ranges and how they fit the inputs; gives the signature of every
    /// output port. An optional input that is absent is an empty list.
    fn check(
        &self,
        inputs: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<BTreeMap<String, Signature>, Invalid>;

    /// Whether another seed may give other outputs.
    fn depends_on_seed(&self) -> bool {
        true
    }

    /// What the stage reads from outside the store.
    fn sources(&self) -> Vec<Source> {
        Vec::new()
    }

    /// The programs of this machine that it runs. Looks at the machine's files.
    fn tools(&self) -> Vec<Tool> {
        Vec::new()
    }

    /// Lists parameters with which the stage runs, but its result cannot be meaningful. Asked only after
    /// `check` has passed.
    fn doubts(&self, _inputs: &BTreeMap<String, Vec<Signature>>) -> Vec<Invalid> {
        Vec::new()
    }

    /// Looks at the sources, cheaply, for what would make the stage fail. Returns the number of classes of
    /// the datasets that it makes, where the sources tell. Asked only before a stage that will run.
    fn preflight(&self) -> Result<Option<usize>, Invalid> {
        Ok(None)
    }

    /// Whether the stage keeps checkpoints to go on from, and when they are good for another one.
    fn resumable(&self) -> Option<Resumable> {
        None
    }

    /// The output ports, where the kind leaves them to each stage.
    fn outputs(&self) -> Vec<Port> {
        Vec::new()
    }

    /// The stage, if a program of the user's does its work; nothing calls `run` then.
    fn external(&self) -> Option<&dyn External> {
        None
    }

    /// What the stage will take, if it passed `check` with the signatures of these inputs.
    fn work(&self, _inputs: &BTreeMap<String, Vec<Expected>>) -> Work {
        Work::default()
    }

    /// Does the work: reads `context`'s inputs, writes every output port's folder.
    fn run(&self, context: &Context<'_>) -> Result<(), Failure>;
}

/// Which stages may go on from a stage's checkpoints: equal ones, and those that differ in nothing but
/// parameters that say where the work ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumable {
    /// Keys of parameters that do not matter to a state on the way: work done with one value and
    /// gone on with a larger one is the same to the bit as work done with the larger one throughout.
    pub open_ended: &'static [&'static str],
    /// A parameter that is not open-ended in this stage, although one could expect it, and why.
    pub bound: Option<(&'static str, &'static str)>,
}
