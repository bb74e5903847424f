//! [`SampleView`]: pictures of some images.

use contract::analysis::DatasetView;
use store::keys::Digest;

use crate::picture::Picture;

/// Images of a class in a grid of samples.
pub(super) const SAMPLES: usize = 12;
/// Columns of a grid of samples.
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
            columns: COLUMNS.min(images.len()),
            images,
            side: SIDE,
        },
    })
}
