//! Where the instances of a pipeline compute.

use stages::contract::Device;
use stages::gpus::Gpu;

use super::expand::Draft;
use super::{Catalogue, Instance, Resources};
use crate::devices::{Chosen, DeviceChoice};
use crate::spec::{Diagnostic, Pipeline};

/// What the pipeline's choice comes to on this machine; nothing where no stage asks. Where a GPU is asked
/// for by name and not there, that is an error where stages are to run, and the CPU is taken to go on with.
pub(super) fn choose(
    pipeline: &Pipeline,
    drafts: &[Draft<'_>],
    catalogue: &Catalogue,
    errors: &mut Vec<Diagnostic>,
) -> Option<Chosen> {
    let asks = |draft: &Draft<'_>| draft.kind.computes && draft.spec.resources.gpus != Some(0);
    if !drafts.iter().any(asks) {
        // Stages on the CPU alone need no driver.
        let computes = drafts.iter().any(|draft| draft.kind.computes);
        let cpu = || {
            DeviceChoice::Cpu
                .resolve(pipeline.precision, catalogue.gpus)
                .ok()
        };
        return computes.then(cpu).flatten();
    }
    match pipeline.device.resolve(pipeline.precision, catalogue.gpus) {
        Ok(chosen) => Some(chosen),
        Err(_) if !catalogue.is_to_run => Some(Chosen::elsewhere(pipeline.precision)),
        Err(error) => {
            let place = &pipeline.device_place;
            let diagnostic = Diagnostic::at(place, error.to_string()).hint(error.hint().to_owned());
            errors.push(match place.file() {
                Some(_) => diagnostic,
                // An option takes what was typed, or what else there is.
                None => diagnostic
                    .note("`runner config` shows where a device that was not typed comes from"),
            });
            None
        }
    }
}

/// The device of an instance; where nothing is to run, one that asks for a GPU is on one of another machine.
pub(super) fn of(
    draft: &Draft<'_>,
    pipeline: &Pipeline,
    computing: Option<&Chosen>,
    catalogue: &Catalogue,
) -> Result<Device, Vec<Diagnostic>> {
    let Resources {
        gpus, gpu_memory, ..
    } = draft.spec.resources;
    let refused = |message: String, hint: &str| {
        let hint = Some(hint.to_owned());
        Err(vec![Diagnostic::at(&draft.spec.place, message).hint(hint)])
    };
    if !draft.kind.computes {
        let runs_a_program = draft.kind.declares_ports;
        return match gpus {
            Some(1..) if !runs_a_program => refused(
                format!("a `{}` stage computes on the CPU only", draft.kind.name),
                "leave `resources.gpus` out",
            ),
            None | Some(0) if gpu_memory.is_some() => refused(
                format!("a `{}` stage has no GPU to share", draft.kind.name),
                match runs_a_program {
                    true => "set `resources.gpus` to 1, or leave `resources.gpu_memory` out",
                    false => "leave `resources.gpu_memory` out",
                },
            ),
            Some(2..) if gpu_memory.is_some() => refused(
                "`gpu_memory` is a part of one GPU, and the stage asks for more".to_owned(),
                "set `resources.gpus` to 1, or leave `resources.gpu_memory` out",
            ),
            _ => Ok(Device::Cpu),
        };
    }
    let device = computing.map_or(Device::Cpu, |chosen| chosen.device);
    match gpus {
        Some(0) if gpu_memory.is_some() => refused(
            "a stage on the CPU has no GPU to share".to_owned(),
            "leave `resources.gpu_memory` out, or `resources.gpus`",
        ),
        Some(0) => Ok(Device::Cpu),
        Some(2..) => refused(
            format!("a `{}` stage computes on one GPU", draft.kind.name),
            "set `resources.gpus` to 1, or to 0 for the CPU, or leave it out",
        ),
        Some(1) if device == Device::Cpu => match computing {
            // That there is none is an error by itself.
            None => Ok(device),
            Some(Chosen {
                without: Some(_), ..
            }) if !catalogue.is_to_run => Ok(Chosen::elsewhere(pipeline.precision).device),
            Some(Chosen {
                without: Some(why), ..
            }) => refused(
                format!("the stage asks for a GPU, and computes on the CPU: {why}"),
                "leave `resources.gpus` out; `runner doctor` shows what there is",
            ),
            Some(_) => refused(
                "the stage asks for a GPU, and computes on the CPU".to_owned(),
                "leave `resources.gpus` out, or take `--device cuda`",
            ),
        },
        _ => Ok(device),
    }
}

/// The GPUs that stages may take: those that were chosen, or, for programs that ask for some where no
/// stage takes any, all that the pipeline's choice names.
pub(super) fn gpus(
    pipeline: &Pipeline,
    computing: Option<&Chosen>,
    instances: &[Instance],
    catalogue: &Catalogue,
) -> Vec<Gpu> {
    let chosen = computing.map(|chosen| chosen.gpus.as_slice());
    match chosen.unwrap_or_default() {
        [] if instances.iter().any(|instance| instance.slots().gpus > 0) => {
            let mut gpus = (catalogue.gpus)().clone().unwrap_or_default();
            if let DeviceChoice::Cuda(Some(index)) = pipeline.device {
                gpus.retain(|gpu| gpu.index == index);
            }
            gpus
        }
        gpus => gpus.to_vec(),
    }
}

#[cfg(test)]
mod tests;
