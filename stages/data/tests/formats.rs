//! Tests files of other formats than JPEG and PNG as a source.

use std::fs;
use std::path::Path;

use image::{DynamicImage, ImageBuffer, Luma};
use serde_json::json;

use super::files::{params, picture, save, tree};
use super::make_dataset;

/// Writes an uncompressed DICOM file of 16×16 pixels with 12 bits, which become brighter to the right.
fn write_dicom(path: &Path) {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    let mut element = |group: u16, number: u16, vr: &[u8; 2], value: &[u8]| {
        bytes.extend(group.to_le_bytes());
        bytes.extend(number.to_le_bytes());
        bytes.extend(vr);
        match vr {
            b"OW" => {
                bytes.extend([0, 0]);
                bytes.extend((value.len() as u32).to_le_bytes());
            }
            _ => bytes.extend((value.len() as u16).to_le_bytes()),
        }
        bytes.extend(value);
    };
    element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0");
    element(0x10, 0x10, b"PN", b"Secret^Patient");
    for (number, value) in [
        (0x02, 1u16),
        (0x10, 16),
        (0x11, 16),
        (0x100, 16),
        (0x101, 12),
        (0x102, 11),
        (0x103, 0),
    ] {
        element(0x28, number, b"US", &value.to_le_bytes());
    }
    element(0x28, 0x04, b"CS", b"MONOCHROME2 ");
    let pixels: Vec<u8> = (0..256u16)
        .flat_map(|i| (i % 16 * 273).to_le_bytes())
        .collect();
    element(0x7fe0, 0x10, b"OW", &pixels);
    fs::write(path, bytes).unwrap();
}

fn deep() -> DynamicImage {
    ImageBuffer::from_fn(16, 16, |x, _| Luma([x as u16 * 273])).into()
}

#[test]
fn every_format_is_read_from_a_folder() {
    let folder = tree();
    let test = folder.path().join("test/NORMAL");
    fs::remove_dir_all(&test).unwrap();
    fs::create_dir(&test).unwrap();
    write_dicom(&test.join("0.dcm"));
    write_dicom(&test.join("1"));
    write_dicom(&test.join("1.2.840"));
    save(&deep(), &test.join("3.tif"));
    let bytes = DynamicImage::from(deep().into_luma8());
    for name in ["4.bmp", "5.webp", "6.tiff"] {
        save(&bytes, &test.join(name));
    }
    fs::write(test.join("DICOMDIR"), "").unwrap();
    let mut params = params(folder.path());
    params["source"]["folder"]["bits"] = json!(12);
    let made = make_dataset(params, 1).unwrap();
    let dataset = made.dataset("test");
    assert_eq!(dataset.len(), 7 + 2);
    assert_eq!(dataset.bits(), 12);
    let expected: Vec<u8> = (0..256).map(|i| (i % 16 * 17) as u8).collect();
    for (name, i) in dataset.names()[..4].iter().zip(0..) {
        assert_eq!(dataset.image(i), expected, "{name}");
    }
    // A name or another text of a DICOM file is in no result.
    for port in ["train", "validation", "test", "figure"] {
        for path in made.artifact(port).files.values() {
            let bytes = fs::read(path).unwrap();
            assert!(!bytes.windows(6).any(|six| six == b"Secret"), "{path:?}");
        }
    }
    assert_eq!(
        made.warnings[0],
        "1 of 18 files of class `NORMAL` is left out"
    );
}

#[test]
fn dark_images_of_16_bits_are_a_warning_that_says_what_to_set() {
    let folder = tree();
    save(&deep(), &folder.path().join("train/NORMAL/deep.png"));
    let warnings = |bits: u8| {
        let mut params = params(folder.path());
        params["source"]["folder"]["bits"] = json!(bits);
        make_dataset(params, 1).map(|made| made.warnings)
    };
    assert_eq!(
        warnings(16).unwrap(),
        [
            "the images with 16 bits per value (1) have no value above 4095, so they are dark; if they have 12 bits, \
          set `bits: 12` of the source"
        ]
    );
    assert!(warnings(12).unwrap().is_empty());
    let error = warnings(11).unwrap_err().to_string();
    assert!(
        error.contains("deep.png` has a value of 4095, but `bits: 11` allows at most 2047"),
        "{error}"
    );
}

#[test]
fn several_pages_are_a_warning() {
    let folder = tree();
    let path = folder.path().join("train/NORMAL/pages.tif");
    save(&picture(77), &path);
    // The offset of the next page, at the end of the only directory, leads to the same directory.
    let mut bytes = fs::read(&path).unwrap();
    let start = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
    let entries = u16::from_le_bytes(bytes[start as usize..][..2].try_into().unwrap());
    let next = start as usize + 2 + 12 * usize::from(entries);
    let copy = bytes[start as usize..next].to_vec();
    // Directories begin at even places.
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    let end = bytes.len() as u32;
    bytes[next..next + 4].copy_from_slice(&end.to_le_bytes());
    bytes.extend(copy);
    bytes.extend([0; 4]);
    fs::write(&path, bytes).unwrap();
    let made = make_dataset(params(folder.path()), 1).unwrap();
    assert_eq!(
        made.warnings,
        ["`train/NORMAL/pages.tif` has several pages or frames; only the first is used"]
    );
}
