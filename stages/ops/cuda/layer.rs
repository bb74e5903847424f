//! Bias and activation of a layer, and their backward pass.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError};

use super::memory::Buffer;
use super::{Argument, Constant, Grid, Source, context};
use crate::{Activation, Nchw, Tensor4, len};

static KERNELS: Source = Source {
    name: "layer",
    code: include_str!("layer.cu"),
};

/// Minimum number of values that a thread sums, if there are enough.
const VALUES_PER_THREAD: usize = 16;

/// Returns the constant that selects `activate` and `derivative` in `prelude.cuh` for a layer.
///
/// # Panics
/// If the activation is not [fusible](Activation::is_fusible).
pub fn activation_constant(activation: Activation) -> Constant {
    assert!(
        activation.is_fusible(),
        "{activation:?} is an operation of its own, not a part of a layer"
    );
    function_constant(activation)
}

/// Returns the constant that selects `activate` and `derivative` in `prelude.cuh` for an activation by itself.
pub fn function_constant(activation: Activation) -> Constant {
    let number = match activation {
        Activation::Linear => 0,
        Activation::Relu => 1,
        Activation::LeakyRelu => 2,
        Activation::Elu => 3,
        Activation::Sigmoid => 4,
        Activation::Tanh => 5,
        Activation::Relu6 => 6,
        Activation::HardSigmoid => 7,
        Activation::Silu => 8,
        Activation::Gelu => 9,
        Activation::HardSwish => 10,
    };
    ("ACTIVATION", number)
}

/// Adds the bias of every channel to `values` and applies the activation, in place. No other tensor may share
/// the values.
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
    // SAFETY: the values have this shape, and the bias has one value per channel.
    unsafe {
        let grid = Grid::over(len(shape));
        context().launch(&KERNELS, "add_bias", &constants, grid, &arguments)
    }?;
    Ok(())
}

/// Turns the gradient of a layer's output into the gradient of the values before the activation. Adds the new
/// gradient's sums over images, rows and columns to `to_bias`, if given.
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
        // Channels are distributed along x, because the other axes allow too few blocks.
        blocks: (channels, slices, 1),
        threads: 256,
    };
    // SAFETY: output and gradient have this shape, and there is a partial sum for every block.
    unsafe { context.launch(&KERNELS, "before_activation", &constants, grid, &arguments) }?;
    if let Some(to_bias) = to_bias {
        let arguments = [partial.at(0), Argument::buffer(to_bias), slices.into()];
        // SAFETY: the bias has one value per channel.
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

/// Returns the number of blocks per channel: enough to keep the GPU busy, but not so many that a block has too few
/// values to sum.
pub fn slices(values: usize, channels: usize, multiprocessors: usize) -> usize {
    let useful = values.div_ceil(256 * VALUES_PER_THREAD);
    let wanted = (8 * multiprocessors).div_ceil(channels);
    useful.min(wanted).max(1)
}
