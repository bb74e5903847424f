//! Compares transforms with recorded outputs of Keras.
//!
//! Keras 3.15.1, SciPy 1.17.1 and NumPy 2.4.6 printed them:
//!
//! ```python
//! import numpy as np
//! from keras.src.legacy.preprocessing.image import ImageDataGenerator
//!
//! def record(height, width, channels, **parameters):
//!     i = np.arange(height * width * channels)
//!     image = ((7 * i * i + 2 * i) % 256).reshape(height, width, channels).astype("float32")
//!     generator = ImageDataGenerator(fill_mode="nearest", interpolation_order=1)
//!     result = generator.apply_transform(image, parameters)
//!     print([round(float(value), 2) for value in result.transpose(2, 0, 1).ravel()])
//!
//! record(5, 7, 2, theta=20)
//! record(5, 7, 2, tx=1.25, ty=-0.5)
//! record(5, 7, 2, shear=15)
//! record(5, 7, 2, zx=0.8, zy=1.3)
//! record(5, 7, 2, flip_horizontal=True)
//! record(5, 7, 2, flip_vertical=True)
//! record(5, 7, 2, theta=-35, tx=-0.75, ty=1.5, shear=10, zx=1.2, zy=0.7, flip_horizontal=True)
//! record(6, 6, 1, theta=25, tx=-0.75, ty=1.5, shear=-12, zx=0.9, zy=0.7, flip_vertical=True)
//! ```

use contract::ImageShape;

use super::transforms::{apply, assert_near};
use crate::data::transform::{Parameters, Transform};

/// Not square, so that height and width cannot be confused.
const WIDE: ImageShape = ImageShape {
    height: 5,
    width: 7,
    channels: 2,
};
const SQUARE: ImageShape = ImageShape {
    height: 6,
    width: 6,
    channels: 1,
};

fn assert_recorded(parameters: &Parameters, shape: ImageShape, recorded: &[f32]) {
    let image: Vec<u8> = (0..shape.len())
        .map(|i| ((7 * i * i + 2 * i) % 256) as u8)
        .collect();
    let transform = Transform::new(parameters, shape);
    assert_near(&apply(transform, &image, shape), recorded, 0.02);
}

#[test]
fn rotation_is_that_of_keras() {
    let parameters = Parameters {
        rotation: 20.0,
        ..Parameters::NONE
    };
    let recorded = [
        44.91, 110.33, 15.54, 148.91, 224.56, 156.64, 88.16, 35.98, 27.96, 35.36, 131.8, 190.59,
        101.03, 27.73, 121.02, 116.61, 115.77, 176.65, 173.72, 88.38, 129.1, 161.63, 117.48, 56.0,
        115.22, 146.54, 154.21, 226.77, 119.46, 93.29, 183.15, 184.19, 139.1, 143.27, 196.67,
        86.01, 177.75, 92.95, 119.63, 83.95, 53.87, 56.76, 41.32, 39.08, 52.27, 154.5, 190.92,
        135.32, 55.41, 60.4, 61.78, 76.88, 133.4, 136.26, 56.71, 100.4, 115.94, 165.13, 197.0,
        16.16, 43.12, 58.14, 157.02, 189.12, 162.54, 99.91, 25.92, 7.15, 37.62, 117.34,
    ];
    assert_recorded(&parameters, WIDE, &recorded);
}

#[test]
fn shift_is_that_of_keras() {
    let parameters = Parameters {
        shift: [1.25, -0.5],
        ..Parameters::NONE
    };
    let recorded = [
        54.0, 92.0, 58.0, 208.0, 158.0, 8.0, 8.0, 39.0, 49.0, 51.0, 173.0, 191.0, 92.0, 92.0,
        101.0, 55.0, 129.0, 163.0, 189.0, 96.0, 96.0, 123.0, 85.0, 167.0, 177.0, 115.0, 28.0, 28.0,
        105.0, 139.0, 133.0, 151.0, 129.0, 144.0, 144.0, 98.0, 164.0, 94.0, 80.0, 122.0, 185.0,
        185.0, 53.0, 91.0, 89.0, 111.0, 93.0, 111.0, 111.0, 55.0, 37.0, 139.0, 169.0, 127.0, 55.0,
        55.0, 145.0, 103.0, 117.0, 155.0, 121.0, 55.0, 55.0, 163.0, 97.0, 23.0, 69.0, 75.0, 111.0,
        111.0,
    ];
    assert_recorded(&parameters, WIDE, &recorded);
}

