//! Images with 16 bits per value, of which a camera or scanner used fewer.

use std::ops::RangeInclusive;

use image::DynamicImage;

/// Numbers of bits that an image with 16 bits per value can use. With 8 or fewer, it need not have been one.
pub const BITS: RangeInclusive<u8> = 9..=16;

/// Returns the number of bits for images that use all of them, which is the default.
pub fn all_bits() -> u8 {
    *BITS.end()
}

/// Returns whether `bits` is the default.
pub fn are_all_bits(bits: &u8) -> bool {
    *bits == all_bits()
}

/// Widens values of `bits` bits to 16 bits: 0 stays 0, and the largest value of so many bits becomes 65535. Also returns
/// the largest value. An image with 8 bits per value is returned as it is.
///
/// The rule depends on `bits` alone, so equal values of different images stay equal. Transparency is dropped.
///
/// # Errors
/// If a value needs more bits. The error is a fragment that follows the file's name.
pub(crate) fn widened(
    image: DynamicImage,
    bits: u8,
) -> Result<(DynamicImage, Option<u16>), String> {
    let mut image = match image {
        DynamicImage::ImageLumaA16(_) => DynamicImage::ImageLuma16(image.into_luma16()),
        DynamicImage::ImageRgba16(_) => DynamicImage::ImageRgb16(image.into_rgb16()),
        other => other,
    };
    let Some(values) = values(&mut image) else {
        return Ok((image, None));
    };
    let brightest = values.iter().copied().max().unwrap_or_default();
    let white = u16::MAX >> (16 - u32::from(bits.clamp(1, 16)));
    if brightest > white {
        return Err(format!(
            "has a value of {brightest}, but `bits: {bits}` allows at most {white}"
        ));
    }
    if white < u16::MAX {
        let white = u32::from(white);
        for value in values {
            *value = ((u32::from(*value) * 65_535 + white / 2) / white) as u16;
        }
    }
    Ok((image, Some(brightest)))
}

/// Returns the values of an image with 16 bits per value and without transparency.
fn values(image: &mut DynamicImage) -> Option<&mut [u16]> {
    match image {
        DynamicImage::ImageLuma16(gray) => Some(&mut **gray),
        DynamicImage::ImageRgb16(color) => Some(&mut **color),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, ImageBuffer, Luma, LumaA};

    use super::*;

    fn gray(values: [u16; 3]) -> DynamicImage {
        ImageBuffer::from_fn(3, 1, |x, _| Luma([values[x as usize]])).into()
    }

    #[test]
    fn the_largest_value_of_so_many_bits_is_white() {
        for (bits, white) in [(9, 511), (10, 1023), (12, 4095), (16, 65_535)] {
            let half = white / 2 + 1;
            let (image, brightest) = widened(gray([0, half, white]), bits).unwrap();
            assert_eq!(brightest, Some(white));
            let [black, middle, bright] = image.into_luma16().into_raw()[..] else {
                panic!("three pixels");
            };
            assert_eq!((black, bright), (0, 65_535));
            let expected = f64::from(half) / f64::from(white) * 65_535.0;
            assert!((f64::from(middle) - expected).abs() <= 0.5, "{bits} bits");
        }
    }

    #[test]
    fn a_value_of_more_bits_is_refused() {
        let error = widened(gray([1, 4096, 2]), 12).unwrap_err();
        assert_eq!(
            error,
            "has a value of 4096, but `bits: 12` allows at most 4095"
        );
    }

    #[test]
    fn transparency_and_images_of_8_bits_have_no_depth() {
        let transparent = ImageBuffer::from_fn(2, 1, |x, _| LumaA([x as u16 * 100, 65_535]));
        let (image, brightest) = widened(transparent.into(), 12).unwrap();
        assert_eq!(brightest, Some(100));
        assert_eq!(image.into_luma16().into_raw(), [0, 1600]);
        let bytes = DynamicImage::from(GrayImage::new(2, 2));
        assert_eq!(widened(bytes.clone(), 12).unwrap(), (bytes, None));
    }
}
