//! Warnings about images that are unlike the training images.

use std::fs;

use image::RgbImage;
use image::imageops::{invert, rotate90};

use super::*;

/// Returns the warnings of images, by their file names.
fn warnings(sandbox: &Sandbox, folder: &str) -> Vec<(String, String)> {
    let all = predicted(sandbox, &["cnn", folder]);
    let images = all["images"].as_array().unwrap().iter();
    images
        .map(|image| {
            let texts = image["warnings"].as_array().unwrap().iter();
            let texts: Vec<&str> = texts.map(|text| text.as_str().unwrap()).collect();
            let name = image["name"].as_str().unwrap();
            let name = name.strip_prefix(folder).unwrap().trim_start_matches('/');
            (name.to_owned(), texts.join("; "))
        })
        .collect()
}

#[test]
fn unlike_images_are_warned_about_and_test_images_are_not() {
    let sandbox = trained(2, &[]);
    for (name, text) in warnings(&sandbox, "data/test") {
        assert_eq!(text, "", "{name}");
    }
    let like = files::picture(1, 43, 24);
    let write = |name: &str, image: &RgbImage| {
        files::write(&sandbox.path("mine").join(name), image, "png");
    };
    let half = RgbImage::from_fn(24, 24, |x, _| if x < 12 { [200; 3] } else { [5; 3] }.into());
    let mut inverted = like.clone();
    invert(&mut inverted);
    write("blank.png", &RgbImage::from_pixel(24, 24, [128; 3].into()));
    write("half.png", &half);
    write("inverted.png", &inverted);
    write("like.png", &rotate90(&like));
    write(
        "narrow.png",
        &RgbImage::from_fn(24, 60, |x, y| *like.get_pixel(x, y * 24 / 60)),
    );
    write("tiny.png", &files::picture(1, 43, 7));
    write("tinted.png", &files::colored(&like));
    let found = warnings(&sandbox, "mine");
    let of = |name: &str| {
        found
            .iter()
            .find(|(found, _)| found == name)
            .unwrap()
            .1
            .as_str()
    };
    for name in ["blank.png", "half.png", "inverted.png"] {
        assert!(
            of(name).starts_with("unlike the training images ("),
            "{found:?}"
        );
    }
    assert_eq!(of("like.png"), "");
    assert_eq!(of("narrow.png"), "shape 24×60, far from the model's 16×16");
    assert!(of("tiny.png").ends_with("tiny: 7×7 pixels"), "{found:?}");
    assert!(
        of("tinted.png").contains("color, but the model takes gray images"),
        "{found:?}"
    );

    // A network for colors that saw none warns about them as unlike its training images.
    run(&sandbox, &["channels=3"]);
    let found = warnings(&sandbox, "mine");
    let (_, tinted) = found.iter().find(|(name, _)| name == "tinted.png").unwrap();
    assert!(tinted.contains("sharpness or color)"), "{found:?}");
    let done = predict(&sandbox, &["cnn", "mine"]);
    assert!(done.stderr.contains("images have warnings"), "{done:?}");
}

#[test]
fn a_model_without_statistics_warns_about_shapes_only() {
    let sandbox = trained(2, &[]);
    let done = sandbox.runner(&["artifacts", "export", "cnn.model", "exported"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let path = sandbox.path("exported/model.json");
    let mut card: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        card["training_images"]["layout"]["mean"]
            .as_array()
            .unwrap()
            .len(),
        64
    );
    assert_eq!(
        card["training_images"]["look"]["mean"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    card.as_object_mut().unwrap().remove("training_images");
    fs::write(&path, card.to_string()).unwrap();
    let blank = RgbImage::from_pixel(80, 20, [128; 3].into());
    files::write(&sandbox.path("blank.png"), &blank, "png");
    let all = predicted(&sandbox, &["exported", "blank.png"]);
    let warnings = all["images"][0]["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{all}");
    assert_eq!(warnings[0], "shape 80×20, far from the model's 16×16");
}
