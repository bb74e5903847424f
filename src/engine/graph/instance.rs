//! [`Instance`]: a stage at one point of its matrix, with its parsed parameters, device and resources.

use std::borrow::Cow;
use std::collections::BTreeMap;

use contract::{ArtifactType, Device, Invalid, KindInfo, MetricInfo, Port, Signature, Stage};

use super::Catalogue;
use super::device::{self, Assigned, Machines};
use super::empty_input::EmptyInput;
use super::expand::Draft;
use super::folds;
use super::name::InstanceName;
use super::over_ssh;
use crate::scheduler::Slots;
use crate::spec::{
    Diagnostic, Entry, Executor, Fault, Limits, Node, Pack, Pipeline, Place, Plain, Resources,
    Value, decode_all, diagnose,
};

/// A stage at one point of its matrix.
pub struct Instance {
    pub name: InstanceName,
    pub kind: &'static KindInfo,
    pub stage: Box<dyn Stage>,
    /// Output ports: those of its kind, or those that it declares.
    pub outputs: Vec<Port>,
    /// 0 if the results do not depend on it.
    pub seed: u64,
    /// Device that it computes on; the CPU for kinds that do not compute.
    pub device: Device,
    /// Kind of the processor that it computes on: of the CPU, or the models of the GPUs that it may take. `None` for
    /// kinds that do not compute.
    pub processor: Option<String>,
    pub resources: Resources,
    pub limits: Limits,
    pub executor: Executor,
    /// Number of instances of its stage that share one job.
    pub pack: u32,
    /// Reason why it cannot run where it is to run: the GPU that it requests is missing, or the files that it reads.
    pub(crate) missing: Option<Diagnostic>,
    pub(super) params: Params,
    /// Names of the classes of the images that it measures on, if they are known before the run.
    pub(crate) classes: Option<Vec<String>>,
    /// Optional inputs that will certainly have no images.
    pub(crate) empty_inputs: Vec<EmptyInput>,
    /// The entry `resources` as written.
    pub(super) resources_entry: Option<Entry>,
}

impl Instance {
    /// Returns all errors in its parameters, of which `first` is known already.
    pub(super) fn check_errors(
        &self,
        catalogue: &Catalogue,
        inputs: &BTreeMap<String, Vec<Signature>>,
        first: Invalid,
    ) -> Vec<Diagnostic> {
        let Params { node, key, stage } = &self.params;
        if first.path.is_empty() {
            // The error is in the inputs, not in a parameter.
            return vec![Diagnostic::at(stage, first.message).hint(first.hint)];
        }
        let checked = decode_all(node, key, NOUN, |node| {
            let stage = parse(catalogue, self.kind, node)?;
            stage.check(inputs).map_err(Fault::Fit)
        });
        match checked {
            Err(all) => all,
            // The check passed this time. Report its first error.
            Ok(_) => vec![self.params.diagnose(&first)],
        }
    }

    /// Returns its parameters as the function that parses them takes them.
    pub fn written_params(&self) -> serde_json::Value {
        let node = &self.params.node;
        node.with_texts(self.kind.text_params).to_json()
    }

    /// Returns the number of threads that it gets if the machine has enough cores.
    pub fn threads(&self) -> usize {
        self.resources.cpus.unwrap_or(1)
    }

    /// Returns the resources of this machine that it takes while it runs: those that it declares, or else those in `demand`.
    pub fn slots(&self, demand: Demand) -> Slots {
        if !self.executor.is_local() {
            return Slots::ELSEWHERE;
        }
        let asked = self.resources;
        Slots {
            cpus: asked.cpus.or(demand.cpus).unwrap_or(1),
            memory: asked.memory.or(demand.memory.map(rounded_up)).unwrap_or(0),
            gpus: self.gpus(),
            gpu_memory: self.gpu_memory(),
            elsewhere: 0,
        }
    }

    /// Returns the number of GPUs that it takes.
    pub fn gpus(&self) -> usize {
        match self.kind.computes {
            true => (self.device != Device::Cpu).into(),
            false => self.resources.gpus.unwrap_or_default(),
        }
    }

    /// Returns the bytes that it takes of one GPU; `None` if it has its GPUs to itself, or takes none.
    pub fn gpu_memory(&self) -> Option<u64> {
        self.resources.gpu_memory.filter(|_| self.gpus() == 1)
    }

    /// Returns the metrics that an output port may contain; `None` if their names are not known before the stage has
    /// run.
    pub fn metrics(&self, port: &str) -> Option<Cow<'static, [MetricInfo]>> {
        if self.kind.declares_ports {
            return self.stage.metrics(port).map(Cow::Owned);
        }
        let output = self.kind.outputs.iter().find(|output| output.port == port);
        Some(Cow::Borrowed(output.map_or(&[], |output| output.metrics)))
    }

    /// Returns the output port with the metrics that tables show, if there is one.
    pub fn metrics_port(&self) -> Option<&str> {
        let mut outputs = self.outputs.iter();
        let metrics = outputs.find(|port| port.yields == ArtifactType::Metrics)?;
        Some(&metrics.name)
    }
}

