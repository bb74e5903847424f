use contract::ImageShape;
use serde_json::{Value, json};

use super::Recipe;

#[test]
fn a_threshold_needs_two_classes_and_one_that_is_chosen_needs_images() {
    let image = ImageShape {
        height: 4,
        width: 4,
        channels: 1,
    };
    let check = |units: usize, threshold: Value, has_validation: bool| {
        let model = json!(["flatten", { "dense": { "units": units } }]);
        let params = json!({ "model": model, "threshold": threshold });
        let recipe: Recipe = serde_json::from_value(params).unwrap();
        recipe
            .check(image, None, has_validation)
            .map(drop)
            .map_err(|invalid| invalid.message)
    };
    assert_eq!(check(1, json!("youden"), true), Ok(()));
    let message = "`threshold` is to be chosen on validation images, but there are none";
    assert_eq!(check(1, json!("f1"), false), Err(message.to_owned()));
    assert_eq!(check(3, json!(0.5), false), Ok(()));
    let message = "`threshold` needs two classes, but the network distinguishes 3";
    assert_eq!(check(3, json!(0.25), true), Err(message.to_owned()));
    assert_eq!(check(3, json!("f1"), true), Err(message.to_owned()));
}

/// New parameters that are not given must not change the keys of stages.
#[test]
fn parameters_that_are_off_are_not_part_of_the_canonical_form() {
    let canonical = |params: Value| {
        let recipe: Recipe = serde_json::from_value(params).unwrap();
        recipe.canonical()
    };
    let model = json!(["flatten", { "dense": { "units": 1 } }]);
    let plain = canonical(json!({ "model": model, "optimizer": "sgd" }));
    assert_eq!(plain["optimizer"], json!({ "sgd": { "momentum": 0.0 } }));
    let off = canonical(json!({
        "model": model, "optimizer": { "sgd": { "weight_decay": 0.0 } }, "label_smoothing": 0.0, "ema": null,
    }));
    assert_eq!(off, plain);
    for (name, value) in [
        ("warmup", 1.5),
        ("clip_norm", 2.0),
        ("ema", 0.0),
        ("label_smoothing", 0.1),
        ("mixup", 0.2),
        ("cutmix", 1.0),
    ] {
        assert_eq!(plain.get(name), None);
        assert_eq!(
            canonical(json!({ "model": model, name: value }))[name],
            value
        );
    }
}

#[test]
fn a_calibration_needs_images_and_platt_scaling_two_classes() {
    let image = ImageShape {
        height: 4,
        width: 4,
        channels: 1,
    };
    let check = |units: usize, calibration: &str, has_validation: bool| {
        let model = json!(["flatten", { "dense": { "units": units } }]);
        let params = json!({ "model": model, "calibration": calibration });
        let recipe: Recipe = serde_json::from_value(params).unwrap();
        let checked = recipe.check(image, None, has_validation);
        checked.map(drop).map_err(|invalid| invalid.message)
    };
    assert_eq!(check(1, "none", false), Ok(()));
    assert_eq!(check(3, "temperature", true), Ok(()));
    assert_eq!(check(2, "platt", true), Ok(()));
    let message = "`calibration: temperature` needs validation images";
    assert_eq!(check(1, "temperature", false), Err(message.to_owned()));
    let message = "`calibration: platt` needs two classes, but the network distinguishes 3";
    assert_eq!(check(3, "platt", true), Err(message.to_owned()));
}
