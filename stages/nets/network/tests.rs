//! Tests that every kind of layer trains. The test fails for a kind that is in the schema but has no network here.

use std::collections::BTreeMap;

use dfdx::tensor::{Cpu, Trace};
use ops::optimizer::{Optimizer, OptimizerConfig};
use rand::RngExt;
use schemars::schema_for;
use serde_json::{Value, json};

use super::super::feature::Feature;
use super::super::layer::Layer;
use super::super::shape::shapes;
use super::*;

const IMAGES: usize = 6;
pub(crate) const INPUT: Feature = Feature {
    channels: 3,
    height: 6,
    width: 6,
};

/// Returns for each kind of layer a network that contains it, takes images of shape [`INPUT`] and has two outputs.
pub(crate) fn networks() -> BTreeMap<&'static str, Value> {
    let with_image_layer = |layer: Value| json!([{ "conv": { "filters": 3 } }, layer, "flatten", { "dense": { "units": 2 } }]);
    let image_layers = [
        (
            "conv",
            json!({ "conv": { "filters": 2, "activation": "elu" } }),
        ),
        (
            "conv_transpose",
            json!({ "conv_transpose": { "filters": 2, "activation": "tanh" } }),
        ),
        ("max_pool", json!({ "max_pool": 2 })),
        (
            "avg_pool",
            json!({ "avg_pool": { "kernel": 3, "stride": 1 } }),
        ),
        ("global_avg_pool", json!("global_avg_pool")),
        ("batch_norm", json!("batch_norm")),
        ("dropout", json!({ "dropout": 0.5 })),
        ("upsample", json!({ "upsample": 2 })),
        ("activation", json!({ "activation": "sigmoid" })),
        (
            "depthwise_conv",
            json!({ "depthwise_conv": { "kernel": [3, 1], "multiplier": 2, "bias": false } }),
        ),
        (
            "separable_conv",
            json!({ "separable_conv": { "filters": 4, "stride": [2, 1], "activation": "silu" } }),
        ),
        ("global_max_pool", json!("global_max_pool")),
        ("layer_norm", json!("layer_norm")),
        ("group_norm", json!({ "group_norm": { "groups": 3 } })),
        ("spatial_dropout", json!({ "spatial_dropout": 0.3 })),
        (
            "residual",
            json!({ "residual": {
                "layers": [{ "conv": { "filters": 5, "stride": 2 } }, "batch_norm", { "residual": [{ "conv": { "filters": 5, "groups": 5, "dilation": 2 } }] }],
                "shortcut": [{ "conv": { "filters": 5, "kernel": 1, "stride": 2, "activation": "linear" } }],
            } }),
        ),
        (
            "concat",
            json!({ "concat": [[], [{ "conv": { "filters": 2 } }, "batch_norm"], [{ "avg_pool": { "kernel": 1 } }]] }),
        ),
        (
            "squeeze_excite",
            json!({ "squeeze_excite": { "units": 2, "activation": "elu" } }),
        ),
        (
            "inverted_residual",
            json!({ "inverted_residual": { "filters": 3, "expansion": 2, "activation": "silu" } }),
        ),
        (
            "normalize",
            json!({ "normalize": { "mean": [0.5, 0.25, 0.125], "deviation": [0.5] } }),
        ),
        (
            "reshape",
            json!({ "reshape": { "channels": 1, "height": 12, "width": 9 } }),
        ),
    ];
    let mut networks: BTreeMap<_, _> = image_layers
        .into_iter()
        .map(|(name, layer)| (name, with_image_layer(layer)))
        .collect();
    networks.insert("flatten", json!(["flatten", { "dense": { "units": 2 } }]));
    networks.insert(
        "dense",
        json!(["flatten", { "dense": { "units": 5, "activation": "leaky_relu" } }, { "dense": { "units": 2 } }]),
    );
    networks
}

/// Returns the names of all kinds of layers, from their schema.
fn kinds() -> Vec<String> {
    let schema = schema_for!(Layer).to_value();
    let mut names = Vec::new();
    let mut pending = vec![&schema["anyOf"], &schema["oneOf"]];
    while let Some(alternatives) = pending.pop() {
        for alternative in alternatives.as_array().into_iter().flatten() {
            pending.extend([&alternative["anyOf"], &alternative["oneOf"]]);
            let properties = alternative["properties"].as_object();
            names.extend(properties.into_iter().flat_map(|p| p.keys().cloned()));
        }
    }
    names.sort();
    names
}

