//! Random transforms of images, as in the `ImageDataGenerator` of Keras.
//!
//! Keras 2.9 exchanged the axes, and Keras 3 does the same. A [`Transform`] reproduces this exactly, including
//! the centre of images that are not square (datasets have square images only). Keras up to 2.8, whose transforms
//! are those of `keras_preprocessing` 1.1.2, differs:
//!
//! | | here, and Keras 2.9 to 3 | Keras up to 2.8 |
//! | --- | --- | --- |
//! | shear | moves rows to the side | moves columns up or down |
//! | centre: row, column | (width − 1) / 2, (height − 1) / 2 | (height + 1) / 2, (width + 1) / 2 |
//! | positive rotation | counter-clockwise | clockwise |
//! | brightness | multiplies | stretches values to 0 to 255, then multiplies |
//!
//! Three differences from Keras 3 remain. `width_shift` moves images to the side and `height_shift` up or down, as
//! their names say and as in Keras up to 2.8; since 2.9, Keras does the opposite. A shift range of 1 is the whole
//! height or width, where Keras takes it for one pixel. Brightness does not round values down to integers, which
//! Keras does before and after it multiplies.

use contract::{ImageShape, random};
use rand::RngExt;

use super::Policy;

/// Maps an output pixel (r, c) to its position in the input, in pixels: the row is `row · (1, r, c)`, and the
/// column is `column · (1, r, c)`. Also holds the brightness factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    row: [f32; 3],
    column: [f32; 3],
    brightness: f32,
}

/// Parameters of a transform. The comments give their names in Keras' `apply_transform`. x is the column, and y
/// the row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameters {
    /// `theta`, in degrees. A positive angle turns the content counter-clockwise.
    pub rotation: f64,
    /// `tx` and `ty`, in pixels. Positive values move the content to the left and up.
    pub shift: [f64; 2],
    /// `shear`, in degrees. A positive angle moves the top to the left and the bottom to the right.
    pub shear: f64,
    /// `zx` and `zy`. Factors below 1 enlarge the content.
    pub zoom: [f64; 2],
    /// `flip_horizontal`, after the affine map.
    pub flip_columns: bool,
    /// `flip_vertical`, after the affine map.
    pub flip_rows: bool,
    /// `brightness`, a factor.
    pub brightness: f64,
}

impl Parameters {
    /// Parameters that leave an image as it is.
    #[cfg(test)]
    pub(super) const NONE: Self = Self {
        rotation: 0.0,
        shift: [0.0, 0.0],
        shear: 0.0,
        zoom: [1.0, 1.0],
        flip_columns: false,
        flip_rows: false,
        brightness: 1.0,
    };
}

/// Matrix of an affine map of (x, y, 1), without its last row, which is (0, 0, 1).
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

    /// Returns the transform of image `index` in `epoch`: a function of the arguments alone.
    pub fn draw(policy: &Policy, shape: ImageShape, seed: u64, epoch: u64, index: u64) -> Self {
        let mut rng = random::stream(seed, "augment", [epoch, index]);
        let mut uniform = |low: f64, high: f64| low + (high - low) * rng.random::<f64>();
        // Every number is drawn whether it is used or not, so that a change of one range does not affect the
        // other transforms.
        let rotation = uniform(-policy.rotation, policy.rotation);
        let x = uniform(-policy.width_shift, policy.width_shift) * shape.width as f64;
        let y = uniform(-policy.height_shift, policy.height_shift) * shape.height as f64;
        let parameters = Parameters {
            rotation,
            shift: [x, y],
            shear: uniform(-policy.shear, policy.shear),
            zoom: std::array::from_fn(|_| uniform(policy.zoom.low, policy.zoom.high)),
            flip_columns: uniform(0.0, 1.0) < 0.5 && policy.horizontal_flip,
            flip_rows: uniform(0.0, 1.0) < 0.5 && policy.vertical_flip,
            brightness: uniform(policy.brightness[0], policy.brightness[1]),
        };
        Self::new(&parameters, shape)
    }

    /// Composes the map from output to input coordinates. Therefore flips, which Keras applies to the
    /// transformed image, are applied to the coordinates first.
    pub(super) fn new(parameters: &Parameters, shape: ImageShape) -> Self {
        let (mut flip, last) = (scale([1.0, 1.0]), |n: usize| n as f64 - 1.0);
        if parameters.flip_columns {
            flip[0] = [-1.0, 0.0, last(shape.width)];
        }
        if parameters.flip_rows {
            flip[1] = [0.0, -1.0, last(shape.height)];
        }
        let [column, row] = compose(affine(parameters, shape), flip)
            .map(|[x, y, offset]| [offset, y, x].map(|c| c as f32));
        Self {
            row,
            column,
            brightness: parameters.brightness as f32,
        }
    }

    /// Writes the transformed `image` (HWC bytes) to `out` (CHW), with every value, from 0 to 255, mapped by
    /// `map`. Interpolation is bilinear. Beyond the border, the nearest pixel is repeated.
    pub fn apply(
        &self,
        image: &[u8],
        shape: ImageShape,
        map: impl Fn(f32) -> f32,
        out: &mut [f32],
    ) {
        let (height, width) = (shape.height, shape.width);
        let planes = padded_planes(image, shape);
        let mut block = Block::default();
        for row in 0..height {
            for column in (0..width).step_by(Block::LEN) {
                let len = Block::LEN.min(width - column);
                block.locate(self, shape, row, column);
                for (plane, out) in planes.iter().zip(out.chunks_exact_mut(height * width)) {
                    block.gather(plane, width);
                    let out = &mut out[row * width + column..][..len];
                    block.interpolate(self.brightness, &map, out);
                }
            }
        }
    }
}

