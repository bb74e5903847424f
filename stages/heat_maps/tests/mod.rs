//! Compares heat maps with PyTorch, checks on trained networks that they depend on what was learned, and checks
//! refusals.

mod learned;
mod pictures;
mod reference;

use std::cell::Cell;

use contract::{Failure, ImageShape, Segment};
use dfdx::tensor::Cpu;
use serde_json::{Value, json};

use super::{HeatMap, LayerChoice, Method, Target, Technique, heat_maps};
use crate::nets::{Architecture, Feature, Head, Initializer, Network};

const GRAD_CAM: Technique = Technique::GradCam { layer: 1 };

/// Returns an untrained network.
fn network(input: Feature, layers: Value) -> Network<Cpu> {
    drawn(input, layers, 7)
}

/// Returns a network with weights drawn from `seed`.
fn drawn(input: Feature, layers: Value, seed: u64) -> Network<Cpu> {
    let layers = serde_json::from_value(layers).expect("layers");
    let architecture = Architecture::new(input, layers).expect("layers that fit");
    Network::new(architecture, Initializer::HeNormal, seed, Cpu::default()).expect("a network")
}

/// Computes the heat maps of images for one class.
fn maps_of(
    network: &mut Network<Cpu>,
    images: &[Vec<u8>],
    class: usize,
    technique: Technique,
) -> Vec<HeatMap> {
    let head = Head::of(network.architecture().output()).expect("a classifier");
    let targets: Vec<Target<'_>> = images.iter().map(|image| Target { image, class }).collect();
    heat_maps(network, head, &targets, technique, 16, &|| Ok(())).expect("maps")
}

fn small() -> Network<Cpu> {
    let layers = json!([{ "conv": { "filters": 2 } }, "flatten", { "dense": { "units": 1 } }]);
    network(Feature::new(1, 4, 4), layers)
}

#[test]
fn maps_do_not_depend_on_the_batch() {
    let images: Vec<Vec<u8>> = (0..5u8)
        .map(|image| (0..16).map(|at| image * 40 + at * (image + 3)).collect())
        .collect();
    for technique in [GRAD_CAM, Technique::Occlusion { size: 2, stride: 1 }] {
        let together = maps_of(&mut small(), &images, 1, technique);
        for (image, expected) in images.iter().zip(&together) {
            let alone = &maps_of(&mut small(), std::slice::from_ref(image), 1, technique)[0];
            let pairs = alone.values.iter().zip(&expected.values);
            assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-5));
        }
        assert!(together.iter().any(|map| map.maximum() > 0.0));
    }
}

/// With one output, what speaks for one class speaks against the other.
#[test]
fn a_sigmoid_has_opposite_logits() {
    let images = [(0..16).map(|at| at * 15).collect()];
    let technique = Technique::Occlusion { size: 1, stride: 1 };
    let [first, second] = [0, 1].map(|class| maps_of(&mut small(), &images, class, technique));
    for (a, b) in first[0].values.iter().zip(&second[0].values) {
        assert_eq!(*a, -b);
    }
}

/// Painting a constant image with its mean color changes nothing.
#[test]
fn a_constant_image_has_an_empty_occlusion_map() {
    let technique = Technique::Occlusion { size: 2, stride: 2 };
    let map = &maps_of(&mut small(), &[vec![93; 16]], 1, technique)[0];
    assert_eq!(map.values, [0.0; 16]);
    assert_eq!(map.maximum(), 0.0);
    let map = &maps_of(&mut small(), &[vec![93; 16]], 1, GRAD_CAM)[0];
    assert!(
        map.values
            .iter()
            .all(|value| value.is_finite() && *value >= 0.0)
    );
}

#[test]
fn unusable_weights_and_interruptions_are_failures() {
    let mut network = small();
    let image = [vec![200; 16]];
    let target = [Target {
        image: &image[0],
        class: 1,
    }];
    let calls = Cell::new(0);
    let stop = || {
        calls.set(calls.get() + 1);
        Err(Failure::Cancelled)
    };
    for technique in [GRAD_CAM, Technique::Occlusion { size: 2, stride: 1 }] {
        let stopped = heat_maps(&mut network, Head::Sigmoid, &target, technique, 4, &stop);
        assert_eq!(stopped, Err(Failure::Cancelled));
    }
    assert_eq!(calls.get(), 2);

    let mut state = network.snapshot();
    state[2][0] = f32::NAN;
    network.set_state(state);
    for technique in [GRAD_CAM, Technique::Occlusion { size: 2, stride: 1 }] {
        let found = heat_maps(&mut network, Head::Sigmoid, &target, technique, 4, &|| {
            Ok(())
        });
        let message = found.unwrap_err().to_string();
        assert!(message.contains("not finite"), "{message}");
    }

    let wrong = Target {
        image: &[0; 15],
        class: 1,
    };
    let found = heat_maps(&mut network, Head::Sigmoid, &[wrong], GRAD_CAM, 4, &|| {
        Ok(())
    });
    assert!(found.unwrap_err().to_string().contains("15 bytes"));
}

