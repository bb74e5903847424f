//! Shows datasets, also damaged ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use contract::ImageShape;
use contract::analysis::DatasetView;
use serde_json::json;
use tempfile::TempDir;

use super::{artifact, gray};
use crate::data::{DatasetWriter, HEADER_FILE, IMAGES_FILE, View, write_dataset};

fn files(folder: &Path) -> BTreeMap<String, PathBuf> {
    artifact(folder).files
}

fn shape(height: usize, width: usize, channels: usize) -> ImageShape {
    ImageShape {
        height,
        width,
        channels,
    }
}

/// Writes a dataset of images with these pixels, alternately of the classes A and B.
fn dataset(shape: ImageShape, images: &[Vec<u8>]) -> TempDir {
    let folder = TempDir::new().unwrap();
    let classes = ["A".to_owned(), "B".to_owned()];
    let examples = images.iter().enumerate();
    let examples = examples.map(|(i, image)| (format!("{i}.png"), i as u32 % 2, image));
    write_dataset(folder.path(), shape, &classes, examples).unwrap();
    folder
}

fn decoded(png: &[u8]) -> image::DynamicImage {
    image::load_from_memory_with_format(png, image::ImageFormat::Png).unwrap()
}

#[test]
fn the_lists_of_a_dataset_are_shown() {
    let folder = TempDir::new().unwrap();
    let classes = ["A".to_owned(), "B".to_owned(), "C".to_owned()];
    let mut writer = DatasetWriter::create(folder.path(), gray(2), &classes).unwrap();
    writer.push_grouped("x", Some("p1"), 1, &[0; 4]).unwrap();
    writer.push("y", 1, &[0; 4]).unwrap();
    writer.push("y", 0, &[0; 4]).unwrap();
    writer.finish().unwrap();
    let view = View::open(&files(folder.path())).unwrap();
    assert_eq!(view.counts(), [1, 2, 0]);
    assert_eq!((view.find("y"), view.find("z")), (Some(1), None));
    assert_eq!(view.groups(), ["p1", "", ""]);
    assert_eq!(
        (view.labels(), view.classes()),
        (&[1, 1, 0][..], &classes[..])
    );
    assert_eq!(view.shape(), gray(2));
}

#[test]
fn small_images_keep_every_pixel() {
    for shape in [
        shape(1, 1, 1),
        shape(3, 5, 3),
        shape(28, 28, 1),
        shape(7, 64, 3),
    ] {
        let images: Vec<Vec<u8>> = (0..3)
            .map(|i| (0..shape.len()).map(|at| (at * 7 + i * 31) as u8).collect())
            .collect();
        let folder = dataset(shape, &images);
        let view = View::open(&files(folder.path())).unwrap();
        for (index, image) in images.iter().enumerate() {
            let picture = decoded(&view.png(index, 64).unwrap());
            assert_eq!(picture.color().channel_count() as usize, shape.channels);
            assert_eq!(picture.as_bytes(), image);
        }
    }
}

#[test]
fn large_images_become_means() {
    let image: Vec<u8> = vec![
        10, 20, 30, 40, //
        20, 30, 40, 51, //
        0, 0, 100, 100, //
        0, 0, 100, 103,
    ];
    let folder = dataset(gray(4), &[image]);
    let view = View::open(&files(folder.path())).unwrap();
    assert_eq!(
        decoded(&view.png(0, 2).unwrap()).as_bytes(),
        [20, 40, 0, 101]
    );
    assert_eq!(decoded(&view.png(0, 0).unwrap()).as_bytes(), [40]);

    // A constant image stays the same at any size, and a thin one keeps a pixel.
    for (height, width) in [(700, 3), (101, 37), (1, 5000), (2000, 1500)] {
        let constant = [200, 90, 10].repeat(height * width);
        let folder = dataset(shape(height, width, 3), &[constant]);
        let view = View::open(&files(folder.path())).unwrap();
        for side in [1, 16, 99] {
            let picture = decoded(&view.png(0, side).unwrap()).to_rgb8();
            assert!(picture.width().max(picture.height()) == side.min(height.max(width) as u32));
            assert!(picture.pixels().all(|pixel| pixel.0 == [200, 90, 10]));
        }
    }
}

