//! Launches of the kernels in `correlate.cu`.

use super::*;

/// One launch of `correlate.cu`: a grid of positions, each with a window on the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gather {
    /// Channels, rows and columns of a source image.
    source: [usize; 3],
    /// Rows and columns of a window.
    taps: (usize, usize),
    /// Distance between positions in the source, in rows and columns.
    step: usize,
    /// Row and column of the first window's first value in the source.
    first: (isize, isize),
    /// Rows and columns of positions.
    pub positions: (usize, usize),
    /// Channels, rows and columns of an output image.
    output: [usize; 3],
    /// Distance between positions in the output, in rows and columns, and row and column of the first position.
    output_step: usize,
    output_first: (usize, usize),
    /// Positions of the taps in the weight.
    weight: Layout,
}

/// Positions of a window's taps in a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    /// Distance between output channels and between source channels, in values.
    per_output: usize,
    per_channel: usize,
    /// Columns of the kernel.
    width: usize,
    /// Row and column of the first tap in the kernel, and distance between taps.
    first: (usize, usize),
    step: isize,
}

impl Gather {
    /// Creates the launch for filters over images.
    pub(super) fn forward(geometry: &Geometry, filters: usize) -> Self {
        let (rows, columns) = geometry.windows;
        Self {
            source: [geometry.channels, geometry.height, geometry.width],
            taps: (geometry.kernel_height, geometry.kernel_width),
            step: geometry.stride,
            first: (-geometry.padding.0, -geometry.padding.1),
            positions: (rows, columns),
            output: [filters, rows, columns],
            output_step: 1,
            output_first: (0, 0),
            weight: Layout {
                per_output: geometry.taps(),
                per_channel: geometry.kernel_height * geometry.kernel_width,
                width: geometry.kernel_width,
                first: (0, 0),
                step: 1,
            },
        }
    }

    /// Creates the launch for outputs back to images, for the pixels whose row and column leave the
    /// remainders `class` when divided by the stride.
    pub(super) fn backward(geometry: &Geometry, filters: usize, class: (usize, usize)) -> Self {
        let stride = geometry.stride;
        let axis =
            |size, kernel, padding, remainder| Axis::new(size, kernel, padding, stride, remainder);
        let rows = axis(
            geometry.height,
            geometry.kernel_height,
            geometry.padding.0,
            class.0,
        );
        let columns = axis(
            geometry.width,
            geometry.kernel_width,
            geometry.padding.1,
            class.1,
        );
        Self {
            source: [filters, geometry.windows.0, geometry.windows.1],
            // If one axis has no taps, the window has none.
            taps: match (rows.taps, columns.taps) {
                (0, _) | (_, 0) => (0, 1),
                taps => taps,
            },
            step: 1,
            first: (rows.first_source, columns.first_source),
            positions: (rows.positions, columns.positions),
            output: [geometry.channels, geometry.height, geometry.width],
            output_step: stride,
            output_first: class,
            weight: Layout {
                per_output: geometry.kernel_height * geometry.kernel_width,
                per_channel: geometry.taps(),
                width: geometry.kernel_width,
                first: (rows.first_tap, columns.first_tap),
                step: -(stride as isize),
            },
        }
    }

