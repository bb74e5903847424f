//! Where tensors live.

use dfdx::tensor::Cpu;

use crate::contract::{DeviceClass, Failure};

/// The classes of devices that this binary computes on.
pub fn devices() -> &'static [DeviceClass] {
    &[DeviceClass::Cpu]
}

/// The device of `class`.
pub fn open(class: DeviceClass) -> Result<Cpu, Failure> {
    match class {
        DeviceClass::Cpu => Ok(Cpu::default()),
        DeviceClass::Cuda => Err(Failure::System(
            "this binary computes on the CPU only".to_owned(),
        )),
    }
}
