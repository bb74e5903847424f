//! Reads files of every format, and damaged ones.

mod damage;

use std::io::Cursor;

use contract::ImageShape;
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ImageBuffer, ImageEncoder, ImageFormat, Luma, RgbImage};
use tiff::encoder::{TiffEncoder, colortype};
use tiff::tags::Tag;

use crate::dicom::tests::files::{self, File, GRAY};
use crate::{Decoder, Resizer, Seen};

const DECODER: Decoder = Decoder {
    max_pixels: 1_000_000,
    bits: 16,
};

/// A picture of 8×6 pixels without symmetry.
fn picture() -> RgbImage {
    RgbImage::from_fn(8, 6, |x, y| files::rgb_value(x, y).into())
}

/// EXIF data with an orientation: a TIFF header, and a directory with the tag 0x0112, a short.
fn exif(orientation: u8) -> Vec<u8> {
    [
        b"II*\0\x08\0\0\0\x01\0" as &[u8],
        &[0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0],
        &[0; 4],
    ]
    .concat()
}

/// Encodes a picture in a format that can have an orientation.
fn turned(format: ImageFormat, picture: &RgbImage, orientation: u8) -> Vec<u8> {
    let (width, height) = picture.dimensions();
    let mut bytes = Cursor::new(Vec::new());
    match format {
        ImageFormat::Tiff => {
            let mut encoder = TiffEncoder::new(&mut bytes).unwrap();
            let mut image = encoder.new_image::<colortype::RGB8>(width, height).unwrap();
            let tags = image.encoder();
            tags.write_tag(Tag::Orientation, u16::from(orientation))
                .unwrap();
            image.write_data(picture).unwrap();
        }
        ImageFormat::WebP => {
            let mut encoder = WebPEncoder::new_lossless(&mut bytes);
            encoder.set_exif_metadata(exif(orientation)).unwrap();
            picture.write_with_encoder(encoder).unwrap();
        }
        ImageFormat::Jpeg => {
            let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 100);
            encoder.set_exif_metadata(exif(orientation)).unwrap();
            picture.write_with_encoder(encoder).unwrap();
        }
        _ => {
            let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
            encoder.set_exif_metadata(exif(orientation)).unwrap();
            picture.write_with_encoder(encoder).unwrap();
        }
    }
    bytes.into_inner()
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Reads a file with these bytes at its own size, which is `width`×`height`.
fn read(
    decoder: Decoder,
    bytes: &[u8],
    [width, height]: [usize; 2],
    channels: usize,
) -> Result<(Vec<u8>, Seen), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    std::fs::write(&path, bytes).unwrap();
    let shape = ImageShape {
        height,
        width,
        channels,
    };
    decoder.check(&path)?;
    decoder.read(&path, shape, &mut Resizer::new())
}

#[test]
fn every_format_gives_the_same_pixels() {
    let picture = picture();
    let expected = picture.as_raw();
    for format in [
        ImageFormat::Png,
        ImageFormat::Tiff,
        ImageFormat::Bmp,
        ImageFormat::WebP,
    ] {
        let bytes = encoded(&picture.clone().into(), format);
        let (pixels, seen) = read(DECODER, &bytes, [8, 6], 3).unwrap();
        assert_eq!(&pixels, expected, "{format:?}");
        assert!(!seen.has_several && seen.brightest.is_none());
    }
    let dicom = File::new(files::LITTLE, files::RGB).bytes(b"OB", expected);
    assert_eq!(&read(DECODER, &dicom, [8, 6], 3).unwrap().0, expected);
}

#[test]
fn the_orientation_in_exif_data_is_applied() {
    let picture = picture();
    // Where the pixel at (x, y) of the shown image is in the file (EXIF 2.3, tag 274), and whether sides are exchanged.
    type From = fn(u32, u32) -> (u32, u32);
    let orientations: [(u8, bool, From); 8] = [
        (1, false, |x, y| (x, y)),
        (2, false, |x, y| (7 - x, y)),
        (3, false, |x, y| (7 - x, 5 - y)),
        (4, false, |x, y| (x, 5 - y)),
        (5, true, |x, y| (y, x)),
        (6, true, |x, y| (y, 5 - x)),
        (7, true, |x, y| (7 - y, 5 - x)),
        (8, true, |x, y| (7 - y, x)),
    ];
    for (orientation, exchanged, from) in orientations {
        let size = if exchanged { [6, 8] } else { [8, 6] };
        let expected = RgbImage::from_fn(size[0] as u32, size[1] as u32, |x, y| {
            let (x, y) = from(x, y);
            *picture.get_pixel(x, y)
        });
        for format in [ImageFormat::Png, ImageFormat::Tiff, ImageFormat::WebP] {
            let bytes = turned(format, &picture, orientation);
            let (pixels, _) = read(DECODER, &bytes, size, 3).unwrap();
            assert_eq!(&pixels, expected.as_raw(), "{format:?} {orientation}");
        }
        let bytes = turned(ImageFormat::Jpeg, &picture, orientation);
        let (pixels, _) = read(DECODER, &bytes, size, 3).unwrap();
        let off = pixels
            .iter()
            .zip(expected.as_raw())
            .map(|(a, b)| u32::from(a.abs_diff(*b)));
        assert!(off.sum::<u32>() < 8 * pixels.len() as u32, "{orientation}");
    }
}

