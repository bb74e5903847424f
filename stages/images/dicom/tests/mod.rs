//! Decodes DICOM files that the tests write.

pub(crate) mod files;

use image::DynamicImage;
use image::codecs::jpeg::JpegEncoder;

use self::files::{
    BIG, File, GRAY, IMPLICIT, J2K_GRAY, J2K_RGB, J2K_SIGNED, JPEG, JPEG_2000, LITTLE, LOSSLESS,
    LOSSLESS_JPEG, Pixels, RGB, RLE, bytes_of, gray_value, places, rgb_value,
};
use super::Dicom;

fn decoded(bytes: &[u8]) -> Result<DynamicImage, String> {
    Dicom::open(bytes)?.decode()
}

fn gray(bytes: &[u8]) -> Vec<u16> {
    let DynamicImage::ImageLuma16(image) = decoded(bytes).unwrap() else {
        panic!("a gray image of 16 bits");
    };
    assert_eq!(image.dimensions(), (8, 6));
    image.into_raw()
}

/// Returns the brightness of the values of [`gray_value`], if the largest one of 12 bits is white.
fn full_range() -> Vec<u16> {
    let bright = |value: u16| (f64::from(value) / 4095.0 * 65_535.0 + 0.5) as u16;
    places().map(|(x, y)| bright(gray_value(x, y))).collect()
}

fn values() -> impl Iterator<Item = u16> {
    places().map(|(x, y)| gray_value(x, y))
}

fn colors() -> Vec<u8> {
    places().flat_map(|(x, y)| rgb_value(x, y)).collect()
}

#[test]
fn every_way_to_write_words_gives_the_same_image() {
    for syntax in [IMPLICIT, LITTLE, BIG] {
        assert_eq!(
            gray(&File::new(syntax, GRAY).words(values())),
            full_range(),
            "{syntax}"
        );
    }
    // Values in the upper bits of a word.
    let shifted = File::new(LITTLE, GRAY).short(0x0102, 15);
    assert_eq!(
        gray(&shifted.words(values().map(|value| value << 4 | 9))),
        full_range()
    );
    // Bits above those of the value are not part of it.
    let marked = File::new(LITTLE, GRAY).words(values().map(|value| value | 0xf000));
    assert_eq!(gray(&marked), full_range());
}

#[test]
fn bytes_keep_their_values_without_a_window() {
    let pixels = Pixels {
        allocated: 8,
        stored: 8,
        ..GRAY
    };
    let bytes: Vec<u8> = (0..48).map(|i| i * 5).collect();
    let expected: Vec<u16> = bytes.iter().map(|&byte| u16::from(byte) * 257).collect();
    assert_eq!(
        gray(&File::new(LITTLE, pixels).bytes(b"OB", &bytes)),
        expected
    );
    // Big-endian files swap the bytes of words.
    let swapped: Vec<u8> = (0..48).map(|i| bytes[i ^ 1]).collect();
    assert_eq!(
        gray(&File::new(BIG, pixels).bytes(b"OW", &swapped)),
        expected
    );
}

#[test]
fn signed_values_are_rescaled() {
    let pixels = Pixels {
        signed: true,
        ..GRAY
    };
    let signed = || values().map(|value| value.wrapping_sub(2048) & 0xfff);
    // The range of what can be stored is the same with any slope and intercept.
    for (slope, intercept) in [("1", "0"), ("0.25", "-1000"), ("2e1", "7.5")] {
        let file = File::new(LITTLE, pixels).rescale(slope, intercept);
        assert_eq!(gray(&file.words(signed())), full_range(), "{slope}");
    }
    let negative = File::new(LITTLE, pixels).rescale("-1", "0").words(signed());
    let inverted: Vec<u16> = full_range().iter().map(|value| 65_535 - value).collect();
    for (found, expected) in gray(&negative).iter().zip(inverted) {
        assert!(found.abs_diff(expected) <= 1);
    }
}

