use contract::ImageShape;

use super::gray;
use crate::data::transform::{Parameters, Transform};
use crate::data::{Policy, Zoom};

const GRAY: ImageShape = ImageShape {
    height: 3,
    width: 4,
    channels: 1,
};
const PICTURE: [u8; 12] = [1, 2, 3, 4, 50, 60, 70, 80, 9, 10, 11, 12];

pub(super) fn apply(transform: Transform, image: &[u8], shape: ImageShape) -> Vec<f32> {
    let mut out = vec![f32::NAN; shape.len()];
    transform.apply(image, shape, |value| value, &mut out);
    out
}

/// Returns the first transform under `policy` for which `wanted` is true.
fn find(policy: &Policy, shape: ImageShape, wanted: impl Fn(&Transform) -> bool) -> Transform {
    let draws = (0..10_000).map(|epoch| Transform::draw(policy, shape, 1, epoch, 0));
    draws
        .into_iter()
        .find(wanted)
        .expect("10,000 draws include a wanted transform")
}

fn floats(image: &[u8]) -> Vec<f32> {
    image.iter().map(|&byte| f32::from(byte)).collect()
}

pub(super) fn assert_near(actual: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(actual.len(), expected.len());
    for (a, e) in actual.iter().zip(expected) {
        assert!((a - e).abs() <= tolerance, "{actual:?} is not {expected:?}");
    }
}

#[test]
fn the_identity_changes_nothing() {
    assert_eq!(apply(Transform::IDENTITY, &PICTURE, GRAY), floats(&PICTURE));
    let none = Transform::draw(&Policy::default(), GRAY, 1, 2, 3);
    assert_eq!(apply(none, &PICTURE, GRAY), floats(&PICTURE));
}

#[test]
fn a_flip_mirrors_exactly_and_undoes_itself() {
    let policy = Policy {
        horizontal_flip: true,
        ..Policy::default()
    };
    let flip = find(&policy, GRAY, |t| *t != Transform::IDENTITY);
    let mirrored = [4, 3, 2, 1, 80, 70, 60, 50, 12, 11, 10, 9];
    assert_eq!(apply(flip, &PICTURE, GRAY), floats(&mirrored));
    assert_eq!(apply(flip, &mirrored, GRAY), floats(&PICTURE));

    let policy = Policy {
        vertical_flip: true,
        ..Policy::default()
    };
    let flip = find(&policy, GRAY, |t| *t != Transform::IDENTITY);
    let mirrored = [9, 10, 11, 12, 50, 60, 70, 80, 1, 2, 3, 4];
    assert_eq!(apply(flip, &PICTURE, GRAY), floats(&mirrored));
}

#[test]
fn half_of_the_images_are_flipped() {
    let policy = Policy {
        horizontal_flip: true,
        ..Policy::default()
    };
    let flipped = (0..1000)
        .filter(|&i| Transform::draw(&policy, GRAY, 1, 0, i) != Transform::IDENTITY)
        .count();
    assert!((440..560).contains(&flipped), "{flipped}");
}

#[test]
fn a_shift_repeats_the_border() {
    // Output pixel (r, c) shows input pixel (r - 1, c + 2), or the nearest one that exists.
    let shift = Transform::shift(-1.0, 2.0);
    let expected = [3, 4, 4, 4, 3, 4, 4, 4, 70, 80, 80, 80];
    assert_eq!(apply(shift, &PICTURE, GRAY), floats(&expected));
}

#[test]
fn a_value_between_pixels_is_their_mean() {
    let half = Transform::shift(0.5, 0.0);
    let expected = [
        25.5, 31.0, 36.5, 42.0, 29.5, 35.0, 40.5, 46.0, 9.0, 10.0, 11.0, 12.0,
    ];
    assert_near(&apply(half, &PICTURE, GRAY), &expected, 1e-4);
}

#[test]
fn channels_move_together() {
    let shape = ImageShape {
        height: 1,
        width: 2,
        channels: 3,
    };
    let moved = apply(Transform::shift(0.0, 1.0), &[1, 2, 3, 4, 5, 6], shape);
    assert_eq!(moved, [4.0, 4.0, 5.0, 5.0, 6.0, 6.0]);
}

#[test]
fn brightness_clips_at_white() {
    let policy = Policy {
        brightness: [2.0, 2.0],
        ..Policy::default()
    };
    let bright = Transform::draw(&policy, gray(2), 1, 0, 0);
    assert_eq!(
        apply(bright, &[0, 10, 127, 200], gray(2)),
        [0.0, 20.0, 254.0, 255.0]
    );
}

