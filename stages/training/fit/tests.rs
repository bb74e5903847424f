use std::sync::atomic::AtomicBool;

use contract::Context;
use serde_json::json;

use crate::training::Examples;
use crate::training::testing::{PIXEL, dataset, request, train};

/// Returns black images, `counts` of each class, ordered by class.
fn black(counts: [usize; 2]) -> impl Iterator<Item = (u32, Vec<u8>)> {
    let labels = counts.into_iter().zip(0..);
    labels.flat_map(|(count, label)| std::iter::repeat_n((label, vec![0]), count))
}

/// The logit of a black image is 0, so the loss of an epoch is ln 2 times the mean weight of its images. Balanced
/// weights have the mean 1 over an epoch: with n images, nᵢ of class i and c classes, it is Σ nᵢ · n / (c·nᵢ) / n.
/// The tolerance is for the number of images of each class, which differs between samples.
#[test]
fn balanced_weights_count_the_images_of_an_epoch() {
    let mut examples = Examples::new(dataset(PIXEL, black([225, 225])), 1);
    examples
        .mix_in(dataset(PIXEL, black([180, 1620])), 113)
        .unwrap();
    let recipe = json!({
        "model": ["flatten", { "dense": { "units": 1 } }],
        "epochs": 5,
        "learning_rate": 1e-12,
        "class_weights": "balanced",
    });
    let (request, cancelled) = (request(), AtomicBool::new(false));
    let context = Context::new(&request, &|_| {}, &cancelled);
    let (_, fitted) = train(recipe, &examples, None, &context);
    for row in fitted.unwrap().history {
        let mean_weight = row.loss / std::f64::consts::LN_2;
        assert!((mean_weight - 1.0).abs() < 0.01, "{mean_weight}");
    }
}