fn parsed(method: Value) -> Method {
    contract::bare_name::deserialize(method).expect("a method")
}

#[test]
fn methods_are_read_as_they_are_written() {
    assert_eq!(parsed(json!("grad_cam")), Method::default());
    let layer = LayerChoice::Number(3);
    assert_eq!(
        parsed(json!({ "grad_cam": { "layer": 3 } })),
        Method::GradCam { layer }
    );
    let written = json!({ "occlusion": { "size": 5, "stride": null } });
    let occlusion = parsed(written.clone());
    assert_eq!(json!(occlusion), written);
    assert_eq!(parsed(json!({ "occlusion": { "size": 5 } })), occlusion);
    for wrong in [
        json!("gradcam"),
        json!({ "grad_cam": { "layer": "first" } }),
        json!({ "grad_cam": { "layer": 0 } }),
        json!({ "occlusion": { "side": 3 } }),
    ] {
        assert!(
            contract::bare_name::deserialize::<_, Method>(wrong.clone()).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn a_method_must_fit_the_model() {
    let image = ImageShape {
        height: 40,
        width: 32,
        channels: 1,
    };
    let fit =
        |method: Value, convolutions: &[usize]| parsed(method).for_model(image, 6, convolutions);
    let layer = |layer| Ok(Technique::GradCam { layer });
    assert_eq!(fit(json!("grad_cam"), &[1, 3]), layer(3));
    assert_eq!(
        fit(json!({ "grad_cam": { "layer": 1 } }), &[1, 3]),
        layer(1)
    );
    let occlusion = |size, stride| Ok(Technique::Occlusion { size, stride });
    assert_eq!(fit(json!("occlusion"), &[]), occlusion(4, 2));
    assert_eq!(
        fit(json!({ "occlusion": { "size": 1 } }), &[]),
        occlusion(1, 1)
    );
    assert_eq!(
        fit(json!({ "occlusion": { "size": 32, "stride": 32 } }), &[]),
        occlusion(32, 32)
    );

    for (method, convolutions, path, message) in [
        (
            json!("grad_cam"),
            &[][..],
            &["grad_cam"][..],
            "Grad-CAM needs a convolutional layer whose output has more than one pixel, and the model has none",
        ),
        (
            json!({ "grad_cam": { "layer": 7 } }),
            &[1, 3],
            &["grad_cam", "layer"],
            "`layer` is 7, but the layers of the model have the numbers 1 to 6",
        ),
        (
            json!({ "grad_cam": { "layer": 2 } }),
            &[1, 3],
            &["grad_cam", "layer"],
            "layer 2 of the model is not a convolutional layer whose output has more than one pixel",
        ),
        (
            json!({ "occlusion": { "size": 33 } }),
            &[],
            &["occlusion", "size"],
            "`size` is 33; it must be between 1 and 32, the shorter side of the images",
        ),
        (
            json!({ "occlusion": { "size": 4, "stride": 5 } }),
            &[],
            &["occlusion", "stride"],
            "`stride` is 5; it must be between 1 and 4, the size of a patch",
        ),
    ] {
        let invalid = fit(method, convolutions).unwrap_err();
        let keys = path.iter().map(|key| Segment::Key((*key).to_owned()));
        assert_eq!(invalid.path, keys.collect::<Vec<_>>());
        assert_eq!(invalid.message, message);
    }
    let refused = parsed(json!({ "occlusion": { "stride": 0 } })).check();
    assert_eq!(
        refused.unwrap_err().message,
        "`stride` is 0; it must be between 1 and 1048576"
    );
    let hint = fit(json!({ "grad_cam": { "layer": 2 } }), &[1, 3]).unwrap_err();
    assert_eq!(
        hint.hint.unwrap(),
        "use `last`, or one of these layers: 1, 3"
    );
}

#[test]
fn layers_with_a_single_pixel_cannot_be_mapped() {
    let layers = json!([
        { "conv": { "filters": 2 } }, { "max_pool": 2 }, { "conv_transpose": { "filters": 3 } },
        "global_avg_pool", { "conv": { "filters": 4, "kernel": 1 } }, { "dense": { "units": 2 } },
    ]);
    let network = network(Feature::new(1, 4, 4), layers);
    assert_eq!(network.architecture().convolutions(), [1, 3]);
    let technique = Method::default().for_network(network.architecture());
    assert_eq!(technique.unwrap(), Technique::GradCam { layer: 3 });
}
