//! CUDA implementation of losses.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError, ZerosTensor};

use super::{LossKernel, Truth};
use crate::cuda::{Argument, Buffer, Grid, Source, address, context};
use crate::memory::Memory;
use crate::{Nchw, Scalar, Tensor4, len};

static KERNELS: Source = Source {
    name: "losses",
    code: include_str!("kernels.cu"),
};

/// One block is enough, because a batch has few examples.
const ONE_BLOCK: Grid = Grid {
    blocks: (1, 1, 1),
    threads: 256,
};

impl LossKernel for Cuda {
    /// Derivatives of every example's loss with respect to its logits.
    type Kept = Buffer;

    fn forward(
        &self,
        truth: Truth<'_>,
        weights: &[f32],
        logits: &Tensor4<Cuda>,
    ) -> Result<(Scalar<Cuda>, Buffer), CudaError> {
        let (examples, classes, ..) = *logits.shape();
        let truths = match truth {
            Truth::Probabilities(_) | Truth::Classes(_) => examples,
            Truth::Distributions(targets) => targets.len(),
        };
        let mut told = self.staging(truths + examples)?;
        let (values, their_weights) = told.split_at_mut(truths);
        match truth {
            Truth::Probabilities(targets) | Truth::Distributions(targets) => {
                values.copy_from_slice(targets);
            }
            // Exact: there are fewer than 2²⁴ classes.
            Truth::Classes(classes) => values
                .iter_mut()
                .zip(classes)
                .for_each(|(to, &class)| *to = class as f32),
        }
        their_weights.copy_from_slice(weights);
        // This tensor must live until after the launch: dropped memory is reused for the next allocation of the
        // same size.
        let told = self.upload(told, (1, 1, 1, truths + examples))?;
        let (values, weights) = (address(&told), (truths * size_of::<f32>()) as u64);

        let mean: Scalar<Cuda> = self.try_zeros_like(&())?;
        let derivatives: Buffer =
            dfdx::tensor::Storage::<f32>::try_alloc_len(self, len(*logits.shape()))?;
        let mut arguments = vec![
            Argument::tensor(logits),
            Argument::Pointer(values),
            Argument::Pointer(values + weights),
            Argument::tensor(&mean),
            Argument::buffer(&derivatives),
            examples.into(),
        ];
        let kernel = match truth {
            Truth::Probabilities(_) => "binary",
            Truth::Classes(_) => {
                arguments.push(classes.into());
                "categorical"
            }
            Truth::Distributions(_) => {
                arguments.push(classes.into());
                "distributed"
            }
        };
        // SAFETY: every example has logits, a truth and a weight, and every logit has a derivative.
        unsafe { context().launch(&KERNELS, kernel, &[], ONE_BLOCK, &arguments) }?;
        Ok((mean, derivatives))
    }

    fn backward(
        &self,
        derivatives: Buffer,
        logits: Nchw,
        incoming: Buffer,
        to_logits: &mut Buffer,
    ) -> Result<(), CudaError> {
        let arguments = [
            Argument::buffer(&incoming),
            Argument::buffer(&derivatives),
            Argument::buffer(to_logits),
            len(logits).into(),
            logits.0.into(),
        ];
        let grid = Grid::over(len(logits));
        // SAFETY: every logit has a derivative and a gradient, and there is one incoming value.
        unsafe { context().launch(&KERNELS, "backward", &[], grid, &arguments) }?;
        Ok(())
    }
}
