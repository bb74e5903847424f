//! Tests the source `folder` on temporary trees of files.

use std::fs;
use std::path::Path;

use contract::{Failure, Invalid, Segment, Stage};
use image::{DynamicImage, GrayImage, ImageBuffer, Luma, Rgb, RgbImage};
use serde_json::json;
use tempfile::TempDir;

use super::{dataset_params, make_dataset};

/// Creates a picture that differs from those with other numbers.
pub(super) fn picture(number: u8) -> DynamicImage {
    GrayImage::from_fn(20, 16, |x, y| Luma([(x * 5 + y * 3) as u8 ^ number])).into()
}

pub(super) fn save(image: &DynamicImage, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.save(path).unwrap();
}

/// Creates a tree with ten training images and two test images of each of two classes.
pub(super) fn tree() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (c, class) in ["NORMAL", "PNEUMONIA"].iter().enumerate() {
        for i in 0..10u8 {
            let name = format!("train/{class}/person{}_{i}.png", i / 2);
            save(&picture(i + 100 * c as u8), &folder.path().join(name));
        }
        for i in 0..2u8 {
            let name = format!("test/{class}/{i}.PNG");
            save(&picture(50 + i + 100 * c as u8), &folder.path().join(name));
        }
    }
    folder
}

pub(super) fn params(folder: &Path) -> serde_json::Value {
    json!({
        "source": { "folder": { "path": folder } },
        "image_size": 16,
        "validation": 0.2,
        // The pictures differ only in a few bits.
        "leakage": "off",
    })
}

fn preflight(folder: &Path) -> Result<Option<usize>, Invalid> {
    dataset_params(params(folder)).preflight()
}

/// Checks that `preflight` reports the path with a message that contains `what`, and that a run fails too.
pub(super) fn assert_refused(folder: &Path, what: &[&str]) {
    let error = preflight(folder).unwrap_err();
    let path = ["source", "folder", "path"].map(|key| Segment::Key(key.to_owned()));
    assert_eq!(error.path, path);
    let failure = make_dataset(params(folder), 1).unwrap_err();
    assert!(matches!(failure, Failure::Data(_)), "{failure:?}");
    for what in what {
        assert!(error.message.contains(what), "{}", error.message);
        assert!(failure.to_string().contains(what), "{failure}");
    }
    assert!(error.hint.is_some(), "{error:?}");
}