/// Expected resources of an instance, from earlier runs; `None` where they are unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Number of cores that it kept busy.
    pub cpus: Option<usize>,
    /// Peak memory in bytes.
    pub memory: Option<u64>,
}

/// Rounds bytes up by an eighth at most, and to at least 64 MiB. The scheduler groups actions that take equal
/// resources, and no two measurements are equal.
fn rounded_up(bytes: u64) -> u64 {
    const LEAST: u64 = 64 << 20;
    let bytes = bytes.max(LEAST);
    let step = (1 << bytes.ilog2()) / 8;
    bytes.div_ceil(step).saturating_mul(step)
}

/// Noun for the keys of a stage's parameters, in messages.
const NOUN: &str = "parameter";

/// The parameters of an instance as written.
pub(super) struct Params {
    node: Node,
    key: Place,
    /// Place of the stage's name, for errors that are not in a parameter.
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

    /// Adds the pipeline's positive class, unless the stage sets its own.
    fn with_positive(mut self, draft: &Draft<'_>) -> Self {
        let (Some(param), Some(positive)) = (draft.kind.positive_param, &draft.spec.positive)
        else {
            return self;
        };
        if self.node.get(param).is_none()
            && let Value::Map(entries) = &mut self.node.value
        {
            entries.push(Entry {
                key: param.to_owned(),
                ..positive.clone()
            });
        }
        self
    }

    /// Adds the fold of this copy of the pipeline, unless the stage sets its own.
    fn with_fold(mut self, draft: &Draft<'_>, pipeline: &Pipeline) -> Self {
        let (Some(param), Some(fold), Some(written)) =
            (draft.kind.fold_param, pipeline.fold, &pipeline.folds)
        else {
            return self;
        };
        if folds::is_divided(draft)
            && let Value::Map(entries) = &mut self.node.value
        {
            let place = &written.place;
            let number = |value: usize| Value::Number(Plain::new((value as u64).into()));
            let entry = |key: &str, value| Entry {
                key: key.to_owned(),
                key_place: place.clone(),
                value: Node::new(value, place.clone()),
            };
            let fold = vec![
                entry("test", number(fold.test)),
                entry("of", number(fold.of)),
            ];
            entries.push(entry(param, Value::Map(fold)));
        }
        self
    }

    pub(super) fn diagnose(&self, invalid: &Invalid) -> Diagnostic {
        diagnose(&self.node, &self.key, invalid, NOUN)
    }
}

/// Parses the parameters of a draft and assigns its device.
pub(super) fn instance(
    draft: &Draft<'_>,
    pipeline: &Pipeline,
    catalogue: &Catalogue,
    machines: &Machines,
) -> Result<Instance, Vec<Diagnostic>> {
    let params = Params::of(draft)
        .with_positive(draft)
        .with_fold(draft, pipeline);
    let stage = decode_all(&params.node, &params.key, NOUN, |node| {
        parse(catalogue, draft.kind, node)
    })?;
    let resources = draft.spec.resources;
    let outputs = if draft.kind.declares_ports {
        stage.outputs()
    } else {
        draft.kind.outputs.iter().map(Port::from).collect()
    };
    // A stage that does not depend on the seed is the same for all seeds.
    let seed = match stage.depends_on_seed() {
        true => draft.spec.seed.unwrap_or(pipeline.seed),
        false => 0,
    };
    let executor = draft.executor(pipeline);
    let computing = machines.of(&executor);
    let Assigned { device, missing } = device::of(draft, pipeline, computing)?;
    let spec = draft.spec;
    let missing =
        missing.or_else(|| over_ssh::refusal(&executor, &*stage, &spec.name, &spec.place));
    let computes = draft.kind.computes;
    Ok(Instance {
        name: draft.name.clone(),
        kind: draft.kind,
        stage,
        outputs,
        seed,
        device,
        processor: computes.then(|| computing.processor(device, catalogue)),
        resources,
        limits: Limits {
            timeout: draft.spec.timeout,
            memory: resources.memory,
            retries: draft.spec.retries,
        },
        executor,
        pack: draft.spec.pack.map_or(1, Pack::get),
        missing,
        params,
        classes: None,
        empty_inputs: Vec::new(),
        resources_entry: draft.spec.resources_entry.clone(),
    })
}

fn parse(catalogue: &Catalogue, kind: &KindInfo, params: &Node) -> Result<Box<dyn Stage>, Fault> {
    let params = params.with_texts(kind.text_params);
    (catalogue.parse)(kind.name, params.to_json()).map_err(Fault::Form)
}
