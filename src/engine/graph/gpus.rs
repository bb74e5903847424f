//! Finds the GPUs that the instances of a graph may take, after [`device`](super::device) has assigned a
//! device to each.

use contract::{Gpu, NoGpu};

use super::device::Computing;
use super::{Catalogue, Instance};
use crate::devices::DeviceChoice;
use crate::spec::{Diagnostic, Pipeline};

/// Returns the GPUs that stages may take: the chosen ones or, if none were chosen but programs request some, all
/// that the pipeline's `device` allows. Also returns why there are none if programs request some.
pub(super) fn of(
    pipeline: &Pipeline,
    computing: &Computing,
    instances: &[Instance],
    catalogue: &Catalogue,
) -> (Vec<Gpu>, Option<NoGpu>) {
    let takes_some = |instance: &Instance| {
        instance.executor.is_local() && instance.missing.is_none() && instance.gpus() > 0
    };
    let chosen = computing.chosen.as_ref();
    match chosen.map_or(&[][..], |chosen| &chosen.gpus) {
        [] if instances.iter().any(takes_some) => {
            let mut gpus = match (catalogue.gpus)() {
                Ok(gpus) => gpus.clone(),
                Err(why) => return (Vec::new(), Some(why.clone())),
            };
            if let DeviceChoice::Cuda(Some(index)) = pipeline.device {
                gpus.retain(|gpu| gpu.index == index);
            }
            (gpus, None)
        }
        gpus => (gpus.to_vec(), None),
    }
}

/// Returns a warning if a GPU was requested for this pipeline but no stage takes one.
pub(super) fn warnings(pipeline: &Pipeline, instances: &[Instance]) -> Vec<Diagnostic> {
    let DeviceChoice::Cuda(_) = pipeline.device else {
        return Vec::new();
    };
    let Some(place) = &pipeline.device_place else {
        return Vec::new();
    };
    // Environment variables and configuration files apply to all pipelines.
    let is_for_all = place.is_variable() || place.file().is_some_and(|file| file != pipeline.file);
    if is_for_all || instances.iter().any(|instance| instance.gpus() > 0) {
        return Vec::new();
    }
    let message = format!(
        "no stage takes a GPU, so `{}` has no effect",
        pipeline.device
    );
    let hint = "stages that train or predict take a GPU, and so do programs with `resources.gpus`";
    vec![Diagnostic::at(place, message).hint(hint.to_owned())]
}
