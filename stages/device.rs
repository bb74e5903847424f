//! Where tensors live.

use dfdx::tensor::Cpu;

use crate::contract::{Device, Failure};

/// The classes of devices that this binary computes on.
pub const CLASSES: &[&str] = if cfg!(feature = "cuda") {
    &["cpu", "cuda"]
} else {
    &["cpu"]
};

/// The device of a stage.
pub fn open(device: Device) -> Result<Cpu, Failure> {
    match device {
        Device::Cpu => Ok(Cpu::default()),
        Device::Cuda { .. } => Err(Failure::System(
            "this binary computes on the CPU only".to_owned(),
        )),
    }
}
