//! Tests the source `npz` on temporary files.

use std::io::Write;
use std::path::Path;

use contract::{Segment, Stage};
use npyz::WriterBuilder;
use serde_json::json;
use tempfile::NamedTempFile;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{dataset_params, make_dataset};

fn array<T: npyz::AutoSerialize + Copy>(shape: &[u64], values: &[T]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let writer = npyz::WriteOptions::new().default_dtype().shape(shape);
    let mut writer = writer.writer(&mut bytes).begin_nd().unwrap();
    writer.extend(values.iter().copied()).unwrap();
    writer.finish().unwrap();
    bytes
}

fn archive(members: &[(&str, Vec<u8>)]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    let mut zip = ZipWriter::new(file.reopen().unwrap());
    for (name, bytes) in members {
        zip.start_file(format!("{name}.npy"), SimpleFileOptions::default())
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    file
}

/// Returns `n` images of 8×8 pixels with labels 0, 1, 0 … The first is filled with `first`, the next with
/// `first + 1`.
fn split(prefix: &'static str, n: u64, first: u8) -> [(String, Vec<u8>); 2] {
    let images: Vec<u8> = (0..n as u8).flat_map(|i| [first + i; 64]).collect();
    let labels: Vec<u8> = (0..n as u8).map(|i| i % 2).collect();
    [
        (format!("{prefix}_images"), array(&[n, 8, 8], &images)),
        (format!("{prefix}_labels"), array(&[n, 1], &labels)),
    ]
}

/// Creates an archive of 10 training, 4 validation and 2 test images. `replaced` has arrays to use instead, by
/// name.
fn members(replaced: &[(&str, Vec<u8>)]) -> NamedTempFile {
    let all = [
        split("train", 10, 0),
        split("val", 4, 100),
        split("test", 2, 200),
    ];
    let all = all.as_flattened().iter();
    let members: Vec<(&str, Vec<u8>)> = all
        .map(|(name, bytes)| {
            let other = replaced.iter().find(|(replaced, _)| replaced == name);
            (
                name.as_str(),
                other.map_or(bytes, |(_, bytes)| bytes).clone(),
            )
        })
        .collect();
    archive(&members)
}

fn params(path: &Path, validation: f64) -> serde_json::Value {
    json!({ "source": { "npz": { "path": path } }, "image_size": 8, "validation": validation })
}

fn assert_refused(file: &NamedTempFile, says: &str) {
    let error = dataset_params(params(file.path(), 0.0))
        .preflight()
        .unwrap_err();
    let path = ["source", "npz", "path"].map(|key| Segment::Key(key.to_owned()));
    assert_eq!(error.path, path);
    assert!(error.message.contains(says), "{error}");
}

#[test]
fn the_validation_split_of_the_file_is_used_if_none_is_drawn() {
    let file = members(&[]);
    let finished = make_dataset(params(file.path(), 0.0), 1).unwrap();
    let [train, validation, test] = ["train", "validation", "test"].map(|p| finished.dataset(p));
    assert_eq!((train.len(), validation.len(), test.len()), (10, 4, 2));
    assert_eq!(train.classes(), ["class0", "class1"]);
    assert_eq!(validation.labels(), [0, 1, 0, 1]);
    assert_eq!(validation.names()[3], "val/000003");
    assert_eq!(validation.image(3), [103; 64]);
    assert_eq!(test.image(1), [201; 64]);
}

#[test]
fn a_split_is_drawn_from_training_and_validation_images_together() {
    let file = members(&[]);
    let finished = make_dataset(params(file.path(), 0.3), 1).unwrap();
    let [train, validation] = ["train", "validation"].map(|port| finished.dataset(port));
    assert_eq!((train.len(), validation.len()), (10, 4));
    let mut names = [train.names(), validation.names()].concat();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 14);
}

#[test]
fn equal_images_stay_on_one_side() {
    let images: Vec<u8> = (0..10u8)
        .flat_map(|i| [if i % 2 == 0 && i < 8 { 7 } else { i }; 64])
        .collect();
    let file = members(&[("train_images", array(&[10, 8, 8], &images))]);
    for seed in 0..20 {
        let validation = make_dataset(params(file.path(), 0.4), seed)
            .unwrap()
            .dataset("validation");
        let sevens = (0..validation.len())
            .filter(|&i| validation.image(i)[0] == 7)
            .count();
        // Images 0, 2, 4 and 6 are equal, and so is image 7, which is of the other class.
        assert!(sevens == 0 || sevens == 5, "{sevens}");
    }
}

