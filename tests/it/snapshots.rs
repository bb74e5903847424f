//! Compares every error message about a pipeline with a golden file. `UPDATE_SNAPSHOTS=1` rewrites them.
//!
//! A case is `tests/fixtures/errors/<case>.yaml`. The expected output of `runner validate` is beside it, in
//! `<case>.txt`. A first line `# args: …` in the pipeline adds arguments.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sandbox::list;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/errors")
}

/// Returns the names of the files with an extension, without the extension.
fn names(extension: &str) -> BTreeSet<String> {
    let files = list(&folder()).into_iter();
    let of_kind = files.filter(|file| file.extension().is_some_and(|found| found == extension));
    of_kind
        .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// Returns what `runner validate` prints about a case.
fn said(case: &str) -> String {
    let file = format!("{case}.yaml");
    let text = fs::read(folder().join(&file)).unwrap();
    let text = String::from_utf8_lossy(&text);
    let first = text.lines().next().unwrap_or_default();
    let args = first.strip_prefix("# args: ").unwrap_or_default();
    let output = Command::new(env!("CARGO_BIN_EXE_runner"))
        .arg("validate")
        .arg(&file)
        .args(args.split(' ').filter(|arg| !arg.is_empty()))
        .current_dir(folder())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{case}: {said}");
    assert_eq!(output.stdout, b"", "{case}");
    said
}

#[test]
fn every_message_is_as_it_was() {
    let update = std::env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1");
    let cases = names("yaml");
    assert!(!cases.is_empty());
    let mut other = Vec::new();
    for case in &cases {
        let snapshot = folder().join(format!("{case}.txt"));
        let said = said(case);
        if fs::read_to_string(&snapshot).ok().as_ref() == Some(&said) {
            continue;
        }
        if update {
            fs::write(&snapshot, &said).unwrap();
        } else {
            other.push(format!("{case} now says:\n{said}"));
        }
    }
    for stale in names("txt").difference(&cases) {
        if update {
            fs::remove_file(folder().join(format!("{stale}.txt"))).unwrap();
        } else {
            other.push(format!("{stale}.txt is of no case"));
        }
    }
    assert!(
        other.is_empty(),
        "{}\n(UPDATE_SNAPSHOTS=1 writes them down)",
        other.join("\n")
    );
}
