//! The stage kinds that a graph is built from.

use contract::{Invalid, KindInfo, Stage};
use serde_json::Value;

use crate::devices::FindGpus;

/// Function that parses the parameters of a stage of the named kind.
pub type ParseStage = fn(kind: &str, params: Value) -> Result<Box<dyn Stage>, Invalid>;

/// The available stage kinds, and the function that parses their parameters.
#[derive(Clone, Copy)]
pub struct Catalogue {
    pub kinds: &'static [KindInfo],
    pub parse: ParseStage,
    /// Function that finds the GPUs of this machine.
    pub gpus: FindGpus,
    /// Function that names the kind of this machine's processor. Processors of one kind give the same bits.
    pub processor: fn() -> &'static str,
}

impl Catalogue {
    /// Returns the kind with this name.
    pub fn kind(&self, name: &str) -> Option<&'static KindInfo> {
        self.kinds.iter().find(|kind| kind.name == name)
    }
}