fn train_a_step(network: &mut Network<Cpu>, seed: u64) {
    let mut rng = contract::random::stream(seed, "images", [0, 0]);
    let pixels = (0..IMAGES * INPUT.len()).map(|_| rng.random::<f32>() - 0.5);
    let shape = (IMAGES, INPUT.channels, INPUT.height, INPUT.width);
    let images: Tensor4<Cpu> = ops::from_host(network.device(), pixels.collect(), shape);
    let config = OptimizerConfig::Sgd {
        momentum: 0.0,
        weight_decay: 0.0,
    };
    let mut optimizer = Optimizer::new(config, network.parameters());
    let wanted = Wanted {
        input: false,
        parameters: true,
    };
    let mode = Mode::Train {
        seed,
        step: 0,
        wanted,
    };
    let logits = network.forward(images.trace(optimizer.no_gradients()), mode);
    let loss = ops::cross_entropy(logits, &[0, 1, 0, 1, 1, 0], &[1.0; IMAGES]);
    let mut gradients = ops::backward(loss);
    let (parameters, options) = network.parameters_mut();
    optimizer.step(0.1, parameters, &mut gradients, options);
}

#[test]
fn a_step_changes_every_tensor_of_every_kind_of_layer() {
    // Without optimization, a training step needs more stack than the threads of tests have.
    let thread = std::thread::Builder::new().stack_size(crate::STACK_SIZE);
    let thread = thread.spawn(train_every_kind).expect("a thread");
    thread.join().expect("no failed assertion");
}

fn train_every_kind() {
    let networks = networks();
    let named: Vec<String> = networks.keys().map(|name| name.to_string()).collect();
    assert_eq!(named, kinds(), "one network for each kind of layer");
    for (name, layers) in networks {
        let layers: Vec<Layer> = serde_json::from_value(layers).expect("layers");
        assert!(layers.iter().any(|layer| layer.name() == name), "{name}");
        let architecture = Architecture::new(INPUT, layers).expect("layers fit");
        let state_len = architecture.state_len();
        let mut network = Network::new(architecture, Initializer::HeNormal, 7, Cpu::default())
            .expect("a network");
        let tensors: Vec<String> = network.state().into_iter().map(|(name, _)| name).collect();
        let before = network.snapshot();
        train_a_step(&mut network, 7);
        let after = network.snapshot();
        let values: usize = after.iter().map(Vec::len).sum();
        assert_eq!(
            values as u64, state_len,
            "{name}: values counted beforehand"
        );
        for ((tensor, before), after) in tensors.iter().zip(&before).zip(&after) {
            assert_ne!(
                before, after,
                "{name}: training leaves `{tensor}` unchanged"
            );
        }
    }
}

/// Trains a step with each activation in a layer with weights, and with the same activation as a layer after it.
#[test]
fn every_activation_is_the_same_in_a_layer_as_after_it() {
    let thread = std::thread::Builder::new().stack_size(crate::STACK_SIZE);
    let thread = thread.spawn(compare_activations).expect("a thread");
    thread.join().expect("no failed assertion");
}

