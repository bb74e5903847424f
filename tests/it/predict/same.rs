//! The same image has the same probabilities everywhere, to the last bit.

use std::fs;

use super::*;

/// Writes test images in every form.
fn every_form(sandbox: &Sandbox) {
    fs::remove_dir_all(sandbox.path("data/test")).unwrap();
    let forms = [
        "jpeg",
        "gray.jpeg",
        "exif.jpg",
        "png",
        "gray.png",
        "deep.png",
        "alpha.png",
        "palette.png",
        "deep.tif",
        "bmp",
        "webp",
        "dcm",
    ];
    for (class, name) in CLASSES.iter().take(2).enumerate() {
        for (number, form) in forms.iter().enumerate() {
            for size in [16, 31, 70] {
                let path = sandbox.path(&format!("data/test/{name}/{size}.{form}"));
                let image = files::picture(class, number, size);
                let image = if number % 2 == 0 {
                    image
                } else {
                    files::colored(&image)
                };
                files::write(&path, &image, form);
            }
        }
    }
}

#[test]
fn predictions_are_those_of_evaluate_for_every_form_of_image() {
    let sandbox = trained(2, &[]);
    every_form(&sandbox);
    for channels in [1, 3] {
        run(&sandbox, &[&format!("channels={channels}")]);
        let expected = evaluated(&sandbox);
        assert_eq!(expected.len(), 72);
        for batch in ["128", "7", "1"] {
            let args = ["cnn", "data/test", "-o", "p.csv", "--batch-size", batch];
            let done = predict(&sandbox, &args);
            assert_eq!(done.code, Some(0), "{done:?}");
            let text = fs::read_to_string(sandbox.path("p.csv")).unwrap();
            let rows = rows(&text);
            assert_eq!(
                rows[0],
                ["name", "predicted", "p_DISK", "p_SQUARE", "warnings"]
            );
            let found: Vec<(String, Vec<String>)> = rows[1..]
                .iter()
                .map(|row| (row[0].replace("data/", ""), row[2..4].to_vec()))
                .collect();
            assert_eq!(sorted(&found), sorted(&expected), "{channels}, {batch}");
        }
        // Colors do not change a probability, but are reported.
        let image = |name: &str| {
            let all = predicted(&sandbox, &["cnn", "data/test"]);
            let images = all["images"].as_array().unwrap().clone();
            let mut images = images.into_iter();
            images.find(|image| image["name"] == name).unwrap()["warnings"].to_string()
        };
        let warns = |name: &str, text: &str| image(name).contains(text);
        let color = "color, but the model takes gray images";
        assert_eq!(warns("data/test/DISK/31.palette.png", color), channels == 1);
        assert!(!warns("data/test/DISK/31.jpeg", color));
    }
}

fn sorted(rows: &[(String, Vec<String>)]) -> Vec<(String, Vec<String>)> {
    let mut rows = rows.to_vec();
    rows.sort();
    rows
}

#[test]
fn three_classes_have_three_probabilities_and_the_most_probable_is_predicted() {
    let sandbox = trained(3, &["units=3"]);
    let all = predicted(&sandbox, &["cnn", "data/test"]);
    assert_eq!(all["decision"], "most probable class");
    let images = all["images"].as_array().unwrap();
    assert_eq!(images.len(), 15);
    for image in images {
        let probabilities = image["probabilities"].as_object().unwrap();
        let value = |class: &str| probabilities[class].as_f64().unwrap();
        let sum: f64 = ["BAR", "DISK", "SQUARE"].map(value).iter().sum();
        assert!((sum - 1.0).abs() < 1e-6, "{image}");
        let predicted = value(image["predicted"].as_str().unwrap());
        assert!(
            probabilities
                .values()
                .all(|p| p.as_f64().unwrap() <= predicted)
        );
    }
    let expected = evaluated(&sandbox);
    let found = predict(&sandbox, &["cnn", "data/test", "-o", "-"]).stdout;
    for (row, (name, probabilities)) in rows(&found)[1..].iter().zip(expected) {
        assert_eq!(row[0], format!("data/{name}"));
        assert_eq!(row[2..5], probabilities);
    }
}
