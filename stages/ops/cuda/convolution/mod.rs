//! The three passes of a convolution, as on the CPU: filters over images, outputs back to images, and the
//! filters' gradient.
//!
//! The first two use the same kernel (`correlate.cu`), because outputs go back to images by a convolution
//! with reversed filters. With a stride above 1, pixels are divided into classes by the remainders of their
//! row and column, and each class has a launch of its own with the taps that reach it.
//!
//! `direct` computes convolutions with groups, gaps, or different strides in both directions.

pub mod direct;
mod gather;

use contract::Precision;
use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError};

use super::layer::{activation_constant, before_activation};
use super::memory::Buffer;
use super::{Argument, Constant, Grid, Source, context, precision};
use crate::{Activation, Geometry, LayerBackward, Tensor4};

use gather::Gather;

static CORRELATE: Source = Source {
    name: "correlate",
    code: concat!(include_str!("tile.cuh"), include_str!("correlate.cu")),
};

static WEIGHT_GRADIENT: Source = Source {
    name: "weight_gradient",
    code: concat!(include_str!("tile.cuh"), include_str!("weight_gradient.cu")),
};

/// Threads per block and columns per tile; as in `tile.cuh`.
const THREADS: usize = 256;
const TILE_COLUMNS: usize = 128;

/// Final processing of the sums of a pass.
#[derive(Clone, Copy)]
pub enum Finish {
    /// Add the bias, apply the activation, and overwrite the output.
    Store {
        bias: Argument,
        activation: Activation,
    },
    /// Add the sums to the output.
    Add,
    /// Like `Store`, for the largest of every 2×2 sums. Its index, 2 · row + column, is written to the bytes
    /// `places`.
    Pool {
        bias: Argument,
        activation: Activation,
        places: Argument,
    },
}

/// A batch of images.
#[derive(Clone, Copy)]
pub struct Batch {
    pub images: usize,
    pub values: Argument,
}

/// Applies all filters to every window of every image.
///
/// # Safety
/// `source`, `weight`, `output` and the arrays in `finish` must have the sizes given by `geometry`.
pub unsafe fn correlate(
    geometry: &Geometry,
    source: Batch,
    weight: &Tensor4<Cuda>,
    filters: usize,
    output: Argument,
    finish: Finish,
) -> Result<(), CudaError> {
    // SAFETY: the caller upholds the contract above.
    unsafe { Gather::forward(geometry, filters).run(source, None, weight, output, finish) }
}

/// Multiplies the filters by their outputs at every window of the images, and sums the products for each pixel.
/// `finish` determines how the sums are written to the images. `places` must be given if the outputs were pooled.
///
/// # Safety
/// As for [`correlate`].
pub unsafe fn spread(
    geometry: &Geometry,
    outputs: Batch,
    places: Option<Argument>,
    weight: &Tensor4<Cuda>,
    filters: usize,
    images: Argument,
    finish: Finish,
) -> Result<(), CudaError> {
    for row in 0..geometry.stride {
        for column in 0..geometry.stride {
            let gather = Gather::backward(geometry, filters, (row, column));
            if gather.positions.0 > 0 && gather.positions.1 > 0 {
                // SAFETY: the caller upholds the contract above.
                unsafe { gather.run(outputs, places, weight, images, finish) }?;
            }
        }
    }
    Ok(())
}

