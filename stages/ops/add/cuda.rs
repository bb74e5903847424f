//! CUDA implementation of the sum of two tensors.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError, Storage};

use super::Add;
use crate::cuda::memory::zeros;
use crate::cuda::{Argument, Buffer, Grid, Source, context};
use crate::{Combine, Tensor4, len};

static KERNELS: Source = Source {
    name: "add",
    code: include_str!("kernels.cu"),
};

impl Combine<Add> for Cuda {
    type Kept = ();

    fn forward(&self, _: Add, inputs: &[Tensor4<Cuda>]) -> Result<(Tensor4<Cuda>, ()), CudaError> {
        let shape = *inputs[0].shape();
        let (output, to) = zeros(self, shape)?;
        let [left, right] = [0, 1].map(|which| Argument::tensor(&inputs[which]));
        let arguments = [left, right, to, len(shape).into()];
        let grid = Grid::over(len(shape));
        // SAFETY: both terms and the output have the same shape.
        unsafe { context().launch(&KERNELS, "forward", &[], grid, &arguments) }?;
        Ok((output, ()))
    }

    fn backward(
        &self,
        _: Add,
        (): &(),
        _: usize,
        incoming: &Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CudaError> {
        let count = Storage::<f32>::len(self, incoming);
        let arguments = [
            Argument::buffer(incoming),
            Argument::buffer(to_input),
            count.into(),
        ];
        let grid = Grid::over(count);
        // SAFETY: a term has as many values as the sum.
        unsafe { context().launch(&KERNELS, "backward", &[], grid, &arguments) }?;
        Ok(())
    }
}
