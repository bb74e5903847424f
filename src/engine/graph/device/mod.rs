//! Assigns devices to the instances of a pipeline.
//!
//! A requested GPU that is missing is not an error here. The instance keeps the key that it has on a machine
//! with the GPU, so that its cached results can be shown and used. [`Assigned`] has the reason why it cannot
//! run.

use std::collections::BTreeSet;

use contract::{Device, Gpu};

use super::expand::Draft;
use super::{Catalogue, Resources};
use crate::devices::{Chosen, DeviceChoice, NoSuchDevice};
use crate::spec::{Diagnostic, Pipeline, resource_place};

/// The pipeline's `device`, resolved for this machine.
pub(super) struct Computing {
    /// `None` if no stage computes.
    pub chosen: Option<Chosen>,
    /// The reason why the requested GPU is not available.
    missing: Option<Diagnostic>,
}

impl Computing {
    /// Returns the kind of the processor behind a device.
    pub(super) fn processor(&self, device: Device, catalogue: &Catalogue) -> String {
        match device {
            Device::Cpu => (catalogue.processor)().to_owned(),
            Device::Cuda { .. } => {
                let gpus = self.chosen.as_ref().map_or(&[][..], |chosen| &chosen.gpus);
                gpu_models(gpus)
            }
        }
    }
}

/// Returns the models of GPUs as one name: `gpu-nvidia-h200`; `gpu` if there are none. A stage may take any of the
/// GPUs, so different models are all in the name.
fn gpu_models(gpus: &[Gpu]) -> String {
    let word = |text: &str| -> String {
        let plain = |c: char| match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => c,
            _ => '-',
        };
        text.chars().map(plain).collect()
    };
    let models: BTreeSet<String> = gpus.iter().map(|gpu| word(&gpu.name)).collect();
    let models = models.iter().map(|model| format!("-{model}"));
    format!("gpu{}", models.collect::<String>())
}

/// The device of an instance, and the reason if the instance cannot run on this machine.
pub(super) struct Assigned {
    pub device: Device,
    pub missing: Option<Diagnostic>,
}

/// Resolves the pipeline's `device`. GPUs are looked for only if a stage may take one.
pub(super) fn choose(
    pipeline: &Pipeline,
    drafts: &[Draft<'_>],
    catalogue: &Catalogue,
) -> Computing {
    let asks = |draft: &Draft<'_>| draft.kind.computes && draft.spec.resources.gpus != Some(0);
    let choice = match drafts.iter().any(asks) {
        true => pipeline.device,
        // If all stages stay on the CPU, the driver is not needed.
        false => DeviceChoice::Cpu,
    };
    if !drafts.iter().any(|draft| draft.kind.computes) {
        return Computing {
            chosen: None,
            missing: None,
        };
    }
    match choice.resolve(pipeline.precision, catalogue.gpus) {
        Ok(chosen) => Computing {
            chosen: Some(chosen),
            missing: None,
        },
        Err(error) => Computing {
            chosen: Some(Chosen::assumed_cuda(pipeline.precision)),
            missing: Some(no_such_device(pipeline, &error)),
        },
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
