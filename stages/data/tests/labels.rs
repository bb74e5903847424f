//! Tests the source `csv`.

use std::fs;
use std::path::Path;

use contract::{Failure, Segment, Stage};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::files::{picture, save};
use super::{dataset_params, make_dataset};

/// Creates 24 images in folders, and a table with these columns: the file, the finding, the split, the patient.
fn table() -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut text = "file,finding,fold,patient\n".to_owned();
    for i in 0..24u8 {
        let name = format!("site {}/{i}.png", i % 3);
        save(&picture(i * 10), &folder.path().join("images").join(&name));
        let split = ["train", "Train", "train", "val", "test", "test"][usize::from(i) / 4];
        let finding = if i % 2 == 0 {
            "\"effusion, left\""
        } else {
            "none"
        };
        text += &format!("{name},{finding},{split},p{}\n", i / 2);
    }
    write(&folder, &text);
    folder
}

fn write(folder: &TempDir, text: &str) {
    fs::write(folder.path().join("labels.csv"), text).unwrap();
}

/// Changes the table, and returns it to what it was.
fn with<T>(folder: &TempDir, from: &str, to: &str, then: impl Fn() -> T) -> T {
    let path = folder.path().join("labels.csv");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    write(folder, &text.replacen(from, to, 1));
    let result = then();
    write(folder, &text);
    result
}

fn params(folder: &Path) -> Value {
    json!({
        "source": { "csv": {
            "path": folder.join("labels.csv"),
            "root": folder.join("images"),
            "image": "file",
            "label": "finding",
            "split": "fold",
            "group": "patient",
        } },
        "image_size": 16,
        "validation": 0,
        "leakage": "off",
    })
}