    /// # Safety
    /// Source, weight and output, and the places of a pooled source, must have these sizes.
    pub(super) unsafe fn run(
        &self,
        source: Batch,
        source_places: Option<Argument>,
        weight: &Tensor4<Cuda>,
        output: Argument,
        finish: Finish,
    ) -> Result<(), CudaError> {
        /// Depth of a tile: `BK` in `correlate.cu`.
        const DEPTH: usize = 16;

        let context = context();
        let [channels, height, width] = self.source;
        let [outputs, ..] = self.output;
        let pools = matches!(finish, Finish::Pool { .. });
        let cells = match pools {
            true => (self.positions.0 / 2) * (self.positions.1 / 2),
            false => self.positions.0 * self.positions.1,
        } * source.images;
        let rows = tile_rows(outputs, 128);
        let depth = match channels {
            0..DEPTH => channels,
            _ => channels.next_multiple_of(DEPTH),
        } * self.taps.0
            * self.taps.1;
        let tiles = depth.div_ceil(DEPTH);
        let columns = if pools { 4 * cells } else { cells };
        let blocks = (columns.div_ceil(TILE_COLUMNS), outputs.div_ceil(rows));
        let splits = match pools {
            true => 1,
            false => splits(blocks.0 * blocks.1, tiles, context.multiprocessors),
        };

        let (output_rows, output_columns) = match pools {
            true => (self.positions.0 / 2, self.positions.1 / 2),
            false => (self.output[1], self.output[2]),
        };
        let (kind, activation, bias, places) = match finish {
            Finish::Store { bias, activation } => (0, activation, bias, NOTHING),
            Finish::Add => (1, Activation::Linear, NOTHING, NOTHING),
            Finish::Pool {
                bias,
                activation,
                places,
            } => (2, activation, bias, places),
        };
        let constants = [
            tf32(),
            activation_constant(activation),
            ("FINISH", kind),
            ("CHANNELS", channels as i64),
            ("HEIGHT", height as i64),
            ("WIDTH", width as i64),
            ("TAPS_Y", self.taps.0 as i64),
            ("TAPS_X", self.taps.1 as i64),
            ("STEP", self.step as i64),
            ("ROWS", self.positions.0 as i64),
            ("COLUMNS", self.positions.1 as i64),
            ("OUT_CHANNELS", outputs as i64),
            ("OUT_HEIGHT", output_rows as i64),
            ("OUT_WIDTH", output_columns as i64),
            ("OUT_STEP", self.output_step as i64),
            ("BM", rows as i64),
            ("POOLED_SOURCE", source_places.is_some().into()),
            ("SPLITS", splits as i64),
        ];

        let packed = tiles * DEPTH * outputs.next_multiple_of(rows);
        let partial = if splits > 1 {
            splits * outputs * cells
        } else {
            0
        };
        let scratch = context.scratch(packed + partial)?;
        let offset = |(row, column): (isize, isize)| {
            [row, column].map(|offset| Argument::Int(padding(offset)))
        };
        let [first_y, first_x] = offset(self.first);
        let (out_y, out_x) = (self.output_first.0.into(), self.output_first.1.into());
        let step = Argument::Int(padding(self.weight.step));
        let pack = [
            Argument::tensor(weight),
            scratch.at(0),
            self.weight.per_output.into(),
            self.weight.per_channel.into(),
            self.weight.width.into(),
            self.weight.first.0.into(),
            step,
            self.weight.first.1.into(),
            step,
        ];
        let correlate = [
            source.values,
            source_places.unwrap_or(NOTHING),
            scratch.at(0),
            bias,
            output,
            places,
            scratch.at(packed),
            source.images.into(),
            first_y,
            first_x,
            out_y,
            out_x,
        ];
        let add_parts = [
            scratch.at(packed),
            bias,
            output,
            source.images.into(),
            out_y,
            out_x,
        ];
        let grid = Grid {
            blocks: (blocks.0, blocks.1, splits),
            threads: THREADS,
        };
        // SAFETY: the caller upholds the contract above; scratch holds the packed weight and the parts.
        unsafe {
            context.launch(&CORRELATE, "pack", &constants, Grid::over(packed), &pack)?;
            context.launch(&CORRELATE, "correlate", &constants, grid, &correlate)?;
            if splits > 1 {
                let grid = Grid::over(outputs * cells);
                context.launch(&CORRELATE, "add_parts", &constants, grid, &add_parts)?;
            }
        }
        Ok(())
    }
}

/// Number of parts that the depth is divided into, so that a launch of few blocks does not leave most of the
/// GPU idle.
fn splits(blocks: usize, tiles: usize, multiprocessors: usize) -> usize {
    /// Minimum number of tiles per part. Every part costs a pass over the outputs.
    const TILES: usize = 8;
    if blocks == 0 || blocks >= multiprocessors {
        return 1;
    }
    (2 * multiprocessors)
        .div_ceil(blocks)
        .min(tiles / TILES)
        .max(1)
}

/// One axis (rows or columns) of the pass from outputs back to the pixels of a class.
struct Axis {
    /// Number of kernel taps that reach the class, and the tap for the first row (or column) of a window.
    taps: usize,
    first_tap: usize,
    /// Number of pixels of the class.
    positions: usize,
    /// Index of the output at which the first pixel's window starts.
    first_source: isize,
}

impl Axis {
    /// Output o reaches pixel o · stride + tap − padding. So pixel i · stride + remainder is reached by the
    /// taps first, first + stride, …, where first is (remainder + padding) modulo stride. The j-th of them
    /// comes from output i + ⌊(remainder + padding) / stride⌋ − j. Outputs ascend within a window, so the
    /// taps are taken from the last to the first.
    fn new(size: usize, kernel: usize, padding: isize, stride: usize, remainder: usize) -> Self {
        let (step, reach) = (stride as isize, remainder as isize + padding);
        let first = reach.rem_euclid(step) as usize;
        let taps = kernel.saturating_sub(first).div_ceil(stride);
        let last = taps.saturating_sub(1);
        Self {
            taps,
            first_tap: first + last * stride,
            positions: size.saturating_sub(remainder).div_ceil(stride),
            first_source: reach.div_euclid(step) - last as isize,
        }
    }
}
