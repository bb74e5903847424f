//! Image files in every form that is read.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ExtendedColorType, GrayImage, ImageEncoder, ImageFormat, RgbImage};

/// Draws a disk on a dark ground; the second class is a square. `number` varies size, brightness and noise.
pub(super) fn picture(class: usize, number: usize, size: u32) -> RgbImage {
    let half = f64::from(size) / 2.0;
    let radius = half * (0.4 + (number * 7 % 10) as f64 / 40.0);
    RgbImage::from_fn(size, size, |x, y| {
        let (dx, dy) = (f64::from(x) - half, f64::from(y) - half);
        let is_inside = match class {
            0 => dx.hypot(dy) < radius,
            1 => dx.abs().max(dy.abs()) < radius,
            _ => dx.abs() < radius / 2.0,
        };
        let noise = ((x * 31 + y * 17) as usize * (number + 3) % 23) as u8;
        let shade = if is_inside {
            150 + (number * 13 % 60) as u8
        } else {
            5
        };
        [shade + noise; 3].into()
    })
}

/// Gives an image colors.
pub(super) fn colored(image: &RgbImage) -> RgbImage {
    let mut image = image.clone();
    for pixel in image.pixels_mut() {
        pixel.0[1] /= 2;
        pixel.0[2] = 255 - pixel.0[2];
    }
    image
}

/// Writes an image in a form: `jpeg`, `gray.jpeg`, `exif.jpg`, `png`, `gray.png`, `deep.png` (16 bits), `alpha.png` or
/// `palette.png`.
pub(super) fn write(path: &Path, image: &RgbImage, form: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let gray = || DynamicImage::from(image.clone()).into_luma8();
    let bytes = match form {
        "jpeg" => jpeg(image, None),
        "gray.jpeg" => {
            let mut bytes = Vec::new();
            JpegEncoder::new_with_quality(&mut bytes, 90)
                .encode_image(&gray())
                .unwrap();
            bytes
        }
        "exif.jpg" => jpeg(image, Some(turned())),
        "png" => png(image.clone()),
        "gray.png" => png(gray()),
        "deep.png" => png(DynamicImage::from(image.clone()).into_rgb16()),
        "alpha.png" => {
            let mut image = DynamicImage::from(image.clone()).into_rgba8();
            for (x, _, pixel) in image.enumerate_pixels_mut() {
                pixel.0[3] = (x * 5) as u8;
            }
            png(image)
        }
        "deep.tif" => encoded(
            DynamicImage::from(image.clone()).into_luma16(),
            ImageFormat::Tiff,
        ),
        "bmp" => encoded(image.clone(), ImageFormat::Bmp),
        "webp" => encoded(image.clone(), ImageFormat::WebP),
        "dcm" => dicom(&gray()),
        "palette.png" => palette(&gray()),
        other => panic!("{other}"),
    };
    fs::write(path, bytes).unwrap();
}

fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    encoded(image, ImageFormat::Png)
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// An uncompressed DICOM file with the name of a patient.
fn dicom(image: &GrayImage) -> Vec<u8> {
    let (columns, rows) = image.dimensions();
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    let mut element = |tag: [u16; 2], vr: &[u8; 2], value: &[u8]| {
        bytes.extend(tag.map(u16::to_le_bytes).as_flattened());
        bytes.extend(vr);
        let length = (value.len() as u32).to_le_bytes();
        match vr {
            b"OB" => bytes.extend([[0; 2].as_slice(), &length].concat()),
            _ => bytes.extend(&length[..2]),
        }
        bytes.extend(value);
    };
    element([0x0002, 0x0010], b"UI", b"1.2.840.10008.1.2.1\0");
    element([0x0010, 0x0010], b"PN", b"Secret^Patient");
    element([0x0028, 0x0004], b"CS", b"MONOCHROME2 ");
    for (number, value) in [
        (0x0002, 1),
        (0x0010, rows),
        (0x0011, columns),
        (0x0100, 8),
        (0x0101, 8),
        (0x0102, 7),
        (0x0103, 0),
    ] {
        element([0x0028, number], b"US", &(value as u16).to_le_bytes());
    }
    element([0x7fe0, 0x0010], b"OB", image);
    bytes
}

fn jpeg(image: &RgbImage, exif: Option<Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
    if let Some(exif) = exif {
        encoder.set_exif_metadata(exif).unwrap();
    }
    let (width, height) = image.dimensions();
    encoder
        .write_image(image, width, height, ExtendedColorType::Rgb8)
        .unwrap();
    bytes
}

/// EXIF data that turn the image by 90 degrees: a TIFF header, and a directory with the tag 0x0112.
fn turned() -> Vec<u8> {
    let entry: &[u8] = &[0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0];
    [b"II*\0\x08\0\0\0\x01\0" as &[u8], entry, &[0; 4]].concat()
}

/// A PNG file whose pixels are places in a palette of violet and yellow tones.
fn palette(image: &GrayImage) -> Vec<u8> {
    let (width, height) = image.dimensions();
    let colors: Vec<u8> = (0..=255).flat_map(|v: u8| [v, v / 2, 255 - v]).collect();
    let header = [
        &width.to_be_bytes() as &[u8],
        &height.to_be_bytes(),
        &[8, 3, 0, 0, 0],
    ];
    // Each row begins with the number of its filter: none.
    let rows = image.as_raw().chunks(width as usize);
    let rows: Vec<u8> = rows.flat_map(|row| [&[0], row].concat()).collect();
    let length = u16::try_from(rows.len()).unwrap();
    // One block that is not compressed.
    let data = [
        &[0x78, 0x01, 0x01u8] as &[u8],
        &length.to_le_bytes(),
        &(!length).to_le_bytes(),
        &rows,
        &adler(&rows).to_be_bytes(),
    ];
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, content) in [
        (b"IHDR", header.concat()),
        (b"PLTE", colors),
        (b"IDAT", data.concat()),
        (b"IEND", Vec::new()),
    ] {
        bytes.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        let checked = [kind as &[u8], &content].concat();
        bytes.extend(&checked);
        bytes.extend(crc(&checked).to_be_bytes());
    }
    bytes
}

/// CRC-32 of PNG chunks.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    })
}

/// Adler-32 of zlib streams.
fn adler(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65521;
        (a, (b + a) % 65521)
    });
    b << 16 | a
}
