//! One random transform of an image, composed as Keras' `apply_affine_transform` composes it.

use rand::RngExt;

use super::Policy;
use crate::contract::ImageShape;
use crate::random;

/// Where each output pixel comes from, in the input's pixels: row = `row · (1, r, c)`, and so for
/// the column; and the factor on the brightness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    row: [f32; 3],
    column: [f32; 3],
    brightness: f32,
}

/// A map of the plane on homogeneous (row, column, 1); its last row is (0, 0, 1).
type Affine = [[f64; 3]; 2];

fn compose(a: Affine, b: Affine) -> Affine {
    let entry = |i: usize, j: usize| {
        let carried = if j == 2 { a[i][2] } else { 0.0 };
        a[i][0] * b[0][j] + a[i][1] * b[1][j] + carried
    };
    std::array::from_fn(|i| std::array::from_fn(|j| entry(i, j)))
}

impl Transform {
    /// The transform that leaves an image as it is.
    pub const IDENTITY: Self = Self {
        row: [0.0, 1.0, 0.0],
        column: [0.0, 0.0, 1.0],
        brightness: 1.0,
    };

    /// The transform of image `index` in `epoch`: a function of its arguments alone.
    pub fn draw(policy: &Policy, shape: ImageShape, seed: u64, epoch: u64, index: u64) -> Self {
        let mut rng = random::stream(seed, "augment", [epoch, index]);
        let mut uniform = |low: f64, high: f64| low + (high - low) * rng.random::<f64>();
        // Every number is drawn whether it is used or not, so that changing one range leaves the
        // other transforms as they were.
        let rotation = uniform(-policy.rotation, policy.rotation).to_radians();
        let down = uniform(-policy.height_shift, policy.height_shift) * shape.height as f64;
        let right = uniform(-policy.width_shift, policy.width_shift) * shape.width as f64;
        let shear = uniform(-policy.shear, policy.shear).to_radians();
        let zoom_rows = uniform(policy.zoom.low, policy.zoom.high);
        let zoom_columns = uniform(policy.zoom.low, policy.zoom.high);
        let flip_columns = uniform(0.0, 1.0) < 0.5 && policy.horizontal_flip;
        let flip_rows = uniform(0.0, 1.0) < 0.5 && policy.vertical_flip;
        let brightness = uniform(policy.brightness[0], policy.brightness[1]);

        let affine = Self::about_centre(
            shape,
            [
                rotate(rotation),
                shift(down, right),
                lean(shear),
                scale(zoom_rows, zoom_columns),
            ],
        );
        Self::flipped(affine, shape, flip_rows, flip_columns, brightness)
    }

    /// Composes maps about the image's centre, the first applied last.
    fn about_centre(shape: ImageShape, maps: [Affine; 4]) -> Affine {
        let centre = [
            shape.height as f64 / 2.0 - 0.5,
            shape.width as f64 / 2.0 - 0.5,
        ];
        let inner = maps.into_iter().fold(scale(1.0, 1.0), compose);
        let outward = compose(shift(centre[0], centre[1]), inner);
        compose(outward, shift(-centre[0], -centre[1]))
    }

    /// Flips come after the affine map, so they act on the output's coordinates first.
    fn flipped(
        affine: Affine,
        shape: ImageShape,
        rows: bool,
        columns: bool,
        brightness: f64,
    ) -> Self {
        let (mut flip, last) = (scale(1.0, 1.0), |n: usize| n as f64 - 1.0);
        if rows {
            flip[0] = [-1.0, 0.0, last(shape.height)];
        }
        if columns {
            flip[1] = [0.0, -1.0, last(shape.width)];
        }
        let [row, column] = compose(affine, flip).map(|[r, c, offset]| [offset, r, c]);
        let narrow = |coefficients: [f64; 3]| coefficients.map(|c| c as f32);
        Self {
            row: narrow(row),
            column: narrow(column),
            brightness: brightness as f32,
        }
    }

    /// Writes the transformed `image` (HWC bytes) to `out` (CHW), each value, from 0 to 255, through
    /// `map`. Bilinear; beyond the border lies the nearest pixel.
    pub fn apply(
        &self,
        image: &[u8],
        shape: ImageShape,
        map: impl Fn(f32) -> f32,
        out: &mut [f32],
    ) {
        match shape.channels {
            1 => self.warp::<1>(image, shape, map, out),
            3 => self.warp::<3>(image, shape, map, out),
            channels => unreachable!("datasets have 1 or 3 channels, not {channels}"),
        }
    }

    fn warp<const C: usize>(
        &self,
        image: &[u8],
        shape: ImageShape,
        map: impl Fn(f32) -> f32,
        out: &mut [f32],
    ) {
        let (height, width) = (shape.height, shape.width);
        let (pixels, _) = image.as_chunks::<C>();
        let (bottom, right) = (height as f32 - 1.0, width as f32 - 1.0);
        for r in 0..height {
            let start = [self.row, self.column].map(|m| m[0] + m[1] * r as f32);
            for c in 0..width {
                let y = (start[0] + self.row[2] * c as f32).clamp(0.0, bottom);
                let x = (start[1] + self.column[2] * c as f32).clamp(0.0, right);
                let (y0, x0) = (y as usize, x as usize);
                let (fy, fx) = (y - y0 as f32, x - x0 as f32);
                let upper = y0 * width;
                let lower = (y0 + 1).min(height - 1) * width;
                let next = (x0 + 1).min(width - 1);
                let corners = [upper + x0, upper + next, lower + x0, lower + next];
                let [a, b, c2, d] = corners.map(|at| pixels[at]);
                for channel in 0..C {
                    let [a, b, c2, d] = [a, b, c2, d].map(|pixel| f32::from(pixel[channel]));
                    let (top, base) = (a + fx * (b - a), c2 + fx * (d - c2));
                    let value = ((top + fy * (base - top)) * self.brightness).min(255.0);
                    out[(channel * height + r) * width + c] = map(value);
                }
            }
        }
    }
}

/// Keras' rotation by an angle in radians.
fn rotate(angle: f64) -> Affine {
    let (sin, cos) = angle.sin_cos();
    [[cos, -sin, 0.0], [sin, cos, 0.0]]
}

fn shift(rows: f64, columns: f64) -> Affine {
    [[1.0, 0.0, rows], [0.0, 1.0, columns]]
}

/// Keras' shear by an angle in radians.
fn lean(angle: f64) -> Affine {
    let (sin, cos) = angle.sin_cos();
    [[1.0, -sin, 0.0], [0.0, cos, 0.0]]
}

fn scale(rows: f64, columns: f64) -> Affine {
    [[rows, 0.0, 0.0], [0.0, columns, 0.0]]
}