#[test]
fn shear_is_that_of_keras() {
    let parameters = Parameters {
        shear: 15.0,
        ..Parameters::NONE
    };
    let recorded = [
        27.59, 90.8, 31.56, 155.4, 208.16, 66.77, 25.17, 82.52, 23.74, 21.58, 74.81, 175.62,
        199.91, 165.1, 178.55, 172.95, 104.08, 210.49, 187.36, 149.76, 16.82, 144.0, 72.0, 56.0,
        96.0, 192.0, 88.0, 40.0, 51.27, 95.27, 196.14, 169.74, 135.33, 150.46, 219.34, 52.2,
        143.41, 112.17, 85.56, 94.62, 153.84, 169.87, 41.92, 11.15, 36.99, 118.21, 123.54, 60.76,
        39.45, 81.47, 103.88, 60.75, 188.69, 193.56, 183.96, 71.77, 229.0, 185.0, 197.0, 9.0,
        133.0, 57.0, 37.0, 78.32, 143.07, 88.66, 19.79, 11.13, 54.26, 151.13,
    ];
    assert_recorded(&parameters, WIDE, &recorded);
}

#[test]
fn zoom_is_that_of_keras() {
    let parameters = Parameters {
        zoom: [0.8, 1.3],
        ..Parameters::NONE
    };
    let recorded = [
        12.8, 49.6, 120.0, 30.4, 128.0, 208.0, 168.0, 41.6, 40.0, 72.0, 25.92, 105.6, 188.16,
        191.68, 156.48, 137.6, 44.8, 140.16, 161.6, 180.8, 182.4, 115.2, 68.8, 56.0, 88.0, 153.6,
        150.4, 78.4, 73.6, 136.0, 232.0, 168.0, 137.6, 140.8, 177.6, 33.0, 92.2, 185.0, 117.8,
        84.2, 84.2, 117.8, 37.8, 58.6, 113.0, 89.32, 99.24, 101.8, 97.0, 74.68, 78.2, 7.8, 125.56,
        169.4, 180.28, 158.2, 211.4, 187.4, 197.0, 46.6, 83.4, 102.6, 53.0, 109.8, 143.4, 57.0,
        15.4, 7.4, 33.0, 92.2,
    ];
    assert_recorded(&parameters, WIDE, &recorded);
}

#[test]
fn a_horizontal_flip_is_that_of_keras() {
    let parameters = Parameters {
        flip_columns: true,
        ..Parameters::NONE
    };
    let recorded = [
        8.0, 208.0, 208.0, 8.0, 120.0, 32.0, 0.0, 176.0, 240.0, 104.0, 24.0, 0.0, 32.0, 120.0,
        16.0, 200.0, 184.0, 224.0, 64.0, 216.0, 168.0, 40.0, 88.0, 192.0, 96.0, 56.0, 72.0, 144.0,
        248.0, 160.0, 128.0, 152.0, 232.0, 112.0, 48.0, 185.0, 101.0, 73.0, 101.0, 185.0, 69.0,
        9.0, 37.0, 73.0, 165.0, 57.0, 5.0, 9.0, 69.0, 73.0, 229.0, 185.0, 197.0, 9.0, 133.0, 57.0,
        37.0, 57.0, 133.0, 9.0, 197.0, 185.0, 229.0, 185.0, 69.0, 9.0, 5.0, 57.0, 165.0, 73.0,
    ];
    assert_recorded(&parameters, WIDE, &recorded);
}

