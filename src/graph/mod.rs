//! The graph of stage instances: every reference followed, every parameter read and checked.
//!
//! A [`Pipeline`] becomes a [`Graph`] in these steps: `expand` (matrix → instances, with their
//! parameters interpolated), every instance's parameters are read, `connect` (references → links, joined
//! on common axes), `order` (circles, topological order), then, producers first, every instance is
//! checked against the signatures of its inputs.

mod catalogue;
mod connect;
mod device;
mod expand;
mod expect;
mod gather;
mod name;
mod order;
mod ports;
mod reuse;
mod table;
mod union;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use petgraph::Direction::Incoming;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use rayon::prelude::*;
use stages::contract::{
    ArtifactType, Device, IndexEntry, Invalid, KindInfo, Port, Signature, Stage,
};
use stages::gpus::Gpu;

pub use self::catalogue::{Catalogue, Parse};
pub use self::expect::{Expectation, PortMetric};
pub use self::name::InstanceName;
pub use self::table::{Column, MetricRef, Table};
pub(crate) use self::union::{Identity, Names, Union, identities};
use crate::devices::Chosen;
use crate::scheduler::Slots;
pub use crate::spec::{Bounds, Limits, Resources};
use crate::spec::{
    Diagnostic, Entry, Fault, Inclusions, Node, Pipeline, Place, Value, diagnose, read_all,
    resource_place,
};
use connect::{Wire, Wiring};
use device::{Assigned, Computing};
use expand::Draft;
use ports::Ports;

/// Instances whose parameters are worth a thread of their own.
const INSTANCES: usize = 64;

/// A pipeline that is known to be sound: what is left to go wrong is the work itself.
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
    /// The copies of the pipeline that are in it: one, but for sweeps and seeds.
    pub copies: Vec<PipelineCopy>,
    /// What is to run at all, with all that it needs; nothing for everything. Of a trial that was stopped early
    /// it is the training alone.
    pub reach: Option<Vec<NodeIndex>>,
    /// What its results are to be.
    pub expectations: Vec<Expectation>,
    /// Where its stages compute: in one way, or, where copies of a sweep differ in that, several; none where
    /// none does.
    pub(crate) computing: Vec<Chosen>,
    /// The GPUs that its stages may take.
    pub gpus: Vec<Gpu>,
    /// Warnings to print before a run.
    pub(crate) doubts: Vec<Diagnostic>,
    pub(crate) inclusions: Inclusions,
}

/// One pipeline among the copies of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PipelineCopy {
    /// Axes of the sweep and the values that the copy has there.
    pub labels: Vec<(String, String)>,
    /// Its instances, in its own order; some are those of other copies, too.
    pub nodes: Vec<NodeIndex>,
}

/// A stage at one point of its matrix.
pub struct Instance {
    pub name: InstanceName,
    pub kind: &'static KindInfo,
    pub stage: Box<dyn Stage>,
    /// Its output ports: its kind's, or those that it declares.
    pub outputs: Vec<Port>,
    /// 0 where no result depends on it.
    pub seed: u64,
    /// Where it computes; the CPU for kinds that do not.
    pub device: Device,
    pub resources: Resources,
    pub limits: Limits,
    /// Why it cannot run on this machine: the GPU that it asks for is not there.
    pub(crate) missing: Option<Diagnostic>,
    params: Params,
    /// `resources: …`, as it is written.
    resources_entry: Option<Entry>,
}

impl Instance {
    /// All that is wrong with its parameters, of which `first` is known.
    fn misfits(
        &self,
        catalogue: &Catalogue,
        inputs: &BTreeMap<String, Vec<Signature>>,
        first: Invalid,
    ) -> Vec<Diagnostic> {
        let Params { node, key, stage } = &self.params;
        if first.path.is_empty() {
            // It is the inputs that do not fit.
            return vec![Diagnostic::at(stage, first.message).hint(first.hint)];
        }
        let checked = read_all(node, key, NOUN, |node| {
            let stage = parse(catalogue, self.kind, node)?;
            stage.check(inputs).map_err(Fault::Fit)
        });
        match checked {
            Err(all) => all,
            // A check that says one thing now and another thing then: what it said first stands.
            Ok(_) => vec![self.params.diagnose(&first)],
        }
    }

    /// Threads that it is given, where there are as many cores.
    pub fn threads(&self) -> usize {
        self.resources.cpus.unwrap_or(1)
    }

    /// Resources that it takes while it runs: those that it declares, else those that were measured.
    pub fn slots(&self, measured: Measured) -> Slots {
        let asked = self.resources;
        Slots {
            cpus: asked.cpus.or(measured.cpus).unwrap_or(1),
            memory: asked.memory.or(measured.memory).map_or(0, rounded_up),
            gpus: self.gpus(),
            gpu_memory: self.gpu_memory(),
        }
    }

    /// GPUs that it takes.
    pub fn gpus(&self) -> usize {
        match self.kind.computes {
            true => (self.device != Device::Cpu).into(),
            false => self.resources.gpus.unwrap_or_default(),
        }
    }

