//! CUDA implementation of convolution with max pooling. Adjacent windows of 2×2 are pooled by the convolution's
//! kernel, all others in a second pass.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError, Storage};

use super::ConvPool2d;
use crate::cuda::Argument;
use crate::cuda::convolution::{Batch, Finish, backward, correlate};
use crate::cuda::memory::{Bytes, zeros};
use crate::max_pool2d::MaxPool2d;
use crate::{Conv2d, Layer, LayerBackward, Map, Tensor4, len};

/// Data for the backward pass.
pub enum Kept {
    /// After one pass: the positions of the maxima.
    Places(Bytes),
    /// After two passes: the convolution's output, and the data that the pooling keeps.
    Between(Tensor4<Cuda>, <Cuda as Map<MaxPool2d>>::Kept),
}

impl Layer<ConvPool2d> for Cuda {
    type Kept = Kept;

    fn forward(
        &self,
        ConvPool2d { conv, pool }: ConvPool2d,
        input: &Tensor4<Cuda>,
        weight: &Tensor4<Cuda>,
        bias: &Tensor4<Cuda>,
    ) -> Result<(Tensor4<Cuda>, Kept), CudaError> {
        let geometry = conv.geometry(*input.shape(), *weight.shape());
        let (images, filters) = (input.shape().0, weight.shape().0);
        let shape = pool.output_shape((images, filters, geometry.windows.0, geometry.windows.1));
        if !pool.is_halving() {
            let (between, ()) = Layer::<Conv2d>::forward(self, conv, input, weight, bias)?;
            let (output, places) = Map::forward(self, MaxPool2d(pool), &between, true)?;
            return Ok((output, Kept::Between(between, places)));
        }
        let (output, to) = zeros(self, shape)?;
        let places: Bytes = Storage::<u8>::try_alloc_len(self, len(shape))?;
        let source = Batch {
            images,
            values: Argument::tensor(input),
        };
        let finish = Finish::Pool {
            bias: Argument::tensor(bias),
            activation: conv.activation,
            places: Argument::buffer(&places),
        };
        // SAFETY: the geometry matches input and weight, and the output before pooling.
        unsafe { correlate(&geometry, source, weight, filters, to, finish) }?;
        Ok((output, Kept::Places(places)))
    }

    fn backward(
        &self,
        ConvPool2d { conv, pool }: ConvPool2d,
        kept: Kept,
        call: LayerBackward<'_, Cuda>,
    ) -> Result<(), CudaError> {
        let places = match kept {
            Kept::Places(places) => places,
            Kept::Between(between, places) => {
                let shape = *between.shape();
                let mut incoming = Storage::<f32>::try_alloc_len(self, len(shape))?;
                let pool = MaxPool2d(pool);
                Map::backward(self, pool, places, shape, call.incoming, &mut incoming)?;
                let call = LayerBackward {
                    output: &between,
                    incoming,
                    ..call
                };
                return Layer::<Conv2d>::backward(self, conv, (), call);
            }
        };
        let geometry = conv.geometry(*call.input.shape(), *call.weight.shape());
        let places = Some(Argument::buffer(&places));
        // SAFETY: the geometry matches input and weight, and the output before pooling; `places` has a byte
        // for every pooled value.
        unsafe { backward(&geometry, conv.activation, places, call) }
    }
}