/// Returns a PNG file without pixels: a signature, a header with an absurd size and an empty `IDAT` chunk.
fn bomb() -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(100_000u32.to_be_bytes());
    header.extend(100_000u32.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    bytes.extend(&header);
    bytes.extend(crc32(&header).to_be_bytes());
    bytes.extend(b"\0\0\0\0IDAT");
    bytes.extend(crc32(b"IDAT").to_be_bytes());
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn a_tree_becomes_three_datasets() {
    let folder = tree();
    let finished = make_dataset(params(folder.path()), 1).unwrap();
    let [train, validation, test] = ["train", "validation", "test"].map(|p| finished.dataset(p));
    assert_eq!(train.classes(), ["NORMAL", "PNEUMONIA"]);
    assert_eq!((train.len(), validation.len(), test.len()), (16, 4, 4));
    assert_eq!(test.labels(), [0, 0, 1, 1]);
    assert_eq!(test.names()[3], "test/PNEUMONIA/1.PNG");
    assert!(train.names().is_sorted());
    let sum = |labels: &[u32]| labels.iter().sum::<u32>();
    assert_eq!((sum(train.labels()), sum(validation.labels())), (8, 2));
    assert!(finished.artifact("figure").files.contains_key("images.png"));
    assert!(finished.warnings.is_empty());
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let folder = tree();
    let bytes = |seed| {
        let finished = make_dataset(params(folder.path()), seed).unwrap();
        ["train", "validation", "test"].map(|port| {
            let artifact = finished.artifact(port);
            let read = |path| fs::read(path).unwrap();
            artifact.files.values().map(read).collect::<Vec<_>>()
        })
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn files_with_the_same_bytes_stay_on_one_side() {
    let folder = tree();
    let normal = folder.path().join("train/NORMAL");
    for copy in 0..6 {
        fs::copy(
            normal.join("person0_0.png"),
            normal.join(format!("copy{copy}.png")),
        )
        .unwrap();
    }
    for seed in 0..20 {
        let finished = make_dataset(params(folder.path()), seed).unwrap();
        let copies = finished
            .dataset("validation")
            .names()
            .iter()
            .filter(|name| {
                name.contains("copy") || name.contains("person0_0") && name.contains("NORMAL")
            })
            .count();
        assert!(copies == 0 || copies == 7, "{copies} of 7 copies held out");
    }
}

#[test]
fn nested_folders_are_searched_and_hidden_files_are_skipped() {
    let plain = tree();
    let outer = TempDir::new().unwrap();
    let nested = outer.path().join("chest_xray/chest_xray");
    fs::create_dir_all(nested.parent().unwrap()).unwrap();
    fs::rename(plain.path(), &nested).unwrap();
    for (name, bytes) in [
        ("chest_xray/__MACOSX/train/NORMAL/._1.png", &b"junk"[..]),
        ("chest_xray/chest_xray/.DS_Store", b"junk"),
        ("chest_xray/chest_xray/train/.hidden/1.png", b"junk"),
        ("chest_xray/chest_xray/train/NORMAL/.1.png", b"junk"),
        ("chest_xray/chest_xray/train/NORMAL/Thumbs.db", b"junk"),
    ] {
        let path = outer.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    preflight(outer.path()).unwrap();
    let finished = make_dataset(params(outer.path()), 1).unwrap();
    assert_eq!(finished.dataset("train").len(), 16);
}

#[test]
fn a_validation_folder_joins_the_training_images_if_a_split_is_drawn() {
    let folder = tree();
    for (class, number) in [("NORMAL", 200), ("PNEUMONIA", 201)] {
        save(
            &picture(number),
            &folder.path().join(format!("val/{class}/v.png")),
        );
    }
    let sizes = |validation: f64| {
        let mut params = params(folder.path());
        params["validation"] = validation.into();
        let finished = make_dataset(params, 1).unwrap();
        ["train", "validation", "test"].map(|port| finished.dataset(port).len())
    };
    assert_eq!(sizes(0.0), [20, 2, 4]);
    assert_eq!(sizes(0.5), [10, 12, 4]);
}

#[test]
fn a_limit_takes_some_of_each_class() {
    let folder = tree();
    let mut params = params(folder.path());
    params["limit"] = 1.into();
    let finished = make_dataset(params, 1).unwrap();
    for port in ["train", "validation", "test"] {
        assert_eq!(finished.dataset(port).labels(), [0, 1]);
    }
}

/// The same ramp in every kind of file gives the same pixels.
#[test]
fn any_depth_and_color_decodes_alike() {
    let folder = tree();
    let ramp = |x: u32| (x * 12) as u8;
    let deep = |x: u32| u16::from(ramp(x)) * 257;
    let gray8 = GrayImage::from_fn(16, 16, |x, _| Luma([ramp(x)]));
    let rgb8 = RgbImage::from_fn(16, 16, |x, _| Rgb([ramp(x); 3]));
    let gray16 = ImageBuffer::from_fn(16, 16, |x, _| Luma([deep(x)]));
    let rgb16 = ImageBuffer::from_fn(16, 16, |x, _| Rgb([deep(x); 3]));
    let kinds: [(&str, DynamicImage); 6] = [
        ("0.png", gray8.clone().into()),
        ("1.png", rgb8.clone().into()),
        ("2.png", gray16.into()),
        ("3.png", rgb16.into()),
        ("4.jpg", gray8.into()),
        ("5.JPEG", rgb8.into()),
    ];
    let test = folder.path().join("test/NORMAL");
    fs::remove_dir_all(&test).unwrap();
    for (name, image) in &kinds {
        save(image, &test.join(name));
    }
    for channels in [1, 3] {
        let mut params = params(folder.path());
        params["channels"] = channels.into();
        let dataset = make_dataset(params, 1).unwrap().dataset("test");
        let expected: Vec<u8> = (0..256 * channels)
            .map(|at| ramp((at / channels % 16) as u32))
            .collect();
        for (i, (name, _)) in kinds.iter().enumerate() {
            let tolerance = if name.to_lowercase().ends_with("png") {
                0
            } else {
                6
            };
            for (actual, expected) in dataset.image(i).iter().zip(&expected) {
                assert!(
                    actual.abs_diff(*expected) <= tolerance,
                    "{name}: {actual} {expected}"
                );
            }
        }
    }
}

#[test]
fn shrinking_an_image_averages_its_pixels() {
    let folder = tree();
    let checks = GrayImage::from_fn(256, 128, |x, y| {
        Luma([if (x + y) % 2 == 0 { 255 } else { 0 }])
    });
    save(&checks.into(), &folder.path().join("test/NORMAL/0.PNG"));
    let dataset = make_dataset(params(folder.path()), 1)
        .unwrap()
        .dataset("test");
    assert!(
        dataset.image(0).iter().all(|&v| (126..=129).contains(&v)),
        "{:?}",
        dataset.image(0)
    );
}

#[test]
fn a_file_that_is_not_an_image_is_refused_and_named() {
    let folder = tree();
    fs::write(folder.path().join("train/NORMAL/notes.jpeg"), "no image").unwrap();
    assert_refused(folder.path(), &["notes.jpeg", "is no image in the"]);
    fs::write(folder.path().join("train/NORMAL/notes.jpeg"), "").unwrap();
    assert_refused(folder.path(), &["notes.jpeg", "empty"]);
}

#[test]
fn a_decompression_bomb_is_refused_and_named() {
    let folder = tree();
    fs::write(folder.path().join("test/NORMAL/bomb.png"), bomb()).unwrap();
    assert_refused(folder.path(), &["bomb.png", "100000×100000"]);
}

#[test]
fn a_class_without_images_is_refused() {
    for split in ["train", "test"] {
        let folder = tree();
        let class = folder.path().join(split).join("PNEUMONIA");
        fs::remove_dir_all(&class).unwrap();
        fs::create_dir(&class).unwrap();
        assert_refused(folder.path(), &["`PNEUMONIA` has no image", split]);
    }
}

#[test]
fn missing_folders_are_named() {
    let folder = tree();
    fs::remove_dir_all(folder.path().join("test")).unwrap();
    assert_refused(folder.path(), &["no folder `test`"]);
    fs::remove_dir_all(folder.path().join("train")).unwrap();
    assert_refused(folder.path(), &["no folder `train`"]);
    let error = preflight(&folder.path().join("nowhere")).unwrap_err();
    assert!(error.message.contains("there is no folder"), "{error}");
}

/// Images of another hospital are only tested on.
#[test]
fn a_folder_may_have_test_images_only() {
    let folder = tree();
    let stage = || dataset_params(params(folder.path()));
    assert!(stage().lacks_images("train").is_none());
    fs::remove_dir_all(folder.path().join("train")).unwrap();
    // A folder without files counts as absent.
    fs::create_dir(folder.path().join("train")).unwrap();
    assert_eq!(preflight(folder.path()).unwrap(), Some(2));
    assert_eq!(stage().class_names().unwrap(), ["NORMAL", "PNEUMONIA"]);
    let why = stage().lacks_images("train").unwrap();
    assert_eq!(why.message, "its source has no folder `train`");
    assert!(stage().lacks_images("test").is_none());
    for leakage in ["off", "warn"] {
        let mut params = params(folder.path());
        params["leakage"] = json!(leakage);
        let made = make_dataset(params, 1).unwrap();
        assert!(made.dataset("train").is_empty() && made.dataset("validation").is_empty());
        assert_eq!(made.dataset("test").len(), 4);
        assert!(image::open(&made.artifact("figure").files["images.png"]).is_ok());
    }
}

#[test]
fn splits_must_have_the_same_classes() {
    let folder = tree();
    save(&picture(1), &folder.path().join("test/COVID/1.png"));
    assert_refused(folder.path(), &["COVID", "no counterpart"]);
}

/// Writes a JPEG file that ends in the middle of its pixels.
fn cut_jpeg(path: &Path) {
    let noise = GrayImage::from_fn(64, 64, |x, y| Luma([(x * x * 7 + y * y * 13) as u8]));
    save(&noise.into(), path);
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() - 500]).unwrap();
}

#[test]
fn a_truncated_jpeg_fails_the_run_and_is_named() {
    let folder = tree();
    cut_jpeg(&folder.path().join("train/NORMAL/cut.jpeg"));
    preflight(folder.path()).unwrap();
    let failure = make_dataset(params(folder.path()), 1).unwrap_err();
    assert!(matches!(failure, Failure::Data(_)));
    assert!(
        failure.to_string().contains("cut.jpeg` is truncated"),
        "{failure}"
    );
}

#[test]
fn skipped_images_are_counted_and_listed() {
    let folder = tree();
    let normal = folder.path().join("train/NORMAL");
    fs::write(normal.join("notes.jpeg"), "no image").unwrap();
    fs::write(normal.join("bomb.png"), bomb()).unwrap();
    cut_jpeg(&normal.join("cut.jpeg"));

    let mut params = params(folder.path());
    params["source"]["folder"]["on_bad_image"] = "skip".into();
    dataset_params(params.clone()).preflight().unwrap();
    let finished = make_dataset(params, 1).unwrap();
    let total = finished.dataset("train").len() + finished.dataset("validation").len();
    assert_eq!(total, 20);
    let [unreadable, share] = finished.warnings.as_slice() else {
        panic!("{:?}", finished.warnings);
    };
    assert!(
        unreadable.starts_with("3 unreadable images"),
        "{unreadable}"
    );
    assert_eq!(share, "3 of 15 files of class `NORMAL` are left out");
    let list =
        fs::read_to_string(finished.artifact("figure").file("skipped.json").unwrap()).unwrap();
    for name in ["notes.jpeg", "bomb.png", "cut.jpeg"] {
        assert!(list.contains(name), "{list}");
    }
}

#[test]
fn a_group_pattern_needs_a_capture() {
    for (pattern, says) in [("person", "no capture"), ("(person", "unclosed group")] {
        let mut params = params(Path::new("unused"));
        params["source"]["folder"]["group_by"] = pattern.into();
        let params: crate::dataset::Params = serde_json::from_value(params).unwrap();
        let error = params.check(&Default::default()).unwrap_err();
        let path = ["source", "folder", "group_by"].map(|key| Segment::Key(key.to_owned()));
        assert_eq!(error.path, path);
        assert!(error.message.contains(says), "{error}");
    }
}

#[test]
fn the_folder_is_a_source() {
    let sources = dataset_params(params(Path::new("some/where"))).sources();
    assert_eq!(sources[0].path, Path::new("some/where"));
    assert_eq!(sources[0].param[2], Segment::Key("path".into()));
}