#[test]
fn a_sheet_has_the_images_in_rows() {
    for channels in [1, 3] {
        let shape = shape(4, 6, channels);
        let images: Vec<Vec<u8>> = (0..5).map(|i| vec![50 * i; shape.len()]).collect();
        let folder = dataset(shape, &images);
        let view = View::open(&files(folder.path())).unwrap();
        let sheet = view.sheet(&[4, 3, 2, 1, 0], 3, 64).unwrap();
        assert_eq!((sheet.cell, sheet.gap, sheet.size), ([6, 4], 2, [22, 10]));
        let picture = decoded(&sheet.png).to_rgba8();
        assert_eq!(picture.dimensions(), (22, 10));
        let at = |x: u32, y: u32| picture.get_pixel(x, y).0;
        assert_eq!(at(0, 0), [200, 200, 200, 255]);
        assert_eq!(at(21, 3), [100, 100, 100, 255]);
        assert_eq!(at(13, 9), [0, 0, 0, 255]);
        // The gaps and the end of the last row are transparent.
        assert_eq!([at(6, 0)[3], at(0, 4)[3], at(21, 9)[3]], [0; 3]);
        let one = view.sheet(&[1], usize::MAX, 3).unwrap();
        assert_eq!((one.cell, one.size), ([3, 2], [3, 2]));
    }
}

#[test]
fn impossible_pictures_are_errors() {
    let folder = dataset(gray(64), &[vec![7; 64 * 64]]);
    let view = View::open(&files(folder.path())).unwrap();
    let message = view.png(1, 64).unwrap_err().to_string();
    assert_eq!(message, "there is no image 1: the dataset has 1 images");
    assert!(view.png(usize::MAX, 64).is_err());
    assert!(view.sheet(&[0, 1], 2, 64).is_err());
    assert!(view.sheet(&[], 4, 64).is_err());
    let many = vec![0; 10_000];
    let message = view.sheet(&many, 100, 64).unwrap_err().to_string();
    assert!(message.contains("at most 16777216 pixels"), "{message}");
    assert!(view.sheet(&many, 100, 16).is_ok());
}

#[test]
fn damaged_datasets_are_errors() {
    let header = |shape: [usize; 3], labels: &[u32], names: &[&str]| {
        let [height, width, channels] = shape;
        json!({
            "version": 1,
            "shape": { "height": height, "width": width, "channels": channels },
            "classes": ["A", "B"],
            "labels": labels,
            "names": names,
        })
        .to_string()
    };
    let huge = 1 << 40;
    let cases = [
        (String::new(), "is damaged"),
        ("[[[[".repeat(10_000), "is damaged"),
        (header([2, 2, 1], &[0], &["a", "b"]), "1 labels but 2 names"),
        (header([2, 2, 1], &[9], &["a"]), "has a label 9"),
        (
            header([2, 1, 2], &[0], &["a"]),
            "2 channels; there must be 1 or 3",
        ),
        (header([2, 2, 1], &[0, 1], &["a", "b"]), "has 4 bytes"),
        (header([huge, huge, huge], &[0], &["a"]), "has 4 bytes"),
        (header([0, 0, 1], &[], &[]), "has 4 bytes"),
    ];
    for (header, expected) in cases {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join(HEADER_FILE), &header).unwrap();
        fs::write(folder.path().join(IMAGES_FILE), [1, 2, 3, 4]).unwrap();
        let Err(error) = View::open(&files(folder.path())) else {
            panic!("opened {header}");
        };
        assert!(error.to_string().contains(expected), "{error}");
    }
    let folder = dataset(gray(2), &[vec![0; 4]]);
    for name in [HEADER_FILE, IMAGES_FILE] {
        let mut files = files(folder.path());
        files.remove(name);
        let message = View::open(&files).err().unwrap().to_string();
        assert_eq!(message, format!("there is no file `{name}`"));
        files.insert(name.to_owned(), folder.path().to_owned());
        assert!(View::open(&files).is_err());
    }
}

#[test]
fn a_header_that_is_too_large_is_not_read() {
    let folder = dataset(gray(2), &[vec![0; 4]]);
    let header = fs::File::create(folder.path().join(HEADER_FILE)).unwrap();
    header.set_len(1 << 40).unwrap();
    assert!(View::open(&files(folder.path())).is_err());
}

#[test]
fn a_dataset_that_is_cut_off_while_it_is_open_is_an_error() {
    let folder = dataset(gray(64), &vec![vec![7; 64 * 64]; 10]);
    let view = View::open(&files(folder.path())).unwrap();
    let pixels = fs::File::options()
        .write(true)
        .open(folder.path().join(IMAGES_FILE))
        .unwrap();
    pixels.set_len(64 * 64 * 5).unwrap();
    assert!(view.png(4, 64).is_ok());
    assert!(view.png(5, 64).is_err());
    assert!(view.sheet(&[0, 9], 2, 64).is_err());
}
