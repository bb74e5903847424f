//! Assigns devices to the instances of a pipeline.
//!
//! A requested GPU that is missing is not an error here. The instance keeps the key that it has on a machine
//! with the GPU, so that its cached results can be shown and used. [`Assigned`] has the reason why it cannot
//! run.
//!
//! A stage that another machine runs computes on the processors that the user declares for that machine
//! ([`Processors`]). The machine refuses the stage if it has others.

use std::collections::{BTreeMap, BTreeSet};

use contract::Device;

use super::expand::Draft;
use super::{Catalogue, Resources};
use crate::devices::{Chosen, DeviceChoice, NoSuchDevice};
use crate::spec::{Diagnostic, Executor, Pipeline, Processors, resource_place};

/// The pipeline's `device`, resolved for this machine and for each other executor.
pub(super) struct Machines {
    pub here: Computing,
    elsewhere: BTreeMap<Executor, Computing>,
}

impl Machines {
    pub(super) fn of(&self, executor: &Executor) -> &Computing {
        self.elsewhere.get(executor).unwrap_or(&self.here)
    }
}

/// The pipeline's `device`, resolved for the machines of one executor.
#[derive(Default)]
pub(super) struct Computing {
    /// `None` if no stage computes.
    pub chosen: Option<Chosen>,
    /// The reason why the requested GPU is not available.
    missing: Option<Diagnostic>,
    /// Kind of the CPUs. `None` means the kind of this machine.
    cpu: Option<String>,
    /// Model of the GPUs of another machine.
    gpu: Option<String>,
}

impl Computing {
    /// Returns the kind of the processor behind a device.
    pub(super) fn processor(&self, device: Device, catalogue: &Catalogue) -> String {
        match device {
            Device::Cpu => match &self.cpu {
                Some(declared) => declared.clone(),
                None => (catalogue.processor)().to_owned(),
            },
            Device::Cuda { .. } => {
                let chosen = self.chosen.as_ref();
                let here = chosen.map_or(&[][..], |chosen| &chosen.gpus).iter();
                gpu_models(here.map(|gpu| &*gpu.name).chain(self.gpu.as_deref()))
            }
        }
    }
}

/// Returns the models of GPUs as one name: `gpu-nvidia-h200`; `gpu` if there are none. A stage may take any of the
/// GPUs, so different models are all in the name.
pub(crate) fn gpu_models<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let word = |text: &str| -> String {
        let plain = |c: char| match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => c,
            _ => '-',
        };
        text.chars().map(plain).collect()
    };
    let models: BTreeSet<String> = names.map(word).collect();
    let models = models.iter().map(|model| format!("-{model}"));
    format!("gpu{}", models.collect::<String>())
}

/// The device of an instance, and the reason if the instance cannot run on this machine.
pub(super) struct Assigned {
    pub device: Device,
    pub missing: Option<Diagnostic>,
}

