//! CPU implementation of transposed convolution.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, TensorFromVec};

use super::ConvTranspose2d;
use crate::cpu::activation::{before_activation, in_place};
use crate::cpu::convolution::{Finish, correlate, spread, weight_gradient};
use crate::cpu::values::values;
use crate::cpu::{pieces, vectorized};
use crate::{Layer, LayerBackward, Tensor4};

/// The forward pass of a transposed convolution computes the gradient of a convolution's input, and vice versa.
/// So `input` has the role of that convolution's output, and `output` has the role of its image.
impl Layer<ConvTranspose2d> for Cpu {
    type Kept = ();

    fn forward(
        &self,
        op: ConvTranspose2d,
        input: &Tensor4<Cpu>,
        weight: &Tensor4<Cpu>,
        bias: &Tensor4<Cpu>,
    ) -> Result<(Tensor4<Cpu>, ()), CpuError> {
        let geometry = op.geometry(*input.shape(), *weight.shape());
        let images = input.shape().0;
        let mut output = pieces::zeros(images * geometry.image());
        let bias = values(bias);
        spread(
            &geometry,
            values(input),
            None,
            values(weight),
            &mut output,
            |image| {
                let channels = image.chunks_exact_mut(geometry.height * geometry.width);
                channels.zip(bias).for_each(|(channel, &bias)| {
                    vectorized(|| in_place(op.activation, bias, channel))
                });
            },
        );
        let output = self.try_tensor_from_vec(
            output,
            (images, geometry.channels, geometry.height, geometry.width),
        )?;
        Ok((output, ()))
    }

    fn backward(
        &self,
        op: ConvTranspose2d,
        (): (),
        call: LayerBackward<'_, Cpu>,
    ) -> Result<(), CpuError> {
        let geometry = op.geometry(*call.input.shape(), *call.weight.shape());
        let mut incoming = call.incoming;
        let bias = before_activation(
            op.activation,
            values(call.output),
            &mut incoming,
            *call.output.shape(),
        );
        let (outputs, weight) = (values(call.input), values(call.weight));
        if let Some((to_weight, to_bias)) = call.to_parameters {
            pieces::add(to_bias, &bias);
            weight_gradient(&geometry, &incoming, outputs, None, to_weight);
        }
        if let Some(to_input) = call.to_input {
            correlate(&geometry, &incoming, weight, to_input, Finish::Add);
        }
        Ok(())
    }
}
