//! Computes keys: the hashes of fingerprints.

use std::collections::BTreeMap;

use contract::Resumable;

use super::PlannedAction;
use crate::graph::Graph;
use store::keys::{Digest, Key};
use store::keys::{Fingerprint, InputId};

const ACTION: &str = "runner action key v1";
const CONTENT: &str = "runner content key v1";
const CHECKPOINT: &str = "runner checkpoint key v1";

/// Returns the key of a fingerprint whose inputs are named by their producers.
pub fn action_key(fingerprint: &Fingerprint) -> Key {
    Key::derive(ACTION, &fingerprint.canonical_bytes())
}

/// Returns the content key of a planned action, and the fingerprint that was hashed. `inputs` holds the trees of
/// the inputs by role; within a role, in the order of [`Graph::inputs`].
pub fn content_key(
    graph: &Graph,
    planned: &PlannedAction,
    inputs: &BTreeMap<String, Vec<Digest>>,
) -> (Key, Fingerprint) {
    debug_assert_eq!(
        graph.inputs(planned.node).len(),
        inputs.values().map(Vec::len).sum::<usize>(),
        "expected one tree for each input of the action"
    );
    with_contents(&planned.fingerprint, inputs)
}

/// Returns the key of a stage's checkpoints. The key covers everything that an intermediate state depends on: the
/// fingerprint `content` of the stage's content key, without the parameters that only set where the stage ends.
pub fn checkpoint_key(content: &Fingerprint, resumable: &Resumable) -> Key {
    let mut fingerprint = content.clone();
    if let Some(params) = fingerprint.params.as_object_mut() {
        for &param in resumable.open_ended {
            params.shift_remove(param);
        }
    }
    Key::derive(CHECKPOINT, &fingerprint.canonical_bytes())
}

/// Returns the content key of an action whose inputs are these trees.
pub(super) fn content_key_of(
    fingerprint: &Fingerprint,
    inputs: &BTreeMap<String, Vec<Digest>>,
) -> Key {
    let contents = contents(inputs);
    Key::derive(CONTENT, &fingerprint.canonical_bytes_with(&contents))
}

fn contents(inputs: &BTreeMap<String, Vec<Digest>>) -> BTreeMap<String, Vec<InputId>> {
    let content = |&digest: &Digest| InputId::Content { digest };
    let inputs = inputs.iter();
    inputs
        .map(|(role, trees)| (role.clone(), trees.iter().map(content).collect()))
        .collect()
}

fn with_contents(
    fingerprint: &Fingerprint,
    inputs: &BTreeMap<String, Vec<Digest>>,
) -> (Key, Fingerprint) {
    let fingerprint = Fingerprint {
        inputs: contents(inputs),
        ..fingerprint.clone()
    };
    (
        Key::derive(CONTENT, &fingerprint.canonical_bytes()),
        fingerprint,
    )
}