/// Resolves the pipeline's `device`. GPUs of this machine are looked for only if a stage may take one.
pub(super) fn choose(pipeline: &Pipeline, drafts: &[Draft<'_>], catalogue: &Catalogue) -> Machines {
    let computing = drafts.iter().filter(|draft| draft.kind.computes);
    let mut elsewhere = BTreeMap::new();
    let (mut computes, mut asks) = (false, false);
    for draft in computing {
        match draft.executor(pipeline) {
            Executor::Local => {
                computes = true;
                asks |= draft.spec.resources.gpus != Some(0);
            }
            executor => {
                elsewhere
                    .entry(executor)
                    .or_insert_with_key(|executor| there(pipeline, executor));
            }
        }
    }
    let choice = match asks {
        true => pipeline.device,
        // If all stages stay on the CPU, the driver is not needed.
        false => DeviceChoice::Cpu,
    };
    let here = match computes.then(|| choice.resolve(pipeline.precision, catalogue.gpus)) {
        None => Computing::default(),
        Some(Ok(chosen)) => Computing {
            chosen: Some(chosen),
            ..Computing::default()
        },
        Some(Err(error)) => Computing {
            chosen: Some(Chosen::assumed_cuda(pipeline.precision)),
            missing: Some(no_such_device(pipeline, &error)),
            ..Computing::default()
        },
    };
    Machines { here, elsewhere }
}

/// Resolves the pipeline's `device` for the machines of an executor, whose GPUs the user declares.
fn there(pipeline: &Pipeline, executor: &Executor) -> Computing {
    let declared = pipeline.processors.get(executor);
    let Processors { cpu, gpu } = declared.cloned().unwrap_or_default();
    let missing = match (pipeline.device, &gpu) {
        (DeviceChoice::Cuda(_), None) => {
            let message = format!("no GPU of the executor `{executor}` is configured");
            let missing = match &pipeline.device_place {
                Some(place) => Diagnostic::at(place, message),
                None => Diagnostic::new(message),
            };
            let hint = "set `gpu` to its model in the executor's settings, or use `--device cpu`";
            Some(missing.hint(hint.to_owned()))
        }
        _ => None,
    };
    let chosen = match pipeline.device {
        DeviceChoice::Cuda(_) => Chosen::assumed_cuda(pipeline.precision),
        DeviceChoice::Auto if gpu.is_some() => Chosen::assumed_cuda(pipeline.precision),
        DeviceChoice::Auto | DeviceChoice::Cpu => Chosen::cpu(),
    };
    Computing {
        chosen: Some(chosen),
        missing,
        cpu,
        gpu,
    }
}

/// Creates the error for a missing device, at the place of the setting that requests it.
fn no_such_device(pipeline: &Pipeline, error: &NoSuchDevice) -> Diagnostic {
    let place = match error {
        NoSuchDevice::NoTf32(_) => pipeline.precision_place.as_ref(),
        NoSuchDevice::None(_) | NoSuchDevice::Number { .. } => None,
    };
    let diagnostic = match place.or(pipeline.device_place.as_ref()) {
        Some(place) => Diagnostic::at(place, error.to_string()),
        None => Diagnostic::new(error.to_string()),
    };
    diagnostic.hint(error.hint().to_owned())
}

/// Assigns a device to an instance.
///
/// # Errors
/// Fails if the stage's `resources` are invalid, whatever the machine.
pub(super) fn of(
    draft: &Draft<'_>,
    pipeline: &Pipeline,
    computing: &Computing,
) -> Result<Assigned, Vec<Diagnostic>> {
    let Resources {
        gpus, gpu_memory, ..
    } = draft.spec.resources;
    let at = |resource: &str, message: String| {
        let entry = draft.spec.resources_entry.as_ref();
        Diagnostic::at(resource_place(entry, resource, &draft.spec.place), message)
    };
    let refused = |resource: &str, message: String, hint: &str| {
        Err(vec![at(resource, message).hint(hint.to_owned())])
    };
    let on_cpu = Assigned {
        device: Device::Cpu,
        missing: None,
    };
    let kind = draft.kind.name;
    if !draft.kind.computes {
        let runs_a_program = draft.kind.declares_ports;
        return match gpus {
            Some(1..) if !runs_a_program => refused(
                "gpus",
                format!("a `{kind}` stage computes on the CPU only"),
                match gpu_memory {
                    Some(_) => "leave `resources.gpus` and `resources.gpu_memory` out",
                    None => "leave `resources.gpus` out",
                },
            ),
            None | Some(0) if gpu_memory.is_some() => refused(
                "gpu_memory",
                format!("a `{kind}` stage has no GPU to share"),
                match runs_a_program {
                    true => "set `resources.gpus` to 1, or leave `resources.gpu_memory` out",
                    false => "leave `resources.gpu_memory` out",
                },
            ),
            Some(2..) if gpu_memory.is_some() => refused(
                "gpu_memory",
                "`gpu_memory` is a part of one GPU, but the stage requests several".to_owned(),
                "set `resources.gpus` to 1, or leave `resources.gpu_memory` out",
            ),
            _ => Ok(on_cpu),
        };
    }
    let device = match &computing.chosen {
        Some(chosen) => chosen.device,
        None => Device::Cpu,
    };
    match gpus {
        Some(0) if gpu_memory.is_some() => refused(
            "gpu_memory",
            "a stage on the CPU has no GPU to share".to_owned(),
            "leave `resources.gpu_memory` out, or `resources.gpus: 0`",
        ),
        Some(0) => Ok(on_cpu),
        Some(2..) => refused(
            "gpus",
            format!("a `{kind}` stage computes on one GPU"),
            match gpu_memory {
                Some(_) => "set `resources.gpus` to 1, or leave it out",
                None => "set `resources.gpus` to 1, or to 0 for the CPU, or leave it out",
            },
        ),
        Some(1) if device == Device::Cpu => {
            let without = computing.chosen.as_ref();
            let why = without.and_then(|chosen| chosen.without.as_ref());
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            let message = format!("the stage requests a GPU, but computes on the CPU{why}");
            let missing = at("gpus", message);
            let missing = match (pipeline.device, &pipeline.device_place) {
                (DeviceChoice::Cpu, Some(place)) => missing
                    .note(format!("the device is `cpu` ({place})"))
                    .hint("leave `resources.gpus` out, or choose another device".to_owned()),
                _ => missing.hint(
                    "leave `resources.gpus` out, or run `runner doctor` to see the available GPUs"
                        .to_owned(),
                ),
            };
            Ok(Assigned {
                device: Chosen::assumed_cuda(pipeline.precision).device,
                missing: Some(missing),
            })
        }
        gpus => Ok(Assigned {
            device,
            missing: computing.missing.clone().map(|missing| match gpus {
                // Choosing another device is not enough, because the stage itself requests a GPU.
                Some(_) => missing.note(format!(
                    "`{}` also requests a GPU with `resources.gpus`",
                    draft.spec.name
                )),
                None => missing,
            }),
        }),
    }
}

#[cfg(test)]
mod tests;