#[test]
fn classes_can_be_named() {
    let file = members(&[]);
    let mut params = params(file.path(), 0.0);
    params["source"]["npz"]["classes"] = json!(["NORMAL", "PNEUMONIA"]);
    let finished = make_dataset(params, 1).unwrap();
    assert_eq!(finished.dataset("test").classes(), ["NORMAL", "PNEUMONIA"]);
}

#[test]
fn rgb_images_and_wide_labels_are_read() {
    let images: Vec<u8> = (0..10u8)
        .flat_map(|i| [i, 100 + i, 200].repeat(64))
        .collect();
    let labels: Vec<i64> = (0..10).map(|i| i % 2).collect();
    let file = members(&[
        ("train_images", array(&[10, 8, 8, 3], &images)),
        ("train_labels", array(&[10], &labels)),
    ]);
    let mut params = params(file.path(), 0.0);
    params["channels"] = 3.into();
    let train = make_dataset(params, 1).unwrap().dataset("train");
    assert_eq!(train.image(2), [2, 102, 200].repeat(64));
    assert_eq!(train.labels()[..3], [0, 1, 0]);
}

#[test]
fn arrays_that_do_not_fit_are_refused() {
    let images = array(&[10, 64], &[0u8; 640]);
    assert_refused(&members(&[("train_images", images)]), "not N×H×W");
    let images = array(&[10, 8, 8], &[0i16; 640]);
    assert_refused(&members(&[("train_images", images)]), "not uint8");
    let labels = array(&[9, 1], &[0u8; 9]);
    assert_refused(&members(&[("train_labels", labels)]), "not one label");
    let labels = array(&[10, 2], &[0u8; 20]);
    assert_refused(&members(&[("train_labels", labels)]), "not one label");
    let labels = array(&[10, 1], &[-1i32; 10]);
    assert_refused(&members(&[("train_labels", labels)]), "label -1");
    let labels = array(&[10, 1], &[0.0f32; 10]);
    assert_refused(&members(&[("train_labels", labels)]), "not an integer");
    assert_refused(&archive(&[]), "no array `train_images`");
    let text = NamedTempFile::new().unwrap();
    std::fs::write(text.path(), "no archive").unwrap();
    assert_refused(&text, "is not an npz file");
}

/// Returns an array of 10 images with `from` replaced by `to` in its header.
fn lying(from: &str, to: &str) -> Vec<u8> {
    let honest = array(&[10, 8, 8], &[0u8; 640]);
    let text = String::from_utf8_lossy(&honest[10..]).into_owned();
    let at = text.find(from).expect("part of the header") + 10;
    let mut bytes = honest.clone();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    bytes
}

#[test]
fn false_headers_are_refused() {
    // More images than labels, then an absurd image size, then an absurd header.
    assert_refused(
        &members(&[("train_images", lying("(10, 8, 8", "(99, 8, 8"))]),
        "not one label",
    );
    assert_refused(
        &members(&[(
            "train_images",
            lying("(10, 8, 8, ), }        ", "(10, 9999999, 99, ), }"),
        )]),
        "too large",
    );
    let mut long = b"\x93NUMPY\x02\x00".to_vec();
    long.extend(u32::MAX.to_le_bytes());
    assert_refused(&members(&[("train_images", long)]), "4294967295 bytes long");
    // Missing pixels are found when they are read.
    let file = members(&[("train_images", lying("(10, 8, 8", "(10, 9, 9"))]);
    let failure = make_dataset(params(file.path(), 0.0), 1).unwrap_err();
    assert!(
        failure.to_string().contains("damaged array `train_images`"),
        "{failure}"
    );
}

#[test]
fn arrays_that_belong_to_no_split_are_reported() {
    let own = members(&[]);
    let extra = array(&[1, 8, 8], &[0u8; 64]);
    let mut zip = ZipWriter::new_append(own.reopen().unwrap()).unwrap();
    zip.start_file("valid_images.npy", SimpleFileOptions::default())
        .unwrap();
    zip.write_all(&extra).unwrap();
    zip.finish().unwrap();
    let params =
        json!({ "source": { "npz": { "path": own.path() } }, "image_size": 8, "leakage": "off" });
    let finished = make_dataset(params, 1).unwrap();
    assert_eq!(
        finished.warnings,
        ["1 file left out (see skipped.json): `valid_images.npy` is an array of no split"]
    );
}
