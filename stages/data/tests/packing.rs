use std::fs;

use contract::ImageShape;
use tempfile::TempDir;

use super::{artifact, gray};
use crate::data::{Dataset, DatasetWriter, write_dataset};

const SHAPE: ImageShape = ImageShape {
    height: 2,
    width: 1,
    channels: 3,
};

fn written() -> TempDir {
    let folder = TempDir::new().unwrap();
    let classes = ["a".to_owned(), "b".to_owned()];
    let examples = [
        ("one", 1, [1, 2, 3, 4, 5, 6]),
        ("two", 0, [9, 8, 7, 6, 5, 4]),
    ];
    write_dataset(folder.path(), SHAPE, &classes, examples).unwrap();
    folder
}

#[test]
fn packed_images_are_read_back() {
    let folder = written();
    let dataset = Dataset::open(&artifact(folder.path())).unwrap();
    assert_eq!((dataset.len(), dataset.shape()), (2, SHAPE));
    assert_eq!(dataset.classes(), ["a", "b"]);
    assert_eq!(dataset.labels(), [1, 0]);
    assert_eq!(dataset.names(), ["one", "two"]);
    assert_eq!(dataset.image(0), [1, 2, 3, 4, 5, 6]);
    assert_eq!(dataset.image(1), [9, 8, 7, 6, 5, 4]);
    assert_eq!(dataset.policy(), None);
}

#[test]
fn a_dataset_may_be_empty() {
    let folder = TempDir::new().unwrap();
    DatasetWriter::create(folder.path(), gray(4), &["a".into()])
        .unwrap()
        .finish()
        .unwrap();
    assert!(Dataset::open(&artifact(folder.path())).unwrap().is_empty());
}

#[test]
fn an_image_of_another_shape_is_refused() {
    let folder = TempDir::new().unwrap();
    let mut writer = DatasetWriter::create(folder.path(), gray(4), &["a".into()]).unwrap();
    assert!(writer.push("short", 0, &[0; 15]).is_err());
    assert!(writer.push("unknown class", 1, &[0; 16]).is_err());
}

#[test]
fn a_damaged_header_is_refused() {
    let damages = [
        ("\"height\":2", "\"height\":3", "3×1×3"),
        ("\"height\":2", "\"height\":0", "0×1×3"),
        ("\"height\":2", "\"height\":9223372036854775807", "2 images"),
        ("[1,0]", "[1]", "1 images"),
        ("[1,0]", "[1,2]", "label 2"),
        ("[\"one\",\"two\"]", "[\"one\"]", "2 labels but 1 names"),
        (
            "\"names\"",
            "\"groups\":[\"a\"],\"names\"",
            "2 labels but 1 groups",
        ),
        ("\"version\":1", "\"version\":2", "version 2"),
        ("\"classes\"", "\"klasses\"", "damaged"),
    ];
    for (from, to, says) in damages {
        let folder = written();
        let header = folder.path().join("dataset.json");
        let text = fs::read_to_string(&header).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&header, text.replace(from, to)).unwrap();
        let error = Dataset::open(&artifact(folder.path()))
            .unwrap_err()
            .to_string();
        assert!(error.contains("dataset.json"), "{error}");
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_pixel_file_of_another_length_is_refused() {
    let folder = written();
    fs::write(folder.path().join("images.bin"), [0; 11]).unwrap();
    let error = Dataset::open(&artifact(folder.path())).unwrap_err();
    assert!(error.to_string().contains("has 11 bytes"), "{error}");
}
