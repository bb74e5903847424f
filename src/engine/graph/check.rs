//! Checks every instance against the signatures of its inputs.

use std::collections::{BTreeMap, HashMap};

use contract::{KindInfo, Signature};
use petgraph::graph::NodeIndex;

use super::connect::{Wire, Wiring};
use super::{Catalogue, Graph, Instance};
use crate::spec::Diagnostic;

/// Signatures of an instance's inputs, by role.
type Inputs = BTreeMap<String, Vec<Signature>>;

/// Returns all roles of a kind, without signatures.
fn roles(kind: &KindInfo) -> Inputs {
    let roles = kind.inputs.iter();
    roles
        .map(|input| (input.role.to_owned(), Vec::new()))
        .collect()
}

/// Errors and warnings of a check.
pub(super) struct Found<'a> {
    pub errors: &'a mut Vec<Diagnostic>,
    pub warnings: &'a mut Vec<Diagnostic>,
}

/// Checks every instance whose inputs are all known and valid, producers first.
pub(super) fn check(
    order: &[NodeIndex],
    instances: &[Option<Instance>],
    wiring: &Wiring,
    catalogue: &Catalogue,
    found: &mut Found<'_>,
) {
    let mut incoming: Vec<Vec<&Wire>> = instances.iter().map(|_| Vec::new()).collect();
    for wire in &wiring.wires {
        incoming[wire.consumer].push(wire);
    }
    let mut signatures: Vec<Option<BTreeMap<String, Signature>>> = vec![None; instances.len()];
    for node in order.iter().map(|node| node.index()) {
        let Some(instance) = instances[node].as_ref().filter(|_| wiring.complete[node]) else {
            continue;
        };
        let mut inputs = roles(instance.kind);
        // Wires are in the order of their positions.
        let known = incoming[node].iter().all(|wire| {
            let signature = signatures[wire.producer]
                .as_ref()
                .and_then(|outputs| outputs.get(&wire.link.port));
            signature.is_some_and(|&signature| {
                inputs
                    .entry(wire.link.role.clone())
                    .or_default()
                    .push(signature);
                true
            })
        });
        if !known {
            continue;
        }
        match instance.stage.check(&inputs) {
            Ok(outputs) => {
                signatures[node] = Some(outputs);
                let warnings = instance.stage.warnings(&inputs);
                let warnings = warnings
                    .iter()
                    .map(|warning| instance.params.diagnose(warning));
                found.warnings.extend(warnings);
            }
            Err(first) => found
                .errors
                .extend(instance.check_errors(catalogue, &inputs, first)),
        }
    }
}

impl Graph {
    /// Checks the stages again with the numbers of classes that were found in the sources of some instances.
    /// Returns the errors.
    pub fn check_errors(
        &self,
        classes: &HashMap<NodeIndex, usize>,
    ) -> Vec<(NodeIndex, Diagnostic)> {
        let mut errors = Vec::new();
        if classes.is_empty() {
            return errors;
        }
        let mut signatures: HashMap<NodeIndex, BTreeMap<String, Signature>> = HashMap::new();
        for &node in &self.order {
            let instance = &self.stages[node];
            let mut inputs = roles(instance.kind);
            let links = self.inputs(node);
            let known = links.iter().filter_map(|(producer, link)| {
                let signature = *signatures.get(producer)?.get(&link.port)?;
                Some((link.role.clone(), signature))
            });
            let known: Vec<(String, Signature)> = known.collect();
            if known.len() < links.len() {
                continue;
            }
            for (role, signature) in known {
                inputs.entry(role).or_default().push(signature);
            }
            match instance.stage.check(&inputs) {
                Ok(mut outputs) => {
                    for signature in outputs.values_mut() {
                        if let (Signature::Dataset { classes: n, .. }, Some(&found)) =
                            (signature, classes.get(&node))
                        {
                            *n = Some(found);
                        }
                    }
                    signatures.insert(node, outputs);
                }
                Err(invalid) => errors.push((node, self.diagnose(node, &invalid))),
            }
        }
        errors
    }
}
