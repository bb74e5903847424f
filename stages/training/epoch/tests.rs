use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use contract::{Context, Failure, ImageShape, StageEvent};
use dfdx::tensor::Cpu;
use ops::optimizer::{Optimizer, OptimizerConfig, SecondMoment};
use serde_json::json;

use super::{AllFeatures, Epoch, Fixed, PartialEpoch, train_epoch};
use crate::data::Dataset;
use crate::nets::{Architecture, Head, Initializer, Layer, Network};
use crate::rate::Rate;
use crate::training::Examples;
use crate::training::mixing::Mixing;
use crate::training::testing::{dataset, request};
use crate::training::updater::Updater;

const BATCH: usize = 4;

/// A network of one layer, and the state of its training.
struct Training {
    network: Network<Cpu>,
    updater: Updater<Cpu>,
    partial: PartialEpoch,
    rate: Rate,
    /// The rates that were reported, in images per second.
    rates: Vec<f64>,
}

impl Training {
    fn new() -> Self {
        let layers: Vec<Layer> =
            serde_json::from_value(json!(["flatten", { "dense": { "units": 1 } }])).unwrap();
        let architecture = Architecture::new(SHAPE.into(), layers).unwrap();
        let network =
            Network::new(architecture, Initializer::default(), 1, Cpu::default()).unwrap();
        let adam = OptimizerConfig::Adam {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            epsilon_added_to: SecondMoment::Corrected,
        };
        Self {
            updater: Updater {
                optimizer: Optimizer::new(adam, network.parameters()),
                average: None,
            },
            network,
            partial: PartialEpoch::default(),
            rate: Rate::start(),
            rates: Vec::new(),
        }
    }

    /// Trains for the rest of the first epoch, which has `batches` batches. A stop is requested after
    /// `stop_after` progress events.
    fn train(
        &mut self,
        batches: usize,
        learning_rate: f64,
        stop_after: Option<usize>,
    ) -> Result<(), Failure> {
        let request = request();
        let (rates, cancelled) = (Mutex::new(Vec::new()), AtomicBool::new(false));
        let events = |event| {
            let StageEvent::Progress(progress) = event else {
                return;
            };
            let rate = progress.figures.iter().find(|(name, _)| name == "images/s");
            let mut rates = contract::lock(&rates);
            rates.push(rate.expect("training reports its rate").1);
            if Some(rates.len()) == stop_after {
                cancelled.store(true, Ordering::Relaxed);
            }
        };
        let fixed = Fixed {
            examples: &Examples::new(images(batches * BATCH), 1),
            head: Head::Sigmoid,
            class_weights: vec![1.0; 2],
            batch_size: BATCH,
            epochs: 1,
            warmup: None,
            label_smoothing: 0.0,
            mixing: Mixing::default(),
            context: &Context::new(&request, &events, &cancelled),
        };
        let epoch = Epoch {
            index: 0,
            learning_rate,
            features: &AllFeatures::default(),
        };
        let Self {
            network,
            updater,
            partial,
            rate,
            ..
        } = self;
        let trained = train_epoch(network, updater, &epoch, partial, rate, &fixed);
        self.rates = rates.into_inner().unwrap();
        trained
    }
}

const SHAPE: ImageShape = ImageShape {
    height: 2,
    width: 2,
    channels: 1,
};

fn images(count: usize) -> Dataset {
    let images = (0..count).map(|i| {
        let pixels = [i * 7, i * 11 + 50, 200, 100].map(|value| (value % 256) as u8);
        ((i % 2) as u32, pixels.to_vec())
    });
    dataset(SHAPE, images)
}

#[test]
fn a_loss_that_is_not_finite_is_reported_with_its_own_batch() {
    // The second batch fails: once as the last one, and once with others launched after it.
    for batches in [2, 6] {
        let mut training = Training::new();
        match training.train(batches, 1e38, None) {
            Err(Failure::Training(message)) => {
                assert!(message.contains("in epoch 1, batch 2:"), "{message}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(training.partial.batches, 1);
    }
}

#[test]
fn a_stopped_epoch_counts_every_batch_that_it_was_trained_on() {
    let mut whole = Training::new();
    whole.train(6, 0.1, None).unwrap();
    assert_eq!(whole.partial.batches, 6);

    let mut stopped = Training::new();
    assert_eq!(stopped.train(6, 0.1, Some(2)), Err(Failure::Cancelled));
    let done = stopped.partial.batches;
    assert!((2..6).contains(&done), "{done}");
    stopped.train(6, 0.1, None).unwrap();
    assert_eq!(stopped.partial, whole.partial);
    assert_eq!(stopped.network.snapshot(), whole.network.snapshot());
}

#[test]
fn the_rate_goes_on_from_one_epoch_to_the_next() {
    let mut training = Training::new();
    // So fast that the batches of a test make no difference.
    training.rate = Rate::of_one_step(1_000_000_000_000, 1e-3);
    training.train(3, 0.1, None).unwrap();
    assert_eq!(training.rates.len(), 3);
    for rate in training.rates {
        assert!(rate > 1e9, "{rate}");
    }
}
