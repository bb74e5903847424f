//! Windows that move over an image: the padding and the output size of convolutions and pooling.

use contract::{Invalid, Sides};

use super::feature::Feature;
use super::layer::{Conv, NamedPadding, Padding, Pool};

/// Returns the output shape of pooling.
pub(super) fn pooled(pool: &Pool, input: Feature) -> Result<Feature, Invalid> {
    both_positive("kernel", pool.kernel)?;
    both_positive("stride", pool.stride)?;
    match windows([input.height, input.width], pool.kernel.0, pool.stride) {
        Some([height, width]) => Ok(Feature::new(input.channels, height, width)),
        None => Err(too_large(pool.kernel.0, input)),
    }
}

/// Returns the numbers of windows of these lengths that fit into `sides`; `None` if not even one fits.
fn windows(sides: [usize; 2], lengths: [usize; 2], stride: Sides) -> Option<[usize; 2]> {
    let along = |axis: usize| {
        let room = sides[axis].checked_sub(lengths[axis])?;
        Some(room / stride.0[axis] + 1)
    };
    Some([along(0)?, along(1)?])
}

/// Returns the height and the width of what the kernel of `conv` covers.
fn covered(conv: &Conv) -> [usize; 2] {
    let along = |axis: usize| {
        let gaps = conv.kernel.0[axis].saturating_sub(1);
        gaps.saturating_mul(conv.dilation.0[axis]).saturating_add(1)
    };
    [along(0), along(1)]
}

/// Returns the padding of a convolution.
///
/// # Errors
/// If a given padding is not less than what the kernel covers.
pub fn conv_padding(conv: &Conv, input: Feature) -> Result<ops::Padding, Invalid> {
    let covered = covered(conv);
    let sides = [input.height, input.width];
    let given = match conv.padding {
        Padding::Pixels(pixels) => Some([pixels; 2]),
        Padding::Sides(pixels) => Some(pixels),
        Padding::Named(NamedPadding::Valid) => Some([0, 0]),
        Padding::Named(NamedPadding::Same) => None,
    };
    let along = |axis: usize| match given {
        Some(pixels) => [pixels[axis]; 2],
        None => {
            let (side, stride) = (sides[axis], conv.stride.0[axis]);
            let last = (side.div_ceil(stride) - 1) * stride;
            let total = last.saturating_add(covered[axis]).saturating_sub(side);
            [total / 2, total - total / 2]
        }
    };
    if let Some(axis) = (0..2).find(|&axis| along(axis)[0] >= covered[axis]) {
        return Err(Invalid::new(format!(
            "padding {} is not less than the kernel size {}",
            along(axis)[0],
            covered[axis]
        ))
        .under("padding"));
    }
    let [[top, bottom], [left, right]] = [along(0), along(1)];
    Ok(ops::Padding {
        top,
        bottom,
        left,
        right,
    })
}

/// Returns the output shape of a convolution.
pub(super) fn convolved(conv: &Conv, input: Feature) -> Result<Feature, Invalid> {
    both_positive("kernel", conv.kernel)?;
    both_positive("stride", conv.stride)?;
    both_positive("dilation", conv.dilation)?;
    let padding = conv_padding(conv, input)?;
    let height = input.height + padding.top + padding.bottom;
    let width = input.width + padding.left + padding.right;
    match windows([height, width], covered(conv), conv.stride) {
        Some([height, width]) => Ok(Feature::new(conv.filters, height, width)),
        None => Err(too_large(covered(conv), input)),
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
        Padding::Sides(_) => {
            let message = "`conv_transpose` has the same padding on all sides";
            Err(Invalid::new(message)
                .hint("give one number")
                .under("padding"))
        }
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
fn too_large([height, width]: [usize; 2], input: Feature) -> Invalid {
    Invalid::new(format!(
        "a window of {height}×{width} does not fit into {}×{}",
        input.height, input.width
    ))
    .hint("remove a pooling layer or use larger images")
}

/// Checks a length along the height and one along the width.
pub(super) fn both_positive(name: &str, sides: Sides) -> Result<(), Invalid> {
    sides
        .0
        .into_iter()
        .try_for_each(|side| positive(name, side))
}

/// Largest number of pixels or channels that a layer may have.
pub(super) const MOST: usize = 1 << 20;

/// Checks a number of pixels or channels.
pub(super) fn positive(name: &str, value: usize) -> Result<(), Invalid> {
    if (1..=MOST).contains(&value) {
        return Ok(());
    }
    Err(Invalid::new(format!(
        "`{name}` is {value}; it must be between 1 and {MOST}"
    ))
    .under(name))
}
