//! CUDA implementation of concatenation.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError, Storage};

use super::{Concat, Slot, arrange};
use crate::cuda::memory::zeros;
use crate::cuda::{Argument, Buffer, Constant, Grid, Source, context};
use crate::{Combine, Nchw, Tensor4, len};

static KERNELS: Source = Source {
    name: "concat",
    code: include_str!("kernels.cu"),
};

impl Combine<Concat> for Cuda {
    type Kept = Vec<Slot>;

    fn forward(
        &self,
        _: Concat,
        inputs: &[Tensor4<Cuda>],
    ) -> Result<(Tensor4<Cuda>, Self::Kept), CudaError> {
        let shapes: Vec<Nchw> = inputs.iter().map(|input| *input.shape()).collect();
        let (shape, slots) = arrange(&shapes);
        let (output, to) = zeros(self, shape)?;
        for (input, slot) in inputs.iter().zip(&slots) {
            let count = len(*input.shape());
            let arguments = [Argument::tensor(input), to, count.into()];
            let (constants, grid) = (constants(slot), Grid::over(count));
            // SAFETY: the constants describe the place of an input of `count` values in the output.
            unsafe { context().launch(&KERNELS, "forward", &constants, grid, &arguments) }?;
        }
        Ok((output, slots))
    }

    fn backward(
        &self,
        _: Concat,
        slots: &Self::Kept,
        which: usize,
        incoming: &Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CudaError> {
        let count = Storage::<f32>::len(self, to_input);
        let arguments = [
            Argument::buffer(incoming),
            Argument::buffer(to_input),
            count.into(),
        ];
        let (constants, grid) = (constants(&slots[which]), Grid::over(count));
        // SAFETY: as for the forward pass.
        unsafe { context().launch(&KERNELS, "backward", &constants, grid, &arguments) }?;
        Ok(())
    }
}

fn constants(slot: &Slot) -> [Constant; 3] {
    [
        ("SIZE", slot.size as i64),
        ("OFFSET", slot.offset as i64),
        ("TOTAL", slot.total as i64),
    ]
}
