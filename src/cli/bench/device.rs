//! Options for the device that a benchmark trains on.

use clap::Args;
use contract::{Device, Precision};
use engine::devices::{self, DeviceChoice};
use engine::error::Error;
use engine::launch::VISIBLE_GPUS;

/// The device of a benchmark.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct DeviceArgs {
    /// Device to measure: cpu, cuda (the first GPU), cuda:0 (the GPU with this number), or auto
    #[arg(long, value_name = "DEVICE", env = "RUNNER_DEVICE", default_value_t = DeviceChoice::Cpu)]
    device: DeviceChoice,
    /// Precision of multiplications on a GPU: tf32, float32
    #[arg(long, value_name = "NAME", env = "RUNNER_PRECISION", default_value_t)]
    precision: Precision,
}

impl DeviceArgs {
    /// The device that the measuring process uses. If it is a GPU, that process sees only this GPU, because of
    /// [`DeviceArgs::visible`].
    pub(super) fn device(self) -> Result<Device, Error> {
        match self.device {
            DeviceChoice::Cuda(_) => Ok(Device::Cuda {
                precision: self.precision,
            }),
            choice => Ok(self.resolved(choice)?.device),
        }
    }

    /// The environment variable that makes only the chosen GPU visible to a process; `None` for the CPU.
    ///
    /// # Errors
    /// If the device does not exist.
    pub(super) fn visible(self) -> Result<Option<(&'static str, String)>, Error> {
        let chosen = self.resolved(self.device)?;
        let gpu = chosen.gpus.into_iter().next();
        Ok(gpu.map(|gpu| (VISIBLE_GPUS, gpu.uuid)))
    }

    fn resolved(self, choice: DeviceChoice) -> Result<devices::Chosen, Error> {
        let chosen = choice.resolve(self.precision, stages::gpus::survey);
        chosen.map_err(|error| Error::Usage(format!("{error}; {}", error.hint())))
    }
}
