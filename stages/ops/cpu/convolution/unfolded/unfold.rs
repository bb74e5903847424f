//! Windows of an image as columns of a matrix (im2col), and back (col2im).

use std::ops::Range;

use crate::Geometry;
use crate::cpu::convolution::tiles::Tile;

/// Writes the windows of a tile as columns. A row of the matrix has the values that are multiplied by one
/// weight of a filter.
pub(super) fn unfold(geometry: &Geometry, images: &[f32], tile: &Tile, matrix: &mut [f32]) {
    let row_stride = geometry.row_stride(tile);
    let columns = geometry.windows.1;
    walk(
        geometry,
        tile,
        0..geometry.channels,
        |row, part, overlap| {
            let to = &mut matrix[row * row_stride..][part];
            let (above, rest) = to.split_at_mut(overlap.rows.start * columns);
            let (inside, below) = rest.split_at_mut(overlap.rows.len() * columns);
            above.fill(0.0);
            below.fill(0.0);
            if inside.is_empty() {
                return;
            }
            let met = overlap.columns;
            if geometry.stride == 1 && columns == geometry.width {
                // Rows of windows are as long as rows of the image, so one copy is enough for all of them. It
                // writes values of neighbouring rows where the padding is; these are cleared below.
                let len = inside.len() - met.start - (columns - met.end);
                inside[met.start..][..len].copy_from_slice(&images[overlap.from..][..len]);
            } else {
                for (y, to) in inside.chunks_exact_mut(columns).enumerate() {
                    let from = &images[overlap.from + y * geometry.stride * geometry.width..];
                    let to = &mut to[met.clone()];
                    if geometry.stride == 1 {
                        to.copy_from_slice(&from[..to.len()]);
                    } else {
                        to.iter_mut()
                            .zip(from.iter().step_by(geometry.stride))
                            .for_each(|(to, from)| *to = *from);
                    }
                }
            }
            for column in (0..met.start).chain(met.end..columns) {
                inside
                    .iter_mut()
                    .skip(column)
                    .step_by(columns)
                    .for_each(|to| *to = 0.0);
            }
        },
    );
}

/// Adds the columns of these channels to the positions in the images that [`unfold`] reads them from.
pub(super) fn fold(
    geometry: &Geometry,
    matrix: &[f32],
    tile: &Tile,
    channels: Range<usize>,
    images: &mut [f32],
) {
    let row_stride = geometry.row_stride(tile);
    let columns = geometry.windows.1;
    let first_row = channels.start * geometry.kernel_height * geometry.kernel_width;
    walk(geometry, tile, channels, |row, part, overlap| {
        let from = &matrix[(row - first_row) * row_stride..][part];
        let inside = from
            .chunks_exact(columns)
            .skip(overlap.rows.start)
            .take(overlap.rows.len());
        for (y, from) in inside.enumerate() {
            let to = &mut images[overlap.from + y * geometry.stride * geometry.width..];
            let from = &from[overlap.columns.clone()];
            if geometry.stride == 1 {
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
            } else {
                to.iter_mut()
                    .step_by(geometry.stride)
                    .zip(from)
                    .for_each(|(to, from)| *to += from);
            }
        }
    });
}

/// Copies the filters' outputs (images × filters × windows) at a tile's windows to a matrix with a row per
/// filter and the columns that [`unfold`] gives to the windows.
pub(super) fn gather(
    geometry: &Geometry,
    outputs: &[f32],
    filters: usize,
    tile: &Tile,
    gathered: &mut [f32],
) {
    let stride = geometry.row_stride(tile);
    for (image, part, place) in geometry.parts(tile) {
        for (filter, row) in gathered.chunks_exact_mut(stride).enumerate() {
            let from = &outputs[(image * filters + filter) * geometry.positions()..][place.clone()];
            row[part.clone()].copy_from_slice(from);
        }
    }
}

/// Overlap of a tile's windows with one image, at one weight of the filters.
struct Overlap {
    /// Rows of windows, counted from the tile's first, that meet the image and not the padding above or
    /// below.
    rows: Range<usize>,
    /// Columns of windows that meet the image and not the padding beside it.
    columns: Range<usize>,
    /// Index, among the values of all images, of the value that the first of these windows meets.
    from: usize,
}

