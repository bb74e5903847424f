//! Tests the guard on generated images and, if available, on real radiographs.

mod generated;
mod properties;
mod real;
mod stages;

use contract::random;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};
use image::{GrayImage, Luma};
use rand::RngExt;

/// Draws a smooth random picture of `size` × `size`, with frequencies as strong as in a photograph.
fn picture(size: u32, seed: u64) -> GrayImage {
    let mut rng = random::stream(seed, "picture", [0, 0]);
    let mut picture = GrayImage::new(size, size);
    let mut waves = Vec::new();
    for _ in 0..40 {
        let mut draw = |high: f32| rng.random::<f32>() * high;
        let (u, v) = (draw(12.0), draw(12.0));
        waves.push((u, v, draw(6.3), 1.0 / (1.0 + u.hypot(v))));
    }
    let total: f32 = waves.iter().map(|wave| wave.3).sum();
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let at = |c: u32| 3.15 * c as f32 / size as f32;
        let wave = |(u, v, phase, strength): &(f32, f32, f32, f32)| {
            strength * (u * at(x) + v * at(y) + phase).sin()
        };
        let value = waves.iter().map(wave).sum::<f32>() / total;
        *pixel = Luma([(127.5 + 300.0 * value).clamp(0.0, 255.0) as u8]);
    }
    picture
}

/// Applies `curve` to every gray value of an image, scaled to the range 0 to 1.
fn recoloured(image: &GrayImage, curve: impl Fn(f32) -> f32) -> GrayImage {
    let mut changed = image.clone();
    for Luma([value]) in changed.pixels_mut() {
        *value = (curve(f32::from(*value) / 255.0) * 255.0)
            .round()
            .clamp(0.0, 255.0) as u8;
    }
    changed
}

/// Resizes an image to another size and back.
fn via(image: &GrayImage, size: u32) -> GrayImage {
    let small = resize(image, size, size, FilterType::Lanczos3);
    resize(&small, image.width(), image.height(), FilterType::Triangle)
}

fn jpeg_bytes(image: &GrayImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    image.write_with_encoder(encoder).unwrap();
    bytes
}

/// Encodes an image as JPEG and decodes it.
fn via_jpeg(image: &GrayImage, quality: u8) -> GrayImage {
    image::load_from_memory(&jpeg_bytes(image, quality))
        .unwrap()
        .into_luma8()
}

/// Adds noise with a standard deviation of about `deviation` gray values to an image.
fn noisy(image: &GrayImage, deviation: f32, seed: u64) -> GrayImage {
    let mut rng = random::stream(seed, "noise", [0, 0]);
    let mut changed = image.clone();
    for Luma([value]) in changed.pixels_mut() {
        let sum: f32 = (0..12).map(|_| rng.random::<f32>()).sum();
        let noise = (sum - 6.0) * deviation;
        *value = (f32::from(*value) + noise).round().clamp(0.0, 255.0) as u8;
    }
    changed
}

/// A change that leaves a picture recognizably the same.
type Change = (&'static str, fn(&GrayImage) -> GrayImage);

/// Changes by which copies of an image typically differ.
const CHANGES: [Change; 9] = [
    ("resized to 150 pixels and back", |i| via(i, 150)),
    ("resized to 96 pixels and back", |i| via(i, 96)),
    ("JPEG of quality 60", |i| via_jpeg(i, 60)),
    ("15 % brighter, clipped", |i| recoloured(i, |v| v * 1.15)),
    ("gamma 0.8", |i| recoloured(i, |v| v.powf(0.8))),
    ("gamma 1.25", |i| recoloured(i, |v| v.powf(1.25))),
    ("20 % more contrast, clipped", |i| {
        recoloured(i, |v| (v - 0.5) * 1.2 + 0.5)
    }),
    ("150 pixels, JPEG 60, 15 % brighter", |i| {
        recoloured(&via_jpeg(&via(i, 150), 60), |v| v * 1.15)
    }),
    ("noise of 5 gray values", |i| noisy(i, 5.0, 1)),
];
