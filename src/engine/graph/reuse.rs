//! Warns of measurements on images that the model has seen already.
//!
//! A model knows a dataset if a stage that it derives from trains on it or selects by it, directly or through
//! `augment`, a generator or another model. Kinds declare how they use an input ([`Usage`]); this module only
//! combines these declarations over the graph. Copies of single images in several datasets are found by the
//! stages themselves while they run.

use std::collections::{BTreeMap, HashMap, HashSet};

use contract::{ArtifactType, Usage};
use petgraph::graph::NodeIndex;

use super::Instance;
use super::connect::{Wire, Wiring};
use crate::spec::Diagnostic;

/// The output port where images come from originally: the index of its instance, and its name.
type Origin<'a> = (usize, &'a str);

/// The use of a dataset through which a model knows it.
#[derive(Clone, Copy)]
struct Known {
    /// `false` if the dataset was used only for selection.
    trained: bool,
    /// Index of the instance that used the dataset.
    by: usize,
}

struct Images<'a> {
    instances: &'a [Instance],
    order: &'a [NodeIndex],
    /// The links into each instance.
    incoming: Vec<Vec<&'a Wire>>,
    /// For instances that forward the images of an input: the origin of these images.
    forwarded: Vec<Option<Origin<'a>>>,
    /// For sources of images that are equal to an earlier source: the index of that one.
    equal: HashMap<usize, usize>,
}

/// Returns warnings about all stages that measure a model on images that it knows. `objective` is the stage
/// by which a sweep chooses its trials. It may measure on validation images, but no other stage should
/// measure on the same images.
pub(super) fn warnings(
    instances: &[Instance],
    order: &[NodeIndex],
    wiring: &Wiring,
    objective: Option<&str>,
) -> Vec<Diagnostic> {
    let wires = wiring.wires.iter();
    let measuring: Vec<&Wire> = wires
        .filter(|wire| usage(instances, wire) == Usage::Measures)
        .collect();
    if measuring.is_empty() {
        return Vec::new();
    }
    let images = Images::of(instances, order, wiring);
    let mut measured: BTreeMap<Origin<'_>, Vec<&Wire>> = BTreeMap::new();
    for wire in measuring {
        measured.entry(images.origin(wire)).or_default().push(wire);
    }
    let teaching = wiring
        .wires
        .iter()
        .filter(|wire| matches!(usage(instances, wire), Usage::Trains | Usage::Selects));
    let used: HashSet<Origin<'_>> = teaching.map(|wire| images.origin(wire)).collect();
    let is_objective =
        |index: usize| objective.is_some_and(|stage| instances[index].name.matches(stage));
    let mut warnings = Vec::new();
    for (origin, wires) in measured {
        let known = match used.contains(&origin) {
            true => images.known(origin),
            false => vec![None; instances.len()],
        };
        let chooser = wires
            .iter()
            .map(|wire| wire.consumer)
            .find(|&c| is_objective(c));
        for wire in wires {
            let consumer = &instances[wire.consumer].name.stage;
            let inherited = images.incoming[wire.consumer]
                .iter()
                .filter(|model| usage(instances, model) == Usage::Inherits);
            let known = inherited
                .filter_map(|model| known[model.producer])
                .reduce(|a, b| if b.trained && !a.trained { b } else { a });
            let how = match (known, chooser) {
                (Some(Known { trained: true, by }), _) => {
                    format!("`{}` was trained on", instances[by].name.stage)
                }
                (_, _) if is_objective(wire.consumer) => continue,
                (Some(Known { by, .. }), _) => {
                    format!("were used to select `{}`", instances[by].name.stage)
                }
                (None, Some(chooser)) => {
                    let chooser = &instances[chooser].name.stage;
                    format!("the sweep uses to choose trials, in `{chooser}`")
                }
                (None, None) => continue,
            };
            let message = format!("`{consumer}` measures its model on images that {how}");
            let hint = match images.unused(origin, &used) {
                Some(other) => {
                    format!(
                        "measure the model on images that no earlier stage used, such as `{other}`"
                    )
                }
                None => "measure the model on images that no earlier stage used".to_owned(),
            };
            warnings.push(Diagnostic::at(&wire.place, message).hint(hint));
        }
    }
    warnings
}