#[test]
fn the_smallest_value_of_monochrome1_is_white() {
    let pixels = Pixels {
        photometric: "MONOCHROME1",
        ..GRAY
    };
    let inverted: Vec<u16> = full_range().iter().map(|value| 65_535 - value).collect();
    assert_eq!(gray(&File::new(LITTLE, pixels).words(values())), inverted);
}

/// Formulas and borders of DICOM PS3.3, section C.11.2.1.2.
#[test]
fn values_are_mapped_by_the_first_window() {
    let (slope, intercept) = (2.0, -1000.0);
    let (center, width) = (1200.0, 900.0);
    let linear = |x: f64| match x {
        x if x <= center - 0.5 - (width - 1.0) / 2.0 => 0.0,
        x if x > center - 0.5 + (width - 1.0) / 2.0 => 1.0,
        x => (x - (center - 0.5)) / (width - 1.0) + 0.5,
    };
    let exact = |x: f64| match x {
        x if x <= center - width / 2.0 => 0.0,
        x if x > center + width / 2.0 => 1.0,
        x => (x - center) / width + 0.5,
    };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-4.0 * (x - center) / width).exp());
    let functions: [(&str, &dyn Fn(f64) -> f64); 4] = [
        ("", &linear),
        ("LINEAR", &linear),
        ("LINEAR_EXACT", &exact),
        ("SIGMOID", &sigmoid),
    ];
    for (name, function) in functions {
        let file = File::new(LITTLE, GRAY)
            .rescale("2", "-1000")
            .window("1200\\40", "900\\80", name);
        let found = gray(&file.words(values()));
        assert!(name == "SIGMOID" || found.contains(&0) && found.contains(&65_535));
        for (found, value) in found.into_iter().zip(values()) {
            let expected = function(f64::from(value) * slope + intercept) * 65_535.0;
            assert!(
                (f64::from(found) - expected).abs() <= 0.51,
                "{name} {value}"
            );
        }
    }
    // A width of 1 separates two values.
    let step = File::new(LITTLE, GRAY)
        .window("1000", "1", "")
        .words(values());
    let expected: Vec<u16> = values()
        .map(|value| if value >= 1000 { 65_535 } else { 0 })
        .collect();
    assert_eq!(gray(&step), expected);
}

#[test]
fn colors_are_read_in_both_orders() {
    let colors = colors();
    let pixels = |bytes: &[u8]| decoded(bytes).unwrap().into_rgb8().into_raw();
    assert_eq!(
        pixels(&File::new(LITTLE, RGB).bytes(b"OB", &colors)),
        colors
    );
    let planes: Vec<u8> = (0..3)
        .flat_map(|sample| colors.iter().skip(sample).step_by(3).copied())
        .collect();
    let planar = File::new(LITTLE, RGB)
        .short(0x0006, 1)
        .bytes(b"OB", &planes);
    assert_eq!(pixels(&planar), colors);
    // A gray and the primary colors, as luma and two differences.
    let ybr = Pixels {
        photometric: "YBR_FULL",
        columns: 4,
        rows: 1,
        ..RGB
    };
    let stored = [100, 128, 128, 76, 85, 255, 150, 44, 21, 29, 255, 107];
    let expected = [100, 100, 100, 255, 0, 0, 0, 255, 0, 0, 0, 255];
    let found = pixels(&File::new(LITTLE, ybr).bytes(b"OB", &stored));
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.abs_diff(expected) <= 2, "{found} {expected}");
    }
}

/// Packs bytes as runs of one byte, which are longer than needed but valid.
fn packed(bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut packed: Vec<u8> = bytes.flat_map(|byte| [0, byte]).collect();
    // No operation, and padding.
    packed.extend([128, 0]);
    packed
}

