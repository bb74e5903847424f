mod fine_tuning;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use contract::{Context, Failure, ImageShape, Resume, StageEvent};
use dfdx::tensor::Cpu;
use serde_json::{Value, json};

use super::Fitted;
use crate::data::Dataset;
use crate::nets::{Head, Network};
use crate::training::Examples;
use crate::training::testing::{PIXEL, artifact, dataset, request, train};
use crate::training::validation::validate;

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

/// Returns images whose first column is brighter in class 1.
fn columns(count: usize) -> Dataset {
    let shape = ImageShape {
        height: 4,
        width: 4,
        channels: 1,
    };
    let images = (0..count).map(|image| {
        let label = (image >= count / 2) as usize;
        let pixels = (0..16).map(|pixel| {
            let signal = if pixel % 4 == 0 { 40 * label } else { 0 };
            (signal + (image * 37 + pixel * 11 + image * pixel * 5) % 200) as u8
        });
        (label as u32, pixels.collect())
    });
    dataset(shape, images)
}

fn normalized(statistics: &str) -> Value {
    json!({
        "model": [
            { "conv": { "filters": 4 } }, "batch_norm", { "dropout": 0.3 }, "flatten", { "dense": { "units": 1 } }
        ],
        "epochs": 3,
        "batch_size": 8,
        "threshold": "youden",
        "batch_norm_statistics": statistics,
    })
}

#[test]
fn estimated_statistics_change_the_kept_network_and_not_the_history() {
    let (examples, validation) = (Examples::new(columns(60), 1), columns(30));
    let (request, cancelled) = (request(), AtomicBool::new(false));
    let context = Context::new(&request, &|_| {}, &cancelled);
    let fit = |statistics| {
        let (network, fitted) = train(
            normalized(statistics),
            &examples,
            Some(&validation),
            &context,
        );
        (network, fitted.unwrap())
    };
    let ((mut estimated, of_estimated), (mut running, of_running)) =
        (fit("estimated"), fit("running"));
    assert_eq!(of_estimated.history, of_running.history);
    assert_eq!(of_estimated.best_epoch, of_running.best_epoch);
    for ((name, estimated), (_, running)) in estimated.state().iter().zip(running.state()) {
        let equal = ops::to_host(estimated) == ops::to_host(running);
        let is_statistic = name.ends_with(".mean") || name.ends_with(".variance");
        assert_eq!(equal, !is_statistic, "{name}");
    }
    // Both are measured as they are kept, and the running statistics are those of the history.
    for (network, fitted) in [(&mut estimated, &of_estimated), (&mut running, &of_running)] {
        let validated = validate(network, Head::Sigmoid, &validation, None, &context).unwrap();
        assert_eq!(fitted.validation, Some(validated.measures));
    }
    let best = &of_running.history[of_running.best_epoch - 1];
    assert_eq!(of_running.validation, best.validation);
    assert_ne!(of_estimated.validation, best.validation);
    assert_ne!(of_estimated.threshold, of_running.threshold);
}

/// Trains with checkpoints in `folder`, resuming from those that are there. If `stop` is given, a stop is requested
/// once that epoch has a checkpoint.
fn with_checkpoints(
    recipe: Value,
    folder: &Path,
    stop: Option<usize>,
) -> (Network<Cpu>, Result<Fitted, Failure>, Vec<usize>) {
    let (examples, validation) = (Examples::new(columns(60), 1), columns(30));
    let kept = std::fs::read_dir(folder).unwrap();
    let mut kept: Vec<_> = kept.map(|entry| entry.unwrap().path()).collect();
    kept.sort();
    let moved = tempfile::tempdir().unwrap();
    let mut request = request();
    request.resume = Some(Resume {
        folder: moved.path().to_owned(),
        kept: kept.iter().rev().map(|path| artifact(path)).collect(),
    });
    let cancelled = AtomicBool::new(false);
    let resumed = std::sync::Mutex::new(Vec::new());
    let events = |event| match event {
        StageEvent::Checkpoint {
            folder: name,
            position,
            ..
        } => {
            // A stop right after an epoch keeps its checkpoint again.
            let _ = std::fs::remove_dir_all(folder.join(&name));
            std::fs::rename(moved.path().join(&name), folder.join(&name)).unwrap();
            cancelled.store(Some(position.epoch) == stop, Ordering::Relaxed);
        }
        StageEvent::Resumed { from } => resumed.lock().unwrap().push(from.epoch),
        _ => {}
    };
    let context = Context::new(&request, &events, &cancelled);
    let (network, fitted) = train(recipe, &examples, Some(&validation), &context);
    (network, fitted, resumed.into_inner().unwrap())
}

/// Trains without a stop, and with one after epoch `stop`, and checks that the results have the same bits.
fn assert_resumes(recipe: &Value, stop: usize) {
    let [whole, stopped] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let run = |folder: &Path, stop| with_checkpoints(recipe.clone(), folder, stop);
    let (expected, fitted, _) = run(whole.path(), None);
    let fitted = fitted.unwrap();

    let (_, cancelled, _) = run(stopped.path(), Some(stop));
    assert_eq!(cancelled.err(), Some(Failure::Cancelled));
    let (network, resumed, from) = run(stopped.path(), None);
    let resumed = resumed.unwrap();
    assert_eq!(from, [stop]);
    assert_eq!(network.snapshot(), expected.snapshot());
    assert_eq!(resumed.history, fitted.history);
    assert_eq!(resumed.validation, fitted.validation);
    assert_eq!(resumed.threshold, fitted.threshold);
}

