//! Windows that move over an image: the padding and the output size of convolutions and pooling.

use contract::Invalid;

use super::feature::Feature;
use super::layer::{NamedPadding, Padding, Pool};

/// Returns the output shape of pooling.
pub(super) fn pooled(pool: &Pool, input: Feature) -> Result<Feature, Invalid> {
    positive("kernel", pool.kernel)?;
    positive("stride", pool.stride)?;
    let size = |side| window(side, pool.kernel, pool.stride);
    match (size(input.height), size(input.width)) {
        (Some(height), Some(width)) => Ok(Feature::new(input.channels, height, width)),
        _ => Err(too_large(pool.kernel, input)),
    }
}

/// Returns the number of windows of `kernel` that fit into `side`, `stride` apart; `None` if not even one fits.
pub(super) fn window(side: usize, kernel: usize, stride: usize) -> Option<usize> {
    side.checked_sub(kernel).map(|room| room / stride + 1)
}

/// Returns the padding of a convolution, in pixels on each side.
pub fn conv_padding(
    padding: Padding,
    kernel: usize,
    stride: usize,
    input: Feature,
) -> Result<usize, Invalid> {
    match padding {
        Padding::Pixels(pixels) if pixels < kernel => Ok(pixels),
        Padding::Pixels(pixels) => Err(Invalid::new(format!(
            "padding {pixels} is not less than the kernel size {kernel}"
        ))
        .under("padding")),
        Padding::Named(NamedPadding::Valid) => Ok(0),
        Padding::Named(NamedPadding::Same) => {
            let total =
                |side: usize| ((side.div_ceil(stride) - 1) * stride + kernel).saturating_sub(side);
            let (vertical, horizontal) = (total(input.height), total(input.width));
            if vertical != horizontal || vertical % 2 == 1 {
                return Err(Invalid::new(format!(
                    "`same` would pad {input} unevenly for a kernel of {kernel} and a stride of {stride}"
                ))
                .hint("give the padding as a number of pixels")
                .under("padding"));
            }
            Ok(vertical / 2)
        }
    }
}

/// Returns the padding of a transposed convolution, in pixels on each side of its output.
pub fn transposed_padding(
    padding: Padding,
    kernel: usize,
    stride: usize,
) -> Result<usize, Invalid> {
    match padding {
        Padding::Pixels(pixels) if pixels < kernel => Ok(pixels),
        Padding::Pixels(pixels) => Err(Invalid::new(format!(
            "padding {pixels} is not less than the kernel size {kernel}"
        ))
        .under("padding")),
        Padding::Named(NamedPadding::Valid) => Ok(0),
        Padding::Named(NamedPadding::Same)
            if kernel >= stride && (kernel - stride).is_multiple_of(2) =>
        {
            Ok((kernel - stride) / 2)
        }
        Padding::Named(NamedPadding::Same) => Err(Invalid::new(format!(
            "`same` cannot make the output {stride} times as large with a kernel of {kernel}"
        ))
        .hint("use a kernel that exceeds the stride by an even number")
        .under("padding")),
    }
}

/// Returns the error about a window that is larger than its input.
pub(super) fn too_large(kernel: usize, input: Feature) -> Invalid {
    Invalid::new(format!(
        "a window of {kernel}×{kernel} does not fit into {}×{}",
        input.height, input.width
    ))
    .hint("remove a pooling layer or use larger images")
}

/// Checks a number of pixels or channels.
pub(super) fn positive(name: &str, value: usize) -> Result<(), Invalid> {
    if (1..=1 << 20).contains(&value) {
        return Ok(());
    }
    Err(Invalid::new(format!(
        "`{name}` is {value}; it must be between 1 and {}",
        1 << 20
    ))
    .under(name))
}
