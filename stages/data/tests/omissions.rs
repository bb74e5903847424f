//! Tests the report on files that a dataset does not use, on temporary trees of files.

use std::fs;

use super::files::{assert_refused, params, picture, save, tree};
use super::make_dataset;

/// Makes a dataset of [`tree`] with additional files, and returns its warnings, its notes and `skipped.json`.
fn with(names: &[&str]) -> (Vec<String>, Vec<String>, String) {
    let folder = tree();
    for name in names {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match path.extension().is_some_and(|e| e == "png") {
            true => save(&picture(7), &path),
            false => fs::write(&path, "x").unwrap(),
        }
    }
    let finished = make_dataset(params(folder.path()), 1).unwrap();
    let lens = ["train", "validation", "test"].map(|port| finished.dataset(port).len());
    assert_eq!(lens, [16, 4, 4]);
    let figure = finished.artifact("figure");
    let skipped = figure.files.get("skipped.json");
    let skipped = skipped.map_or(String::new(), |path| fs::read_to_string(path).unwrap());
    (finished.warnings, finished.notes, skipped)
}

#[test]
fn images_of_other_formats_and_in_nested_folders_are_counted_by_reason() {
    let (warnings, _, skipped) = with(&[
        "train/NORMAL/a.gif",
        "train/NORMAL/b.GIF",
        "train/NORMAL/more/deep/c.png",
        "train/PNEUMONIA/d",
    ]);
    assert_eq!(
        warnings,
        [
            "3 of 15 files of class `NORMAL` are left out",
            "1 of 13 files of class `PNEUMONIA` is left out",
            "4 files left out (see skipped.json): `train/NORMAL/more/deep/c.png` is in a folder \
             below its class folder (`nested: true` reads such files); `train/NORMAL/a.gif` is of the \
             format `gif`, which is not read (2 such files); `train/PNEUMONIA/d` has no extension, and \
             is no DICOM file",
        ]
    );
    for name in ["a.gif", "b.GIF", "deep/c.png", "PNEUMONIA/d"] {
        assert!(skipped.contains(name), "{skipped}");
    }
}

#[test]
fn a_split_folder_that_is_not_used_is_a_warning() {
    let (warnings, _, skipped) = with(&["valid/NORMAL/1.png", "valid/NORMAL/2.png"]);
    assert_eq!(
        warnings,
        [
            "2 files left out (see skipped.json): `valid/NORMAL/1.png` is in `valid`, which is no \
             split (`train`, `val`, `validation`, `test`) (2 such files)"
        ]
    );
    assert!(skipped.contains("valid/NORMAL/2.png"), "{skipped}");
}

#[test]
fn images_without_a_class_or_a_split_are_a_warning() {
    let (warnings, ..) = with(&["train/1.png", "2.png"]);
    assert!(
        warnings[0].contains("`2.png` is in no split folder; `train/1.png` is in no class folder"),
        "{warnings:?}"
    );
}

#[test]
fn files_that_are_not_images_and_hidden_files_are_notes() {
    let (warnings, notes, skipped) = with(&["README.md", ".DS_Store", "train/NORMAL/._1.png"]);
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(
        notes,
        [
            "2 hidden files or folders left out",
            "1 file left out (see skipped.json): `README.md` is in no split folder"
        ]
    );
    // Hidden names are not in the stage's key, so outputs must not name them.
    assert!(!skipped.contains("DS_Store"), "{skipped}");
}

#[test]
fn one_file_in_more_than_a_hundred_gives_no_warning() {
    let folder = tree();
    for i in 0..100u8 {
        save(
            &picture(i),
            &folder.path().join(format!("train/NORMAL/more{i}.png")),
        );
    }
    fs::write(folder.path().join("train/NORMAL/list.csv"), "x").unwrap();
    let finished = make_dataset(params(folder.path()), 1).unwrap();
    assert!(finished.warnings.is_empty(), "{:?}", finished.warnings);
    assert!(finished.notes[0].contains("`csv`"), "{:?}", finished.notes);
}

#[test]
fn two_folders_for_one_split_are_refused() {
    for (one, other) in [("val", "validation"), ("test", "Test"), ("train", "TRAIN")] {
        let folder = tree();
        for split in [one, other] {
            save(&picture(1), &folder.path().join(split).join("NORMAL/x.png"));
        }
        assert_refused(folder.path(), &[one, other, "stand for the same split"]);
    }
}
