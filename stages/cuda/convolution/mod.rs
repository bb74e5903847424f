//! The three passes of a convolution, as on the CPU: filters over images, outputs back to images, and
//! the filters' gradient.
//!
//! The first two are one kind of kernel (`correlate.cu`): outputs go back to images as filters go over
//! images, with the filters turned round; where windows are a stride apart, pixels fall into classes by
//! their remainder, and each class sees the taps that reach it.

mod gather;

use contract::Precision;
use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError};

use super::layer::{activation_constant, before_activation};
use super::memory::Buffer;
use super::{Argument, Constant, Grid, Source, context, precision};
use crate::ops::{Activation, Geometry, LayerBackward, Tensor4};

use gather::Gather;

static CORRELATE: Source = Source {
    name: "correlate",
    code: concat!(include_str!("tile.cuh"), include_str!("correlate.cu")),
};

static WEIGHT_GRADIENT: Source = Source {
    name: "weight_gradient",
    code: concat!(include_str!("tile.cuh"), include_str!("weight_gradient.cu")),
};

/// Threads to a block, and columns of a tile: as in `tile.cuh`.
const THREADS: usize = 256;
const TILE_COLUMNS: usize = 128;

/// What becomes of the sums of a pass.
#[derive(Clone, Copy)]
pub enum Finish {
    /// The bias is added and the activation applied: the output is written.
    Store {
        bias: Argument,
        activation: Activation,
    },
    /// They are added to what is there.
    Add,
    /// As `Store`, of the largest of every 2×2; which it was, 2 · row + column, goes to these
    /// bytes.
    Pool {
        bias: Argument,
        activation: Activation,
        places: Argument,
    },
}

/// A batch of images and how many there are.
#[derive(Clone, Copy)]
pub struct Batch {
    pub images: usize,
    pub values: Argument,
}

/// Applies every one of `filters` filters to every window of every image.
///
/// # Safety
/// `source`, `weight` and `output` are of the sizes that `geometry` says, as are bias and places.
pub unsafe fn correlate(
    geometry: &Geometry,
    source: Batch,
    weight: &Tensor4<Cuda>,
    filters: usize,
    output: Argument,
    finish: Finish,
) -> Result<(), CudaError> {
    // SAFETY: what the caller promises.
    unsafe { Gather::forward(geometry, filters).run(source, None, weight, output, finish) }
}

/// Adds to every image, or stores there, the filters times their outputs. `places` if the outputs were
/// pooled.
///
/// # Safety
/// As [`correlate`].
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
                // SAFETY: what the caller promises.
                unsafe { gather.run(outputs, places, weight, images, finish) }?;
            }
        }
    }
    Ok(())
}

/// Adds to `gradient` (filters × channels × taps) the products of the outputs' gradient and what the
/// windows saw. `places` if the outputs were pooled.
///
/// # Safety
/// As [`correlate`].
pub unsafe fn weight_gradient(
    geometry: &Geometry,
    source: Batch,
    outputs: Argument,
    places: Option<Argument>,
    filters: usize,
    gradient: &mut Buffer,
) -> Result<(), CudaError> {
    /// Positions in a tile: as in `weight_gradient.cu`.
    const DEPTH: usize = 32;
    /// Tiles that a block takes at least, where there are as many.
    const TILES: usize = 8;
    /// Positions that are summed in one accumulator at most. Tensor cores cut off what does not fit into a sum,
    /// so that a long chain of values of one sign comes out too small; `add_parts` rounds.
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
    // SAFETY: what the caller promises; there is scratch for every piece.
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

/// The way back of a convolution with an activation. `places` if its outputs were pooled: those of `call`
/// are then.
///
/// # Safety
/// The geometry is that of the input, the weight, and the output before it was pooled.
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
    // SAFETY: what the caller promises; gradients are of the shapes of what they are of.
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

/// No memory, for what a kernel was compiled not to use.
const NOTHING: Argument = Argument::Pointer(0);

/// Rows of results in a tile, for as many rows in all.
fn tile_rows(rows: usize, most: usize) -> usize {
    rows.next_power_of_two().clamp(16, most)
}

fn tf32() -> Constant {
    ("TF32", (precision() == Precision::Tf32).into())
}

fn padding(padding: isize) -> i32 {
    i32::try_from(padding).expect("a padding smaller than an image")
}
