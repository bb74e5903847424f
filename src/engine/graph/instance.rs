//! A stage at one point of its matrix: reading its parameters, and what it takes.

use std::collections::BTreeMap;

use contract::{ArtifactType, Device, Invalid, KindInfo, Port, Signature, Stage};

use super::Catalogue;
use super::device::{self, Assigned, Computing};
use super::expand::Draft;
use super::name::InstanceName;
use crate::scheduler::Slots;
use crate::spec::{
    Diagnostic, Entry, Fault, Limits, Node, Pipeline, Place, Resources, Value, diagnose, read_all,
};

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
    pub(super) params: Params,
    /// `resources: …`, as it is written.
    pub(super) resources_entry: Option<Entry>,
}

impl Instance {
    /// All that is wrong with its parameters, of which `first` is known.
    pub(super) fn misfits(
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
            memory: asked
                .memory
                .or(measured.memory.map(rounded_up))
                .unwrap_or(0),
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
    let bytes = bytes.max(LEAST);
    let step = (1 << bytes.ilog2()) / 8;
    bytes.div_ceil(step).saturating_mul(step)
}

/// Noun for the keys of a stage's parameters, in messages.
const NOUN: &str = "parameter";

/// An instance's parameters as they are written.
pub(super) struct Params {
    node: Node,
    key: Place,
    /// The stage's name, where what is wrong is no parameter.
    pub(super) stage: Place,
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

    pub(super) fn diagnose(&self, invalid: &Invalid) -> Diagnostic {
        diagnose(&self.node, &self.key, invalid, NOUN)
    }
}

/// Reads the parameters of a draft.
pub(super) fn instance(
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
    // A stage that does not depend on the seed is one for all seeds.
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
