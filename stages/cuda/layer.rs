//! The bias and the activation of a layer, and the way back through them.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError};

use super::memory::Buffer;
use super::{Argument, Constant, Grid, Source, context};
use crate::ops::{Activation, Nchw, Tensor4, len};

static KERNELS: Source = Source {
    name: "layer",
    code: include_str!("layer.cu"),
};

/// Values that a thread sums at least, where there are as many.
const VALUES_PER_THREAD: usize = 16;

/// The macro that tells kernels which activation is meant: `activate` and `derivative` of `prelude.cuh`.
pub fn activation_constant(activation: Activation) -> Constant {
    let number = match activation {
        Activation::Linear => 0,
        Activation::Relu => 1,
        Activation::LeakyRelu => 2,
        Activation::Elu => 3,
        Activation::Sigmoid => 4,
        Activation::Tanh => 5,
    };
    ("ACTIVATION", number)
}

/// Adds the bias of every channel to `values` and applies the activation, in place: they are of no other
/// tensor yet.
pub fn add_bias(
    activation: Activation,
    values: &Tensor4<Cuda>,
    bias: &Tensor4<Cuda>,
) -> Result<(), CudaError> {
    let shape = *values.shape();
    let constants = constants(activation, shape.1, shape.2 * shape.3);
    let arguments = [
        Argument::tensor(values),
        Argument::tensor(bias),
        len(shape).into(),
    ];
    // SAFETY: values are of this shape, the bias has one for every channel.
    unsafe {
        let grid = Grid::over(len(shape));
        context().launch(&KERNELS, "add_bias", &constants, grid, &arguments)
    }?;
    Ok(())
}

/// Makes the gradient of a layer's output that of the values before its activation, and adds its sums
/// over images, rows and columns to `to_bias`, if that is wanted.
pub fn before_activation(
    activation: Activation,
    output: &Tensor4<Cuda>,
    (images, channels, height, width): Nchw,
    gradient: &mut Buffer,
    to_bias: Option<&mut Buffer>,
) -> Result<(), CudaError> {
    if to_bias.is_none() && activation == Activation::Linear {
        return Ok(());
    }
    let context = context();
    let pixels = height * width;
    let slices = slices(images * pixels, channels, context.multiprocessors);
    let constants = constants(activation, channels, pixels);
    let partial = context.scratch(channels * slices)?;
    let arguments = [
        Argument::tensor(output),
        Argument::buffer(gradient),
        partial.at(0),
        images.into(),
    ];
    let grid = Grid {
        // There may be more channels than blocks along any other axis.
        blocks: (channels, slices, 1),
        threads: 256,
    };
    // SAFETY: output and gradient are of this shape, there is a partial sum for every block.
    unsafe { context.launch(&KERNELS, "before_activation", &constants, grid, &arguments) }?;
    if let Some(to_bias) = to_bias {
        let arguments = [partial.at(0), Argument::buffer(to_bias), slices.into()];
        // SAFETY: the bias has a value for every channel.
        unsafe {
            context.launch(
                &KERNELS,
                "add_partial",
                &constants,
                Grid::over(channels),
                &arguments,
            )
        }?;
    }
    Ok(())
}

fn constants(activation: Activation, channels: usize, pixels: usize) -> [Constant; 3] {
    [
        activation_constant(activation),
        ("CHANNELS", channels as i64),
        ("PIXELS", pixels as i64),
    ]
}

/// Blocks for each channel: enough to keep the GPU busy, as long as each has something to do.
pub fn slices(values: usize, channels: usize, multiprocessors: usize) -> usize {
    let useful = values.div_ceil(256 * VALUES_PER_THREAD);
    let wanted = (8 * multiprocessors).div_ceil(channels);
    useful.min(wanted).max(1)
}