/// Returns the channels of an image as floats, each with an additional row and an additional value. These are
/// read as neighbours of the last pixels, with a weight of zero.
fn padded_planes(image: &[u8], shape: ImageShape) -> Vec<Vec<f32>> {
    let plane = |channel: usize| {
        let mut plane = Vec::with_capacity((shape.height + 1) * shape.width + 1);
        let values = image[channel..].iter().step_by(shape.channels);
        plane.extend(values.map(|&value| f32::from(value)));
        plane.resize(plane.capacity(), 0.0);
        plane
    };
    (0..shape.channels).map(plane).collect()
}

/// Neighbouring output pixels of a row, processed together in loops that the compiler turns into vector
/// instructions.
#[derive(Default)]
struct Block {
    /// Index of the upper left of the four input pixels.
    at: [i32; Self::LEN],
    /// Distance of the position from that pixel, downwards (`down`) and to the right (`right`), from 0 to 1.
    down: [f32; Self::LEN],
    right: [f32; Self::LEN],
    /// The four pixels: upper left, upper right, lower left, lower right.
    corners: [[f32; Self::LEN]; 4],
}

impl Block {
    const LEN: usize = 16;

    /// Finds the input pixels of the output pixels from (`row`, `column`) on. Indices are computed as floats,
    /// which represent those of the largest image exactly.
    #[inline]
    fn locate(&mut self, transform: &Transform, shape: ImageShape, row: usize, column: usize) {
        let (bottom, edge) = (shape.height as f32 - 1.0, shape.width as f32 - 1.0);
        let width = shape.width as f32;
        let start = [transform.row, transform.column].map(|m| m[0] + m[1] * row as f32);
        for k in 0..Self::LEN {
            let c = (column + k) as f32;
            let y = (start[0] + transform.row[2] * c).clamp(0.0, bottom);
            let x = (start[1] + transform.column[2] * c).clamp(0.0, edge);
            let (upper, left) = ((y as i32) as f32, (x as i32) as f32);
            self.down[k] = y - upper;
            self.right[k] = x - left;
            self.at[k] = (upper * width + left) as i32;
        }
    }

    #[inline]
    fn gather(&mut self, plane: &[f32], width: usize) {
        let [upper_left, upper_right, lower_left, lower_right] = &mut self.corners;
        for k in 0..Self::LEN {
            let near = &plane[self.at[k] as usize..][..width + 2];
            upper_left[k] = near[0];
            upper_right[k] = near[1];
            lower_left[k] = near[width];
            lower_right[k] = near[width + 1];
        }
    }

    #[inline]
    fn interpolate(&self, brightness: f32, map: impl Fn(f32) -> f32, out: &mut [f32]) {
        let mut values = [0.0; Self::LEN];
        for (k, value) in values.iter_mut().enumerate() {
            let [a, b, c, d] = self.corners.each_ref().map(|corner| corner[k]);
            let (upper, lower) = (a + self.right[k] * (b - a), c + self.right[k] * (d - c));
            let sum = upper + self.down[k] * (lower - upper);
            *value = map((sum * brightness).min(255.0));
        }
        out.copy_from_slice(&values[..out.len()]);
    }
}

/// Composes the affine map as Keras does. The rotation is the leftmost factor of the product, so it is applied
/// to the coordinates last. The centre is that of Keras, which takes the height for x and the width for y.
fn affine(parameters: &Parameters, shape: ImageShape) -> Affine {
    let centre = [shape.height, shape.width].map(|n| n as f64 / 2.0 - 0.5);
    [
        shift(centre),
        rotate(parameters.rotation.to_radians()),
        shift(parameters.shift),
        lean(parameters.shear.to_radians()),
        scale(parameters.zoom),
        shift(centre.map(|c| -c)),
    ]
    .into_iter()
    .fold(scale([1.0, 1.0]), compose)
}

/// Returns Keras' rotation by an angle in radians.
fn rotate(angle: f64) -> Affine {
    let (sin, cos) = angle.sin_cos();
    [[cos, -sin, 0.0], [sin, cos, 0.0]]
}

fn shift([x, y]: [f64; 2]) -> Affine {
    [[1.0, 0.0, x], [0.0, 1.0, y]]
}

/// Returns Keras' shear by an angle in radians.
fn lean(angle: f64) -> Affine {
    let (sin, cos) = angle.sin_cos();
    [[1.0, -sin, 0.0], [0.0, cos, 0.0]]
}

fn scale([x, y]: [f64; 2]) -> Affine {
    [[x, 0.0, 0.0], [0.0, y, 0.0]]
}

#[cfg(test)]
impl Transform {
    /// Returns the transform that shows input pixel (r + rows, c + columns) at (r, c).
    pub fn shift(rows: f32, columns: f32) -> Self {
        Self {
            row: [rows, 1.0, 0.0],
            column: [columns, 0.0, 1.0],
            brightness: 1.0,
        }
    }

    /// Returns the row and the column of the input that output pixel (0, 0) shows.
    pub fn origin(&self) -> [f32; 2] {
        [self.row[0], self.column[0]]
    }

    pub fn zoom_of_rows(&self) -> f32 {
        self.row[1]
    }
}