fn rle(segments: &[Vec<u8>]) -> Vec<u8> {
    let mut frame = (segments.len() as u32).to_le_bytes().to_vec();
    let mut offset = 64;
    for i in 0..15 {
        let length = segments.get(i).map(Vec::len);
        frame.extend(length.map_or(0, |_| offset as u32).to_le_bytes());
        offset += length.unwrap_or_default();
    }
    frame.extend(segments.concat());
    frame
}

#[test]
fn run_lengths_are_unpacked() {
    let words = rle(&[
        packed(values().map(|value| (value >> 8) as u8)),
        packed(values().map(|value| value as u8)),
    ]);
    assert_eq!(
        gray(&File::new(RLE, GRAY).fragments(&[], &[&words])),
        full_range()
    );
    let bytes = colors();
    let plane = |sample| packed(bytes.iter().skip(sample).step_by(3).copied());
    let frame = rle(&[plane(0), plane(1), plane(2)]);
    let image = decoded(&File::new(RLE, RGB).fragments(&[0], &[&frame])).unwrap();
    assert_eq!(image.into_rgb8().into_raw(), bytes);
    // Runs: 48 times the value 7 in each byte.
    let runs = rle(&[
        vec![257u16.wrapping_sub(48) as u8, 0],
        vec![257u16.wrapping_sub(48) as u8, 7],
    ]);
    let found = gray(&File::new(RLE, GRAY).fragments(&[], &[&runs]));
    assert!(found.iter().all(|&value| value == found[0]) && found[0] == 112);
}

#[test]
fn compressed_frames_are_decoded_to_the_last_bit() {
    let frame = bytes_of(LOSSLESS);
    let file = File::new(LOSSLESS_JPEG, GRAY).fragments(&[], &[&frame]);
    assert_eq!(gray(&file), full_range());
    // A frame in two fragments.
    let (one, other) = frame.split_at(60);
    let file = File::new(LOSSLESS_JPEG, GRAY).fragments(&[0], &[one, other]);
    assert_eq!(gray(&file), full_range());
    let file = File::new(JPEG_2000, GRAY).fragments(&[], &[&bytes_of(J2K_GRAY)]);
    assert_eq!(gray(&file), full_range());
    let signed = Pixels {
        stored: 16,
        signed: true,
        ..GRAY
    };
    let file = File::new(JPEG_2000, signed).window("0", "4096", "");
    let found = gray(&file.fragments(&[], &[&bytes_of(J2K_SIGNED)]));
    assert_eq!(found, full_range());
    let color = Pixels {
        photometric: "YBR_RCT",
        ..RGB
    };
    let file = File::new(JPEG_2000, color).fragments(&[], &[&bytes_of(J2K_RGB)]);
    assert_eq!(decoded(&file).unwrap().into_rgb8().into_raw(), colors());
}

#[test]
fn jpeg_frames_are_those_of_the_jpeg_decoder() {
    let colors = image::RgbImage::from_fn(8, 6, |x, y| rgb_value(x, y).into());
    let mut frame = Vec::new();
    JpegEncoder::new_with_quality(&mut frame, 95)
        .encode_image(&colors)
        .unwrap();
    let expected = crate::jpeg::Jpeg::open(&frame)
        .unwrap()
        .decode(false)
        .unwrap();
    let ybr = Pixels {
        photometric: "YBR_FULL_422",
        ..RGB
    };
    let file = File::new(JPEG, ybr).fragments(&[], &[&frame]);
    assert_eq!(decoded(&file).unwrap(), expected);
    // Components that are red, green and blue already are not converted.
    let file = File::new(JPEG, RGB).fragments(&[], &[&frame]);
    assert_ne!(decoded(&file).unwrap(), expected);
}

