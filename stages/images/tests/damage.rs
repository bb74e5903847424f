//! Damages files of every format. A damaged file gives an image or an error, but never a panic.

use super::*;

/// Returns small files of every format and kind of compression.
fn fixtures() -> Vec<(&'static str, Vec<u8>)> {
    let picture = picture();
    let deep: ImageBuffer<Luma<u16>, Vec<u16>> =
        ImageBuffer::from_fn(8, 6, |x, y| Luma([(x * 900 + y * 70) as u16]));
    let color: DynamicImage = picture.clone().into();
    let values = || files::places().map(|(x, y)| files::gray_value(x, y));
    let windowed = |syntax| {
        let file = File::new(syntax, GRAY).rescale("2", "-1");
        file.window("900", "300", "SIGMOID")
    };
    let mut segments = vec![2, 0, 0, 0, 64, 0, 0, 0, 66, 0, 0, 0];
    segments.resize(64, 0);
    segments.extend([209, 3, 209, 200]);
    let lossless = files::bytes_of(files::LOSSLESS);
    let j2k = files::bytes_of(files::J2K_GRAY);
    let frame = turned(ImageFormat::Jpeg, &picture, 1);
    let ybr = files::Pixels {
        photometric: "YBR_FULL_422",
        ..files::RGB
    };
    vec![
        ("JPEG", turned(ImageFormat::Jpeg, &picture, 6)),
        ("PNG", turned(ImageFormat::Png, &picture, 6)),
        (
            "PNG of 16 bits",
            encoded(&deep.clone().into(), ImageFormat::Png),
        ),
        ("TIFF", turned(ImageFormat::Tiff, &picture, 6)),
        ("TIFF of 16 bits", encoded(&deep.into(), ImageFormat::Tiff)),
        ("BMP", encoded(&color, ImageFormat::Bmp)),
        ("WebP", turned(ImageFormat::WebP, &picture, 6)),
        ("WebP without metadata", encoded(&color, ImageFormat::WebP)),
        ("implicit DICOM", windowed(files::IMPLICIT).words(values())),
        ("DICOM", windowed(files::LITTLE).words(values())),
        ("big-endian DICOM", windowed(files::BIG).words(values())),
        (
            "color DICOM",
            File::new(files::LITTLE, files::RGB).bytes(b"OB", &picture),
        ),
        ("RLE", windowed(files::RLE).fragments(&[0], &[&segments])),
        (
            "JPEG in DICOM",
            File::new(files::JPEG, ybr).fragments(&[], &[&frame]),
        ),
        (
            "lossless JPEG",
            windowed(files::LOSSLESS_JPEG).fragments(&[0], &[&lossless]),
        ),
        (
            "JPEG 2000",
            windowed(files::JPEG_2000).fragments(&[], &[&j2k]),
        ),
    ]
}

/// Random numbers that are the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }
}

/// Decodes bytes; `false` if they are refused. An error is a short fragment.
fn decodes(name: &str, bytes: &[u8]) -> bool {
    let found = DECODER.decode_bytes(bytes);
    if let Err(error) = &found {
        assert!(!error.is_empty() && error.len() < 500, "{name}: {error}");
        assert!(!error.contains("Secret"), "{name}: {error}");
    }
    found.is_ok()
}

#[test]
fn a_file_that_is_cut_off_is_refused_or_read() {
    for (name, bytes) in fixtures() {
        assert!(decodes(name, &bytes), "{name}");
        let read = (0..bytes.len())
            .filter(|&end| decodes(name, &bytes[..end]))
            .count();
        // Some files end with bytes that hold no pixels.
        assert!(read * 4 < bytes.len(), "{name}: {read} of {}", bytes.len());
    }
}

/// Flips bits, sets bytes to extreme values, and removes or repeats pieces.
#[test]
fn a_damaged_file_never_makes_the_decoder_panic() {
    let full = std::env::var("RUNNER_SUITE").is_ok_and(|suite| suite == "full");
    let cases = if full { 100_000 } else { 1500 };
    for (name, bytes) in fixtures() {
        let mut numbers = Numbers(7);
        for _ in 0..cases {
            let mut damaged = bytes.clone();
            for _ in 0..=numbers.below(3) {
                let at = numbers.below(damaged.len());
                match numbers.below(5) {
                    0 => damaged[at] ^= 1 << numbers.below(8),
                    1 => damaged[at] = 0xff,
                    2 => {
                        let end = damaged.len().min(at + 4);
                        damaged[at..end].fill([0, 0xff, 0x7f, 0x80][numbers.below(4)]);
                    }
                    3 => {
                        let end = damaged.len().min(at + 1 + numbers.below(8));
                        damaged.drain(at..end);
                    }
                    _ => {
                        let end = damaged.len().min(at + 1 + numbers.below(8));
                        let piece = damaged[at..end].to_vec();
                        damaged.splice(at..at, piece);
                    }
                }
                if damaged.is_empty() {
                    break;
                }
            }
            decodes(name, &damaged);
        }
    }
}
