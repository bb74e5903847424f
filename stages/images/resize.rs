//! Stretches images of any size and depth to a given shape.

use std::f64::consts::PI;

use contract::ImageShape;
use fast_image_resize::images::TypedImage;
use fast_image_resize::pixels::{InnerPixel, U8, U8x3, U16, U16x3};
use fast_image_resize::{Filter, FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use image::DynamicImage;

/// Converts an image of any kind to HWC bytes of `shape`, stretching the image. Transparency is ignored. Color
/// becomes gray by [`luma`].
///
/// The filter is Lanczos, widened when shrinking. It is applied in integers of the image's own depth, so the
/// results do not depend on the processor.
pub(crate) fn fit(image: DynamicImage, shape: ImageShape, resizer: &mut Resizer) -> Vec<u8> {
    let size = (image.width(), image.height());
    let color = image.color();
    let deep = color.bits_per_pixel() / u16::from(color.channel_count()) > 8;
    let gray = shape.channels == 1 || !color.has_color();
    let fitted = match (gray, deep) {
        (true, false) => resize::<U8>(luma8(image), size, shape, resizer),
        (false, false) => resize::<U8x3>(image.into_rgb8().into_raw(), size, shape, resizer),
        (true, true) => to_bytes(&resize::<U16>(luma16(image), size, shape, resizer)),
        (false, true) => to_bytes(&resize::<U16x3>(
            image.into_rgb16().into_raw(),
            size,
            shape,
            resizer,
        )),
    };
    if gray && shape.channels > 1 {
        let repeated = |&value| std::iter::repeat_n(value, shape.channels);
        return fitted.iter().flat_map(repeated).collect();
    }
    fitted
}

/// Converts HWC bytes of an image with the given `size` (width, height) and 1 or 3 channels to `shape`.
pub fn fit_bytes(
    bytes: Vec<u8>,
    size: (usize, usize),
    channels: usize,
    shape: ImageShape,
    resizer: &mut Resizer,
) -> Vec<u8> {
    let (width, height) = (size.0 as u32, size.1 as u32);
    let image = if channels == 1 {
        image::GrayImage::from_raw(width, height, bytes).map(DynamicImage::from)
    } else {
        image::RgbImage::from_raw(width, height, bytes).map(DynamicImage::from)
    };
    fit(
        image.expect("the number of bytes fits the size"),
        shape,
        resizer,
    )
}

/// Luma of ITU-R BT.601: the gray that JPEG files store, and to which Pillow and therefore Keras convert
/// color.
pub fn luma([r, g, b]: [u32; 3]) -> u32 {
    // The weights 0.299, 0.587 and 0.114 in units of 1/65536.
    (19595 * r + 38470 * g + 7471 * b + (1 << 15)) >> 16
}

fn luma8(image: DynamicImage) -> Vec<u8> {
    if !image.color().has_color() {
        return image.into_luma8().into_raw();
    }
    let pixels = image.into_rgb8();
    let gray = |&[r, g, b]: &[u8; 3]| luma([r, g, b].map(u32::from)) as u8;
    pixels.as_chunks().0.iter().map(gray).collect()
}

fn luma16(image: DynamicImage) -> Vec<u16> {
    if !image.color().has_color() {
        return image.into_luma16().into_raw();
    }
    let pixels = image.into_rgb16();
    let gray = |&[r, g, b]: &[u16; 3]| luma([r, g, b].map(u32::from)) as u16;
    pixels.as_chunks().0.iter().map(gray).collect()
}

fn to_bytes(values: &[u16]) -> Vec<u8> {
    let byte = |&value| ((u32::from(value) + 128) / 257) as u8;
    values.iter().map(byte).collect()
}

/// Resizes pixels of type `P`, which are given by their components `values`.
///
/// Source and target have the type that the library uses between its two passes. With another type, the
/// compiler would repeat all of the library's loops for each combination of types, which was a third of this
/// package's code.
fn resize<P>(
    mut values: Vec<P::Component>,
    (width, height): (u32, u32),
    shape: ImageShape,
    resizer: &mut Resizer,
) -> Vec<P::Component>
where
    P: PixelTrait + InnerPixel,
    P::Component: bytemuck::Pod,
{
    let source = image_of::<P>(&mut values, width, height);
    let len = shape.height * shape.width * P::count_of_components();
    let mut resized: Vec<P::Component> = vec![bytemuck::Zeroable::zeroed(); len];
    let mut target = image_of::<P>(&mut resized, shape.width as u32, shape.height as u32);
    let filter = Filter::new("Lanczos", lanczos, LOBES).expect("the number of lobes is finite");
    let options =
        ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Custom(filter)));
    resizer
        .resize_typed(&source, &mut target, &options)
        .expect("sizes above zero");
    drop(target);
    resized
}

fn image_of<P>(values: &mut [P::Component], width: u32, height: u32) -> TypedImage<'_, P>
where
    P: PixelTrait + InnerPixel,
    P::Component: bytemuck::Pod,
{
    TypedImage::from_buffer(width, height, bytemuck::cast_slice_mut(values))
        .expect("as many values as the size says")
}

