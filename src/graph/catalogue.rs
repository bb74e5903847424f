//! The stage kinds that a graph is built from.

use serde_json::Value;
use stages::contract::{Invalid, KindInfo, Stage};

/// Which stage kinds there are, and how their parameters are read.
#[derive(Clone, Copy)]
pub struct Catalogue {
    pub kinds: &'static [KindInfo],
    /// Reads the parameters of a kind of this catalogue.
    pub parse: fn(kind: &str, params: Value) -> Result<Box<dyn Stage>, Invalid>,
}

impl Catalogue {
    pub fn kind(&self, name: &str) -> Option<&'static KindInfo> {
        self.kinds.iter().find(|kind| kind.name == name)
    }
}