/// Computes the products of the outputs' gradient and the values in their windows, and adds them to `gradient`
/// (filters × channels × taps). `places` must be given if the outputs were pooled.
///
/// # Safety
/// As for [`correlate`].
pub unsafe fn weight_gradient(
    geometry: &Geometry,
    source: Batch,
    outputs: Argument,
    places: Option<Argument>,
    filters: usize,
    gradient: &mut Buffer,
) -> Result<(), CudaError> {
    /// Positions per tile: `BK` in `weight_gradient.cu`.
    const DEPTH: usize = 32;
    /// Minimum number of tiles per block, if there are enough.
    const TILES: usize = 8;
    /// Maximum number of positions that are summed in one accumulator. Tensor cores truncate sums instead of
    /// rounding them, so a long sum of values with the same sign is too small. `add_parts` rounds.
    const LONGEST_CHAIN: usize = 8192;

    let context = context();
    let weights = geometry.taps();
    let positions = source.images * geometry.positions();
    let rows = tile_rows(filters, 64);
    let blocks = (weights.div_ceil(TILE_COLUMNS), filters.div_ceil(rows));
    let wanted = (2 * context.multiprocessors).div_ceil(blocks.0 * blocks.1);
    let pieces = wanted.min(positions.div_ceil(DEPTH * TILES)).max(1);
    let pieces = pieces.max(positions.div_ceil(LONGEST_CHAIN));
    let piece = positions.div_ceil(pieces).next_multiple_of(DEPTH);
    let pieces = positions.div_ceil(piece);

    let constants = [
        tf32(),
        ("CHANNELS", geometry.channels as i64),
        ("HEIGHT", geometry.height as i64),
        ("WIDTH", geometry.width as i64),
        ("TAPS_Y", geometry.kernel_height as i64),
        ("TAPS_X", geometry.kernel_width as i64),
        ("STEP", geometry.stride as i64),
        ("ROWS", geometry.windows.0 as i64),
        ("COLUMNS", geometry.windows.1 as i64),
        ("FILTERS", filters as i64),
        ("BM", rows as i64),
        ("POOLED", places.is_some().into()),
    ];
    let scratch = context.scratch(pieces * filters * weights)?;
    let grid = Grid {
        blocks: (blocks.0, blocks.1, pieces),
        threads: THREADS,
    };
    let arguments = [
        source.values,
        outputs,
        places.unwrap_or(NOTHING),
        scratch.at(0),
        source.images.into(),
        piece.into(),
        Argument::Int(-padding(geometry.padding.0)),
        Argument::Int(-padding(geometry.padding.1)),
    ];
    // SAFETY: the caller upholds the contract above; scratch holds the sums of every piece.
    unsafe {
        context.launch(
            &WEIGHT_GRADIENT,
            "weight_gradient",
            &constants,
            grid,
            &arguments,
        )?;
        let arguments = [scratch.at(0), Argument::buffer(gradient), pieces.into()];
        let grid = Grid::over(filters * weights);
        context.launch(&WEIGHT_GRADIENT, "add_parts", &constants, grid, &arguments)?;
    }
    Ok(())
}

/// Backward pass of a convolution with an activation. `places` must be given if the outputs were pooled; the
/// output in `call` is then the pooled one.
///
/// # Safety
/// The geometry must match the input, the weight, and the output before pooling.
pub unsafe fn backward(
    geometry: &Geometry,
    activation: Activation,
    places: Option<Argument>,
    call: LayerBackward<'_, Cuda>,
) -> Result<(), CudaError> {
    let ((images, ..), filters) = (*call.input.shape(), call.weight.shape().0);
    let mut incoming = call.incoming;
    let (to_weight, to_bias) = call.to_parameters.unzip();
    let shape = *call.output.shape();
    before_activation(activation, call.output, shape, &mut incoming, to_bias)?;
    let source = Batch {
        images,
        values: Argument::tensor(call.input),
    };
    let outputs = Batch {
        images,
        values: Argument::buffer(&incoming),
    };
    // SAFETY: the caller upholds the contract above, and gradients have the shapes of their tensors.
    unsafe {
        if let Some(to_weight) = to_weight {
            weight_gradient(geometry, source, outputs.values, places, filters, to_weight)?;
        }
        if let Some(to_input) = call.to_input {
            let (to, weight) = (Argument::buffer(to_input), call.weight);
            spread(geometry, outputs, places, weight, filters, to, Finish::Add)?;
        }
    }
    Ok(())
}

/// Null pointer, for an argument that the compiled kernel does not use.
const NOTHING: Argument = Argument::Pointer(0);

/// Rows of results per tile, for `rows` rows in total.
fn tile_rows(rows: usize, most: usize) -> usize {
    rows.next_power_of_two().clamp(16, most)
}

fn tf32() -> Constant {
    ("TF32", (precision() == Precision::Tf32).into())
}

fn padding(padding: isize) -> i32 {
    i32::try_from(padding).expect("a padding smaller than an image")
}