#[test]
fn a_positive_rotation_is_counter_clockwise_about_the_centre() {
    let quarter = Parameters {
        rotation: 90.0,
        ..Parameters::NONE
    };
    let turned = Transform::new(&quarter, gray(3));
    let expected = floats(&[3, 6, 9, 2, 5, 8, 1, 4, 7]);
    let square = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    assert_near(&apply(turned, &square, gray(3)), &expected, 1e-4);
}

#[test]
fn a_zoom_below_1_enlarges_about_the_centre() {
    let wide = Parameters {
        zoom: [0.5, 1.0],
        ..Parameters::NONE
    };
    let zoomed = Transform::new(&wide, gray(3));
    let square = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    let expected = [1.5, 2.0, 2.5, 4.5, 5.0, 5.5, 7.5, 8.0, 8.5];
    assert_near(&apply(zoomed, &square, gray(3)), &expected, 1e-4);
}

/// The sine of 30° is 1/2, so the upper row moves half a pixel to the left and the lower one to the right.
#[test]
fn shear_is_in_degrees_and_moves_rows_to_the_side() {
    let lean = Parameters {
        shear: 30.0,
        ..Parameters::NONE
    };
    let sheared = Transform::new(&lean, gray(3));
    let square = [0, 90, 180, 0, 90, 180, 0, 90, 180];
    let expected = [45.0, 135.0, 180.0, 0.0, 90.0, 180.0, 0.0, 45.0, 135.0];
    assert_near(&apply(sheared, &square, gray(3)), &expected, 1e-3);
}

/// As the names say, and as Keras up to 2.8 does. Keras 3.15.1 does the opposite: with a `height_shift_range` of 0.4,
/// it moves images of 5×7 pixels to the side by at most 2 pixels.
#[test]
fn width_shifts_are_horizontal_and_height_shifts_vertical() {
    let shape = ImageShape {
        height: 5,
        width: 7,
        channels: 1,
    };
    let farthest = |policy: &Policy| {
        let origins = (0..2000).map(|i| Transform::draw(policy, shape, 1, 0, i).origin());
        origins.fold([0.0_f32; 2], |[y, x], [row, column]| {
            [y.max(row.abs()), x.max(column.abs())]
        })
    };
    let by_height = Policy {
        height_shift: 0.4,
        ..Policy::default()
    };
    let [rows, columns] = farthest(&by_height);
    assert!(
        columns < 1e-6 && (1.98..=2.0).contains(&rows),
        "{rows} {columns}"
    );
    let by_width = Policy {
        width_shift: 0.4,
        ..Policy::default()
    };
    let [rows, columns] = farthest(&by_width);
    assert!(
        rows < 1e-6 && (2.77..=2.8).contains(&columns),
        "{rows} {columns}"
    );
}

#[test]
fn draws_stay_in_their_ranges() {
    let policy = Policy {
        zoom: Zoom {
            low: 0.8,
            high: 1.2,
        },
        ..Policy::default()
    };
    let mut extremes = [f32::MAX, f32::MIN];
    for i in 0..2000 {
        let zoom = Transform::draw(&policy, gray(9), 1, 0, i).zoom_of_rows();
        extremes = [extremes[0].min(zoom), extremes[1].max(zoom)];
    }
    assert!((0.8..0.81).contains(&extremes[0]), "{extremes:?}");
    assert!((1.19..=1.2).contains(&extremes[1]), "{extremes:?}");
}

#[test]
fn a_zoom_is_a_fraction_or_a_range() {
    let of = |json: &str| serde_json::from_str::<Policy>(json);
    let fraction = of(r#"{"zoom":0.2}"#).unwrap();
    assert_eq!(fraction, of(r#"{"zoom":[0.8,1.2]}"#).unwrap());
    let error = of(r#"{"zoom":"much"}"#).unwrap_err().to_string();
    assert!(error.contains("fraction such as `0.2`"), "{error}");
    assert!(of(r#"{"zom":0.2}"#).is_err());
}

#[test]
fn ranges_are_checked() {
    for (json, name) in [
        (r#"{"rotation":181}"#, "rotation"),
        (r#"{"shear":-1}"#, "shear"),
        (r#"{"zoom":1}"#, "zoom"),
        (r#"{"zoom":[1.2,0.8]}"#, "zoom"),
        (r#"{"width_shift":1.5}"#, "width_shift"),
        (r#"{"brightness":[2,1]}"#, "brightness"),
    ] {
        let policy: Policy = serde_json::from_str(json).unwrap();
        let error = policy.check().unwrap_err();
        assert_eq!(error.path, [contract::Segment::Key(name.into())]);
    }
}