    /// Bytes that it takes of one GPU; `None` if it has its GPUs to itself, or takes none.
    pub fn gpu_memory(&self) -> Option<u64> {
        self.resources.gpu_memory.filter(|_| self.gpus() == 1)
    }

    /// The output port with the metrics that tables show, if there is one.
    pub fn metrics_port(&self) -> Option<&str> {
        let mut outputs = self.outputs.iter();
        let metrics = outputs.find(|port| port.yields == ArtifactType::Metrics)?;
        Some(&metrics.name)
    }
}

/// Resources that an instance took in earlier runs; `None` where they are unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Cores that it kept busy.
    pub cpus: Option<usize>,
    /// Bytes.
    pub memory: Option<u64>,
}

/// Bytes rounded up by an eighth at most, or to 64 MiB: the scheduler groups actions that take the same, and no
/// two measurements are equal.
fn rounded_up(bytes: u64) -> u64 {
    const LEAST: u64 = 64 << 20;
    let step = (bytes.max(LEAST).next_power_of_two() / 16).max(1);
    bytes.max(LEAST).div_ceil(step).saturating_mul(step)
}

/// An artifact on its way from one instance to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The consumer's input.
    pub role: String,
    /// Which of the artifacts on that input, where it takes several.
    pub position: usize,
    /// The producer's output.
    pub port: String,
    /// Which of several artifacts it is for the consumer; `None` if the consumer finds it alone in the folder
    /// of the role, or is of a kind that goes by the position.
    pub entry: Option<Box<IndexEntry>>,
}

/// What the keys of a stage's parameters are called.
const NOUN: &str = "parameter";

/// An instance's parameters as they are written.
struct Params {
    node: Node,
    key: Place,
    /// The stage's name, where what is wrong is no parameter.
    stage: Place,
}

impl Params {
    fn of(draft: &Draft<'_>) -> Self {
        match &draft.params {
            Some(Entry {
                key_place, value, ..
            }) => Self {
                node: value.clone(),
                key: key_place.clone(),
                stage: draft.spec.place.clone(),
            },
            None => {
                let place = draft.spec.place.clone();
                Self {
                    node: Node::new(Value::Map(Vec::new()), place.clone()),
                    key: place.clone(),
                    stage: place,
                }
            }
        }
    }

    fn diagnose(&self, invalid: &Invalid) -> Diagnostic {
        diagnose(&self.node, &self.key, invalid, NOUN)
    }
}