fn compare_activations() {
    let activations = schema_for!(ops::Activation).to_value();
    let names: Vec<&Value> = activations["oneOf"]
        .as_array()
        .expect("names")
        .iter()
        .map(|a| &a["const"])
        .collect();
    assert!(names.contains(&&json!("gelu")), "{names:?}");
    for name in names {
        for (kind, size) in [
            ("conv", "filters"),
            ("conv_transpose", "filters"),
            ("dense", "units"),
        ] {
            let layer = |activation: &Value| json!({ kind: { size: 4, "activation": activation } });
            let [first, last] = match kind {
                "dense" => [json!("flatten"), json!({ "dropout": 0.0 })],
                _ => [json!({ "max_pool": 2 }), json!("flatten")],
            };
            let output = json!({ "dense": { "units": 2 } });
            let linear = json!("linear");
            let within = json!([first, layer(name), { "activation": linear }, last, output]);
            let after = json!([first, layer(&linear), { "activation": name }, last, output]);
            let [within, after] = [within, after].map(|layers| {
                let layers: Vec<Layer> = serde_json::from_value(layers).expect("layers");
                let architecture = Architecture::new(INPUT, layers).expect("layers fit");
                let mut network =
                    Network::new(architecture, Initializer::HeNormal, 7, Cpu::default()).unwrap();
                train_a_step(&mut network, 7);
                network.snapshot()
            });
            for (within, after) in within.iter().flatten().zip(after.iter().flatten()) {
                assert!(
                    (within - after).abs() < 1e-6,
                    "{name} in {kind}: {within} is not {after}"
                );
            }
        }
    }
}

#[test]
fn a_network_knows_whether_it_has_penalties() {
    for (dense, expected) in [
        (json!({ "units": 2 }), false),
        (json!({ "units": 2, "l2": 0.001 }), true),
        (json!({ "units": 2, "l1": 0.001 }), true),
    ] {
        let layers = serde_json::from_value(json!(["flatten", { "dense": dense }])).unwrap();
        let architecture = Architecture::new(INPUT, layers).unwrap();
        let network: Network<Cpu> =
            Network::new(architecture, Initializer::HeNormal, 7, Cpu::default()).unwrap();
        assert_eq!(network.has_penalties(), expected);
    }
}

/// Returns a network with every kind of layer after its first convolution. Its functions are smooth, apart from the
/// maxima, so that finite differences are exact enough.
fn everything() -> Network<Cpu> {
    let layers = json!([
        { "conv": { "filters": 3, "activation": "tanh" } },
        "batch_norm",
        { "activation": "sigmoid" },
        { "dropout": 0.5 },
        { "conv_transpose": { "filters": 2, "activation": "silu" } },
        { "max_pool": 2 },
        { "conv": { "filters": 4, "activation": "elu" } },
        { "max_pool": 2 },
        { "upsample": 2 },
        { "avg_pool": { "kernel": 3, "stride": 1 } },
        { "reshape": { "channels": 8, "height": 4, "width": 2 } },
        { "residual": [
            { "depthwise_conv": { "kernel": [3, 1], "activation": "tanh" } },
            { "squeeze_excite": { "units": 3, "activation": "tanh" } },
            { "separable_conv": { "filters": 8, "activation": "linear", "padding": [1, 1] } },
        ] },
        { "concat": [["layer_norm"], [{ "group_norm": { "groups": 2 } }, { "spatial_dropout": 0.5 }]] },
        { "normalize": { "mean": [0.5], "deviation": [2.0] } },
        { "inverted_residual": { "filters": 16, "expansion": 2, "activation": "silu" } },
        { "conv": { "filters": 5, "activation": "linear" } },
        "global_avg_pool",
        "flatten",
        { "dense": { "units": 6, "activation": "gelu" } },
        { "dense": { "units": 2 } },
    ]);
    let layers: Vec<Layer> = serde_json::from_value(layers).expect("layers");
    let architecture = Architecture::new(INPUT, layers).expect("layers fit");
    let device = Cpu::default();
    let mut network = Network::new(architecture, Initializer::HeNormal, 7, device).unwrap();
    // Statistics that differ from those of an untrained layer.
    let statistics = [3, 32, 32, 16].map(|channels: usize| {
        let each =
            |first: f32, step: f32| (0..channels).map(move |c| first + step * (c % 4) as f32);
        [each(-0.2, 0.1).collect(), each(0.5, 0.25).collect()]
    });
    network.set_running(statistics.to_vec());
    network
}

fn noise(shape: ops::Nchw) -> Tensor4<Cpu> {
    let mut rng = contract::random::stream(5, "images", [0, 0]);
    let values = (0..ops::len(shape)).map(|_| rng.random::<f32>() - 0.5);
    ops::from_host(&Cpu::default(), values.collect(), shape)
}

