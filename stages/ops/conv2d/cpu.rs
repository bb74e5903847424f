//! CPU implementation of convolution.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, TensorFromVec};

use super::Conv2d;
use crate::cpu::activation::before_activation;
use crate::cpu::convolution::{Finish, correlate, direct, spread, weight_gradient};
use crate::cpu::pieces;
use crate::cpu::values::values;
use crate::{Layer, LayerBackward, Tensor4};

impl Layer<Conv2d> for Cpu {
    type Kept = ();

    fn forward(
        &self,
        op: Conv2d,
        input: &Tensor4<Cpu>,
        weight: &Tensor4<Cpu>,
        bias: &Tensor4<Cpu>,
    ) -> Result<(Tensor4<Cpu>, ()), CpuError> {
        let finish = Finish::Activate {
            bias: values(bias),
            function: op.activation,
        };
        if !op.is_plain() {
            let windows = op.windows(*input.shape(), *weight.shape());
            let output = direct::correlate(&windows, values(input), values(weight), finish);
            let (images, filters) = (input.shape().0, weight.shape().0);
            let [rows, columns] = windows.output;
            let output = self.try_tensor_from_vec(output, (images, filters, rows, columns))?;
            return Ok((output, ()));
        }
        let geometry = op.geometry(*input.shape(), *weight.shape());
        let (images, filters) = (input.shape().0, weight.shape().0);
        let mut output = pieces::zeros(images * filters * geometry.positions());
        correlate(
            &geometry,
            values(input),
            values(weight),
            &mut output,
            finish,
        );
        let output = self.try_tensor_from_vec(
            output,
            (images, filters, geometry.windows.0, geometry.windows.1),
        )?;
        Ok((output, ()))
    }

    fn backward(&self, op: Conv2d, (): (), call: LayerBackward<'_, Cpu>) -> Result<(), CpuError> {
        let mut incoming = call.incoming;
        let bias = before_activation(
            op.activation,
            values(call.output),
            &mut incoming,
            *call.output.shape(),
        );
        let (images, weight) = (values(call.input), values(call.weight));
        if !op.is_plain() {
            let windows = op.windows(*call.input.shape(), *call.weight.shape());
            if let Some((to_weight, to_bias)) = call.to_parameters {
                pieces::add(to_bias, &bias);
                direct::weight_gradient(&windows, images, &incoming, to_weight);
            }
            if let Some(to_input) = call.to_input {
                direct::spread(&windows, &incoming, weight, to_input);
            }
            return Ok(());
        }
        let geometry = op.geometry(*call.input.shape(), *call.weight.shape());
        if let Some((to_weight, to_bias)) = call.to_parameters {
            pieces::add(to_bias, &bias);
            weight_gradient(&geometry, images, &incoming, None, to_weight);
        }
        if let Some(to_input) = call.to_input {
            spread(&geometry, &incoming, None, weight, to_input, |_| {});
        }
        Ok(())
    }
}
