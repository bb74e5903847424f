//! Windows of an image as columns of a matrix (im2col), and back.

use std::ops::Range;

use super::geometry::{Geometry, Tile};

/// Writes the windows of a tile as columns; a row of the matrix is what one weight of a filter meets.
pub fn unfold(geometry: &Geometry, images: &[f32], tile: &Tile, matrix: &mut [f32]) {
    let stride = geometry.row_stride(tile);
    walk(
        geometry,
        tile,
        0..geometry.channels,
        |row, image_row, part| {
            let to = &mut matrix[row * stride..][part];
            match image_row {
                None => to.fill(0.0),
                Some(Overlap {
                    image,
                    windows,
                    first,
                }) => {
                    let (before, rest) = to.split_at_mut(windows.start);
                    let (inside, after) = rest.split_at_mut(windows.len());
                    before.fill(0.0);
                    after.fill(0.0);
                    let from = &images[image + first..];
                    if geometry.stride == 1 {
                        inside.copy_from_slice(&from[..inside.len()]);
                    } else {
                        inside
                            .iter_mut()
                            .zip(from.iter().step_by(geometry.stride))
                            .for_each(|(to, from)| *to = *from);
                    }
                }
            }
        },
    );
}

/// Adds columns, of these channels alone, to the places of the images that [`unfold`] takes them from.
pub fn fold(
    geometry: &Geometry,
    matrix: &[f32],
    tile: &Tile,
    channels: Range<usize>,
    images: &mut [f32],
) {
    let stride = geometry.row_stride(tile);
    let first_row = channels.start * geometry.kernel_height * geometry.kernel_width;
    walk(geometry, tile, channels, |row, image_row, part| {
        if let Some(Overlap {
            image,
            windows,
            first,
        }) = image_row
        {
            let from = &matrix[(row - first_row) * stride..][part][windows];
            let to = &mut images[image + first..];
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

/// Copies filters' outputs (images × filters × windows) at a tile's windows side by side: a row per
/// filter, in the columns that [`unfold`] gives the windows.
pub fn gather(
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

/// What a row of windows meets, at one weight, of a row of the image.
struct Overlap {
    /// Where the image's row begins.
    image: usize,
    /// The windows that meet the image and not the padding.
    windows: Range<usize>,
    /// The column that the first of them meets.
    first: usize,
}

/// Calls `visit` for every row of the matrix and every row of windows: with the row's number, what it
/// meets of the image (nothing above and below it) and which of the matrix row's columns it fills.
fn walk(
    geometry: &Geometry,
    tile: &Tile,
    channels: Range<usize>,
    mut visit: impl FnMut(usize, Option<Overlap>, Range<usize>),
) {
    let &Geometry {
        height,
        width,
        kernel_height,
        kernel_width,
        stride,
        padding,
        windows,
        ..
    } = geometry;
    for channel in channels {
        for ky in 0..kernel_height {
            for kx in 0..kernel_width {
                let row = (channel * kernel_height + ky) * kernel_width + kx;
                let across = meeting(kx, padding.1, stride, width, windows.1);
                let down = meeting(ky, padding.0, stride, height, windows.0);
                let mut column = 0;
                for image in tile.images.clone() {
                    for y in tile.rows.clone() {
                        let part = column..column + windows.1;
                        column = part.end;
                        let overlap = (down.contains(&y) && !across.is_empty()).then(|| {
                            let image_row = place(y, ky, padding.0, stride);
                            Overlap {
                                image: ((image * geometry.channels + channel) * height + image_row)
                                    * width,
                                windows: across.clone(),
                                first: place(across.start, kx, padding.1, stride),
                            }
                        });
                        visit(row, overlap, part);
                    }
                }
            }
        }
    }
}

/// The row (or column) of the image that a window meets at offset `tap`; it must be inside.
fn place(window: usize, tap: usize, padding: isize, stride: usize) -> usize {
    (window * stride + tap).wrapping_add_signed(-padding)
}

/// The windows that, at offset `tap`, meet one of the image's `size` rows (or columns).
fn meeting(tap: usize, padding: isize, stride: usize, size: usize, windows: usize) -> Range<usize> {
    let signed = |value: usize| isize::try_from(value).expect("a size in memory");
    // The window meets `window * stride + offset`.
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