#[test]
fn values_of_12_bits_become_bright_in_png_and_tiff() {
    let deep: ImageBuffer<Luma<u16>, Vec<u16>> =
        ImageBuffer::from_fn(8, 6, |x, y| Luma([(y * 8 + x) as u16 * 87]));
    let twelve = Decoder {
        bits: 12,
        ..DECODER
    };
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        let bytes = encoded(&deep.clone().into(), format);
        let (pixels, seen) = read(twelve, &bytes, [8, 6], 1).unwrap();
        let expected: Vec<u8> = deep
            .as_raw()
            .iter()
            .map(|&value| (f64::from(value) / 4095.0 * 255.0).round() as u8)
            .collect();
        assert_eq!(pixels, expected);
        assert_eq!(seen.brightest, Some(47 * 87));
        let (dark, _) = read(DECODER, &bytes, [8, 6], 1).unwrap();
        assert!(dark.iter().all(|&value| value <= 16));
        let ten = Decoder {
            bits: 10,
            ..DECODER
        };
        let error = read(ten, &bytes, [8, 6], 1).unwrap_err();
        assert_eq!(
            error,
            "has a value of 4089, but `bits: 10` allows at most 1023"
        );
    }
}

#[test]
fn files_with_several_images_are_noticed() {
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut bytes).unwrap();
    for page in [10, 200] {
        encoder
            .write_image::<colortype::Gray8>(8, 6, &[page; 48])
            .unwrap();
    }
    let (pixels, seen) = read(DECODER, &bytes.into_inner(), [8, 6], 1).unwrap();
    assert!(seen.has_several && pixels.iter().all(|&value| value == 10));
    let file = File::new(files::LITTLE, GRAY).text(0x0008, b"IS", "30");
    let file = file.words((0..48 * 30).map(|i| i / 48 * 100));
    let (pixels, seen) = read(DECODER, &file, [8, 6], 1).unwrap();
    assert!(seen.has_several && pixels.iter().all(|&value| value == 0));
}

#[test]
fn images_that_are_too_large_are_refused_by_their_header() {
    let dicom = File::new(
        files::LITTLE,
        files::Pixels {
            rows: 60_000,
            columns: 60_000,
            ..GRAY
        },
    )
    .words([]);
    let mut bitmap = encoded(&picture().into(), ImageFormat::Bmp);
    bitmap[18..22].copy_from_slice(&60_000u32.to_le_bytes());
    bitmap[22..26].copy_from_slice(&60_000u32.to_le_bytes());
    let webp = encoded(&picture().into(), ImageFormat::WebP);
    let at = webp
        .windows(5)
        .position(|five| five[0] == 0x2f && five[1] == 7)
        .unwrap();
    let mut webp = webp;
    webp[at + 1..at + 5].copy_from_slice(&0x0fff_bffeu32.to_le_bytes());
    for (bytes, size) in [
        (dicom, "60000×60000"),
        (bitmap, "60000×60000"),
        (webp, "16383×16383"),
    ] {
        let error = read(DECODER, &bytes, [8, 6], 1).unwrap_err();
        assert!(
            error.contains(size) && error.contains("max_megapixels"),
            "{error}"
        );
    }
}

#[test]
fn an_image_without_pixels_is_refused() {
    let flat = File::new(files::LITTLE, files::Pixels { rows: 0, ..GRAY }).words([]);
    let error = read(DECODER, &flat, [8, 6], 1).unwrap_err();
    assert_eq!(error, "is 8×0 pixels large");
}

#[test]
fn a_file_of_another_format_is_named_by_what_is_read() {
    let error = read(DECODER, b"GIF89a", [8, 6], 1).unwrap_err();
    assert_eq!(
        error,
        "is no image in the format JPEG, PNG, TIFF, BMP, WebP or DICOM"
    );
}
