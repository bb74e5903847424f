//! Small files that claim to be large, and paths that lead elsewhere: refused, and at no great cost.

use std::fs;
use std::io::{Cursor, Write};
use std::time::{Duration, Instant};

use image::{DynamicImage, ImageFormat};
use npyz::WriterBuilder;

use crate::sandbox::{Finished, Sandbox, TINY};

/// More than a worker needs for itself.
const FAIR_MIB: f64 = 80.0;

/// An npz file whose arrays are zeros, `size` pixels high and wide.
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

fn dataset(sandbox: &Sandbox, source: &str) -> Finished {
    let source = format!("stages.xrays.params.source={source}");
    // Images that are all the same cannot be divided.
    let validation = "stages.xrays.params.validation=0";
    sandbox.run_json(&["-S", &source, "-S", validation, "--until", "xrays"])
}

fn peak(run: &Finished) -> f64 {
    run.json()["stages"][0]["peak_memory_mib"].as_f64().unwrap()
}

#[test]
fn an_archive_of_zeros_takes_the_memory_of_a_few_images() {
    let sandbox = Sandbox::new(TINY);
    // 100 MB in each of two arrays, in a file of some 200 kB.
    let bomb = zeros(100, 1000);
    assert!(bomb.len() < 2_000_000, "{}", bomb.len());
    fs::write(sandbox.path("data.npz"), bomb).unwrap();
    let run = dataset(&sandbox, "{npz: {path: data.npz}}");
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(peak(&run) < FAIR_MIB, "{} MiB", peak(&run));
}

/// The arrays of `zeros(20, 8)`, stored so that headers can be written otherwise.
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
        // The header's text comes after ten bytes, and ends in a line's end.
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
    assert!(rewritten > 0, "no header was rewritten");
    archive.finish().unwrap().into_inner()
}

#[test]
fn an_array_that_claims_more_than_there_is_is_refused() {
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
fn a_header_that_takes_for_ever_to_parse_is_refused_at_once() {
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

#[test]
fn an_image_that_claims_to_be_huge_is_refused_by_its_header() {
    let sandbox = Sandbox::new(TINY);
    let mut jpeg = Cursor::new(Vec::new());
    DynamicImage::new_luma8(64, 64)
        .write_to(&mut jpeg, ImageFormat::Jpeg)
        .unwrap();
    let honest = jpeg.into_inner();
    let mut bomb = honest.clone();
    let frame = bomb
        .windows(2)
        .position(|marker| marker == [0xff, 0xc0])
        .unwrap();
    bomb[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    for (split, class) in [("train", "A"), ("train", "B"), ("test", "A"), ("test", "B")] {
        let folder = sandbox.path("data").join(split).join(class);
        fs::create_dir_all(&folder).unwrap();
        for index in 0..6 {
            fs::write(folder.join(format!("{index}.jpeg")), &honest).unwrap();
        }
    }
    fs::write(sandbox.path("data/train/A/bomb.jpeg"), bomb).unwrap();
    let run = dataset(&sandbox, "{folder: {path: data}}");
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("bomb.jpeg"), "{run:?}");
    assert!(run.stderr.contains("65535×65535"), "{run:?}");
}

#[test]
fn a_pipeline_that_is_a_bomb_is_refused_at_once() {
    let laughs: String = (1..40)
        .map(|level| {
            let below = format!("*a{}, ", level - 1).repeat(10);
            format!("  a{level}: &a{level} [{}]\n", below.trim_end_matches(", "))
        })
        .collect();
    let laughs = format!("version: 1\nname: bomb\nvars:\n  a0: &a0 [ha]\n{laughs}");
    let deep = format!(
        "version: 1\nname: {}1{}\n",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let growing = "version: 1\nname: bomb\nvars:\n  a: '0123456789'\n".to_owned()
        + &(0..40)
            .map(|level| {
                let before = if level == 0 {
                    "a".to_owned()
                } else {
                    format!("b{}", level - 1)
                };
                format!("  b{level}: '{}'\n", format!("${{{before}}}").repeat(10))
            })
            .collect::<String>()
        + "stages: { xrays: { kind: dataset } }\n";
    for bomb in [laughs, deep, growing] {
        let sandbox = Sandbox::new(&bomb);
        refused(&sandbox, "pipeline.yaml");
    }
    let sandbox = Sandbox::new(TINY);
    fs::File::create(sandbox.path("sparse.yaml"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    for endless in ["/dev/zero", "sparse.yaml"] {
        let said = refused(&sandbox, endless);
        assert!(said.contains("too large for a pipeline"), "{said}");
    }
}

fn refused(sandbox: &Sandbox, file: &str) -> String {
    let started = Instant::now();
    let run = sandbox.runner(&["validate", file]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    assert!(
        run.stderr.len() < 100_000,
        "{} bytes of error",
        run.stderr.len()
    );
    run.stderr
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for (from, to) in [
        ("name: tiny", "name: ../tiny"),
        ("name: tiny", "name: /tiny"),
        ("  xrays:", "  ../xrays:"),
        ("widths: [4, 6]", "widths: ['../../4']"),
        ("widths: [4, 6]", "widths: ['/4']"),
        ("widths: [4, 6]", "widths: ['..']"),
    ] {
        let sandbox = Sandbox::new(&TINY.replacen(from, to, 1));
        let run = sandbox.runner(&["run", "pipeline.yaml"]);
        let inside = sandbox.path("artifacts/latest");
        if run.code == Some(0) {
            // `..` as a value is a folder named otherwise.
            assert!(inside.join("tiny").is_dir());
            let names = crate::sandbox::files(&sandbox.path("artifacts/latest/tiny"));
            assert!(
                names.iter().any(|(name, _)| name.starts_with("cnn[..]/")),
                "{run:?}"
            );
        } else {
            assert_eq!(run.code, Some(2), "{run:?}");
        }
        let parent = sandbox.path("");
        let here = crate::sandbox::list(&parent).len();
        assert!(
            here <= 2,
            "something was written outside: {:?}",
            crate::sandbox::list(&parent)
        );
    }
}
