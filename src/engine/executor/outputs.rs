//! The outputs that are known so far in an execution.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use contract::{into_inner, lock};
use petgraph::graph::NodeIndex;

use crate::keys::Digest;

/// Digests of the trees of an action's outputs, by port.
pub type Outputs = BTreeMap<String, Digest>;

/// Outputs of the actions that are cached or have succeeded so far.
#[derive(Default)]
pub(super) struct KnownOutputs(Mutex<HashMap<NodeIndex, Outputs>>);

impl KnownOutputs {
    pub(super) fn insert(&self, node: NodeIndex, outputs: Outputs) {
        lock(&self.0).insert(node, outputs);
    }

    /// Removes the outputs of an action that could not be recorded.
    pub(super) fn remove(&self, node: NodeIndex) {
        lock(&self.0).remove(&node);
    }

    /// Returns the digest of one output; `None` if the action has not succeeded yet.
    pub(super) fn get(&self, node: NodeIndex, port: &str) -> Option<Digest> {
        lock(&self.0).get(&node)?.get(port).copied()
    }

    pub(super) fn into_inner(self) -> HashMap<NodeIndex, Outputs> {
        into_inner(self.0)
    }
}
