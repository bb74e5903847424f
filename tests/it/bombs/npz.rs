//! NPZ archives with large or wrong arrays.

use std::fs;
use std::io::{Cursor, Write};
use std::time::{Duration, Instant};

use npyz::WriterBuilder;

use super::{MEMORY_LIMIT_MIB, dataset, peak};
use crate::sandbox::{Sandbox, TINY};

/// Returns an NPZ file with `count` black images of `size`×`size` pixels in each split.
fn zeros(count: u64, size: u64) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for split in ["train", "test"] {
        for (name, shape) in [("images", vec![count, size, size]), ("labels", vec![count])] {
            archive
                .start_file(format!("{split}_{name}.npy"), options)
                .unwrap();
            let length: u64 = shape.iter().product();
            let options = npyz::WriteOptions::new().default_dtype().shape(&shape);
            let mut writer = options.writer(&mut archive).begin_nd().unwrap();
            let labels = |index: u64| {
                if name == "labels" {
                    (index % 2) as u8
                } else {
                    0
                }
            };
            writer.extend((0..length).map(labels)).unwrap();
            writer.finish().unwrap();
        }
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn an_archive_of_zeros_needs_little_memory() {
    let sandbox = Sandbox::new(TINY);
    // 100 MB in each of two arrays, in a file of some 200 kB.
    let bomb = zeros(100, 1000);
    assert!(bomb.len() < 2_000_000, "{}", bomb.len());
    fs::write(sandbox.path("data.npz"), bomb).unwrap();
    let run = dataset(&sandbox, "{npz: {path: data.npz}}");
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(peak(&run) < MEMORY_LIMIT_MIB, "it used {} MiB", peak(&run));
}

/// Returns the arrays of `zeros(20, 8)`, uncompressed and with their headers changed by `rewrite`.
fn rewritten(rewrite: impl Fn(&str) -> String) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut read = zip::ZipArchive::new(Cursor::new(zeros(20, 8))).unwrap();
    let mut rewritten = 0;
    for index in 0..read.len() {
        let mut member = read.by_index(index).unwrap();
        let mut bytes = Vec::new();
        std::io::copy(&mut member, &mut bytes).unwrap();
        // The header text starts after ten bytes and ends with a newline.
        let end = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        let text = std::str::from_utf8(&bytes[10..end]).unwrap();
        let given = text.replace(' ', "");
        let text = rewrite(&given);
        rewritten += usize::from(text != given);
        let length = u16::try_from(text.len()).unwrap().to_le_bytes();
        let name = member.name().unwrap().into_owned();
        archive.start_file(name, stored).unwrap();
        for part in [&bytes[..8], &length, text.as_bytes(), &bytes[end..]] {
            archive.write_all(part).unwrap();
        }
    }
    assert!(rewritten > 0, "`rewrite` changed no header");
    archive.finish().unwrap().into_inner()
}

#[test]
fn an_array_that_is_shorter_than_its_header_says_is_refused() {
    let sandbox = Sandbox::new(TINY);
    let bomb = rewritten(|text| {
        text.replace("(20,8,8,)", "(9999999,9999,999,)")
            .replace("(20,)", "(9999999,)")
    });
    fs::write(sandbox.path("data.npz"), bomb).unwrap();
    let run = dataset(&sandbox, "{npz: {path: data.npz}}");
    assert_eq!(run.code, Some(2), "{run:?}");
    let why = "data.npz` has a damaged array";
    assert!(run.stderr.contains(why), "{run:?}");
}

#[test]
fn a_deeply_nested_header_is_refused_quickly() {
    let sandbox = Sandbox::new(TINY);
    let bomb = rewritten(|text| text.replace("(20,)", &"(8,".repeat(40)));
    fs::write(sandbox.path("data.npz"), bomb).unwrap();
    let started = Instant::now();
    let run = dataset(&sandbox, "{npz: {path: data.npz}}");
    assert!(started.elapsed() < Duration::from_secs(10), "{run:?}");
    assert_eq!(run.code, Some(2), "{run:?}");
    let why = "its header is not that of a plain array";
    assert!(run.stderr.contains(why), "{run:?}");
}