#[test]
fn a_vertical_flip_is_that_of_keras() {
    let parameters = Parameters {
        flip_rows: true,
        ..Parameters::NONE
    };
    let recorded = [
        48.0, 112.0, 232.0, 152.0, 128.0, 160.0, 248.0, 144.0, 72.0, 56.0, 96.0, 192.0, 88.0, 40.0,
        168.0, 216.0, 64.0, 224.0, 184.0, 200.0, 16.0, 120.0, 32.0, 0.0, 24.0, 104.0, 240.0, 176.0,
        0.0, 32.0, 120.0, 8.0, 208.0, 208.0, 8.0, 73.0, 165.0, 57.0, 5.0, 9.0, 69.0, 185.0, 229.0,
        185.0, 197.0, 9.0, 133.0, 57.0, 37.0, 57.0, 133.0, 9.0, 197.0, 185.0, 229.0, 73.0, 69.0,
        9.0, 5.0, 57.0, 165.0, 73.0, 37.0, 9.0, 69.0, 185.0, 101.0, 73.0, 101.0, 185.0,
    ];
    assert_recorded(&parameters, WIDE, &recorded);
}

#[test]
fn a_combination_is_that_of_keras() {
    let parameters = Parameters {
        rotation: -35.0,
        shift: [-0.75, 1.5],
        shear: 10.0,
        zoom: [1.2, 0.7],
        flip_columns: true,
        ..Parameters::NONE
    };
    let recorded = [
        150.09, 165.04, 111.01, 115.34, 89.54, 97.02, 48.0, 161.91, 188.52, 198.6, 106.69, 111.85,
        90.97, 48.0, 143.97, 199.51, 185.15, 114.85, 226.02, 109.9, 48.0, 31.08, 113.35, 160.03,
        145.67, 212.32, 143.56, 65.92, 28.96, 96.14, 143.83, 139.4, 188.65, 179.06, 84.86, 125.24,
        119.68, 130.35, 77.21, 164.68, 165.89, 73.0, 87.6, 142.68, 188.16, 92.58, 154.42, 134.76,
        73.0, 54.85, 218.82, 144.92, 17.17, 62.38, 161.98, 73.0, 69.61, 112.16, 90.02, 6.84, 44.21,
        136.59, 98.76, 53.55, 65.17, 44.04, 7.1, 28.82, 104.64, 125.98,
    ];
    assert_recorded(&parameters, WIDE, &recorded);
}

#[test]
fn a_combination_on_a_square_is_that_of_keras() {
    let parameters = Parameters {
        rotation: 25.0,
        shift: [-0.75, 1.5],
        shear: -12.0,
        zoom: [0.9, 0.7],
        flip_rows: true,
        ..Parameters::NONE
    };
    let recorded = [
        232.88, 223.75, 184.06, 119.16, 63.11, 18.25, 147.53, 238.81, 157.53, 108.68, 54.45, 9.59,
        0.54, 75.12, 86.45, 123.98, 91.75, 43.16, 6.0, 5.8, 5.33, 66.56, 92.59, 76.49, 8.0, 42.37,
        125.19, 52.79, 49.0, 87.54, 7.09, 49.14, 154.62, 118.12, 67.39, 77.63,
    ];
    assert_recorded(&parameters, SQUARE, &recorded);
}

/// Keras 3.15.1 with Pillow 13.0.0: `apply_transform(image, {"brightness": 1.5})`, and 0.5.
#[test]
fn brightness_is_that_of_keras_before_it_rounds_down() {
    let shape = ImageShape {
        height: 1,
        width: 5,
        channels: 1,
    };
    for (brightness, recorded) in [
        (1.5, [4.0, 150.0, 151.0, 255.0, 255.0]),
        (0.5, [1.0, 50.0, 50.0, 100.0, 127.0]),
    ] {
        let parameters = Parameters {
            brightness,
            ..Parameters::NONE
        };
        let transform = Transform::new(&parameters, shape);
        let values = apply(transform, &[3, 100, 101, 200, 255], shape);
        let rounded: Vec<f32> = values.iter().map(|value| value.floor()).collect();
        assert_eq!(rounded, recorded);
    }
}
