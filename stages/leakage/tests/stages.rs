//! Tests the kinds that use the guard, run as the engine runs them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use contract::{ImageShape, Invalid, Signature};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::read;
use super::{CHANGES, jpeg_bytes, picture, via};
use crate::data::tests::{Finished, make_dataset, real_data};

/// Returns the content of `leakage.json` of a port.
pub(super) fn record(finished: &Finished, port: &str) -> Value {
    serde_json::from_slice(&bytes(finished, port)).unwrap()
}

pub(super) fn bytes(finished: &Finished, port: &str) -> Vec<u8> {
    fs::read(finished.artifact(port).file("leakage.json").unwrap()).unwrap()
}

fn save(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Creates a folder of JPEG files in two classes, with different pictures.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (split, count, seed) in [("train", 20, 0), ("test", 10, 500)] {
        for i in 0..count {
            let class = ["A", "B"][i % 2];
            let name = format!("{split}/{class}/p{}_{i}.jpeg", seed as usize + i);
            save(
                folder.path(),
                &name,
                &jpeg_bytes(&picture(64, seed + i as u64), 95),
            );
        }
    }
    folder
}

fn params(folder: &Path, leakage: &str) -> Value {
    json!({
        "source": { "folder": { "path": folder, "group_by": "^(p[0-9]+)_" } },
        "image_size": 32,
        "validation": 0.2,
        "leakage": leakage,
    })
}

#[test]
fn different_images_are_not_a_leak() {
    let folder = folder();
    let finished = make_dataset(params(folder.path(), "fail"), 1).unwrap();
    assert_eq!(
        (finished.warnings.as_slice(), finished.notes.as_slice()),
        (&[][..], &[][..])
    );
    let record = record(&finished, "figure");
    assert_eq!(
        record["sets"],
        json!({ "train": 16, "validation": 4, "test": 10 })
    );
    assert!(
        !finished
            .artifact("figure")
            .files
            .contains_key("leakage.png")
    );
    let off = make_dataset(params(folder.path(), "off"), 1).unwrap();
    assert!(!off.artifact("figure").files.contains_key("leakage.json"));
    assert_eq!(
        off.dataset("train").names(),
        finished.dataset("train").names()
    );
}

#[test]
fn a_test_image_among_training_images_is_a_warning_or_an_error() {
    let folder = folder();
    let bytes = fs::read(folder.path().join("test/A/p500_0.jpeg")).unwrap();
    save(folder.path(), "train/A/planted_1.jpeg", &bytes);
    let resized = via(&picture(64, 501), 40);
    save(
        folder.path(),
        "train/B/planted_2.jpeg",
        &jpeg_bytes(&resized, 80),
    );
    let mut params = params(folder.path(), "warn");
    params["validation"] = 0.into();
    let finished = make_dataset(params.clone(), 1).unwrap();
    let [warning] = finished.warnings.as_slice() else {
        panic!("{:?}", finished.warnings);
    };
    assert!(
        warning.starts_with(
            "leakage: 2 of 10 images of `test` are copies of images of `train`: \
             `test/A/p500_0.jpeg` is `train/A/planted_1.jpeg`, byte for byte, \
             `test/B/p501_1.jpeg` resembles `train/B/planted_2.jpeg` (0.9"
        ),
        "{warning}"
    );
    assert!(
        finished
            .artifact("figure")
            .files
            .contains_key("leakage.png")
    );
    let record = record(&finished, "figure");
    let pairs = &record["between"][1];
    assert_eq!(pairs["sets"], json!(["test", "train"]));
    assert_eq!(pairs["copies"][0]["likeness"], "same-bytes");
    assert_eq!(pairs["copies"][1]["likeness"], "near");

    params["leakage"] = "fail".into();
    let failure = make_dataset(params, 1).unwrap_err().to_string();
    assert!(
        failure.contains("`test/A/p500_0.jpeg` is `train/A/planted_1.jpeg`"),
        "{failure}"
    );
    assert!(
        failure
            .ends_with("remove one side of each pair, or set `leakage: warn` to continue anyway")
    );
}

#[test]
fn a_patient_on_both_sides_is_a_leak() {
    let folder = folder();
    save(
        folder.path(),
        "test/A/p4_99.jpeg",
        &jpeg_bytes(&picture(64, 900), 95),
    );
    let finished = make_dataset(params(folder.path(), "warn"), 1).unwrap();
    let [warning] = finished.warnings.as_slice() else {
        panic!("{:?}", finished.warnings);
    };
    assert!(
        warning.contains(
            "share 1 group of `group_by`: `p4` (`test/A/p4_99.jpeg`, `train/A/p4_4.jpeg`)"
        ),
        "{warning}"
    );
    let found = read(&bytes(&finished, "figure")).unwrap();
    let leaks: Vec<_> = found.comparisons.iter().filter(|c| c.leaks()).collect();
    let [leak] = leaks.as_slice() else {
        panic!("{leaks:?}");
    };
    assert_eq!(leak.set, "test");
    let images = finished.dataset("test").len() as u64;
    assert_eq!(leak.images, Some(images));
    assert_eq!(leak.groups[0].group, "p4");
    assert_eq!(leak.groups[0].images[0], ["test/A/p4_99.jpeg"]);
    // Three pairs of splits, and each split with itself.
    assert_eq!(found.comparisons.len(), 6);
    let failure = make_dataset(params(folder.path(), "fail"), 1).unwrap_err();
    assert!(failure.to_string().contains("`p4`"), "{failure}");
}

