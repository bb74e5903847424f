//! Code that several executors beyond this machine share.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use contract::{Device, Failure, ShowPath, StageEvent, lock};

use crate::graph::{Catalogue, gpu_models};

/// Interval between two events about the progress of a stage. Each repeats the newest measurement.
const PROGRESS: Duration = Duration::from_secs(1);

/// Leaves out progress that follows other progress too soon.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<Option<Instant>>);

impl Throttle {
    /// Returns `true` if the event is to be passed on.
    pub(super) fn passes(&self, event: &StageEvent) -> bool {
        if !matches!(event, StageEvent::Progress(_)) {
            return true;
        }
        let mut latest = lock(&self.0);
        if latest.is_some_and(|latest: Instant| latest.elapsed() < PROGRESS) {
            return false;
        }
        *latest = Some(Instant::now());
        true
    }
}

/// Names the driver's copy of a log in the message of a failure, instead of the log of the node, which will be removed.
pub(super) fn with_log(failure: Failure, of_node: &Path, copy: &Path) -> Failure {
    failure.map(|message| *message = message.replace(&*of_node.shown(), &copy.shown()))
}

/// Returns the kind of this machine's processor for a device.
///
/// # Errors
/// If there is no GPU.
pub(super) fn processor_for(device: Device, catalogue: &Catalogue) -> Result<String, Failure> {
    match device {
        Device::Cpu => Ok((catalogue.processor)().to_owned()),
        Device::Cuda { .. } => match (catalogue.gpus)() {
            Ok(gpus) => Ok(gpu_models(gpus.iter().map(|gpu| &*gpu.name))),
            Err(why) => Err(Failure::Data(format!("no GPU on this node: {why}"))),
        },
    }
}
