//! Options for the device that predicts.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;

use clap::Args;
use contract::{Device, Precision};
use engine::devices::DeviceChoice;
use engine::error::Error;
use engine::launch::{VISIBLE_GPUS, own_binary};
use stages::gpus::survey;

/// The device that predicts.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct DeviceArgs {
    /// Device to compute on: auto (a GPU if there is one), cpu, cuda, cuda:0
    #[arg(long, value_name = "DEVICE", env = "RUNNER_DEVICE", default_value_t)]
    device: DeviceChoice,
    /// Precision of multiplications on a GPU: tf32, float32
    #[arg(long, value_name = "NAME", env = "RUNNER_PRECISION", default_value_t)]
    precision: Precision,
    /// This process sees only the GPU that was chosen
    #[arg(long, hide = true)]
    here: bool,
}

impl DeviceArgs {
    /// Returns the device. If it is not the first GPU, this process starts again and sees only that GPU.
    pub(super) fn device(self) -> Result<Device, Error> {
        if self.here {
            return Ok(Device::Cuda {
                precision: self.precision,
            });
        }
        let chosen = self.device.resolve(self.precision, survey);
        let chosen = chosen.map_err(|e| Error::Usage(format!("{e}; {}", e.hint())))?;
        match chosen.gpus.first() {
            Some(gpu) if gpu.index > 0 => Err(start_again(&gpu.uuid)),
            _ => Ok(chosen.device),
        }
    }
}

/// Replaces this process with one that sees only one GPU. Returns only if that fails.
fn start_again(gpu: &str) -> Error {
    let failed = |e| Error::System(format!("failed to use the GPU {gpu}: {e}"));
    match own_binary() {
        Ok(mut command) => {
            let mut args: Vec<OsString> = std::env::args_os().skip(1).collect();
            let end = args.iter().position(|arg| arg == "--");
            args.insert(end.unwrap_or(args.len()), "--here".into());
            command.args(args);
            failed(command.env(VISIBLE_GPUS, gpu).exec())
        }
        Err(error) => failed(error),
    }
}
