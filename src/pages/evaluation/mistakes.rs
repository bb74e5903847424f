//! [`MistakeView`]: images that a model got wrong.

use contract::analysis::Evaluation;
use store::keys::Digest;

use crate::picture::{Datasets, Picture};

/// Most misclassified images that are shown.
const MISTAKES: usize = 24;
/// Largest side of a misclassified image, in pixels.
const SIDE: u32 = 96;

/// An image that the model got wrong.
#[derive(Clone, Debug)]
pub struct MistakeView {
    pub name: String,
    pub label: String,
    pub predicted: String,
    /// Probability of the predicted class.
    pub probability: String,
    pub picture: Option<Picture>,
}

impl MistakeView {
    /// Text for readers who do not see the image: `test/NORMAL/1.png, an image of class NORMAL`.
    pub fn alt(&self) -> String {
        format!("{}, an image of class {}", self.name, self.label)
    }
}

/// The most confident mistakes, and the number of all mistakes.
pub(super) fn mistakes(
    evaluation: &Evaluation,
    datasets: &Datasets<'_>,
    dataset: Option<Digest>,
) -> (Vec<MistakeView>, usize) {
    let classes = evaluation.classes.len();
    let probability = |at: usize| {
        let of = evaluation.predicted[at] as usize;
        let known = evaluation.probabilities.get(at * classes + of).copied();
        known.unwrap_or_default()
    };
    let all = 0..evaluation.labels.len();
    let mut wrong: Vec<usize> = all
        .filter(|&at| evaluation.labels[at] != evaluation.predicted[at])
        .collect();
    wrong.sort_by(|&a, &b| probability(b).total_cmp(&probability(a)).then(a.cmp(&b)));
    let count = wrong.len();
    wrong.truncate(MISTAKES);
    let opened = dataset.and_then(|digest| Some((digest, datasets.open(&digest)?)));
    let name = |class: u32| {
        let name = evaluation.classes.get(class as usize);
        name.cloned().unwrap_or_default()
    };
    let picture = |at: usize| {
        let (digest, dataset) = opened.as_ref()?;
        let known = evaluation.names.get(at)?;
        // An evaluation is in the order of its dataset.
        let is_same = dataset.names().get(at) == Some(known);
        let image = if is_same { at } else { dataset.find(known)? };
        Some(Picture::Image {
            dataset: *digest,
            image,
            side: SIDE,
        })
    };
    let mistakes = wrong.iter().map(|&at| MistakeView {
        name: evaluation.names.get(at).cloned().unwrap_or_default(),
        label: name(evaluation.labels[at]),
        predicted: name(evaluation.predicted[at]),
        probability: format!("{:.3}", probability(at)),
        picture: picture(at),
    });
    (mistakes.collect(), count)
}
