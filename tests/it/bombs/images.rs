//! JPEG and PNG files that claim to be huge.

use std::fs;
use std::io::{Cursor, Write};

use image::{DynamicImage, ImageFormat, RgbImage};

use super::{dataset, peak};
use crate::sandbox::{Sandbox, TINY};

#[test]
fn an_image_that_claims_to_be_huge_is_refused_by_its_header() {
    let sandbox = Sandbox::new(TINY);
    let mut jpeg = Cursor::new(Vec::new());
    DynamicImage::new_luma8(64, 64)
        .write_to(&mut jpeg, ImageFormat::Jpeg)
        .unwrap();
    let honest = jpeg.into_inner();
    let mut bomb = honest.clone();
    let frame = bomb
        .windows(2)
        .position(|marker| marker == [0xff, 0xc0])
        .unwrap();
    bomb[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    for (split, class) in [("train", "A"), ("train", "B"), ("test", "A"), ("test", "B")] {
        let folder = sandbox.path("data").join(split).join(class);
        fs::create_dir_all(&folder).unwrap();
        for index in 0..6 {
            fs::write(folder.join(format!("{index}.jpeg")), &honest).unwrap();
        }
    }
    fs::write(sandbox.path("data/train/A/bomb.jpeg"), bomb).unwrap();
    let run = dataset(&sandbox, "{folder: {path: data}}");
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("bomb.jpeg"), "{run:?}");
    assert!(run.stderr.contains("65535×65535"), "{run:?}");
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// Returns a PNG chunk: length, name, data, CRC-32 of name and data.
fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [name.as_slice(), data].concat();
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [length.as_slice(), &named, &crc32(&named).to_be_bytes()].concat()
}

/// Returns a zlib stream of `count` zeros.
fn zlib_zeros(count: usize) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    archive.start_file("z", options).unwrap();
    let block = vec![0; 1 << 20];
    for start in (0..count).step_by(block.len()) {
        let size = block.len().min(count - start);
        archive.write_all(&block[..size]).unwrap();
    }
    let zip = archive.finish().unwrap().into_inner();
    // The stream is between the local header (31 bytes, as the name has one byte) and the central directory.
    let end = zip
        .windows(4)
        .rposition(|four| four == b"PK\x01\x02")
        .unwrap();
    let adler = ((count % 65_521) as u32) << 16 | 1;
    [&[0x78, 0x9c], &zip[31..end], &adler.to_be_bytes()].concat()
}

fn png(image: &DynamicImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Returns a sandbox with a folder in which every image is this file.
fn folder_of(image: &[u8]) -> Sandbox {
    let sandbox = Sandbox::new(TINY);
    for (split, class) in [("train", "A"), ("train", "B"), ("test", "A"), ("test", "B")] {
        let folder = sandbox.path("data").join(split).join(class);
        fs::create_dir_all(&folder).unwrap();
        for index in 0..2 {
            fs::write(folder.join(format!("{index}.png")), image).unwrap();
        }
    }
    sandbox
}

#[test]
fn a_color_profile_is_not_decompressed_without_limit() {
    let honest = png(&DynamicImage::new_luma8(8, 8));
    let profile = [b"x\0\0".as_slice(), &zlib_zeros(256 << 20)].concat();
    // The profile goes after the signature and the header chunk, which take 33 bytes together.
    let bomb = [&honest[..33], &chunk(b"iCCP", &profile), &honest[33..]].concat();
    assert!(bomb.len() < 1_000_000, "{}", bomb.len());
    let run = dataset(&folder_of(&bomb), "{folder: {path: data}}");
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(peak(&run) < 250.0, "it used {} MiB", peak(&run));
}

#[test]
fn a_genuinely_large_image_is_read() {
    let large = RgbImage::from_fn(6000, 4000, |x, y| image::Rgb([x as u8, y as u8, 7]));
    let run = dataset(
        &folder_of(&png(&DynamicImage::ImageRgb8(large))),
        "{folder: {path: data}}",
    );
    assert_eq!(run.code, Some(0), "{run:?}");
}
