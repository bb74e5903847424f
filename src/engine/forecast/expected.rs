//! Predicts the inputs of the stages of a plan, and the [`Work`] that the stages declare for them.

use std::collections::{BTreeMap, HashMap, HashSet};

use contract::{Expected, IMAGES_FILE, Signature, Work};
use petgraph::graph::NodeIndex;

use crate::graph::Graph;
use crate::plan::{Plan, State, action_key};
use store::Store;
use store::keys::Digest;

/// Expected inputs of a stage, by role.
pub(super) type Inputs = BTreeMap<String, Vec<Expected>>;

/// Returns the work that each stage of `plan` declares, for stages that are not cached.
pub(super) fn works(graph: &Graph, plan: &Plan, store: &Store) -> HashMap<NodeIndex, Work> {
    let mut works = HashMap::new();
    if plan.misses().next().is_none() {
        return works;
    }
    let read: HashSet<NodeIndex> = plan
        .misses()
        .flat_map(|action| graph.inputs(action.node))
        .map(|(producer, _)| producer)
        .collect();
    let mut outputs: HashMap<NodeIndex, BTreeMap<String, Expected>> = HashMap::new();
    for action in &plan.actions {
        let instance = &graph.stages[action.node];
        let roles = instance.kind.inputs.iter();
        let mut inputs: Inputs = roles.map(|i| (i.role.to_owned(), Vec::new())).collect();
        for (producer, link) in graph.inputs(action.node) {
            let made = outputs.get(&producer).and_then(|made| made.get(&link.port));
            inputs.entry(link.role.clone()).or_default().extend(made);
        }
        let Ok(signatures) = instance.stage.check(&signatures(&inputs)) else {
            continue;
        };
        let work = match action.state {
            State::Cached(_) => Work::default(),
            _ => instance.stage.work(&inputs),
        };
        let trees = || match &action.state {
            State::Cached(record) => Some(record.outputs.clone()),
            // There will most likely be as many images as last time.
            _ => {
                let name = instance.name.to_string();
                let last = store.last_fingerprint(&graph.pipeline, &name)?;
                Some(store.recall(&action_key(&last))?.outputs)
            }
        };
        let mut known = None;
        let expected = signatures.into_iter().map(|(port, signature)| {
            let is_asked = read.contains(&action.node);
            let images = work.images.get(&port).copied().or_else(|| {
                let trees = known.get_or_insert_with(|| is_asked.then(trees).flatten());
                images(store, trees.as_ref()?.get(&port)?, signature)
            });
            (port, Expected { signature, images })
        });
        outputs.insert(action.node, expected.collect());
        if !matches!(action.state, State::Cached(_)) {
            works.insert(action.node, work);
        }
    }
    works
}

pub(super) fn signatures(inputs: &Inputs) -> BTreeMap<String, Vec<Signature>> {
    let signatures = |expected: &Vec<Expected>| expected.iter().map(|e| e.signature).collect();
    let inputs = inputs.iter();
    inputs
        .map(|(role, expected)| (role.clone(), signatures(expected)))
        .collect()
}

/// Returns the number of images in a dataset of the store.
pub(super) fn images(store: &Store, tree: &Digest, signature: Signature) -> Option<u64> {
    let Signature::Dataset { image, .. } = signature else {
        return None;
    };
    let blob = *store.peek_tree(tree).ok()?.files.get(IMAGES_FILE)?;
    blob.bytes.checked_div(image.len() as u64)
}
