//! CPU implementation of convolution with max pooling. Both are computed in one pass if possible, otherwise
//! in two.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, TensorFromVec};

use super::ConvPool2d;
use crate::cpu::activation::before_activation;
use crate::cpu::convolution::{Finish, Places, correlate_and_pool, pools, spread, weight_gradient};
use crate::cpu::pieces;
use crate::cpu::values::values;
use crate::max_pool2d::MaxPool2d;
use crate::{Conv2d, Layer, LayerBackward, Map, Tensor4};

/// Data for the backward pass.
pub enum Kept {
    /// After one pass: the positions of the maxima.
    Places(Places),
    /// After two passes: the convolution's output, and the data that the pooling keeps.
    Between(Tensor4<Cpu>, <Cpu as Map<MaxPool2d>>::Kept),
}

impl Layer<ConvPool2d> for Cpu {
    type Kept = Kept;

    fn forward(
        &self,
        ConvPool2d { conv, pool }: ConvPool2d,
        input: &Tensor4<Cpu>,
        weight: &Tensor4<Cpu>,
        bias: &Tensor4<Cpu>,
    ) -> Result<(Tensor4<Cpu>, Kept), CpuError> {
        let geometry = conv.geometry(*input.shape(), *weight.shape());
        let (images, filters) = (input.shape().0, weight.shape().0);
        let shape = pool.output_shape((images, filters, geometry.windows.0, geometry.windows.1));
        if !(pool.is_halving() && pools(&geometry, filters)) {
            let (between, ()) = Layer::<Conv2d>::forward(self, conv, input, weight, bias)?;
            let (output, places) = Map::forward(self, MaxPool2d(pool), &between, true)?;
            return Ok((output, Kept::Between(between, places)));
        }
        let mut output = pieces::zeros(crate::len(shape));
        let finish = Finish::Activate {
            bias: values(bias),
            function: conv.activation,
        };
        let (input, weight) = (values(input), values(weight));
        let places = correlate_and_pool(&geometry, input, weight, &mut output, finish);
        let output = self.try_tensor_from_vec(output, shape)?;
        Ok((output, Kept::Places(places)))
    }

    fn backward(
        &self,
        ConvPool2d { conv, pool }: ConvPool2d,
        kept: Kept,
        call: LayerBackward<'_, Cpu>,
    ) -> Result<(), CpuError> {
        let places = match kept {
            Kept::Places(places) => places,
            Kept::Between(between, places) => {
                let mut incoming = dfdx::tensor::Storage::<f32>::try_alloc_len(
                    self,
                    crate::len(*between.shape()),
                )?;
                let shape = *between.shape();
                Map::backward(
                    self,
                    MaxPool2d(pool),
                    places,
                    shape,
                    call.incoming,
                    &mut incoming,
                )?;
                let call = LayerBackward {
                    output: &between,
                    incoming,
                    ..call
                };
                return Layer::<Conv2d>::backward(self, conv, (), call);
            }
        };
        let geometry = conv.geometry(*call.input.shape(), *call.weight.shape());
        let (mut incoming, shape) = (call.incoming, *call.output.shape());
        let bias = before_activation(conv.activation, values(call.output), &mut incoming, shape);
        let (images, weight) = (values(call.input), values(call.weight));
        let (incoming, places) = (&incoming[..], Some(&places));
        if let Some((to_weight, to_bias)) = call.to_parameters {
            pieces::add(to_bias, &bias);
            weight_gradient(&geometry, images, incoming, places, to_weight);
        }
        if let Some(to_input) = call.to_input {
            spread(&geometry, incoming, places, weight, to_input, |_| {});
        }
        Ok(())
    }
}
