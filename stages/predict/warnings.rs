//! Hints that an image is unlike the training images, or of another shape or modality. They change no probability.

use contract::ImageShape;
use images::Original;

use crate::nets::{ClassifierCard, Unlike};

/// Factor between the aspect ratios of an image and of the classifier's input from which the image is far from it.
const MOST_STRETCHED: f64 = 2.0;

/// Factor by which an image may be enlarged.
const MOST_ENLARGED: usize = 2;

/// Returns a short text for each respect in which an image is probably not meant for the classifier. `pixels` are what
/// the classifier gets.
pub(super) fn warnings(card: &ClassifierCard, pixels: &[u8], original: Original) -> Vec<String> {
    let shape = card.image();
    let unlike = card.training_images.as_ref().and_then(|training_images| {
        let of_look = match shape.channels {
            1 => "brightness, contrast or sharpness",
            _ => "brightness, contrast, sharpness or color",
        };
        Some(match training_images.unlike(shape, pixels) {
            Unlike {
                layout: false,
                look: false,
            } => return None,
            Unlike {
                layout: true,
                look: false,
            } => "unlike the training images (layout)".to_owned(),
            Unlike {
                layout: false,
                look: true,
            } => format!("unlike the training images ({of_look})"),
            Unlike {
                layout: true,
                look: true,
            } => format!("unlike the training images (layout, {of_look})"),
        })
    });
    let Original { width, height, .. } = original;
    let color = original
        .loses_color
        .then(|| "color, but the model takes gray images".to_owned());
    let stretched = is_stretched(shape, original).then(|| {
        format!(
            "shape {width}×{height}, far from the model's {}×{}",
            shape.width, shape.height
        )
    });
    let enlarged = is_enlarged(shape, original).then(|| format!("tiny: {width}×{height} pixels"));
    let several = original
        .seen
        .has_several
        .then(|| "first of several pages or frames".to_owned());
    let all = [unlike, color, stretched, enlarged, several];
    all.into_iter().flatten().collect()
}

fn is_stretched(shape: ImageShape, original: Original) -> bool {
    let ratio = |width: f64, height: f64| width / height;
    let ours = ratio(f64::from(original.width), f64::from(original.height));
    let theirs = ratio(shape.width as f64, shape.height as f64);
    (ours / theirs).max(theirs / ours) > MOST_STRETCHED
}

fn is_enlarged(shape: ImageShape, original: Original) -> bool {
    let least = |length: usize| length.div_ceil(MOST_ENLARGED);
    (original.width as usize) < least(shape.width)
        || (original.height as usize) < least(shape.height)
}

#[cfg(test)]
mod tests {
    use images::Seen;

    use super::*;

    #[test]
    fn shapes_far_from_the_models_are_found() {
        let shape = ImageShape {
            height: 64,
            width: 64,
            channels: 1,
        };
        let original = |width, height| Original {
            width,
            height,
            loses_color: false,
            seen: Seen {
                has_several: false,
                brightest: None,
            },
        };
        for (width, height, stretched, enlarged) in [
            (224, 224, false, false),
            (2916, 2713, false, false),
            (400, 200, false, false),
            (401, 200, true, false),
            (200, 401, true, false),
            (32, 32, false, false),
            (31, 32, false, true),
            (200, 20, true, true),
        ] {
            let original = original(width, height);
            assert_eq!(is_stretched(shape, original), stretched, "{width}×{height}");
            assert_eq!(is_enlarged(shape, original), enlarged, "{width}×{height}");
        }
    }
}