/// Returns how the consumer of a link uses the input. Programs do not declare that, so all their outputs may
/// derive from it.
fn usage(instances: &[Instance], wire: &Wire) -> Usage {
    let mut inputs = instances[wire.consumer].kind.inputs.iter();
    let input = inputs.find(|input| input.role == wire.link.role);
    input.map_or(Usage::Inherits, |input| input.usage)
}

impl<'a> Images<'a> {
    fn of(instances: &'a [Instance], order: &'a [NodeIndex], wiring: &'a Wiring) -> Self {
        let mut incoming: Vec<Vec<&Wire>> = vec![Vec::new(); instances.len()];
        for wire in &wiring.wires {
            incoming[wire.consumer].push(wire);
        }
        let equal = equal_sources(instances, &incoming);
        let mut images = Self {
            instances,
            order,
            incoming,
            forwarded: vec![None; instances.len()],
            equal,
        };
        for node in order.iter().map(|node| node.index()) {
            let mut inputs = images.incoming[node].iter();
            let forwards = inputs.find(|wire| usage(instances, wire) == Usage::Forwards);
            images.forwarded[node] = forwards.map(|wire| images.origin(wire));
        }
        images
    }

    /// Returns where the images on a link come from originally. The producer must have been visited.
    fn origin(&self, wire: &'a Wire) -> Origin<'a> {
        let producer = wire.producer;
        self.forwarded[producer].unwrap_or_else(|| {
            let source = self.equal.get(&producer).copied().unwrap_or(producer);
            (source, wire.link.port.as_str())
        })
    }

    /// For each instance, returns whether and how its outputs know the images of `origin`.
    fn known(&self, origin: Origin<'_>) -> Vec<Option<Known>> {
        let mut known: Vec<Option<Known>> = vec![None; self.instances.len()];
        for node in self.order.iter().map(|node| node.index()) {
            for wire in &self.incoming[node] {
                let found = match usage(self.instances, wire) {
                    Usage::Compares => None,
                    Usage::Trains if self.origin(wire) == origin => Some(Known {
                        trained: true,
                        by: node,
                    }),
                    Usage::Selects if self.origin(wire) == origin => Some(Known {
                        trained: false,
                        by: node,
                    }),
                    _ => known[wire.producer],
                };
                if let Some(found) = found
                    && known[node].is_none_or(|before| found.trained && !before.trained)
                {
                    known[node] = Some(found);
                }
            }
        }
        known
    }

    /// Returns another dataset of the same stage that no stage trains on or selects by.
    fn unused(&self, origin: Origin<'_>, used: &HashSet<Origin<'_>>) -> Option<String> {
        let source = &self.instances[origin.0];
        let datasets = source.outputs.iter();
        let mut datasets = datasets.filter(|port| port.yields == ArtifactType::Dataset);
        let port = datasets.find(|port| {
            port.name != origin.1 && !used.contains(&(origin.0, port.name.as_str()))
        })?;
        Some(format!("{}.{}", source.name.stage, port.name))
    }
}

/// Maps each stage that makes datasets without any input to an earlier one that makes the same.
fn equal_sources(instances: &[Instance], incoming: &[Vec<&Wire>]) -> HashMap<usize, usize> {
    let is_source = |&index: &usize| {
        let mut outputs = instances[index].outputs.iter();
        incoming[index].is_empty() && outputs.any(|port| port.yields == ArtifactType::Dataset)
    };
    let sources: Vec<usize> = (0..instances.len()).filter(is_source).collect();
    let mut equal = HashMap::new();
    if sources.len() < 2 {
        return equal;
    }
    let mut first = HashMap::new();
    for index in sources {
        let Instance {
            kind, stage, seed, ..
        } = &instances[index];
        let same = (kind.name, stage.canonical().to_string(), *seed);
        let earlier = *first.entry(same).or_insert(index);
        if earlier != index {
            equal.insert(index, earlier);
        }
    }
    equal
}
