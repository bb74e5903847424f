//! Heat maps of an evaluation: files, the report, and requests that do not fit the model.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::report::document::{Report, by_id, text};
use crate::sandbox::{Sandbox, list};

/// A network of two convolutions or of none, evaluated on phantom images.
const PIPELINE: &str = r#"
version: 1
name: maps
seed: 7
vars: { network: convolutions }
models:
  convolutions:
    - conv: { filters: 4 }
    - max_pool: 2
    - conv: { filters: 4 }
    - flatten
    - dense: { units: 1 }
  dense:
    - flatten
    - dense: { units: 1 }
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 40, test_images: 30 } }, image_size: 16 }
  cnn:
    kind: train-cnn
    inputs: { train: xrays.train }
    params: { model: "${network}", epochs: 2 }
  evaluate:
    kind: evaluate
    inputs: { model: cnn, images: xrays.test }
    params: { bootstrap: 0PARAMS }
"#;

fn sandbox(params: &str) -> Sandbox {
    Sandbox::new(&PIPELINE.replace("PARAMS", params))
}

/// Runs the pipeline, and returns the files of the figure port whose names begin with `heat_map`.
fn drawn(sandbox: &Sandbox, args: &[&str]) -> Vec<PathBuf> {
    let run = sandbox.run_json(args);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(!run.stderr.contains("heat map"), "{run:?}");
    let folder = sandbox.path("artifacts/latest/maps/evaluate/figure");
    let mut files = list(&folder);
    assert!(!files.is_empty(), "{}", folder.display());
    files.retain(|file| {
        file.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("heat_map")
    });
    files.sort();
    files
}

fn record(files: &[PathBuf]) -> Value {
    let file = files.iter().find(|file| file.ends_with("heat_maps.json"));
    serde_json::from_slice(&fs::read(file.expect("a record")).unwrap()).unwrap()
}

#[test]
fn an_evaluation_draws_heat_maps_of_errors_and_of_each_class() {
    let sandbox = sandbox("");
    let files = drawn(&sandbox, &[]);
    let record = record(&files);
    assert_eq!(record["technique"], "Grad-CAM of layer 3");
    let images = record["images"].as_array().unwrap();
    assert_eq!(images.len(), 8);
    assert_eq!(
        files.len(),
        10,
        "eight pictures, a page and a record: {files:?}"
    );
    let is_error = |image: &Value| image["label"] != image["predicted"];
    let errors = images.iter().take_while(|image| is_error(image)).count();
    assert!(
        images[errors..].iter().all(|image| !is_error(image)),
        "errors come first"
    );
    let folder = files[0].parent().unwrap();
    for image in images {
        let picture = image::open(folder.join(image["picture"].as_str().unwrap())).unwrap();
        // Images of 16×16 pixels are enlarged to 192×192 and stand beside their heat map.
        assert_eq!((picture.width(), picture.height()), (2 * 192 + 4, 192));
        let picture = picture.to_rgb8();
        let is_gray = |x: u32| {
            (0..192).all(|y| {
                let [r, g, b] = picture.get_pixel(x, y).0;
                r == g && g == b
            })
        };
        assert!((0..192).all(is_gray), "the image itself");
        let is_colored = !(196..388).all(is_gray);
        assert_eq!(is_colored, image["maximum"].as_f64().unwrap() > 0.0);
    }
    assert!(image::open(folder.join("heat_maps.png")).is_ok());
}

#[test]
fn a_report_shows_heat_maps_with_their_limits() {
    let sandbox = sandbox("");
    drawn(&sandbox, &[]);
    let done = sandbox.runner(&["report", "pipeline.yaml"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let report = Report::read(&sandbox.path("report.html"));
    let document = report.document();
    let mut nodes = document.descendants();
    let title = nodes.find(|node| {
        node.attribute("id")
            .is_some_and(|id| id.ends_with("-heat-maps"))
    });
    let evaluation = title.expect("a section").parent().unwrap();
    let words = text(evaluation);
    for part in [
        "Grad-CAM of layer 3",
        "where a model looks, not why",
        "Adebayo et al., 2018",
        "Each map has its own scale",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let list = evaluation
        .children()
        .find(|node| node.attribute("class") == Some("heat-maps"));
    let pictures = list
        .unwrap()
        .descendants()
        .filter(|node| node.tag_name().name() == "img");
    let texts: Vec<&str> = pictures
        .map(|node| node.attribute("alt").unwrap())
        .collect();
    assert_eq!(texts.len(), 8);
    assert!(
        texts[0].contains("the places marked that speak for"),
        "{texts:?}"
    );
    // Misclassified images lead to their heat maps.
    let links = evaluation
        .descendants()
        .filter(|node| text(*node) == "heat map");
    for link in links.filter_map(|node| node.attribute("href")) {
        assert!(by_id(&document, &link[1..]).is_some(), "{link}");
    }
}

#[test]
fn a_model_without_convolutions_has_no_heat_maps_unless_they_are_requested() {
    let without = sandbox("");
    assert!(drawn(&without, &["-S", "network=dense"]).is_empty());

    let requested = sandbox(", heat_maps: { images: 3 }");
    let checked = requested.runner(&["validate", "pipeline.yaml", "-S", "network=dense"]);
    assert_eq!(checked.code, Some(2), "{checked:?}");
    for part in [
        "the model has none",
        "use the method `occlusion`",
        "heat_maps",
    ] {
        assert!(checked.stderr.contains(part), "{part}: {}", checked.stderr);
    }
    let occluded = sandbox(", heat_maps: { images: 3, method: { occlusion: { size: 6 } } }");
    let files = drawn(&occluded, &["-S", "network=dense"]);
    let record = record(&files);
    let technique = "occlusion by patches of 6×6 pixels, 3 apart";
    assert_eq!(record["technique"], technique);
    assert_eq!(record["images"].as_array().unwrap().len(), 3);
}

#[test]
fn heat_maps_can_be_left_out_and_are_the_same_in_every_run() {
    let none = sandbox(", heat_maps: { images: 0 }");
    assert!(drawn(&none, &[]).is_empty());
    let [first, second] = [(); 2].map(|()| {
        let sandbox = sandbox(", heat_maps: { images: 5, method: grad_cam }");
        let files = drawn(&sandbox, &[]).into_iter();
        files
            .map(|file| fs::read(file).unwrap())
            .collect::<Vec<_>>()
    });
    assert_eq!(first, second);
    assert_eq!(first.len(), 7);
}

#[test]
fn the_layer_is_part_of_the_key() {
    let sandbox = sandbox(", heat_maps: { method: { grad_cam: { layer: 1 } } }");
    assert_eq!(
        record(&drawn(&sandbox, &[]))["technique"],
        json!("Grad-CAM of layer 1")
    );
    let layer = "stages.evaluate.params.heat_maps.method.grad_cam.layer=3";
    let files = drawn(&sandbox, &["-S", layer]);
    assert_eq!(record(&files)["technique"], json!("Grad-CAM of layer 3"));
}
