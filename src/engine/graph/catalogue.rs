//! The stage kinds that a graph is built from.

use contract::{Invalid, KindInfo, Stage};
use serde_json::Value;

use crate::devices::Survey;

/// Reads the parameters of a stage of the named kind.
pub type Parse = fn(kind: &str, params: Value) -> Result<Box<dyn Stage>, Invalid>;

/// Which stage kinds there are, and how their parameters are read.
#[derive(Clone, Copy)]
pub struct Catalogue {
    pub kinds: &'static [KindInfo],
    pub parse: Parse,
    /// Asks which GPUs there are.
    pub gpus: Survey,
}

impl Catalogue {
    /// The kind of that name.
    pub fn kind(&self, name: &str) -> Option<&'static KindInfo> {
        self.kinds.iter().find(|kind| kind.name == name)
    }
}