impl Graph {
    /// Builds the graph of a pipeline from the kinds of a catalogue.
    ///
    /// # Errors
    /// Everything that is wrong with references, matrices, parameters and tables, sorted by place. An
    /// instance is not checked where something upstream of it is wrong.
    pub fn build(mut pipeline: Pipeline, catalogue: &Catalogue) -> Result<Self, Vec<Diagnostic>> {
        let mut errors = std::mem::take(&mut pipeline.errors);
        let drafts = expand::expand(&pipeline, catalogue, &mut errors);
        let computing = device::choose(&pipeline, &drafts, catalogue);
        let read: Vec<Result<Instance, Vec<Diagnostic>>> = drafts
            .par_iter()
            .with_min_len(INSTANCES)
            .map(|draft| instance(draft, &pipeline, catalogue, &computing))
            .collect();
        let read = read.into_iter();
        let instances: Vec<Option<Instance>> = read
            .map(|read| read.map_err(|found| errors.extend(found)).ok())
            .collect();
        let ports = Ports::of(&drafts, &instances, &mut errors);
        let wiring = connect::connect(&pipeline, &drafts, &ports, &mut errors);
        let outline = outline(&drafts, &wiring.wires);
        errors.extend(order::circles(&outline));
        let tables = table::read(&pipeline, &ports, &mut errors);
        let expectations = expect::read(&pipeline, &ports, &tables, &mut errors);
        let order = order::topological(&outline);
        let mut doubts = Vec::new();
        let mut found = Found {
            errors: &mut errors,
            doubts: &mut doubts,
        };
        check(&order, &instances, &wiring, catalogue, &mut found);

        let complete: Option<Vec<Instance>> = instances.into_iter().collect();
        let Some(instances) = complete.filter(|_| errors.is_empty()) else {
            Diagnostic::sort(&mut errors);
            let explain = |error| pipeline.inclusions.explain(error);
            return Err(errors.into_iter().map(explain).collect());
        };
        let gpus = device::gpus(&pipeline, &computing, &instances, catalogue);
        doubts.extend(device::doubts(&pipeline, &instances));
        let objective = pipeline.objective.as_deref();
        doubts.extend(reuse::doubts(&instances, &order, &wiring, objective));
        Diagnostic::sort(&mut doubts);
        let explain = |doubt| pipeline.inclusions.explain(doubt);
        let doubts = doubts.into_iter().map(explain).collect();
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
            computing: computing.chosen.into_iter().collect(),
            gpus,
            doubts,
            inclusions,
        })
    }

    /// Where its stages compute, in words; nothing where none does.
    pub fn devices(&self) -> Option<String> {
        let devices: Vec<String> = self.computing.iter().map(ToString::to_string).collect();
        (!devices.is_empty()).then(|| devices.join("; "))
    }

    /// What feeds an instance, sorted by role and position.
    pub fn inputs(&self, node: NodeIndex) -> Vec<(NodeIndex, &Link)> {
        let mut inputs: Vec<_> = self
            .stages
            .edges_directed(node, Incoming)
            .map(|edge| (edge.source(), edge.weight()))
            .collect();
        inputs.sort_by(|(_, a), (_, b)| (&a.role, a.position).cmp(&(&b.role, b.position)));
        inputs
    }

    /// Instances, and all that they need.
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

    /// Shows where the parameter stands that an instance finds wrong.
    pub fn diagnose(&self, node: NodeIndex, invalid: &Invalid) -> Diagnostic {
        let diagnostic = self.stages[node].params.diagnose(invalid);
        self.inclusions.explain(diagnostic)
    }

    /// Checks the stages again with the numbers of classes that the sources of some instances tell; returns
    /// what is wrong then.
    pub fn misfits(&self, classes: &HashMap<NodeIndex, usize>) -> Vec<(NodeIndex, Diagnostic)> {
        let mut errors = Vec::new();
        if classes.is_empty() {
            return errors;
        }
        let mut signatures: HashMap<NodeIndex, BTreeMap<String, Signature>> = HashMap::new();
        for &node in &self.order {
            let instance = &self.stages[node];
            let roles = instance.kind.inputs.iter();
            let mut inputs: BTreeMap<String, Vec<Signature>> = roles
                .map(|input| (input.role.to_owned(), Vec::new()))
                .collect();
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

    /// Shows where one of an instance's `resources` stands, or else its stage.
    pub fn diagnose_resource(&self, node: NodeIndex, name: &str, message: String) -> Diagnostic {
        let instance = &self.stages[node];
        let entry = instance.resources_entry.as_ref();
        let place = resource_place(entry, name, &instance.params.stage);
        self.inclusions.explain(Diagnostic::at(place, message))
    }

    /// Why an instance cannot run on this machine.
    pub fn missing(&self, node: NodeIndex) -> Option<Diagnostic> {
        let missing = self.stages[node].missing.clone()?;
        Some(self.inclusions.explain(missing))
    }

    /// The instances that a name means: `cnn` all of a stage, `cnn[model1]` one (in every copy).
    pub fn find(&self, name: &str) -> Vec<NodeIndex> {
        self.stages
            .node_indices()
            .filter(|&node| self.stages[node].name.is_meant_by(name))
            .collect()
    }
}

/// The drafts and wires as a graph, for questions about its shape.
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

/// Reads the parameters of a draft.
fn instance(
    draft: &Draft<'_>,
    pipeline: &Pipeline,
    catalogue: &Catalogue,
    computing: &Computing,
) -> Result<Instance, Vec<Diagnostic>> {
    let params = Params::of(draft);
    let stage = read_all(&params.node, &params.key, NOUN, |node| {
        parse(catalogue, draft.kind, node)
    })?;
    let resources = draft.spec.resources;
    let outputs = if draft.kind.declares_ports {
        stage.outputs()
    } else {
        draft.kind.outputs.iter().map(Port::from).collect()
    };
    // What does not depend on it is the same for all seeds.
    let seed = match stage.depends_on_seed() {
        true => draft.spec.seed.unwrap_or(pipeline.seed),
        false => 0,
    };
    let Assigned { device, missing } = device::of(draft, pipeline, computing)?;
    Ok(Instance {
        name: draft.name.clone(),
        kind: draft.kind,
        stage,
        outputs,
        seed,
        device,
        resources,
        limits: Limits {
            timeout: draft.spec.timeout,
            memory: resources.memory,
            retries: draft.spec.retries,
        },
        missing,
        params,
        resources_entry: draft.spec.resources_entry.clone(),
    })
}

fn parse(catalogue: &Catalogue, kind: &KindInfo, params: &Node) -> Result<Box<dyn Stage>, Fault> {
    let params = params.with_texts(kind.text_params);
    (catalogue.parse)(kind.name, params.to_json()).map_err(Fault::Form)
}

/// What a check finds.
struct Found<'a> {
    errors: &'a mut Vec<Diagnostic>,
    doubts: &'a mut Vec<Diagnostic>,
}

/// Checks every instance whose inputs are all known and sound, producers first.
fn check(
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
        let mut inputs: BTreeMap<String, Vec<Signature>> = instance
            .kind
            .inputs
            .iter()
            .map(|input| (input.role.to_owned(), Vec::new()))
            .collect();
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
                let doubts = instance.stage.doubts(&inputs);
                let doubts = doubts.iter().map(|doubt| instance.params.diagnose(doubt));
                found.doubts.extend(doubts);
            }
            Err(first) => found
                .errors
                .extend(instance.misfits(catalogue, &inputs, first)),
        }
    }
}