/// Calls `visit` for every row of the matrix and every image, with the row's index, the image's columns in
/// the matrix, and the overlap. An empty overlap has no rows.
fn walk(
    geometry: &Geometry,
    tile: &Tile,
    channels: Range<usize>,
    mut visit: impl FnMut(usize, Range<usize>, Overlap),
) {
    let &Geometry {
        height,
        width,
        kernel_height,
        kernel_width,
        stride,
        padding,
        ..
    } = geometry;
    for channel in channels {
        for ky in 0..kernel_height {
            let down = meeting(ky, padding.0, stride, height, geometry.windows.0);
            let down = down.start.max(tile.rows.start)..down.end.min(tile.rows.end);
            for kx in 0..kernel_width {
                let across = meeting(kx, padding.1, stride, width, geometry.windows.1);
                let row = (channel * kernel_height + ky) * kernel_width + kx;
                for (image, part, _) in geometry.parts(tile) {
                    let overlap = if down.is_empty() || across.is_empty() {
                        Overlap {
                            rows: 0..0,
                            columns: 0..0,
                            from: 0,
                        }
                    } else {
                        let first_row = (image * geometry.channels + channel) * height
                            + place(down.start, ky, padding.0, stride);
                        Overlap {
                            rows: down.start - tile.rows.start..down.end - tile.rows.start,
                            columns: across.clone(),
                            from: first_row * width + place(across.start, kx, padding.1, stride),
                        }
                    };
                    visit(row, part, overlap);
                }
            }
        }
    }
}

/// Row (or column) of the image that a window meets at offset `tap`. It must be inside the image.
fn place(window: usize, tap: usize, padding: isize, stride: usize) -> usize {
    (window * stride + tap).wrapping_add_signed(-padding)
}

/// Range of windows that, at offset `tap`, meet one of the image's `size` rows (or columns).
fn meeting(tap: usize, padding: isize, stride: usize, size: usize, windows: usize) -> Range<usize> {
    let signed = |value: usize| isize::try_from(value).expect("a size that fits `isize`");
    // The window meets row (or column) `window * stride + offset`.
    let offset = signed(tap) - padding;
    let first_at_or_after = |place: isize| {
        usize::try_from(place - offset)
            .unwrap_or(0)
            .div_ceil(stride)
            .min(windows)
    };
    let start = first_at_or_after(0);
    start..first_at_or_after(signed(size)).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GEOMETRY: Geometry = Geometry {
        channels: 1,
        height: 2,
        width: 3,
        kernel_height: 2,
        kernel_width: 2,
        stride: 1,
        padding: (0, 1),
        windows: (1, 4),
    };

    #[test]
    fn windows_become_columns() {
        let tile = Tile {
            images: 0..2,
            rows: 0..1,
        };
        let images: Vec<f32> = (1..=12).map(|i| i as f32).collect();
        let mut matrix = vec![-1.0; 4 * GEOMETRY.row_stride(&tile)];
        unfold(&GEOMETRY, &images, &tile, &mut matrix);
        let rows: Vec<&[f32]> = matrix.chunks(16).map(|row| &row[..8]).collect();
        assert_eq!(
            rows,
            [
                [0.0, 1.0, 2.0, 3.0, 0.0, 7.0, 8.0, 9.0],
                [1.0, 2.0, 3.0, 0.0, 7.0, 8.0, 9.0, 0.0],
                [0.0, 4.0, 5.0, 6.0, 0.0, 10.0, 11.0, 12.0],
                [4.0, 5.0, 6.0, 0.0, 10.0, 11.0, 12.0, 0.0],
            ]
        );
        let mut counted = vec![0.0; 12];
        fold(
            &GEOMETRY,
            &vec![1.0; matrix.len()],
            &tile,
            0..1,
            &mut counted,
        );
        assert_eq!(counted, [2.0; 12]);
    }

    #[test]
    fn strides_and_paddings_bound_the_windows() {
        assert_eq!(meeting(0, 1, 2, 5, 3), 1..3);
        assert_eq!(meeting(2, 1, 2, 5, 3), 0..2);
        assert_eq!(meeting(0, -2, 1, 5, 3), 0..3);
        assert_eq!(meeting(0, 9, 1, 5, 3), 3..3);
        assert_eq!(place(1, 0, 1, 2), 1);
    }
}
