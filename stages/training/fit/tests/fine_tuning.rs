//! Tests of trainings in which layers are frozen or have rates of their own.

use std::sync::atomic::AtomicBool;

use contract::Context;
use dfdx::tensor::Cpu;
use serde_json::{Value, json};

use super::columns;
use crate::data::Dataset;
use crate::nets::Network;
use crate::training::testing::{augmented, request, train};
use crate::training::{Examples, Fitted};

/// A network whose convolution and pooling are computed together, with `batch_norm` and dropout.
fn recipe(changes: Value) -> Value {
    let mut recipe = json!({
        "model": [
            { "conv": { "filters": 4 } }, { "max_pool": 2 }, "batch_norm", { "dropout": 0.3 },
            { "conv": { "filters": 3 } }, "batch_norm", "flatten", { "dense": { "units": 1 } }
        ],
        "epochs": 4,
        "batch_size": 7,
    });
    let changes = changes.as_object().unwrap().clone();
    recipe.as_object_mut().unwrap().extend(changes);
    recipe
}

fn fit(changes: Value, examples: &Examples) -> (Network<Cpu>, Fitted) {
    let (request, cancelled) = (request(), AtomicBool::new(false));
    let context = Context::new(&request, &|_| {}, &cancelled);
    let validation = columns(30);
    let (network, fitted) = train(recipe(changes), examples, Some(&validation), &context);
    (network, fitted.unwrap())
}

fn images() -> Examples {
    Examples::new(columns(60), 1)
}

/// The images with a policy that never changes an image: features cannot be kept, but are the same.
fn transformed() -> Examples {
    let plain: Dataset = columns(60);
    let all = (0..plain.len()).map(|image| (plain.labels()[image], plain.image(image).to_vec()));
    let policy = json!({ "brightness": [1.0, 1.0] });
    Examples::new(augmented(plain.shape(), all, Some(policy)), 1)
}

fn state(network: &Network<Cpu>) -> Vec<(String, Vec<f32>)> {
    let state = network.state().into_iter();
    state
        .map(|(name, tensor)| (name, ops::to_host(tensor)))
        .collect()
}

/// Returns the names of the tensors that differ.
fn changed(a: &Network<Cpu>, b: &Network<Cpu>) -> Vec<String> {
    let pairs = state(a).into_iter().zip(state(b));
    pairs
        .filter(|((_, a), (_, b))| a != b)
        .map(|((name, _), _)| name)
        .collect()
}

fn untrained() -> Network<Cpu> {
    let layers = serde_json::from_value::<Vec<_>>(recipe(json!({}))["model"].clone()).unwrap();
    crate::training::testing::network(&layers, columns(2).shape())
}

#[test]
fn frozen_layers_keep_their_weights_and_statistics() {
    let fresh = untrained();
    let trained = |freeze: Value| {
        let (network, _) = fit(
            json!({ "freeze": freeze, "initializer": "he_normal" }),
            &images(),
        );
        let mut owners: Vec<String> = changed(&fresh, &network)
            .into_iter()
            .map(|name| name.split('.').next().unwrap().to_owned())
            .collect();
        owners.dedup();
        owners.sort();
        owners.dedup();
        owners
    };
    assert_eq!(trained(json!([])), ["0", "2", "4", "5", "7"]);
    assert_eq!(trained(json!(1)), ["2", "4", "5", "7"]);
    assert_eq!(trained(json!("1-4")), ["4", "5", "7"]);
    // Layers after trained ones.
    assert_eq!(trained(json!([3, 5, 6])), ["0", "7"]);
    assert_eq!(trained(json!("1-7")), ["7"]);
}

#[test]
fn features_that_are_kept_do_not_change_results() {
    for freeze in [
        json!(1),
        json!("1-2"),
        json!("1-3"),
        json!("1-6"),
        json!("1-7"),
    ] {
        let changes = json!({ "freeze": freeze, "monitor": "validation_auc" });
        let (kept, of_kept) = fit(changes.clone(), &images());
        let (computed, of_computed) = fit(changes, &transformed());
        assert_eq!(of_kept.history, of_computed.history, "{freeze}");
        assert_eq!(of_kept.validation, of_computed.validation, "{freeze}");
        assert_eq!(changed(&kept, &computed), Vec::<String>::new(), "{freeze}");
    }
}

#[test]
fn later_phases_train_other_layers_from_the_state_of_the_one_before() {
    let changes = |later: Value| json!({ "freeze": "1-6", "later": later, "batch_norm_statistics": "running", "epochs": 3 });
    let short = json!({ "freeze": "1-6", "batch_norm_statistics": "running", "epochs": 2 });
    let (_, first) = fit(short, &images());
    let later = json!([{ "after": 2, "freeze": "1-3", "learning_rate": 0.0001 }]);
    let (_, both) = fit(changes(later), &images());
    assert_eq!(both.history[..2], first.history);
    assert_eq!(both.history[2].learning_rate, 0.0001);
    let (_, rates) = fit(
        changes(
            json!([{ "after": 2, "freeze": [], "layer_rates": [{ "layers": "1-6", "factor": 1e-12 }] }]),
        ),
        &images(),
    );
    assert_ne!(rates.history[2], both.history[2]);
}

#[test]
fn a_factor_scales_the_steps_of_its_layers() {
    let fresh = untrained();
    let step = |rates: Value| {
        let changes = json!({
            "optimizer": { "sgd": {} }, "epochs": 1, "batch_size": 60, "layer_rates": rates,
            "initializer": "he_normal", "learning_rate": 0.5,
        });
        let (network, _) = fit(changes, &images());
        let pairs = state(&fresh).into_iter().zip(state(&network));
        let moved = pairs.map(|((name, before), (_, after))| {
            let steps = before.iter().zip(&after).map(|(a, b)| f64::from(b - a));
            (name, steps.map(|step| step * step).sum::<f64>().sqrt())
        });
        moved.collect::<Vec<_>>()
    };
    let whole = step(json!([]));
    let scaled = step(json!([{ "layers": "5-8", "factor": 0.25 }]));
    for ((name, whole), (_, scaled)) in whole.iter().zip(&scaled) {
        if name.ends_with(".mean") || name.ends_with(".variance") || *whole < 1e-6 {
            continue;
        }
        let layer: usize = name.split('.').next().unwrap().parse().unwrap();
        let expected = if layer >= 4 { 0.25 } else { 1.0 };
        let ratio = scaled / whole;
        assert!((ratio - expected).abs() < 1e-3, "{name}: {ratio}");
    }
}
