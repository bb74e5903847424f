//! Tests the division of folders without splits.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use contract::{Segment, Stage};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::files::{assert_refused, picture, save, tree};
use super::{Finished, dataset_params, make_dataset};

/// Creates class folders with 40 and 20 images.
fn classes() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (class, count) in [("NORMAL", 40), ("PNEUMONIA", 20u8)] {
        for i in 0..count {
            let number = i + if class == "NORMAL" { 0 } else { 100 };
            let name = format!("{class}/person{}_{i}.png", i / 2);
            save(&picture(number), &folder.path().join(name));
        }
    }
    folder
}

fn params(folder: &TempDir) -> Value {
    json!({
        "source": { "folder": { "path": folder.path() } },
        "split": { "train": 70, "validation": 15, "test": 15 },
        "image_size": 16,
        "leakage": "off",
    })
}

fn parts(made: &Finished) -> BTreeMap<String, &'static str> {
    let mut parts = BTreeMap::new();
    for port in ["train", "validation", "test"] {
        for name in made.dataset(port).names() {
            assert_eq!(parts.insert(name.clone(), port), None, "{name}");
        }
    }
    parts
}

fn counts(made: &Finished) -> [[usize; 2]; 3] {
    ["train", "validation", "test"].map(|port| {
        let dataset = made.dataset(port);
        [0, 1].map(|class| dataset.labels().iter().filter(|&&l| l == class).count())
    })
}

#[test]
fn the_ratio_holds_for_each_class() {
    let folder = classes();
    let made = make_dataset(params(&folder), 1).unwrap();
    assert_eq!(counts(&made), [[28, 14], [6, 3], [6, 3]]);
    assert_eq!(made.dataset("train").classes(), ["NORMAL", "PNEUMONIA"]);
    let first = made.dataset("train").names()[0].clone();
    assert!(first.starts_with("NORMAL/person"), "{first}");
    // The same ratio, and the same seed.
    let mut same = params(&folder);
    same["split"] = json!({ "train": 0.7, "validation": 0.15, "test": 0.15 });
    assert_eq!(parts(&make_dataset(same, 1).unwrap()), parts(&made));
    assert_ne!(
        parts(&make_dataset(params(&folder), 2).unwrap()),
        parts(&made)
    );
    let mut without = params(&folder);
    without["split"] = json!({ "train": 80, "test": 20 });
    let made = make_dataset(without.clone(), 1).unwrap();
    assert_eq!(counts(&made), [[32, 16], [0, 0], [8, 4]]);
    let why = dataset_params(without).lacks_images("validation").unwrap();
    assert_eq!(why.message, "its `split` has no validation images");
    assert!(
        dataset_params(params(&folder))
            .lacks_images("validation")
            .is_none()
    );
}

#[test]
fn an_added_image_moves_few_others() {
    let folder = classes();
    let before = parts(&make_dataset(params(&folder), 3).unwrap());
    save(&picture(250), &folder.path().join("NORMAL/a new one.png"));
    let after = parts(&make_dataset(params(&folder), 3).unwrap());
    let moved = before.iter().filter(|(name, part)| after[*name] != **part);
    let moved = moved.count();
    assert!(moved <= 2, "{moved} images moved");
}

#[test]
fn patients_and_copies_stay_together() {
    let folder = classes();
    let normal = folder.path().join("NORMAL");
    for copy in 0..5 {
        fs::copy(
            normal.join("person3_6.png"),
            normal.join(format!("copy{copy}.png")),
        )
        .unwrap();
    }
    let mut params = params(&folder);
    params["source"]["folder"]["group_by"] = json!("^(person[0-9]+)_");
    for seed in 0..10 {
        let made = make_dataset(params.clone(), seed).unwrap();
        let parts = parts(&made);
        let of = |pattern: &str| -> BTreeSet<&str> {
            let found = parts.iter().filter(|(name, _)| name.contains(pattern));
            found.map(|(_, part)| *part).collect()
        };
        assert_eq!(of("NORMAL/copy").len(), 1);
        // A person of one class has the name of one of the other.
        assert_eq!(of("/person3_"), of("NORMAL/copy"));
        for person in 0..20 {
            assert_eq!(of(&format!("/person{person}_")).len(), 1, "{person}");
        }
    }
}

#[test]
fn folds_divide_class_folders_too() {
    let folder = classes();
    let mut params = params(&folder);
    params["fold"] = json!({ "test": 1, "of": 5 });
    let stage = dataset_params(params.clone());
    assert!(stage.canonical().get("split").is_none(), "it has no effect");
    let mut tested = BTreeSet::new();
    for test in 1..=5 {
        params["fold"]["test"] = json!(test);
        let made = make_dataset(params.clone(), 1).unwrap();
        tested.extend(made.dataset("test").names().to_vec());
    }
    assert_eq!(tested.len(), 60);
}

#[test]
fn a_folder_with_splits_is_not_divided_and_one_without_needs_to_be() {
    let folder = tree();
    let error = dataset_params(params(&folder)).preflight().unwrap_err();
    assert!(error.message.contains("has splits of its own"), "{error}");
    assert!(error.hint.unwrap().contains("remove `split`"));
    let folder = classes();
    assert_refused(folder.path(), &["no folder `train`"]);
    let plain = json!({ "source": { "folder": { "path": folder.path() } } });
    let error = dataset_params(plain).preflight().unwrap_err();
    assert!(error.hint.unwrap().contains("`split: { train: 70"));
    let phantom = json!({ "split": { "train": 1, "test": 1 } });
    let phantom: crate::dataset::Params = serde_json::from_value(phantom).unwrap();
    let error = phantom.check(&Default::default()).unwrap_err();
    assert_eq!(error.path, [Segment::Key("split".to_owned())]);
    assert!(
        error.message.contains("the source `phantom` has splits"),
        "{error}"
    );
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let folder = classes();
    let refused = |key: &str, value: Value, path: &[&str], says: &str| {
        let mut params = params(&folder);
        match key {
            "validation" => params["validation"] = value,
            key => params["split"][key] = value,
        }
        let params: crate::dataset::Params = serde_json::from_value(params).unwrap();
        let error = params.check(&Default::default()).unwrap_err();
        let keys = path.iter().map(|key| Segment::Key((*key).to_owned()));
        assert_eq!(error.path, keys.collect::<Vec<_>>());
        assert!(error.message.contains(says), "{error}");
    };
    refused("train", json!(0), &["split", "train"], "must be above 0");
    refused("test", json!(101), &["split", "test"], "at most 100");
    refused("validation", json!(0.2), &["validation"], "has no effect");
    let mut few = params(&folder);
    few["source"]["folder"]["group_by"] = json!("^(p)");
    let failure = make_dataset(few, 1).unwrap_err().to_string();
    assert!(failure.contains("too few groups"), "{failure}");
}
