//! Compares each pass with its definition in double precision, for every kind of vectors that this processor
//! has.

use super::{Finish, Winograd, takes};
use crate::Geometry;
use crate::check::{archs, noise};

/// A convolution, and the number of images that it is applied to.
struct Case {
    images: usize,
    geometry: Geometry,
    filters: usize,
}

fn case(
    images: usize,
    channels: usize,
    (height, width): (usize, usize),
    filters: usize,
    (kernel, stride, padding): (usize, usize, usize),
) -> Case {
    let windows = |size: usize| (size + 2 * padding - kernel) / stride + 1;
    let geometry = Geometry {
        channels,
        height,
        width,
        kernel_height: kernel,
        kernel_width: kernel,
        stride,
        padding: (padding as isize, padding as isize),
        windows: (windows(height), windows(width)),
    };
    assert!(takes(&geometry, filters), "{geometry:?}");
    Case {
        images,
        geometry,
        filters,
    }
}

/// Sizes that fill tiles, vectors and blocks, and sizes that do not.
fn cases() -> Vec<Case> {
    vec![
        case(3, 16, (16, 16), 32, (3, 1, 1)),
        case(1, 1, (6, 6), 1, (3, 1, 1)),
        case(2, 3, (33, 8), 5, (3, 1, 0)),
        case(5, 17, (8, 9), 40, (3, 1, 2)),
        case(2, 5, (29, 24), 3, (6, 2, 2)),
        case(2, 3, (21, 15), 7, (5, 2, 2)),
        case(1, 4, (40, 40), 6, (8, 3, 1)),
        case(3, 2, (10, 11), 9, (2, 1, 0)),
        case(2, 3, (32, 32), 20, (4, 2, 1)),
        case(1, 1, (17, 13), 1, (3, 2, 1)),
        case(9, 20, (8, 8), 33, (4, 2, 1)),
        case(4, 2, (9, 6), 18, (3, 2, 1)),
    ]
}

/// Calls `visit` for every product of the convolution, with the index of its value in the images, the index of
/// its weight, and the index of its output.
fn each_product(case: &Case, mut visit: impl FnMut(usize, usize, usize)) {
    let Geometry {
        channels,
        height,
        width,
        kernel_height: kernel,
        stride,
        padding,
        windows,
        ..
    } = case.geometry;
    for image in 0..case.images {
        for filter in 0..case.filters {
            for window in 0..windows.0 * windows.1 {
                let output = (image * case.filters + filter) * windows.0 * windows.1 + window;
                for tap in 0..channels * kernel * kernel {
                    let (channel, ky, kx) =
                        (tap / (kernel * kernel), tap / kernel % kernel, tap % kernel);
                    let place = |window: usize, k: usize, padding: isize, size: usize| {
                        (window * stride + k)
                            .checked_add_signed(-padding)
                            .filter(|&place| place < size)
                    };
                    let y = place(window / windows.1, ky, padding.0, height);
                    let x = place(window % windows.1, kx, padding.1, width);
                    if let (Some(y), Some(x)) = (y, x) {
                        let value = ((image * channels + channel) * height + y) * width + x;
                        visit(value, filter * channels * kernel * kernel + tap, output);
                    }
                }
            }
        }
    }
}

/// The root mean square error, relative to the root mean square of the expected values.
fn relative_error(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let error = square(&mut found.iter().zip(expected).map(|(&f, e)| f64::from(f) - e));
    (error / square(&mut expected.iter().copied())).sqrt()
}

/// Largest relative error of every pass in float32, whose unit roundoff is 6e-8. See `docs/performance.md`
/// for measured errors.
const BOUND: f64 = 1e-6;

#[test]
fn every_pass_agrees_with_its_definition() {
    for case in cases() {
        let Case {
            images, geometry, ..
        } = case;
        let input = noise(images * geometry.image(), 1);
        let weight = noise(case.filters * geometry.taps(), 2);
        let gradient = noise(images * case.filters * geometry.positions(), 3);
        let mut outputs = vec![0.0; gradient.len()];
        let mut to_input = vec![0.0; input.len()];
        let mut to_weight = vec![0.0; weight.len()];
        each_product(&case, |value, tap, output| {
            let [x, w, dy] = [input[value], weight[tap], gradient[output]].map(f64::from);
            outputs[output] += x * w;
            to_input[value] += dy * w;
            to_weight[tap] += dy * x;
        });
        for arch in archs() {
            let winograd = Winograd::on(arch, &geometry, &weight);
            let mut found = vec![0.0; outputs.len()];
            winograd.correlate(&input, &weight, &mut found, Finish::Add);
            let forward = relative_error(&found, &outputs);
            let mut found = vec![0.0; input.len()];
            winograd.spread(&gradient, None, &weight, &mut found, |_| {});
            let back = relative_error(&found, &to_input);
            let mut found = vec![0.0; weight.len()];
            winograd.weight_gradient(&input, &gradient, None, &mut found);
            let weights = relative_error(&found, &to_weight);
            let worst = forward.max(back).max(weights);
            assert!(
                worst < BOUND,
                "{forward:e}, {back:e}, {weights:e} for {images} images of {geometry:?}"
            );
        }
    }
}

#[test]
fn passes_add_to_existing_values() {
    let Case {
        images,
        geometry,
        filters,
    } = case(2, 3, (12, 12), 4, (3, 1, 1));
    let input = noise(images * geometry.image(), 1);
    let weight = noise(filters * geometry.taps(), 2);
    let gradient = noise(images * filters * geometry.positions(), 3);
    let winograd = Winograd::new(&geometry, &weight);
    let sums = |start: f32| {
        let mut outputs = vec![start; gradient.len()];
        winograd.correlate(&input, &weight, &mut outputs, Finish::Add);
        let mut to_input = vec![start; input.len()];
        winograd.spread(&gradient, None, &weight, &mut to_input, |_| {});
        let mut to_weight = vec![start; weight.len()];
        winograd.weight_gradient(&input, &gradient, None, &mut to_weight);
        [outputs, to_input, to_weight].concat()
    };
    for (zero, one) in sums(0.0).into_iter().zip(sums(1.0)) {
        assert!((one - zero - 1.0).abs() < 1e-4, "{one} is not 1 + {zero}");
    }
}
