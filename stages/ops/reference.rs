//! Reference implementation of operations that sum products: plain loops in double precision. The results of
//! every device are compared with it.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::check::{Traced, backward, noise};
use super::{Activation, Backend, Conv2d, LEAKY_SLOPE, Nchw, Pool2d, Tensor4, len, to_host};

/// A function that calls its argument for every product in the sums, with three indices: that of the sum in the
/// output, that of the factor in the input, and that of the factor in the weight.
pub(crate) type Products<'a> = &'a dyn Fn(&mut dyn FnMut(usize, usize, usize));

/// An operation as a formula: sums of products plus a bias, then an activation, then optionally max pooling.
#[derive(Clone, Copy)]
pub(crate) struct Definition<'a> {
    /// Shape of the sums, before pooling.
    pub sums: Nchw,
    pub products: Products<'a>,
    pub activation: Activation,
    pub pool: Option<Pool2d>,
}

/// Calls `product` for every product of a convolution; see [`Products`].
pub(crate) fn convolution(
    (images, channels, height, width): Nchw,
    (filters, channels_of_group, kernel_height, kernel_width): Nchw,
    op: Conv2d,
    product: &mut dyn FnMut(usize, usize, usize),
) {
    let kernel = [kernel_height, kernel_width];
    let windows = op.output_size([height, width], kernel).expect("fits");
    let (top, left) = (op.padding.top, op.padding.left);
    for [image, filter, row, column] in places([images, filters, windows[0], windows[1]]) {
        let output = ((image * filters + filter) * windows[0] + row) * windows[1] + column;
        let first_channel = filter / (filters / op.groups) * channels_of_group;
        for [channel, tap_y, tap_x] in places([channels_of_group, kernel_height, kernel_width]) {
            let y = row * op.stride[0] + tap_y * op.dilation[0];
            let x = column * op.stride[1] + tap_x * op.dilation[1];
            if (top..top + height).contains(&y) && (left..left + width).contains(&x) {
                let (y, x) = (y - top, x - left);
                let plane = image * channels + first_channel + channel;
                let taps = (filter * channels_of_group + channel) * kernel_height * kernel_width;
                let tap = taps + tap_y * kernel_width + tap_x;
                product(output, (plane * height + y) * width + x, tap);
            }
        }
    }
}

/// Returns all positions in a box with these sides, in row-major order.
fn places<const AXES: usize>(sides: [usize; AXES]) -> impl Iterator<Item = [usize; AXES]> {
    (0..sides.iter().product()).map(move |mut index: usize| {
        let mut place = [0; AXES];
        for axis in (0..AXES).rev() {
            place[axis] = index % sides[axis];
            index /= sides[axis];
        }
        place
    })
}

