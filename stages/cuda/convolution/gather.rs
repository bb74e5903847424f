use super::*;

/// One launch of `correlate.cu`: a grid of positions, each of which sees a window of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gather {
    /// Channels, rows and columns of a source image.
    source: [usize; 3],
    /// Rows and columns of a window.
    taps: (usize, usize),
    /// Source rows (columns) from one position to the next.
    step: usize,
    /// The row and column of the first window's first value.
    first: (isize, isize),
    /// Rows and columns of positions.
    pub positions: (usize, usize),
    /// Channels, rows and columns of an output image.
    output: [usize; 3],
    /// Output rows (columns) from one position to the next, and where the first one lies.
    output_step: usize,
    output_first: (usize, usize),
    /// Where the taps lie in the weight.
    weight: Layout,
}

/// Where the taps of a window lie in a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    /// Values from one output channel's to the next one's, and from one source channel's.
    per_output: usize,
    per_channel: usize,
    /// Columns of the kernel.
    width: usize,
    /// The first tap's row and column in the kernel, and from one tap to the next.
    first: (usize, usize),
    step: isize,
}

impl Gather {
    /// Filters over images.
    pub fn forward(geometry: &Geometry, filters: usize) -> Self {
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

    /// Outputs back to the pixels whose row and column leave the remainders `class` when divided by the
    /// stride.
    pub fn backward(geometry: &Geometry, filters: usize, class: (usize, usize)) -> Self {
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
            // One without taps has none, whatever the other has.
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
    /// Source, weight, output, and the places of a pooled source, are of these sizes.
    pub unsafe fn run(
        &self,
        source: Batch,
        source_places: Option<Argument>,
        weight: &Tensor4<Cuda>,
        output: Argument,
        finish: Finish,
    ) -> Result<(), CudaError> {
        /// Depth of a tile: as in `correlate.cu`.
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
        // SAFETY: what the caller promises; scratch has the packed weight and the parts.
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

/// Parts that the depth is cut into, where a launch would leave most of the GPU idle otherwise.
fn splits(blocks: usize, tiles: usize, multiprocessors: usize) -> usize {
    /// Tiles in a part, at least: each part costs a pass over the outputs.
    const TILES: usize = 8;
    if blocks == 0 || blocks >= multiprocessors {
        return 1;
    }
    (2 * multiprocessors)
        .div_ceil(blocks)
        .min(tiles / TILES)
        .max(1)
}

/// One axis of outputs going back to the pixels of a class.
struct Axis {
    /// Taps of the kernel that reach the class, and the one that the first row of a window has.
    taps: usize,
    first_tap: usize,
    /// Pixels of the class.
    positions: usize,
    /// The output that the first pixel's window begins at.
    first_source: isize,
}

impl Axis {
    /// Output o reaches pixel o · stride + tap − padding. So pixel i · stride + remainder is reached by
    /// taps first, first + stride, … where first is the remainder of (remainder + padding); the j-th of
    /// them comes from output i + ⌊(remainder + padding) / stride⌋ − j. Windows go the other way, so
    /// the taps are taken from the last to the first.
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
