//! `runner bench`, with the smallest possible measurements.

use serde_json::Value;

use crate::sandbox::{Finished, Sandbox};

/// Runs a measurement that must succeed and returns its single JSON line.
fn measured(args: &[&str]) -> Value {
    let finished = bench(args);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let line = finished.json();
    assert!(line["images_per_second"].as_f64().unwrap() > 0.0, "{line}");
    assert!(line["peak_rss_mib"].as_u64().unwrap() > 0, "{line}");
    line
}

fn bench(args: &[&str]) -> Finished {
    Sandbox::new("").runner(&[&["bench"], args].concat())
}

#[test]
fn training_is_measured() {
    let line = measured(&[
        "train",
        "--models",
        "model1",
        "--steps",
        "1",
        "--image-size",
        "8",
        "--batch-size",
        "2",
        "--json",
    ]);
    assert_eq!(line["model"], "model1");
    assert_eq!(line["batch_size"], 2);
}

#[test]
fn a_gan_is_measured() {
    let line = measured(&[
        "gan",
        "--image-size",
        "8",
        "--batch-size",
        "2",
        "--steps",
        "1",
        "--json",
    ]);
    assert_eq!(line["model"], "dcgan");
    assert_eq!(line["device"], "cpu");
}

#[test]
fn a_depthwise_convolution_is_measured() {
    for pass in ["forward", "backward"] {
        let args = [
            "depthwise",
            "--image-size",
            "8",
            "--batch-size",
            "2",
            "--steps",
            "1",
            "--pass",
            pass,
            "--json",
        ];
        let line = measured(&args);
        assert_eq!(line["pass"], pass);
        assert_eq!(line["kernel"], 3);
    }
    let finished = bench(&["depthwise", "--channels", "1"]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        finished.stderr.contains("at least two channels"),
        "{finished:?}"
    );
}

#[test]
fn an_unknown_device_is_refused() {
    let finished = bench(&["train", "--device", "gpu"]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        finished.stderr.contains("`gpu` is not a device"),
        "{finished:?}"
    );
}

#[test]
fn augmentation_is_measured_without_data() {
    let args = [
        "data",
        "--passes",
        "1",
        "--images",
        "4",
        "--image-size",
        "8",
    ];
    let line = measured(&[&args[..], &["--json"]].concat());
    assert_eq!(line["what"], "augment");
    assert_eq!(line["images"], 4);

    let text = bench(&args).stdout;
    assert!(
        text.contains("decode: not measured; give a folder of images to decode with `--path DIR`"),
        "{text}"
    );
}

#[test]
fn decoding_is_measured_on_a_folder() {
    let sandbox = Sandbox::new("");
    for split in ["train", "test"] {
        for class in ["NORMAL", "PNEUMONIA"] {
            let folder = sandbox.path(&format!("images/{split}/{class}"));
            std::fs::create_dir_all(&folder).unwrap();
            for name in ["0.jpeg", "1.png"] {
                image::RgbImage::new(20, 24)
                    .save(folder.join(name))
                    .unwrap();
            }
        }
    }
    let args = ["bench", "data", "--path", "images", "--image-size", "8"];
    let finished =
        sandbox.runner(&[&args[..], &["--passes", "1", "--images", "4", "--json"]].concat());
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let lines = finished.stdout.lines();
    let lines: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "{finished:?}");
    assert_eq!(
        (&lines[0]["what"], &lines[0]["images"]),
        (&"decode".into(), &8.into())
    );
    assert_eq!(lines[1]["what"], "augment");
}

#[test]
fn invalid_measurements_are_refused() {
    for (args, says) in [
        (
            &["train", "--models", "model11"][..],
            "there is no model `model11`; did you mean `model1`?",
        ),
        (&["gan", "--image-size", "12"], "power of two"),
        (&["data", "--what", "decode"], "`--path DIR`"),
        (&["data", "--path", "nowhere"], "`nowhere`"),
        (&["data", "--path", ".", "--channels", "2"], "2 channels"),
    ] {
        let finished = bench(args);
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains(says), "{finished:?}");
    }
}
