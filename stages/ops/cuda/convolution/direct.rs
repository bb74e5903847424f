//! Launches of the kernels in `direct.cu`.

use super::*;
use crate::geometry::Windows;

static DIRECT: Source = Source {
    name: "direct",
    code: include_str!("direct.cu"),
};

fn constants(windows: &Windows, activation: Activation) -> [Constant; 16] {
    [
        activation_constant(activation),
        ("GROUPS", windows.groups as i64),
        ("CHANNELS", windows.channels as i64),
        ("FILTERS", windows.filters as i64),
        ("HEIGHT", windows.input[0] as i64),
        ("WIDTH", windows.input[1] as i64),
        ("TAPS_Y", windows.kernel[0] as i64),
        ("TAPS_X", windows.kernel[1] as i64),
        ("STEP_Y", windows.stride[0] as i64),
        ("STEP_X", windows.stride[1] as i64),
        ("GAP_Y", windows.dilation[0] as i64),
        ("GAP_X", windows.dilation[1] as i64),
        ("TOP", windows.before[0] as i64),
        ("LEFT", windows.before[1] as i64),
        ("ROWS", windows.output[0] as i64),
        ("COLUMNS", windows.output[1] as i64),
    ]
}

/// Applies every filter to every window of the channels of its group, adds the bias and applies the activation.
///
/// # Safety
/// The arrays must have the sizes given by `windows`.
pub(crate) unsafe fn correlate(
    windows: &Windows,
    images: Argument,
    weight: &Tensor4<Cuda>,
    bias: &Tensor4<Cuda>,
    activation: Activation,
    output: Argument,
) -> Result<(), CudaError> {
    let filters = windows.groups * windows.filters;
    let count = windows.images * filters * windows.output[0] * windows.output[1];
    let arguments = [
        images,
        Argument::tensor(weight),
        Argument::tensor(bias),
        output,
        count.into(),
    ];
    let constants = constants(windows, activation);
    // SAFETY: the caller upholds the contract above.
    unsafe {
        context().launch(
            &DIRECT,
            "correlate",
            &constants,
            Grid::over(count),
            &arguments,
        )
    }?;
    Ok(())
}

/// Backward pass of a convolution with an activation.
///
/// # Safety
/// The windows must match the input, the weight and the output.
pub(crate) unsafe fn backward(
    windows: &Windows,
    activation: Activation,
    call: LayerBackward<'_, Cuda>,
) -> Result<(), CudaError> {
    let mut incoming = call.incoming;
    let (to_weight, to_bias) = call.to_parameters.unzip();
    let shape = *call.output.shape();
    before_activation(activation, call.output, shape, &mut incoming, to_bias)?;
    let constants = constants(windows, Activation::Linear);
    let positions = windows.output[0] * windows.output[1];
    let taps = windows.kernel[0] * windows.kernel[1];
    let channels = windows.groups * windows.channels;
    // SAFETY: the caller upholds the contract above, and gradients have the shapes of their tensors.
    unsafe {
        if let Some(to_weight) = to_weight {
            let arguments = [
                Argument::tensor(call.input),
                Argument::buffer(&incoming),
                Argument::buffer(to_weight),
                (windows.images * positions).into(),
            ];
            let weights = windows.groups * windows.filters * windows.channels * taps;
            let grid = Grid {
                blocks: (weights, 1, 1),
                threads: THREADS,
            };
            context().launch(&DIRECT, "weight_gradient", &constants, grid, &arguments)?;
        }
        if let Some(to_input) = call.to_input {
            let count = windows.images * channels * windows.input[0] * windows.input[1];
            let arguments = [
                Argument::buffer(&incoming),
                Argument::tensor(call.weight),
                Argument::buffer(to_input),
                count.into(),
            ];
            let grid = Grid::over(count);
            context().launch(&DIRECT, "spread", &constants, grid, &arguments)?;
        }
    }
    Ok(())
}
