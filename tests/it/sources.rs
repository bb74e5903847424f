//! Folders of images as sources: what runs after a change to them, and what is refused before anything runs.

use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, SystemTime};

use image::{GrayImage, Luma};

use crate::sandbox::{self, Finished, Sandbox, list};

const PIPELINE: &str = r#"
version: 1
name: folders
stages:
  xrays:
    kind: dataset
    params:
      source: { folder: { path: images } }
      image_size: 16
      validation: 0.25
  cnn:
    kind: train-cnn
    inputs: { train: xrays.train, validation: xrays.validation }
    params: { model: [flatten, { dense: { units: 1 } }], epochs: 1 }
  evaluate:
    kind: evaluate
    inputs: { model: cnn, images: xrays.test }
"#;

/// Position of the folder's path in [`PIPELINE`].
const PLACE: &str = "pipeline.yaml:8:33";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(PIPELINE);
    for (split, count) in [("train", 8), ("test", 4)] {
        for (class, brightness) in [("NORMAL", 60), ("PNEUMONIA", 160)] {
            for index in 0..count {
                let path = format!("images/{split}/{class}/{index}.png");
                draw(&sandbox, &path, brightness + 4 * index);
            }
        }
    }
    sandbox
}

/// Draws a gradient that starts at `brightness`.
fn draw(sandbox: &Sandbox, path: &str, brightness: u8) {
    let path = sandbox.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    GrayImage::from_fn(20, 24, |x, y| Luma([brightness + (x + y) as u8]))
        .save(path)
        .unwrap();
}

fn outcomes(finished: &Finished) -> Vec<String> {
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let outcomes = finished.outcomes().into_iter();
    outcomes.map(|(_, outcome)| outcome).collect()
}

#[test]
fn a_touched_file_invalidates_nothing() {
    let sandbox = sandbox();
    assert_eq!(outcomes(&sandbox.run_json(&[])), ["succeeded"; 3]);
    let file = File::open(sandbox.path("images/train/NORMAL/0.png")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3600))
        .unwrap();
    assert_eq!(outcomes(&sandbox.run_json(&[])), ["cached"; 3]);
}

#[test]
fn a_changed_training_image_invalidates_what_depends_on_it() {
    let sandbox = sandbox();
    sandbox.run_json(&[]);
    for index in 0..8 {
        let path = sandbox.path(&format!("images/train/NORMAL/{index}.png"));
        let mut picture = image::open(&path).unwrap().to_luma8();
        picture.put_pixel(3, 3, Luma([255]));
        picture.save(&path).unwrap();
        let status = sandbox.runner(&["status", "pipeline.yaml"]).stdout;
        assert!(
            status.contains(&format!(
                "source: 1 file changed in images, first: train/NORMAL/{index}.png"
            )),
            "{status}"
        );
        assert_eq!(outcomes(&sandbox.run_json(&[]))[..2], ["succeeded"; 2]);
    }
}

#[test]
fn a_changed_test_image_does_not_invalidate_training() {
    let sandbox = sandbox();
    sandbox.run_json(&[]);
    let path = sandbox.path("images/test/NORMAL/0.png");
    let mut picture = image::open(&path).unwrap().to_luma8();
    picture.put_pixel(3, 3, Luma([255]));
    picture.save(&path).unwrap();
    assert_eq!(
        outcomes(&sandbox.run_json(&[])),
        ["succeeded", "cached", "succeeded"]
    );
}

#[test]
fn ignored_files_are_neither_in_the_key_nor_seen_by_the_stage() {
    let sandbox = sandbox();
    let ignore = |text: &str| fs::write(sandbox.path("images/.runnerignore"), text).unwrap();
    assert_eq!(outcomes(&sandbox.run_json(&[])), ["succeeded"; 3]);

    // An ignored file that would make the stage fail, and an ignored folder that would be a third class.
    fs::write(sandbox.path("images/train/NORMAL/notes.jpg"), "no image").unwrap();
    draw(&sandbox, "images/train/UNSURE/0.png", 100);
    ignore("notes.*\nUNSURE/\n");
    assert_eq!(outcomes(&sandbox.run_json(&[])), ["cached"; 3]);
    assert_eq!(
        outcomes(&sandbox.run_json(&["--force", "xrays"])),
        ["succeeded", "cached", "cached"]
    );

    // An image that is newly ignored counts as removed.
    ignore("notes.*\nUNSURE/\n/train/NORMAL/0.png\n");
    let status = sandbox.runner(&["status", "pipeline.yaml"]).stdout;
    assert!(
        status.contains("source: 1 file removed in images, first: train/NORMAL/0.png"),
        "{status}"
    );
    assert_eq!(outcomes(&sandbox.run_json(&[]))[0], "succeeded");
    let shown = |name: &str| fs::read_to_string(sandbox.path(name)).unwrap();
    let names = shown("artifacts/latest/folders/xrays/train/dataset.json")
        + &shown("artifacts/latest/folders/xrays/validation/dataset.json");
    assert!(!names.contains("train/NORMAL/0.png"), "{names}");
    assert!(names.contains("train/NORMAL/1.png"), "{names}");

    ignore("UNSURE/\n");
    refused_images(
        &sandbox,
        "`images/train/NORMAL/notes.jpg` is no image in the format JPEG, PNG",
    );
    ignore("notes.*\n{\n");
    refused_images(&sandbox, "`images/.runnerignore`, line 2");
}