impl Definition<'_> {
    /// Checks the output and all gradients of `operation` on `[input, weight, bias]`. The largest difference
    /// may be at most `bound` times the largest value.
    ///
    /// Some outputs get no gradient, because rounding may make a device decide differently: outputs where the two
    /// largest values of a window, or a sum and the kink of its activation, differ by at most a hundredth of the
    /// largest sum.
    ///
    /// Sigmoid and tanh are only suitable for sums of few products: they limit the largest value to 1, but
    /// errors grow with the sums.
    pub(crate) fn agrees<B: Backend>(
        &self,
        inputs: &[Tensor4<B>; 3],
        bound: f64,
        operation: impl Fn(Traced<B>, &[Tensor4<B>]) -> Traced<B>,
    ) {
        let [x, weight, bias] = inputs.each_ref().map(|tensor| doubles(&to_host(tensor)));
        let (_, channels, height, width) = self.sums;
        let mut sums: Vec<f64> = (0..len(self.sums))
            .map(|place| bias[place / (height * width) % channels])
            .collect();
        (self.products)(&mut |to, input, tap| sums[to] += x[input] * weight[tap]);

        let margin = 0.01 * largest(&sums);
        let kink = matches!(self.activation, Activation::Relu | Activation::LeakyRelu);
        let chosen = self.chosen(&sums);
        let decided =
            |&(place, lead): &(usize, f64)| lead > margin && !(kink && sums[place].abs() <= margin);
        let coefficients: Vec<f32> = noise(chosen.len(), 99)
            .into_iter()
            .zip(&chosen)
            .map(|(value, chosen)| if decided(chosen) { value } else { 0.0 })
            .collect();
        let passing = chosen.iter().filter(|chosen| decided(chosen)).count();
        assert!(
            2 * passing >= chosen.len(),
            "at least half of the outputs must be decided"
        );

        let output: Vec<f64> = chosen
            .iter()
            .map(|&(place, _)| activate(self.activation, sums[place]).0)
            .collect();
        let mut to_sums = vec![0.0; sums.len()];
        for (&(place, _), &coefficient) in chosen.iter().zip(&coefficients) {
            let (_, derivative) = activate(self.activation, sums[place]);
            to_sums[place] += f64::from(coefficient) * derivative;
        }
        let mut to_x = vec![0.0; x.len()];
        let mut to_weight = vec![0.0; weight.len()];
        let mut to_bias = vec![0.0; bias.len()];
        (self.products)(&mut |to, input, tap| {
            to_x[input] += to_sums[to] * weight[tap];
            to_weight[tap] += to_sums[to] * x[input];
        });
        for (place, gradient) in to_sums.iter().enumerate() {
            to_bias[place / (height * width) % channels] += gradient;
        }

        let (found, gradients) = backward(inputs, &coefficients, operation);
        let names = ["output", "input", "weight", "bias"];
        let found = std::iter::once(found).chain(gradients);
        for ((name, found), expected) in names
            .iter()
            .zip(found)
            .zip([output, to_x, to_weight, to_bias])
        {
            assert_eq!(found.len(), expected.len(), "number of values of {name}");
            let differences: Vec<f64> = doubles(&found)
                .iter()
                .zip(&expected)
                .map(|(found, expected)| found - expected)
                .collect();
            let error = largest(&differences) / largest(&expected);
            assert!(
                error <= bound,
                "{name} of sums {:?}, {:?}: a difference of {error:e}, more than {bound:e}",
                self.sums,
                self.activation
            );
        }
    }

    /// Returns, for every output, the index of the sum that it is computed from, and by how much that sum
    /// exceeds the next largest one in its window.
    fn chosen(&self, sums: &[f64]) -> Vec<(usize, f64)> {
        let Some(pool) = self.pool else {
            return (0..sums.len())
                .map(|place| (place, f64::INFINITY))
                .collect();
        };
        let (images, channels, height, width) = self.sums;
        let (_, _, rows, columns) = pool.output_shape(self.sums);
        places([images * channels, rows, columns])
            .map(|[channel, row, column]| {
                let mut window: Vec<usize> = places(pool.kernel)
                    .map(|[y, x]| {
                        let (y, x) = (row * pool.stride[0] + y, column * pool.stride[1] + x);
                        (channel * height + y) * width + x
                    })
                    .collect();
                window.sort_by(|&left, &right| sums[right].total_cmp(&sums[left]));
                let lead = match window[..] {
                    [first, second, ..] => sums[first] - sums[second],
                    _ => f64::INFINITY,
                };
                (window[0], lead)
            })
            .collect()
    }
}

/// Returns the value and the derivative of an activation.
pub(crate) fn activate(activation: Activation, x: f64) -> (f64, f64) {
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    match activation {
        Activation::Linear => (x, 1.0),
        Activation::Relu if x < 0.0 => (0.0, 0.0),
        Activation::LeakyRelu if x < 0.0 => {
            let slope = f64::from(LEAKY_SLOPE);
            (slope * x, slope)
        }
        Activation::Elu if x < 0.0 => (x.exp_m1(), x.exp()),
        Activation::Relu | Activation::LeakyRelu | Activation::Elu => (x, 1.0),
        Activation::Sigmoid => (sigmoid, sigmoid * (1.0 - sigmoid)),
        Activation::Tanh => (x.tanh(), 1.0 - x.tanh().powi(2)),
        Activation::Relu6 if x > 0.0 && x < 6.0 => (x, 1.0),
        Activation::Relu6 => (x.clamp(0.0, 6.0), 0.0),
        Activation::HardSigmoid if x > -3.0 && x < 3.0 => (x / 6.0 + 0.5, 1.0 / 6.0),
        Activation::HardSigmoid => (f64::from(x >= 3.0), 0.0),
        Activation::Silu => (x * sigmoid, sigmoid * (1.0 + x * (1.0 - sigmoid))),
        Activation::Gelu => {
            let below = 0.5 * (1.0 + libm::erf(x * FRAC_1_SQRT_2));
            let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
            (x * below, below + x * density)
        }
        Activation::HardSwish if x <= -3.0 => (0.0, 0.0),
        Activation::HardSwish if x < 3.0 => (x * (x + 3.0) / 6.0, x / 3.0 + 0.5),
        Activation::HardSwish => (x, 1.0),
    }
}

fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// Returns the largest absolute value. NaN counts as larger than any number.
fn largest(values: &[f64]) -> f64 {
    let sizes = values.iter().map(|value| value.abs());
    sizes.max_by(f64::total_cmp).unwrap_or(0.0)
}