#[test]
fn a_copy_among_training_images_is_a_note_and_not_a_failure() {
    let folder = folder();
    let bytes = fs::read(folder.path().join("train/A/p0_0.jpeg")).unwrap();
    save(folder.path(), "train/A/again.jpeg", &bytes);
    let finished = make_dataset(params(folder.path(), "fail"), 1).unwrap();
    assert!(finished.warnings.is_empty());
    // Equal files are on one side of the split, so `train` has either no copy or this one.
    let record = record(&finished, "figure");
    let groups = record["within"][0]["groups"].as_array().unwrap();
    let train = finished.dataset("train");
    if train
        .names()
        .iter()
        .any(|name| name == "train/A/again.jpeg")
    {
        assert_eq!(
            *groups,
            [json!(["train/A/again.jpeg", "train/A/p0_0.jpeg"])]
        );
        assert!(
            finished.notes.iter().any(|note| note.starts_with("2 of ")),
            "{:?}",
            finished.notes
        );
    } else {
        assert!(groups.is_empty());
    }
}

#[test]
fn the_30_groups_of_equal_files_among_real_images_are_found() {
    let Some(path) = real_data("chest-xray") else {
        return;
    };
    let mut expected: BTreeMap<Vec<u8>, BTreeSet<String>> = BTreeMap::new();
    for class in [
        "train/NORMAL",
        "train/PNEUMONIA",
        "test/NORMAL",
        "test/PNEUMONIA",
    ] {
        for entry in fs::read_dir(path.join(class)).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{class}/{}", entry.file_name().into_string().unwrap());
            let equal = expected.entry(fs::read(entry.path()).unwrap()).or_default();
            equal.insert(name);
        }
    }
    let expected: BTreeSet<BTreeSet<String>> = expected
        .into_values()
        .filter(|names| names.len() > 1)
        .collect();
    assert_eq!(expected.len(), 30);

    let params = json!({
        // The numbers of patients start anew for bacteria and viruses.
        "source": { "folder": { "path": path, "group_by": r"^(person\d+_[a-z]+|(?:NORMAL2-)?IM-\d+)" } },
        "image_size": 32,
        "validation": 0,
        "leakage": "fail",
    });
    let finished = make_dataset(params, 42).unwrap();
    assert!(finished.warnings.is_empty(), "{:?}", finished.warnings);
    let record = record(&finished, "figure");
    for between in record["between"].as_array().unwrap() {
        assert_eq!(
            (&between["copies"], &between["groups"]),
            (&json!([]), &Value::Null)
        );
    }
    let within = record["within"].as_array().unwrap();
    let found = |key: &'static str| {
        within
            .iter()
            .flat_map(move |set| set[key].as_array().unwrap().clone())
    };
    let groups: BTreeSet<BTreeSet<String>> =
        serde_json::from_value(found("groups").collect()).unwrap();
    assert_eq!(groups, expected);
    assert!(found("copies").all(|copy| copy["likeness"] == "same-bytes"));
}

#[test]
fn a_real_test_image_planted_in_train_is_found_whatever_was_done_to_it() {
    let Some(path) = real_data("chest-xray") else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let mut planted = BTreeMap::new();
    for (split, count) in [("train", 120), ("test", 60)] {
        for class in ["NORMAL", "PNEUMONIA"] {
            let mut files: Vec<_> = fs::read_dir(path.join(split).join(class))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            files.sort();
            for (i, file) in files.iter().take(count).enumerate() {
                let name = file.file_name().unwrap().to_str().unwrap();
                let bytes = fs::read(file).unwrap();
                save(folder.path(), &format!("{split}/{class}/{name}"), &bytes);
                let Some((_, change)) = CHANGES.get(i).filter(|_| split == "test") else {
                    continue;
                };
                let image = image::load_from_memory(&bytes).unwrap().into_luma8();
                let copy = format!("train/{class}/planted-{i}.jpeg");
                save(folder.path(), &copy, &jpeg_bytes(&change(&image), 90));
                planted.insert(format!("test/{class}/{name}"), copy);
            }
        }
    }
    for size in [32, 128] {
        let finished = make_dataset(
            json!({
                "source": { "folder": { "path": folder.path() } },
                "image_size": size,
                "validation": 0,
            }),
            1,
        )
        .unwrap();
        let record = record(&finished, "figure");
        let found: BTreeMap<String, String> = record["between"][1]["copies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| {
                let text = |key: &str| pair[key].as_str().unwrap().to_owned();
                (text("image"), text("copy_of"))
            })
            .collect();
        assert_eq!(found, planted, "{size}");
    }
}

#[test]
fn inputs_that_are_missing_or_cannot_be_compared_are_refused() {
    let image = |size: usize| ImageShape {
        height: size,
        width: size,
        channels: 1,
    };
    let dataset = |size: usize| Signature::Dataset {
        image: image(size),
        augmented: false,
        classes: None,
    };
    let refused = |leakage: &str, train: Option<usize>| -> Result<(), Invalid> {
        let stage = crate::parse("evaluate", json!({ "leakage": leakage })).unwrap();
        let inputs = BTreeMap::from([
            (
                "model".to_owned(),
                vec![Signature::Model {
                    image: image(32),
                    convolutions: None,
                }],
            ),
            ("images".to_owned(), vec![dataset(32)]),
            ("train".to_owned(), train.map(dataset).into_iter().collect()),
        ]);
        stage.check(&inputs).map(drop)
    };
    assert_eq!(refused("warn", None), Ok(()));
    assert_eq!(refused("fail", Some(32)), Ok(()));
    let missing = refused("fail", None).unwrap_err();
    assert_eq!(missing.message, "`leakage: fail` needs the input `train`");
    let unequal = refused("warn", Some(64)).unwrap_err();
    assert_eq!(
        unequal.message,
        "input `train` has images of 64×64×1, which cannot be compared with images of 32×32×1"
    );
}