#[test]
fn a_training_stopped_while_it_estimates_statistics_resumes_with_the_same_bits() {
    assert_resumes(&normalized("estimated"), 3);
}

/// Returns a recipe with every parameter that changes steps, targets or the kept weights.
fn current(optimizer: Value) -> Value {
    let mut recipe = normalized("running");
    let more = json!({
        "optimizer": optimizer,
        "ema": 0.9,
        "clip_norm": 0.5,
        "warmup": 1.5,
        "label_smoothing": 0.1,
        "mixup": 0.4,
        "cutmix": 1.0,
    });
    recipe
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    recipe
}

#[test]
fn a_training_with_averages_and_mixed_images_resumes_with_the_same_bits() {
    for optimizer in [json!("adamw"), json!({ "rmsprop": { "momentum": 0.5 } })] {
        for stop in [1, 2] {
            assert_resumes(&current(optimizer.clone()), stop);
        }
    }
}

#[test]
fn the_model_and_its_validation_are_those_of_the_average() {
    let (examples, validation) = (Examples::new(columns(60), 1), columns(30));
    let (request, cancelled) = (request(), AtomicBool::new(false));
    let context = Context::new(&request, &|_| {}, &cancelled);
    let fit = |ema: Option<f64>| {
        let mut recipe = normalized("running");
        recipe["ema"] = json!(ema);
        let (network, fitted) = train(recipe, &examples, Some(&validation), &context);
        (network, fitted.unwrap())
    };
    let ((mut plain, of_plain), (mut averaged, of_averaged)) = (fit(None), fit(Some(0.9)));
    // The average does not change the steps themselves.
    for (plain, averaged) in of_plain.history.iter().zip(&of_averaged.history) {
        assert_eq!(
            (plain.loss, plain.accuracy),
            (averaged.loss, averaged.accuracy)
        );
        assert_ne!(plain.validation, averaged.validation);
    }
    for (network, fitted) in [(&mut plain, &of_plain), (&mut averaged, &of_averaged)] {
        let validated = validate(network, Head::Sigmoid, &validation, None, &context).unwrap();
        assert_eq!(fitted.validation, Some(validated.measures.clone()));
        let best = &fitted.history[fitted.best_epoch - 1];
        assert_eq!(best.validation, Some(validated.measures));
    }
    assert_ne!(plain.snapshot(), averaged.snapshot());
    // A decay of 0 keeps the last weights.
    assert_eq!(fit(Some(0.0)).0.snapshot(), plain.snapshot());
}

#[test]
fn the_history_has_the_learning_rate_of_the_last_step_of_each_epoch() {
    let examples = Examples::new(columns(60), 1);
    let (request, cancelled) = (request(), AtomicBool::new(false));
    let context = Context::new(&request, &|_| {}, &cancelled);
    let (_, fitted) = train(current(json!("adamw")), &examples, None, &context);
    let rates = fitted
        .unwrap()
        .history
        .into_iter()
        .map(|row| row.learning_rate);
    // Eight steps in each epoch, and twelve of warmup.
    assert_eq!(rates.collect::<Vec<_>>(), [1e-3 * (8.0 / 12.0), 1e-3, 1e-3]);
}

#[test]
fn every_epoch_reports_its_measures_once_and_later_progress_repeats_them() {
    let (examples, validation) = (Examples::new(columns(60), 1), columns(30));
    let (request, cancelled) = (request(), AtomicBool::new(false));
    let seen = std::sync::Mutex::new(Vec::new());
    let events = |event| {
        if let StageEvent::Progress(progress) = event {
            seen.lock().unwrap().push(progress);
        }
    };
    let context = Context::new(&request, &events, &cancelled);
    let recipe = normalized("running");
    let (_, fitted) = train(recipe, &examples, Some(&validation), &context);
    let history = fitted.unwrap().history;
    let seen = seen.into_inner().unwrap();
    // The progress before the end of the first epoch has none.
    let measured = seen.iter().filter_map(|seen| seen.measurement.clone());
    let mut distinct: Vec<_> = measured.collect();
    assert!(distinct.len() > history.len() && distinct.len() < seen.len());
    distinct.dedup();
    let figure = |at: usize, name: &str| {
        let mut figures = distinct[at].figures.iter();
        figures.find(|(known, _)| known == name).unwrap().1
    };
    assert_eq!(distinct.len(), history.len());
    for (at, row) in history.iter().enumerate() {
        let validation = row.validation.as_ref().unwrap();
        assert_eq!(distinct[at].done, row.epoch as f64);
        assert_eq!(figure(at, "accuracy"), row.accuracy);
        assert_eq!(figure(at, "validation_loss"), validation.loss);
        assert_eq!(figure(at, "validation_accuracy"), validation.accuracy);
        assert_eq!(figure(at, "validation_auc"), validation.auc.unwrap());
    }
    // A measurement does not hide the rate.
    assert!(seen.iter().all(|seen| seen.figures.len() == 2));
}
