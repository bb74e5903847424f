//! Opening the device that a stage computes on.

use dfdx::tensor::Cpu;

use crate::contract::{DeviceClass, Failure};
use crate::ops::Backend;

/// Work that any device can do: a closure over the device's type.
pub trait Work {
    type Output;

    fn on<B: Backend>(self, device: B) -> Self::Output;
}

/// Does the work on a device of this class.
///
/// # Errors
/// If this build does not know the class.
pub fn with<W: Work>(class: DeviceClass, work: W) -> Result<W::Output, Failure> {
    match class {
        DeviceClass::Cpu => Ok(work.on(Cpu::default())),
        DeviceClass::Cuda => Err(Failure::System(
            "this build has no operations for `cuda`; use the device `cpu`".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Activation, activation, from_host, to_host};

    struct Double(Vec<f32>);

    impl Work for Double {
        type Output = Vec<f32>;

        fn on<B: Backend>(self, device: B) -> Vec<f32> {
            let shape = (1, self.0.len(), 1, 1);
            let x = from_host(&device, self.0, shape);
            to_host(&(activation(x, Activation::Relu) * 2.0))
        }
    }

    #[test]
    fn work_is_done_where_it_can_be() {
        let done = with(DeviceClass::Cpu, Double(vec![-1.0, 3.0]));
        assert_eq!(done, Ok(vec![0.0, 6.0]));
        let refused = with(DeviceClass::Cuda, Double(vec![]));
        assert!(matches!(refused, Err(Failure::System(message)) if message.contains("`cuda`")));
    }
}
