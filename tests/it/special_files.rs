//! FIFOs, devices, sockets and enormous sparse files in place of the files that commands read by name.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::guarantees::finish_in_time;
use crate::sandbox::Sandbox;

/// A pipeline that reads a source, code and images by name.
const PIPELINE: &str = r#"
version: 1
name: reads
include: { nets: nets.yaml }
stages:
  program: { kind: command, params: { argv: [cat, code.txt], code: [code.txt], files: { data: data } } }
  images: { kind: dataset, params: { source: { folder: { path: images } }, image_size: 8 } }
  arrays: { kind: dataset, params: { source: { npz: { path: arrays.npz } }, image_size: 8 } }
"#;

/// The files that are replaced, each with a command that reads it.
const FILES: [(&str, &[&str]); 11] = [
    ("pipeline.yaml", &["validate", "pipeline.yaml"]),
    ("nets.yaml", &["status", "pipeline.yaml"]),
    (".runner.toml", &["status", "pipeline.yaml"]),
    (".config/runner/config.toml", &["config"]),
    (".config/runner/trusted.json", &["config", "trust"]),
    ("saved.plan", &["run", "--plan", "saved.plan"]),
    ("code.txt", &["run", "pipeline.yaml", "--until", "program"]),
    ("data/one", &["run", "pipeline.yaml", "--until", "program"]),
    (
        "data/.runnerignore",
        &["run", "pipeline.yaml", "--until", "program"],
    ),
    (
        "images/train/A/0.png",
        &["run", "pipeline.yaml", "--until", "images"],
    ),
    ("arrays.npz", &["run", "pipeline.yaml", "--until", "arrays"]),
];

/// The files that are sources. Their bytes are part of a key, so they are read whatever their size.
const SOURCES: [&str; 5] = [
    "code.txt",
    "data/one",
    "data/.runnerignore",
    "images/train/A/0.png",
    "arrays.npz",
];

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(PIPELINE);
    for (file, text) in [
        (
            "nets.yaml",
            "version: 1\nname: nets\nmodels: { small: [flatten] }\n",
        ),
        (".runner.toml", "artifacts = \"../out\"\n"),
        (".config/runner/config.toml", "jobs = 1\n"),
        (".config/runner/trusted.json", "{}"),
        ("code.txt", "code"),
        ("data/one", "1"),
        ("arrays.npz", "no archive"),
    ] {
        let path = sandbox.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    for split in ["train", "test"] {
        for class in ["A", "B"] {
            let folder = sandbox.path("images").join(split).join(class);
            fs::create_dir_all(&folder).unwrap();
            image::GrayImage::new(8, 8)
                .save(folder.join("0.png"))
                .unwrap();
        }
    }
    sandbox
}

/// Replaces the file at `path` by a FIFO, a socket, a device, a folder or a sparse file of 4 TiB.
fn replace(path: &Path, what: &str) {
    let _ = fs::remove_file(path);
    match what {
        "a FIFO" => mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap(),
        "a socket" => drop(UnixListener::bind(path).unwrap()),
        "a device" => symlink("/dev/zero", path).unwrap(),
        "a folder" => fs::create_dir(path).unwrap(),
        _ => File::create(path).unwrap().set_len(1 << 42).unwrap(),
    }
}

#[test]
fn a_special_file_is_an_error_and_blocks_no_command() {
    for (file, args) in FILES {
        for what in [
            "a FIFO",
            "a socket",
            "a device",
            "a folder",
            "a sparse file",
        ] {
            let sandbox = sandbox();
            // Removes the project's configuration, which every command reads and which would need consent.
            if !file.starts_with(".") {
                fs::remove_file(sandbox.path(".runner.toml")).unwrap();
            }
            // A sparse source of 4 TiB would be read to its end.
            if what == "a sparse file" && SOURCES.contains(&file) {
                continue;
            }
            // A folder inside a source is allowed.
            if what == "a folder" && file == "data/one" {
                continue;
            }
            replace(&sandbox.path(file), what);
            let name = format!("{what} at {file}");
            let ended =
                finish_in_time(sandbox.start(args)).unwrap_or_else(|why| panic!("{name}: {why}"));
            assert!(matches!(ended.code, Some(1 | 2 | 100)), "{name}: {ended:?}");
            let short = file.rsplit('/').next().unwrap();
            let is_named = ended.stderr.contains(short) || ended.stderr.contains("images");
            assert!(
                is_named && !ended.stderr.contains("a bug in runner"),
                "{name}: {ended:?}"
            );
        }
    }
}