#[test]
fn the_first_of_several_frames_is_read() {
    let twice = values().chain(values().map(|value| value ^ 1));
    let file = File::new(LITTLE, GRAY)
        .text(0x0008, b"IS", "2")
        .words(twice);
    assert!(Dicom::open(&file).unwrap().has_several());
    assert_eq!(gray(&file), full_range());
    let frame = bytes_of(LOSSLESS);
    let (one, other) = frame.split_at(60);
    let second = [0u8; 20];
    let several = || File::new(LOSSLESS_JPEG, GRAY).text(0x0008, b"IS", "2");
    let length = frame.len().next_multiple_of(2) as u32;
    // With a table of offsets, with a fragment for each frame, and by the end of the data.
    for file in [
        several().fragments(&[0, 16 + length], &[one, other, &second]),
        several().fragments(&[], &[&frame, &second]),
        several().fragments(&[], &[one, other, &second]),
    ] {
        assert_eq!(gray(&file), full_range());
    }
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let error = |bytes: &[u8]| decoded(bytes).unwrap_err();
    let says = |bytes: &[u8], what: &str| {
        let found = error(bytes);
        assert!(found.contains(what), "{found}");
    };
    let words = |file: File| file.words(values());
    let new = || File::new(LITTLE, GRAY);
    says(&new().complete(), "without pixels");
    says(
        &words(File::new("1.2.840.10008.1.2.4.80", GRAY)),
        "(JPEG-LS)",
    );
    says(
        &words(File::new(JPEG, GRAY)),
        "(JPEG with more than 8 bits)",
    );
    says(&words(File::new("1.2.3", GRAY)), "manufacturer");
    says(
        &words(new().text(0x0004, b"CS", "PALETTE COLOR")),
        "`PALETTE COLOR`",
    );
    says(&words(new().short(0x0002, 3)), "3 samples per pixel");
    says(&words(new().short(0x0100, 32)), "32 allocated");
    says(&words(new().short(0x0101, 17)), "impossible");
    says(&words(new().short(0x0102, 16)), "impossible");
    says(&words(new().short(0x0010, 7)), "is truncated");
    says(&words(new().rescale("0", "1")), "rescale slope of 0");
    says(&words(new().rescale("1", "a")), "not a number");
    says(&words(new().window("10", "0", "")), "impossible width of 0");
    says(
        &words(new().window("10", "-1", "SIGMOID")),
        "impossible width of -1",
    );
    says(&words(new().window("10", "5", "CUBIC")), "VOI LUT function");
    says(&words(new().text(0x3000, b"SQ", "xx")), "modality LUT");
    says(&new().fragments(&[], &[&[0; 10]]), "not stored as it says");
    says(&words(File::new(RLE, GRAY)), "not stored as it says");
    says(&File::new(RLE, GRAY).fragments(&[], &[&[0; 64]]), "damaged");
    says(&File::new(RLE, GRAY).fragments(&[], &[]), "is truncated");
    let frame = bytes_of(LOSSLESS);
    let small = File::new(LOSSLESS_JPEG, Pixels { rows: 5, ..GRAY });
    says(&small.fragments(&[], &[&frame]), "another size");
    for number in [0x9229, 0x9230] {
        let mut enhanced = new();
        enhanced.element((0x5200, number), b"SQ", &[]);
        says(&words(enhanced), "enhanced multi-frame");
        // Colors have no window.
        let mut colored = File::new(LITTLE, RGB);
        colored.element((0x5200, number), b"SQ", &[]);
        assert!(decoded(&colored.bytes(b"OB", &colors())).is_ok());
    }
    let mut float = new();
    float.element((0x7fe0, 0x0008), b"OW", &[0; 4]);
    says(&float.complete(), "floating-point");
}

#[test]
fn messages_contain_no_text_of_the_file() {
    let secret = File::new(LITTLE, GRAY)
        .text(0x1050, b"DS", "Secret")
        .words(values());
    let error = decoded(&secret).unwrap_err();
    assert!(!error.contains("Secret"), "{error}");
    let named = File::new(LITTLE, GRAY)
        .text(0x0004, b"CS", "Secret")
        .words(values());
    let error = decoded(&named).unwrap_err();
    assert!(!error.contains("Secret"), "{error}");
}
