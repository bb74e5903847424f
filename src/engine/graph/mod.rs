//! [`Graph`]: the graph of stage instances. All references are resolved, and all parameters are parsed and
//! checked.
//!
//! A [`Pipeline`] becomes a [`Graph`] in these steps: `expand` (matrix → instances with interpolated
//! parameters), `instance` (parses parameters and assigns devices), `connect` (references → links, joined on
//! shared axes), `order` (cycles, topological order), and `check` (each instance against the signatures of
//! its inputs, producers first).

mod catalogue;
mod check;
mod connect;
mod device;
mod empty_input;
mod expand;
mod expect;
mod folds;
mod gather;
mod gpus;
mod images;
mod instance;
mod metric;
mod name;
mod order;
mod over_ssh;
mod ports;
mod positive;
mod reference;
mod reuse;
mod table;
mod union;

use std::collections::BTreeSet;
use std::path::PathBuf;

use contract::{Gpu, IndexEntry, Invalid, NoGpu};
use petgraph::Direction::Incoming;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use rayon::prelude::*;

pub use self::catalogue::{Catalogue, ParseStage};
pub(crate) use self::device::gpu_models;
pub use self::expect::Expectation;
pub use self::instance::{Demand, Instance};
pub use self::metric::PortMetric;
pub(crate) use self::metric::{check as check_metric, find as find_metric, range};
pub use self::name::InstanceName;
pub use self::table::{Column, FOLD_AXIS, MetricRef, Row, SEED_AXIS, Table};
pub(crate) use self::union::{Identity, Names, Union, identities};
use crate::devices::Chosen;
pub use crate::spec::{Bounds, Limits, Resources};
use crate::spec::{Diagnostic, Inclusions, Pipeline, Place, resource_place};
use connect::Wire;
use expand::Draft;
use ports::Ports;

/// Minimum number of instances per thread when parameters are parsed.
const INSTANCES: usize = 64;

/// A pipeline without errors, as far as this is known before its sources are read.
pub struct Graph {
    /// The pipeline's name.
    pub pipeline: String,
    pub file: PathBuf,
    pub profile: Option<String>,
    /// Edges lead from producer to consumer.
    pub stages: DiGraph<Instance, Link>,
    /// Producers before consumers, otherwise as declared.
    pub order: Vec<NodeIndex>,
    pub tables: Vec<Table>,
    /// Copies of the pipeline: one, or several in a sweep, with several seeds or in a cross-validation.
    pub copies: Vec<PipelineCopy>,
    /// Nodes to run, with their ancestors; `None` means all. Of a trial that was stopped early, only the training
    /// is to be run.
    pub reach: Option<Vec<NodeIndex>>,
    /// Expected results.
    pub expectations: Vec<Expectation>,
    /// Devices that its stages compute on. There are several if copies of a sweep differ in them, and none if
    /// no stage computes.
    pub(crate) computing: Vec<Chosen>,
    /// The GPUs that its stages may take.
    pub gpus: Vec<Gpu>,
    /// The reason why there are no GPUs, if a stage asks for one.
    pub(crate) no_gpu: Option<NoGpu>,
    /// Warnings to print before a run.
    pub warnings: Vec<Diagnostic>,
    pub(crate) inclusions: Inclusions,
}

/// One copy of the pipeline, such as a trial of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PipelineCopy {
    /// Axes of the sweep, and the copy's values on them.
    pub labels: Vec<(String, String)>,
    /// Its instances, producers before consumers. Some may belong to other copies, too.
    pub nodes: Vec<NodeIndex>,
}

/// An artifact that one instance makes and another one uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The consumer's input.
    pub role: String,
    /// Position among the artifacts of that input.
    pub position: usize,
    /// The producer's output.
    pub port: String,
    /// Index entry by which the consumer recognizes the artifact. `None` if the consumer finds it alone in
    /// the folder of the role, or if its kind uses positions.
    pub entry: Option<Box<IndexEntry>>,
}

