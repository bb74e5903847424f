use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, TensorFromVec};
use rayon::prelude::*;

use super::Conv2d;
use crate::ops::activation::{add_bias, before_activation};
use crate::ops::cpu::convolution::{Geometry, correlate, spread, weight_gradient};
use crate::ops::cpu::pieces;
use crate::ops::cpu::values::values;
use crate::ops::{Layer, LayerBackward, Nchw, Tensor4};

impl Layer<Conv2d> for Cpu {
    fn forward(
        &self,
        op: Conv2d,
        input: &Tensor4<Cpu>,
        weight: &Tensor4<Cpu>,
        bias: &Tensor4<Cpu>,
    ) -> Result<Tensor4<Cpu>, CpuError> {
        let geometry = geometry(op, *input.shape(), *weight.shape());
        let (images, filters) = (input.shape().0, weight.shape().0);
        let mut output = vec![0.0; images * filters * geometry.positions()];
        let bias = values(bias);
        correlate(
            &geometry,
            values(input),
            values(weight),
            &mut output,
            |filter, from, to| {
                add_bias(op.activation, bias[filter], from, to);
            },
        );
        self.try_tensor_from_vec(
            output,
            (images, filters, geometry.windows.0, geometry.windows.1),
        )
    }

    fn backward(&self, op: Conv2d, call: LayerBackward<'_, Cpu>) -> Result<(), CpuError> {
        let geometry = geometry(op, *call.input.shape(), *call.weight.shape());
        let mut incoming = call.incoming;
        let filters = call.weight.shape().0;
        let bias = before_activation(
            op.activation,
            values(call.output),
            &mut incoming,
            *call.output.shape(),
        );
        if let Some((to_weight, to_bias)) = call.to_parameters {
            pieces::add(to_bias, &bias);
            weight_gradient(&geometry, values(call.input), &incoming, to_weight);
        }
        if let Some(to_input) = call.to_input {
            if op.stride == 1 {
                let (flipped, backward) = reversed(&geometry, values(call.weight), filters);
                correlate(&backward, &incoming, &flipped, to_input, |_, from, to| {
                    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
                });
            } else {
                spread(&geometry, &incoming, values(call.weight), to_input, |_| {});
            }
        }
        Ok(())
    }
}

fn geometry(
    op: Conv2d,
    (_, channels, height, width): Nchw,
    (_, _, kernel_height, kernel_width): Nchw,
) -> Geometry {
    let windows = |size, kernel| {
        op.output_size(size, kernel)
            .expect("a kernel that fits the image")
    };
    let padding = isize::try_from(op.padding).expect("a padding smaller than memory");
    Geometry {
        channels,
        height,
        width,
        kernel_height,
        kernel_width,
        stride: op.stride,
        padding: (padding, padding),
        windows: (windows(height, kernel_height), windows(width, kernel_width)),
    }
}

/// The convolution that takes the gradient of a stride-1 convolution's output to that of its input:
/// every filter reversed in rows and columns, channels and filters exchanged, and windows over every
/// place that the gradient reached.
fn reversed(geometry: &Geometry, weight: &[f32], filters: usize) -> (Vec<f32>, Geometry) {
    let taps = geometry.kernel_height * geometry.kernel_width;
    let mut flipped = vec![0.0; weight.len()];
    flipped
        .par_chunks_mut(filters * taps)
        .enumerate()
        .for_each(|(channel, to)| {
            for (filter, to) in to.chunks_exact_mut(taps).enumerate() {
                let from = &weight[(filter * geometry.channels + channel) * taps..][..taps];
                to.iter_mut()
                    .zip(from.iter().rev())
                    .for_each(|(to, from)| *to = *from);
            }
        });
    let full = |kernel: usize, padding: isize| {
        isize::try_from(kernel).expect("a kernel in memory") - 1 - padding
    };
    let backward = Geometry {
        channels: filters,
        height: geometry.windows.0,
        width: geometry.windows.1,
        padding: (
            full(geometry.kernel_height, geometry.padding.0),
            full(geometry.kernel_width, geometry.padding.1),
        ),
        windows: (geometry.height, geometry.width),
        ..*geometry
    };
    (flipped, backward)
}