/// Checks that the run is refused with `message` at the folder's place, and that nothing has run.
fn refused(sandbox: &Sandbox, message: &str) {
    refused_images(sandbox, message);
    assert!(list(&sandbox.path("artifacts/v1/runs")).is_empty());
    assert!(list(&sandbox.path("artifacts/v1/actions")).is_empty());
}

/// Checks that the next run is refused with `message` at the folder's place.
fn refused_images(sandbox: &Sandbox, message: &str) {
    let finished = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains(message), "{finished:?}");
    assert!(finished.stderr.contains(PLACE), "{finished:?}");
}

#[test]
fn a_file_that_is_not_an_image_is_refused_or_skipped() {
    let sandbox = sandbox();
    fs::write(sandbox.path("images/train/NORMAL/notes.jpg"), "no image").unwrap();
    refused(
        &sandbox,
        "`images/train/NORMAL/notes.jpg` is no image in the format JPEG, PNG",
    );

    let skipping = PIPELINE.replace("path: images", "path: images, on_bad_image: skip");
    fs::write(sandbox.path("pipeline.yaml"), skipping).unwrap();
    let finished = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stderr.contains("notes.jpg"), "{finished:?}");
}

#[test]
fn a_class_with_no_image_is_refused() {
    let sandbox = sandbox();
    fs::create_dir_all(sandbox.path("images/train/EMPTY")).unwrap();
    fs::create_dir_all(sandbox.path("images/test/EMPTY")).unwrap();
    refused(&sandbox, "EMPTY");
}

#[test]
fn a_missing_folder_is_refused() {
    let sandbox = sandbox();
    fs::remove_dir_all(sandbox.path("images")).unwrap();
    refused(&sandbox, "`images`");
}

#[test]
fn a_decompression_bomb_is_refused() {
    let sandbox = sandbox();
    let header = [
        &[0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a][..],
        &chunk(
            b"IHDR",
            &[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60, 8, 2, 0, 0, 0],
        ),
        &chunk(b"IDAT", &[]),
        &chunk(b"IEND", &[]),
    ]
    .concat();
    let mut file = File::create(sandbox.path("images/train/NORMAL/bomb.png")).unwrap();
    file.write_all(&header).unwrap();
    refused(&sandbox, "`images/train/NORMAL/bomb.png`");
}

/// Returns a PNG chunk: length, type, data, CRC-32 of type and data.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind[..], data].concat();
    let crc = !body.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    });
    [
        &(data.len() as u32).to_be_bytes()[..],
        &body,
        &crc.to_be_bytes(),
    ]
    .concat()
}

#[test]
fn a_truncated_image_fails_its_stage_and_names_the_file() {
    let sandbox = sandbox();
    let path = sandbox.path("images/test/PNEUMONIA/0.png");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 30]).unwrap();
    let finished = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(finished.code, Some(100), "{finished:?}");
    assert!(
        finished.stderr.contains("images/test/PNEUMONIA/0.png"),
        "{finished:?}"
    );
}

#[test]
fn an_empty_folder_does_not_change_a_dataset() {
    let sandbox = Sandbox::new(&PIPELINE.replace("validation: 0.25", "validation: 0"));
    let pipeline = fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap();
    let (dataset, _) = pipeline.split_once("  cnn:").unwrap();
    fs::write(sandbox.path("pipeline.yaml"), dataset).unwrap();
    for (split, count) in [("train", 4), ("test", 2)] {
        for class in ["NORMAL", "PNEUMONIA"] {
            for index in 0..count {
                draw(&sandbox, &format!("images/{split}/{class}/{index}.png"), 60);
            }
        }
    }
    assert_eq!(outcomes(&sandbox.run_json(&[])), ["succeeded"]);
    let made = sandbox::files(&sandbox.path("artifacts/latest/folders/xrays"));
    for empty in ["val/NORMAL", "validation", "other/train"] {
        fs::create_dir_all(sandbox.path("images").join(empty)).unwrap();
        assert_eq!(outcomes(&sandbox.run_json(&[])), ["cached"]);
        assert_eq!(outcomes(&sandbox.run_json(&["--force"])), ["succeeded"]);
        let again = sandbox::files(&sandbox.path("artifacts/latest/folders/xrays"));
        assert!(made == again, "`{empty}` changed the dataset");
    }
}