const LOBES: f64 = 3.0;

/// The Lanczos window of three lobes: sinc(x) · sinc(x / 3).
///
/// It is computed with basic arithmetic only, whose results are the same on every processor and with every
/// version of a mathematical library. It is also several times as fast as with a library's sine, which took an
/// eighth of the time of reading an image.
fn lanczos(x: f64) -> f64 {
    let x = x.abs();
    if x < 1e-6 {
        return 1.0;
    }
    if x >= LOBES {
        return 0.0;
    }
    // sin(πx / 3), with the angle mirrored into the first quarter of a turn. The triple-angle formula gives
    // sin(πx).
    let third = sine(PI / 3.0 * x.min(LOBES - x));
    let whole = third * (3.0 - 4.0 * third * third);
    LOBES * whole * third / (PI * x * (PI * x))
}

/// Returns the sine of an angle from 0 to π/2, accurate to 10⁻¹¹, by its Taylor series.
fn sine(angle: f64) -> f64 {
    let square = angle * angle;
    // Ratio of each term to the one before it, without −x² and from the last term on: 1 / (14 · 15), …, 1 / (2 · 3).
    let series = (1..8).rev().fold(1.0, |rest, i| {
        let ratio = 1.0 / f64::from(2 * i * (2 * i + 1));
        1.0 - square * ratio * rest
    });
    angle * series
}

#[cfg(test)]
mod tests {
    use fast_image_resize::CpuExtensions;
    use image::{ImageBuffer, Rgb};

    use super::*;

    #[test]
    fn the_filter_is_that_of_lanczos() {
        let sinc = |x: f64| (PI * x).sin() / (PI * x);
        for step in 1..=3100 {
            let x = f64::from(step) / 1000.0;
            let expected = if x < LOBES {
                sinc(x) * sinc(x / LOBES)
            } else {
                0.0
            };
            assert!((lanczos(x) - expected).abs() < 1e-10, "{x}");
            assert_eq!(lanczos(x), lanczos(-x));
        }
        assert_eq!(lanczos(0.0), 1.0);
    }

    #[test]
    fn gray_is_the_luma_of_color() {
        let white = [255; 3];
        assert_eq!(luma(white), 255);
        assert_eq!(luma([65535; 3]), 65535);
        let weights = [[255, 0, 0], [0, 255, 0], [0, 0, 255]].map(luma);
        assert_eq!(weights, [76, 150, 29]);
    }

    /// Creates an image of noise. `value` makes each value from 16 random bits.
    fn noise<T: image::Primitive>(value: impl Fn(u32) -> T) -> ImageBuffer<Rgb<T>, Vec<T>>
    where
        Rgb<T>: image::Pixel<Subpixel = T>,
    {
        let mut state = 1u32;
        ImageBuffer::from_fn(101, 67, |_, _| {
            Rgb(std::array::from_fn(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                value(state >> 16)
            }))
        })
    }

    /// If these values change, datasets change: increase the version of the kind `dataset`.
    #[test]
    fn golden_pixels() {
        let shape = |channels| ImageShape {
            height: 2,
            width: 3,
            channels,
        };
        let fitted = |image: &DynamicImage, channels| {
            let corner = image.crop_imm(0, 0, 7, 5);
            fit(corner, shape(channels), &mut Resizer::new())
        };
        let bytes = noise(|v| v as u8).into();
        assert_eq!(fitted(&bytes, 1), [122, 118, 109, 118, 118, 160]);
        assert_eq!(fitted(&bytes, 3)[..6], [162, 108, 82, 94, 127, 138]);
        let words = noise(|v| v as u16).into();
        assert_eq!(fitted(&words, 1), [129, 160, 144, 145, 156, 135]);
    }

    #[test]
    fn every_processor_resizes_alike() {
        let images: [DynamicImage; 2] = [noise(|v| v as u8).into(), noise(|v| v as u16).into()];
        for (image, channels) in images.iter().flat_map(|image| [(image, 1), (image, 3)]) {
            for side in [8, 33, 128] {
                let shape = ImageShape {
                    height: side,
                    width: side,
                    channels,
                };
                let with = |extensions: CpuExtensions| {
                    let mut resizer = Resizer::new();
                    if extensions.is_supported() {
                        // SAFETY: the processor supports these extensions.
                        unsafe { resizer.set_cpu_extensions(extensions) };
                    }
                    fit(image.clone(), shape, &mut resizer)
                };
                let plain = with(CpuExtensions::None);
                assert!(fit(image.clone(), shape, &mut Resizer::new()) == plain);
                #[cfg(target_arch = "x86_64")]
                for extensions in [CpuExtensions::Sse4_1, CpuExtensions::Avx2] {
                    assert!(with(extensions) == plain, "{extensions:?}");
                }
            }
        }
    }
}
