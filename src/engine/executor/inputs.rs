//! The inputs of an action, as taken from the outputs of its producers.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{Artifact, Failure, IndexEntry};

use super::context::Context;
use super::failure::store_failure;
use super::state::KnownOutputs;
use crate::plan::PlannedAction;
use store::keys::Digest;
use store::{Store, Tree};

/// Artifacts on an action's input ports, by role; within a role, in the order of the pipeline file.
pub(super) type Inputs = BTreeMap<String, Vec<Input>>;

/// One artifact on an input port.
pub(super) struct Input {
    /// Stage instance and port that made it.
    label: String,
    /// Its entry in the port's index, if there is one.
    entry: Option<IndexEntry>,
    pub tree: Arc<Tree>,
}

#[cfg(test)]
impl Input {
    pub(super) fn of(tree: Tree) -> Self {
        Self {
            label: "stage.port".to_owned(),
            entry: None,
            tree: Arc::new(tree),
        }
    }
}

/// Returns the action's inputs. All of them must be in the store by now.
pub(super) fn inputs(
    context: &Context<'_>,
    outputs: &KnownOutputs,
    action: &PlannedAction,
) -> Result<Inputs, Failure> {
    let mut inputs = Inputs::new();
    for (producer, link) in context.graph.inputs(action.node) {
        let label = format!("{}.{}", context.name(producer), link.port);
        let digest = outputs
            .get(producer, &link.port)
            .ok_or_else(|| Failure::Internal(format!("`{label}` has not been made yet")))?;
        let tree = context.store.results().get(&digest);
        inputs.entry(link.role.clone()).or_default().push(Input {
            label,
            entry: link.entry.as_deref().cloned(),
            tree: tree.map_err(store_failure)?,
        });
    }
    Ok(inputs)
}

/// Returns the digests of the inputs, from which the content key is computed.
pub(super) fn digests(inputs: &Inputs) -> BTreeMap<String, Vec<Digest>> {
    each(inputs, |input| input.tree.digest)
}

/// Returns the inputs with the paths of their files, as a worker gets them.
pub(super) fn artifacts(inputs: &Inputs, store: &Store) -> BTreeMap<String, Vec<Artifact>> {
    each(inputs, |input| Artifact {
        label: input.label.clone(),
        files: store.files_of(&input.tree),
        folders: input.tree.folders.iter().cloned().collect(),
        entry: input.entry.clone(),
    })
}

fn each<T>(inputs: &Inputs, convert: impl Fn(&Input) -> T) -> BTreeMap<String, Vec<T>> {
    let convert = |list: &Vec<Input>| list.iter().map(&convert).collect();
    inputs
        .iter()
        .map(|(role, list)| (role.clone(), convert(list)))
        .collect()
}