#[test]
fn a_network_can_be_cut_after_each_layer() {
    let mut network = everything();
    let images = noise((3, INPUT.channels, INPUT.height, INPUT.width));
    let whole = ops::to_host(&network.forward(images.clone(), Mode::Predict));
    let outputs: Vec<Feature> = shapes(&network.architecture.layers, INPUT).unwrap();
    for (layer, shape) in outputs.into_iter().enumerate() {
        let between = network.forward_to(images.clone(), layer);
        let expected = (3, shape.channels, shape.height, shape.width);
        assert_eq!(*between.shape(), expected, "layer {layer}");
        let parts = ops::to_host(&network.forward_from(between, layer, Mode::Predict));
        for (whole, parts) in whole.iter().zip(&parts) {
            assert!(
                (whole - parts).abs() < 1e-5,
                "layer {layer}: {parts} is not {whole}"
            );
        }
    }
}

/// Every kind of layer passes the gradient of its output on to its input when images are classified.
#[test]
fn the_gradient_with_respect_to_a_layer_is_that_of_finite_differences() {
    let thread = std::thread::Builder::new().stack_size(crate::STACK_SIZE);
    let thread = thread.spawn(check_gradients).expect("a thread");
    thread.join().expect("no failed assertion");
}

fn check_gradients() {
    let mut network = everything();
    let images = noise((1, INPUT.channels, INPUT.height, INPUT.width));
    for layer in [0, 6, 11, 12, 13, 14] {
        let output = network.forward_to(images.clone(), layer);
        let logits = network.forward_from(output.leaky_trace(), layer, Mode::Predict);
        let gradients = ops::vector_jacobian(logits, vec![0.0, 1.0]);
        let gradients = ops::to_host(&gradients.get(&output));
        assert!(
            gradients.iter().any(|&value| value.abs() > 1e-4),
            "layer {layer}"
        );
        let values = ops::to_host(&output);
        let mut logit = |at: usize, by: f32| {
            let mut moved = values.clone();
            moved[at] += by;
            let moved = ops::from_host(&Cpu::default(), moved, *output.shape());
            f64::from(ops::to_host(&network.forward_from(moved, layer, Mode::Predict))[1])
        };
        let step = 0.002;
        let here = logit(0, 0.0);
        let mut kinks = 0;
        for (at, &gradient) in gradients.iter().enumerate() {
            let [up, down] = [step, -step].map(|by| (logit(at, by) - here) / f64::from(by));
            // The step leads to another maximum of a window, where there is no derivative.
            if (up - down).abs() > 2e-3 * (1.0 + up.abs()) {
                kinks += 1;
                continue;
            }
            let numeric = 0.5 * (up + down);
            let difference = (numeric - f64::from(gradient)).abs();
            assert!(
                difference < 1e-3 * (1.0 + numeric.abs()),
                "layer {layer}, value {at}: {gradient} is not {numeric}"
            );
        }
        assert!(
            20 * kinks <= gradients.len(),
            "layer {layer}: {kinks} kinks"
        );
    }
}

#[test]
fn normalization_subtracts_and_divides_in_each_channel() {
    for (mean, deviation) in [
        (json!([0.5, -1.0, 2.0]), json!([0.5, 2.0, 0.25])),
        (json!([0.25]), json!([4.0])),
    ] {
        let layers = json!([{ "normalize": { "mean": mean, "deviation": deviation } }]);
        let layers: Vec<Layer> = serde_json::from_value(layers).unwrap();
        let architecture = Architecture::new(INPUT, layers).unwrap();
        let device = Cpu::default();
        let mut network = Network::new(architecture, Initializer::HeNormal, 7, device).unwrap();
        let images = noise((2, INPUT.channels, INPUT.height, INPUT.width));
        let found = ops::to_host(&network.forward(images.clone(), Mode::Predict));
        let area = INPUT.height * INPUT.width;
        for (place, value) in ops::to_host(&images).into_iter().enumerate() {
            let channel = place / area % INPUT.channels;
            let of = |constants: &Value| {
                let constants = constants.as_array().unwrap();
                constants[channel % constants.len()].as_f64().unwrap()
            };
            let expected = (f64::from(value) - of(&mean)) / of(&deviation);
            assert!((f64::from(found[place]) - expected).abs() < 1e-5, "{place}");
        }
    }
}
