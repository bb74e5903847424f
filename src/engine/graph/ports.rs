//! The output ports of every stage, before stages are connected.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::{Deref, Range};

use contract::{ArtifactType, KindInfo, MetricInfo, Port};

use super::Instance;
use super::empty_input::EmptyInput;
use super::expand::Draft;
use crate::spec::{Diagnostic, suggest};

/// A stage with its instances and output ports.
pub(super) struct Stage<'a> {
    pub name: &'a str,
    pub kind: &'static KindInfo,
    /// Its instances, as a range of all drafts.
    pub instances: Range<usize>,
    /// `None` if the stage declares its ports itself and all its instances have errors.
    pub outputs: Option<Outputs>,
    /// Names of the classes of the images that any of its instances measures on, if all are known before the run.
    pub classes: Option<Vec<String>>,
    /// Optional inputs that will have no images in any of its instances.
    pub empty_inputs: Vec<EmptyInput>,
    /// The metrics of each port that has metrics; `None` if their names are not known before the stage has run.
    metrics: HashMap<String, Option<Cow<'static, [MetricInfo]>>>,
}

/// The output ports of a stage.
pub(super) struct Outputs {
    ports: Vec<Port>,
    positions: HashMap<String, usize>,
}

impl Outputs {
    fn of(ports: Vec<Port>) -> Self {
        let names = ports.iter().map(|port| port.name.clone());
        Self {
            positions: names.zip(0..).collect(),
            ports,
        }
    }

    /// Returns the port with this name.
    pub(super) fn named(&self, name: &str) -> Option<&Port> {
        self.positions.get(name).map(|&index| &self.ports[index])
    }
}

impl Deref for Outputs {
    type Target = [Port];

    fn deref(&self) -> &[Port] {
        &self.ports
    }
}

/// All stages that have at least one draft.
pub(super) struct Ports<'a> {
    /// In the order of the document.
    pub stages: Vec<Stage<'a>>,
    positions: HashMap<&'a str, usize>,
}

impl<'a> Ports<'a> {
    /// Collects the stages of drafts and their instances. The drafts of a stage must be consecutive.
    pub(super) fn of(
        drafts: &'a [Draft<'_>],
        instances: &[Option<Instance>],
        errors: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut stages: Vec<Stage<'a>> = Vec::new();
        let mut positions = HashMap::new();
        let mut start = 0;
        for group in drafts.chunk_by(|a, b| a.spec.name == b.spec.name) {
            let range = start..start + group.len();
            start = range.end;
            let (name, kind) = (group[0].spec.name.as_str(), group[0].kind);
            let outputs = if kind.declares_ports {
                let mut sound = instances[range.clone()].iter().flatten();
                let first = sound.next().map(|instance| instance.outputs.as_slice());
                if sound.any(|instance| Some(instance.outputs.as_slice()) != first) {
                    let message = format!("the instances of `{name}` declare different outputs");
                    errors.push(Diagnostic::at(&group[0].spec.place, message));
                }
                first.map(|ports| Outputs::of(ports.to_vec()))
            } else {
                let ports = kind.outputs.iter().map(Port::from);
                Some(Outputs::of(ports.collect()))
            };
            positions.insert(name, stages.len());
            let sound = instances[range.clone()].iter().flatten();
            let metrics = metrics(outputs.as_deref().unwrap_or_default(), sound);
            stages.push(Stage {
                classes: None,
                empty_inputs: Vec::new(),
                metrics,
                name,
                kind,
                instances: range,
                outputs,
            });
        }
        Self { stages, positions }
    }

    /// Adds what the instances know about the images of their inputs.
    pub(super) fn with_images(mut self, instances: &[Option<Instance>]) -> Self {
        for stage in &mut self.stages {
            let sound = || instances[stage.instances.clone()].iter().flatten();
            let Some(first) = sound().next() else {
                continue;
            };
            let classes: Option<Vec<&Vec<String>>> =
                sound().map(|instance| instance.classes.as_ref()).collect();
            stage.classes = classes.map(|classes| {
                let names = classes.into_iter().flatten().map(String::as_str);
                suggest::distinct(names)
                    .into_iter()
                    .map(str::to_owned)
                    .collect()
            });
            let is_empty = |role: &str| {
                sound().all(|instance| instance.empty_inputs.iter().any(|input| input.role == role))
            };
            let empty = first.empty_inputs.iter();
            stage.empty_inputs = empty
                .filter(|input| is_empty(input.role))
                .cloned()
                .collect();
        }
        self
    }

    /// Returns the stage with this name.
    pub(super) fn get(&self, name: &str) -> Option<&Stage<'a>> {
        self.positions.get(name).map(|&index| &self.stages[index])
    }
}

/// Returns the metrics of each port that has metrics, as declared by any of the instances.
fn metrics<'a>(
    ports: &[Port],
    instances: impl Iterator<Item = &'a Instance> + Clone,
) -> HashMap<String, Option<Cow<'static, [MetricInfo]>>> {
    let ports = ports.iter();
    let measuring = ports.filter(|port| port.yields == ArtifactType::Metrics);
    let declared = |port: &Port| {
        let all = instances
            .clone()
            .map(|instance| instance.metrics(&port.name));
        all.reduce(|a, b| {
            let (a, b) = a.zip(b)?;
            let new = b.iter().filter(|info| !a.contains(info)).cloned();
            let new: Vec<MetricInfo> = new.collect();
            Some(match new.is_empty() {
                true => a,
                false => a.iter().cloned().chain(new).collect(),
            })
        })
    };
    measuring
        .map(|port| (port.name.clone(), declared(port).flatten()))
        .collect()
}

impl Stage<'_> {
    /// Returns the metrics of a port, or of the first port with metrics; `None` if their names are not known before
    /// the stage has run.
    pub(super) fn metrics(&self, port: Option<&str>) -> Option<&[MetricInfo]> {
        let mut outputs = self.outputs.as_ref()?.iter();
        let port = match port {
            Some(port) => port,
            None => {
                &outputs
                    .find(|port| port.yields == ArtifactType::Metrics)?
                    .name
            }
        };
        self.metrics.get(port)?.as_deref()
    }

    /// Returns `true` if one of its outputs has this type; `None` if its outputs are not known.
    pub(super) fn yields(&self, wanted: ArtifactType) -> Option<bool> {
        let outputs = self.outputs.as_ref()?;
        Some(outputs.iter().any(|port| port.yields == wanted))
    }

    /// Returns the port that a reference without a port means.
    pub(super) fn primary<'p>(&self, outputs: &'p [Port]) -> Option<&'p Port> {
        match outputs {
            [only] => Some(only),
            [first, ..] if self.kind.has_primary => Some(first),
            _ => None,
        }
    }
}