#[test]
fn a_table_gives_classes_splits_and_groups() {
    let folder = table();
    let params = params(folder.path());
    let stage = dataset_params(params.clone());
    let names = ["effusion, left", "none"];
    assert_eq!(stage.class_names().unwrap(), names);
    assert_eq!(stage.preflight().unwrap(), Some(2));
    assert!(stage.lacks_images("validation").is_none());
    let made = make_dataset(params, 1).unwrap();
    let [train, validation, test] = ["train", "validation", "test"].map(|p| made.dataset(p));
    assert_eq!((train.len(), validation.len(), test.len()), (12, 4, 8));
    assert_eq!(train.classes(), names);
    assert_eq!(train.labels(), [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
    assert_eq!(train.names()[0], "site 0/0.png");
    assert_eq!(train.groups()[0], "p0");
    assert_eq!(validation.labels(), [0, 0, 1, 1]);
    assert!(made.warnings.is_empty(), "{:?}", made.warnings);
}

#[test]
fn validation_images_join_the_training_images_if_some_are_drawn() {
    let folder = table();
    let mut params = params(folder.path());
    params["validation"] = json!(0.25);
    let made = make_dataset(params, 1).unwrap();
    assert_eq!(
        made.dataset("train").len() + made.dataset("validation").len(),
        16
    );
}

#[test]
fn a_table_without_splits_is_divided() {
    let folder = table();
    let mut params = params(folder.path());
    params["source"]["csv"]
        .as_object_mut()
        .unwrap()
        .remove("split");
    let error = dataset_params(params.clone()).preflight().unwrap_err();
    assert!(
        error
            .message
            .contains("does not say which images are for tests"),
        "{error}"
    );
    params.as_object_mut().unwrap().remove("validation");
    params["split"] = json!({ "train": 2, "validation": 1, "test": 1 });
    let made = make_dataset(params.clone(), 1).unwrap();
    let lens = ["train", "validation", "test"].map(|port| made.dataset(port).len());
    assert_eq!(lens, [12, 6, 6]);
    params["source"]["csv"]["split"] = json!("fold");
    let error = dataset_params(params).preflight().unwrap_err();
    assert!(error.message.contains("the column `fold`"), "{error}");
}

#[test]
fn images_without_a_line_are_reported() {
    let folder = table();
    save(&picture(255), &folder.path().join("images/extra.png"));
    fs::write(folder.path().join("images/notes.txt"), "").unwrap();
    let made = make_dataset(params(folder.path()), 1).unwrap();
    assert_eq!(
        made.warnings,
        ["1 file left out (see skipped.json): `extra.png` has no line in the table"]
    );
}

#[test]
fn both_paths_are_sources() {
    let sources = dataset_params(params(Path::new("some"))).sources();
    let names = ["path", "root"].map(|name| ["source", "csv", name]);
    for (source, names) in sources.iter().zip(names) {
        assert_eq!(source.param, names.map(|key| Segment::Key(key.to_owned())));
    }
    let paths: Vec<&Path> = sources.iter().map(|source| source.path.as_path()).collect();
    assert_eq!(
        paths,
        [Path::new("some/labels.csv"), Path::new("some/images")]
    );
}

/// A mistake in the table, and the message with the line.
#[test]
fn mistakes_are_reported_with_their_line() {
    let folder = table();
    let params = params(folder.path());
    let refused = |from: &str, to: &str, says: &[&str]| {
        with(&folder, from, to, || {
            let error = dataset_params(params.clone()).preflight().unwrap_err();
            let failure = make_dataset(params.clone(), 1).unwrap_err();
            assert!(matches!(failure, Failure::Data(_)), "{failure:?}");
            for says in says {
                assert!(error.message.contains(says), "{says}: {error}");
                assert!(failure.to_string().contains(says), "{failure}");
            }
            assert!(error.hint.is_some(), "{error}");
        });
    };
    refused("file,", "name,", &["no column `file`, which `image` names"]);
    refused(
        "site 1/1.png,none",
        "site 1/1.png,",
        &["line 3", "`site 1/1.png` has no class"],
    );
    refused(
        "site 1/1.png,none",
        "site 1/none.png,none",
        &["line 3: there is no file `site 1/none.png`"],
    );
    refused(
        "site 1/1.png",
        "../images/site 1/1.png",
        &["line 3", "is outside of"],
    );
    refused(
        "site 1/1.png",
        "/etc/passwd",
        &["line 3: `/etc/passwd` is outside of"],
    );
    refused("site 1/1.png", "", &["line 3: the column `file` is empty"]);
    refused(
        "site 1/1.png,none",
        "./site 0/0.png,none",
        &[
            "line 3: `site 0/0.png` is also in line 2, there with the class `effusion, left`, here `none`",
        ],
    );
    refused(
        "site 1/1.png,none,train",
        "site 0/0.png,\"effusion, left\",test",
        &["line 3", "there with another split"],
    );
    refused(
        "none,train",
        "none,dev",
        &["line 3: `site 1/1.png` is in the split `dev`"],
    );
    refused(
        "none,train,p0",
        "none,train",
        &["line 3: it has 3 fields, but the header has 4"],
    );
    fs::write(folder.path().join("images/.hidden.png"), "").unwrap();
    refused(
        "site 1/1.png",
        ".hidden.png",
        &["line 3: `.hidden.png` is in", "hidden"],
    );
    fs::write(folder.path().join("images/notes.png"), "x").unwrap();
    refused("site 1/1.png", "notes.png", &["notes.png` is no image"]);
    // The same line twice is no mistake.
    let repeated = "site 1/1.png,none,train,p0\n";
    let twice = repeated.repeat(2);
    let made = with(&folder, repeated, &twice, || {
        make_dataset(params.clone(), 1).unwrap()
    });
    assert_eq!(made.dataset("train").len(), 12);
}

#[test]
fn other_mistakes_name_the_file() {
    let folder = table();
    let with = |key: &str, value: &str| {
        let mut params = params(folder.path());
        params["source"]["csv"][key] = json!(value);
        dataset_params(params).preflight().unwrap_err()
    };
    let error = with("root", "nowhere");
    let path = ["source", "csv", "root"].map(|key| Segment::Key(key.to_owned()));
    assert_eq!(
        (error.path, error.message.as_str()),
        (path.to_vec(), "there is no folder `nowhere`")
    );
    assert!(
        with("path", "nowhere.csv")
            .message
            .contains("`nowhere.csv` cannot be read")
    );
    let error = with("group", "person");
    assert!(
        error
            .message
            .contains("no column `person`, which `group` names"),
        "{error}"
    );
    assert!(
        error
            .hint
            .unwrap()
            .contains("`file`, `finding`, `fold`, `patient`")
    );
    let mut one = params(folder.path());
    one["source"]["csv"]["label"] = json!("fold");
    write(
        &folder,
        "file,finding,fold,patient\nsite 0/0.png,a,train,p\nsite 1/1.png,a,test,p\n",
    );
    one["source"]["csv"]["label"] = json!("finding");
    let error = dataset_params(one).preflight().unwrap_err();
    assert!(error.message.contains("only one class (`a`)"), "{error}");
}
