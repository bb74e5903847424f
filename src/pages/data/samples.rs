//! [`SampleView`]: pictures of some images.

use contract::analysis::DatasetView;
use store::keys::Digest;

use crate::picture::Picture;

/// Images of a class in a grid of samples.
pub(super) const SAMPLES: usize = 12;
/// Most columns of a grid of samples.
const COLUMNS: usize = 6;
/// Largest side of a sample, in pixels.
const SIDE: u32 = 96;

/// A grid of images.
#[derive(Clone, Debug)]
pub struct SampleView {
    pub caption: String,
    /// Text for those who do not see the picture.
    pub alt: String,
    pub picture: Picture,
}

/// The first images of a class, spread over the dataset.
pub(super) fn of_class(dataset: &dyn DatasetView, class: u32, count: usize) -> Vec<usize> {
    let labels = dataset.labels().iter().enumerate();
    let images: Vec<usize> = labels
        .filter(|(_, label)| **label == class)
        .map(|(at, _)| at)
        .collect();
    let shown = images.len().min(count);
    (0..shown)
        .map(|at| images[at * images.len() / shown])
        .collect()
}

/// A grid of images of a dataset; `None` if there are no images. `what` describes them for readers who do not see it.
pub(super) fn sample(
    dataset: Digest,
    images: Vec<usize>,
    caption: String,
    what: &str,
) -> Option<SampleView> {
    (!images.is_empty()).then(|| SampleView {
        alt: format!("{} {what}", images.len()),
        caption,
        picture: Picture::Sheet {
            dataset,
            columns: columns(images.len()),
            images,
            side: SIDE,
        },
    })
}

/// Columns of a grid of images: all in one row, or two rows of the same length.
fn columns(images: usize) -> usize {
    match images {
        0..=COLUMNS => images,
        _ => images.div_ceil(images.div_ceil(COLUMNS)),
    }
}

#[cfg(test)]
mod tests {
    use super::columns;

    #[test]
    fn rows_have_the_same_length() {
        assert_eq!([1, 6, 8, 9, 12].map(columns), [1, 6, 4, 5, 6]);
    }
}
