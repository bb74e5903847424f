//! Merges many copies of a pipeline into one graph, in which equal instances are one node.
//!
//! Two instances are equal if they have the same name, do the same work and are fed by equal instances. Equal
//! instances are merged before anything is planned: a sweep of a thousand trials on one dataset has one node for
//! the dataset.

use std::collections::{BTreeSet, HashMap};
use std::mem;

use petgraph::graph::{DiGraph, NodeIndex};

use super::{Graph, Instance, PipelineCopy};
use crate::spec::Diagnostic;
use store::keys::Digest;

const IDENTITY: &str = "runner instance identity v1";

/// Digest of an instance and its inputs. Equal instances of different copies have the same identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity(Digest);

/// Returns the identity of every instance, by its index.
pub(crate) fn identities(graph: &Graph) -> Vec<Identity> {
    let mut identities = vec![None; graph.stages.node_count()];
    for &node in &graph.order {
        let instance = &graph.stages[node];
        let Instance {
            name,
            kind,
            stage,
            outputs: _,
            seed,
            device,
            processor,
            resources,
            limits,
            executor,
            pack,
            missing,
            params: _,
            classes: _,
            empty_inputs: _,
            resources_entry: _,
        } = instance;
        let mut text = format!(
            "{name}\n{}\n{}\n{seed}\n{device:?}\n{processor:?}\n{}\n{resources:?}\n{limits:?}\n{executor} {pack}\n",
            kind.name,
            stage.canonical(),
            missing.is_some(),
        );
        for (producer, link) in graph.inputs(node) {
            // Producers come first.
            let producer: Option<Identity> = identities[producer.index()];
            text.push_str(&format!("{producer:?} {link:?}\n"));
        }
        identities[node.index()] = Some(Identity(Digest::derive(IDENTITY, text.as_bytes())));
    }
    identities.into_iter().flatten().collect()
}

/// The axes of a sweep that tell copies of an instance apart, and the names given so far.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Keyed by the instance's name within one copy.
    axes: HashMap<String, BTreeSet<String>>,
    given: HashMap<String, Identity>,
}

impl Names {
    /// Records that an axis changes these instances.
    pub(crate) fn tell_apart(&mut self, axis: &str, instances: impl IntoIterator<Item = String>) {
        for name in instances {
            self.axes.entry(name).or_default().insert(axis.to_owned());
        }
    }

    /// Chooses the labels that the name of an instance gets: those of the axes that change the instance, or all
    /// labels of its copy if another instance has that name already.
    fn choose(
        &mut self,
        instance: &Instance,
        identity: Identity,
        labels: &[(String, String)],
    ) -> Vec<(String, String)> {
        let mut name = instance.name.clone();
        let axes = self.axes.get(&name.to_string());
        let changes = |axis: &str| axes.is_some_and(|axes| axes.contains(axis));
        let of_axes = labels.iter().filter(|(axis, _)| changes(axis));
        name.copy = of_axes.cloned().collect();
        if *self.given.entry(name.to_string()).or_insert(identity) != identity {
            name.copy = labels.to_vec();
            self.given.insert(name.to_string(), identity);
        }
        name.copy
    }
}

/// Builds a graph from copies of a pipeline.
pub(crate) struct Union {
    graph: Graph,
    known: HashMap<Identity, NodeIndex>,
}

impl Union {
    /// Creates a union of a single graph, as it is.
    pub(crate) fn of(graph: Graph) -> Self {
        Self {
            graph,
            known: HashMap::new(),
        }
    }

    /// Creates a union without copies. Everything that does not belong to instances is taken from `base`, except for
    /// the `warnings`.
    pub(crate) fn without_copies(base: Graph, warnings: Vec<Diagnostic>) -> Self {
        let graph = Graph {
            stages: DiGraph::new(),
            order: Vec::new(),
            copies: Vec::new(),
            computing: Vec::new(),
            gpus: Vec::new(),
            no_gpu: None,
            warnings,
            ..base
        };
        Self::of(graph)
    }

    /// Adds a copy whose instances have these identities, and returns its index among the copies. `labels`
    /// tell it from others.
    pub(crate) fn add(
        &mut self,
        mut copy: Graph,
        identities: &[Identity],
        labels: Vec<(String, String)>,
        names: &mut Names,
    ) -> usize {
        let order = mem::take(&mut copy.order);
        let inputs: Vec<Vec<_>> = (0..copy.stages.node_count())
            .map(|index| {
                let inputs = copy.inputs(NodeIndex::new(index)).into_iter();
                inputs.map(|(node, link)| (node, link.clone())).collect()
            })
            .collect();
        let stages = mem::take(&mut copy.stages);
        self.add_devices(&mut copy);
        self.add_warnings(&mut copy);
        let (nodes, _) = stages.into_nodes_edges();
        let mut instances: Vec<Option<Instance>> =
            nodes.into_iter().map(|node| Some(node.weight)).collect();
        let graph = &mut self.graph;
        let mut places = vec![NodeIndex::end(); instances.len()];
        for &node in &order {
            let identity = identities[node.index()];
            let Some(mut instance) = instances[node.index()].take() else {
                continue;
            };
            places[node.index()] = *self.known.entry(identity).or_insert_with(|| {
                instance.name.copy = names.choose(&instance, identity, &labels);
                let place = graph.stages.add_node(instance);
                for (producer, link) in &inputs[node.index()] {
                    let producer = places[producer.index()];
                    graph.stages.add_edge(producer, place, link.clone());
                }
                graph.order.push(place);
                place
            });
        }
        let nodes = order.iter().map(|node| places[node.index()]).collect();
        graph.copies.push(PipelineCopy { labels, nodes });
        graph.copies.len() - 1
    }

    /// Adds the warnings of a copy that no earlier copy has.
    fn add_warnings(&mut self, copy: &mut Graph) {
        for warning in mem::take(&mut copy.warnings) {
            if !self.graph.warnings.contains(&warning) {
                self.graph.warnings.push(warning);
            }
        }
    }

    /// Adds the devices and GPUs of a copy.
    fn add_devices(&mut self, copy: &mut Graph) {
        let Graph {
            computing,
            gpus,
            no_gpu,
            ..
        } = &mut self.graph;
        for chosen in mem::take(&mut copy.computing) {
            if !computing.contains(&chosen) {
                computing.push(chosen);
            }
        }
        *no_gpu = no_gpu.take().or_else(|| copy.no_gpu.take());
        for gpu in mem::take(&mut copy.gpus) {
            if !gpus.contains(&gpu) {
                gpus.push(gpu);
            }
        }
    }

    /// Returns the graph of all copies so far.
    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Returns the graph of all copies.
    pub(crate) fn finish(self) -> Graph {
        self.graph
    }
}