impl Graph {
    /// Builds the graph of a pipeline from the kinds of a catalogue.
    ///
    /// # Errors
    /// Returns all errors in the pipeline, sorted by place, including those found when it was loaded. An
    /// instance is not checked if something upstream of it is invalid.
    pub fn build(mut pipeline: Pipeline, catalogue: &Catalogue) -> Result<Self, Vec<Diagnostic>> {
        let mut errors = std::mem::take(&mut pipeline.errors);
        let drafts = expand::expand(&pipeline, catalogue, &mut errors);
        if errors.is_empty() {
            errors.extend(folds::check(&pipeline, &drafts, catalogue));
        }
        let machines = device::choose(&pipeline, &drafts, catalogue);
        let read: Vec<Result<Instance, Vec<Diagnostic>>> = drafts
            .par_iter()
            .with_min_len(INSTANCES)
            .map(|draft| instance::instance(draft, &pipeline, catalogue, &machines))
            .collect();
        let read = read.into_iter();
        let mut instances: Vec<Option<Instance>> = read
            .map(|read| read.map_err(|found| errors.extend(found)).ok())
            .collect();
        let ports = Ports::of(&drafts, &instances, &mut errors);
        let wiring = connect::connect(&pipeline, &drafts, &ports, &mut errors);
        images::learn(&mut instances, &wiring, &mut errors);
        let outline = outline(&drafts, &wiring.wires);
        errors.extend(order::cycles(&outline));
        let ports = ports.with_images(&instances);
        let tables = table::read(&pipeline, &ports, &mut errors);
        let expectations = expect::read(&pipeline, &ports, &tables, &mut errors);
        let order = order::topological(&outline);
        let mut warnings = Vec::new();
        let mut found = check::Found {
            errors: &mut errors,
            warnings: &mut warnings,
        };
        check::check(&order, &instances, &wiring, catalogue, &mut found);
        positive::check(&instances, &mut errors, &mut warnings);

        let complete: Option<Vec<Instance>> = instances.into_iter().collect();
        let Some(instances) = complete.filter(|_| errors.is_empty()) else {
            Diagnostic::sort(&mut errors);
            let explain = |error| pipeline.inclusions.explain(error);
            return Err(errors.into_iter().map(explain).collect());
        };
        let (gpus, no_gpu) = gpus::of(&pipeline, &machines.here, &instances, catalogue);
        warnings.extend(gpus::warnings(&pipeline, &instances));
        let objective = pipeline.objective.as_deref();
        warnings.extend(reuse::warnings(&instances, &order, &wiring, objective));
        Diagnostic::sort(&mut warnings);
        let explain = |warning| pipeline.inclusions.explain(warning);
        let warnings = warnings.into_iter().map(explain).collect();
        let mut stages = DiGraph::with_capacity(instances.len(), wiring.wires.len());
        for instance in instances {
            stages.add_node(instance);
        }
        for Wire {
            producer,
            consumer,
            link,
            ..
        } in wiring.wires
        {
            stages.add_edge(NodeIndex::new(producer), NodeIndex::new(consumer), link);
        }
        let Pipeline {
            name,
            file,
            profile,
            inclusions,
            ..
        } = pipeline;
        let copies = vec![PipelineCopy {
            labels: Vec::new(),
            nodes: order.clone(),
        }];
        Ok(Self {
            pipeline: name,
            file,
            profile,
            stages,
            order,
            tables,
            copies,
            reach: None,
            expectations,
            computing: machines.here.chosen.into_iter().collect(),
            gpus,
            no_gpu,
            warnings,
            inclusions,
        })
    }

    /// Describes the devices that its stages compute on; `None` if no stage computes.
    pub fn devices(&self) -> Option<String> {
        let devices: Vec<String> = self.computing.iter().map(ToString::to_string).collect();
        (!devices.is_empty()).then(|| devices.join("; "))
    }

    /// Returns the producers and links that feed an instance, sorted by role and position.
    pub fn inputs(&self, node: NodeIndex) -> Vec<(NodeIndex, &Link)> {
        let mut inputs: Vec<_> = self
            .stages
            .edges_directed(node, Incoming)
            .map(|edge| (edge.source(), edge.weight()))
            .collect();
        inputs.sort_by(|(_, a), (_, b)| (&a.role, a.position).cmp(&(&b.role, b.position)));
        inputs
    }

    /// Returns the instances together with all their ancestors.
    pub fn with_ancestors(&self, nodes: &[NodeIndex]) -> BTreeSet<NodeIndex> {
        let mut found = BTreeSet::new();
        let mut open = nodes.to_vec();
        while let Some(node) = open.pop() {
            if found.insert(node) {
                open.extend(self.stages.neighbors_directed(node, Incoming));
            }
        }
        found
    }

    /// Creates the diagnostic for an invalid parameter of an instance, at the parameter's place.
    pub fn diagnose(&self, node: NodeIndex, invalid: &Invalid) -> Diagnostic {
        let diagnostic = self.stages[node].params.diagnose(invalid);
        self.inclusions.explain(diagnostic)
    }

    /// Creates a diagnostic at the place of one of an instance's `resources`, or else of its stage.
    pub fn diagnose_resource(&self, node: NodeIndex, name: &str, message: String) -> Diagnostic {
        let instance = &self.stages[node];
        let entry = instance.resources_entry.as_ref();
        let place = resource_place(entry, name, &instance.params.stage);
        self.inclusions.explain(Diagnostic::at(place, message))
    }

    /// Returns the reason if an instance cannot run where it is to run.
    pub fn missing(&self, node: NodeIndex) -> Option<Diagnostic> {
        let missing = self.stages[node].missing.clone()?;
        Some(self.inclusions.explain(missing))
    }

    /// Returns the instances that a name means: `cnn` means all of a stage, and `cnn[model1]` one in every
    /// copy.
    pub fn find(&self, name: &str) -> Vec<NodeIndex> {
        self.stages
            .node_indices()
            .filter(|&node| self.stages[node].name.matches(name))
            .collect()
    }
}

/// Returns the drafts and wires as a graph of names and places, for checks of its shape.
fn outline<'a>(drafts: &'a [Draft<'_>], wires: &'a [Wire]) -> DiGraph<&'a str, &'a Place> {
    let mut outline = DiGraph::with_capacity(drafts.len(), wires.len());
    for draft in drafts {
        outline.add_node(draft.spec.name.as_str());
    }
    for wire in wires {
        outline.add_edge(
            NodeIndex::new(wire.producer),
            NodeIndex::new(wire.consumer),
            &wire.place,
        );
    }
    outline
}
