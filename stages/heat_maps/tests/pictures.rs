//! Checks the pictures of heat maps.

use contract::ImageShape;

use super::{GRAD_CAM, HeatMap};
use crate::figures::heat;
use crate::heat_maps::overlay;

fn map(values: &[f32]) -> HeatMap {
    HeatMap {
        height: 1,
        width: values.len(),
        values: values.to_vec(),
        class: 1,
        technique: GRAD_CAM,
    }
}

fn shape(height: usize, width: usize, channels: usize) -> ImageShape {
    ImageShape {
        height,
        width,
        channels,
    }
}

#[test]
fn opacity_grows_with_the_value() {
    let found = overlay(&[100; 4], shape(1, 4, 1), &map(&[0.0, -3.0, 1.0, 2.0])).unwrap();
    assert_eq!((found.height, found.width), (1, 4));
    // Places without value, or that speak against the class, stay as they are.
    assert_eq!(found.pixels[..6], [100; 6]);
    let blended = |share: f32, opacity: f32| {
        heat(f64::from(share))
            .map(|color| (100.0 + opacity * (f32::from(color) - 100.0)).round() as u8)
    };
    assert_eq!(found.pixels[6..9], blended(0.5, 0.3));
    assert_eq!(found.pixels[9..], blended(1.0, 0.6));
    assert_eq!(heat(0.0), [68, 1, 84]);
    assert_eq!(heat(1.0), [254, 232, 37]);
}

#[test]
fn a_map_without_positive_values_leaves_the_image_unchanged() {
    let image: Vec<u8> = (0..12).collect();
    for values in [[0.0, 0.0], [-1.0, -2.0]] {
        let map = map(&values);
        let found = overlay(&image, shape(2, 2, 3), &map).unwrap();
        assert_eq!(found.pixels, image);
        let text = map.description("PNEUMONIA");
        assert_eq!(
            text,
            "Grad-CAM of layer 1 for the class PNEUMONIA. No place speaks for the class, so the image is unchanged."
        );
    }
}

#[test]
fn a_map_is_stretched_to_an_image_of_any_size() {
    let found = overlay(&[0; 6 * 5], shape(5, 6, 1), &map(&[0.0, 1.0])).unwrap();
    assert_eq!(found.pixels.len(), 6 * 5 * 3);
    let row = &found.pixels[..18];
    assert_eq!(row[..3], [0; 3], "the left edge has no value");
    assert!(
        row[15..].iter().any(|&value| value > 0),
        "the right edge has"
    );
    assert!(found.pixels.chunks_exact(18).all(|other| other == row));
    for (bytes, shape) in [
        (5, shape(2, 2, 1)),
        (0, shape(0, 3, 1)),
        (8, shape(2, 2, 2)),
    ] {
        assert!(overlay(&vec![0; bytes], shape, &map(&[1.0])).is_err());
    }
}

/// The file says what its colors mean, because each map has a scale of its own.
#[test]
fn a_png_describes_its_colors() {
    let map = map(&[0.5, 2.25]);
    let picture = overlay(&[10, 20], shape(1, 2, 1), &map).unwrap();
    let text = map.description("klein\u{1b}e Größe");
    let png = picture.png(&text).unwrap();
    assert_eq!(png, picture.png(&text).unwrap());
    let decoder = png::Decoder::new(std::io::Cursor::new(&png));
    let reader = decoder.read_info().unwrap();
    let chunk = &reader.info().utf8_text[0];
    assert_eq!(chunk.keyword, "Description");
    assert_eq!(
        chunk.get_text().unwrap(),
        "Grad-CAM of layer 1 for the class klein\\u001be Größe. Color and opacity grow from 0 (the image itself) to \
         2.250 (yellow), the largest value of this map."
    );
    let decoded = image::load_from_memory(&png).unwrap().to_rgb8();
    assert_eq!(decoded.into_raw(), picture.pixels);
}
