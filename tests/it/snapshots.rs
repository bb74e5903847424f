//! Compares error messages about pipelines with golden files. `UPDATE_SNAPSHOTS=1` rewrites the files.
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
fn validation_errors(case: &str) -> String {
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
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{case}: {printed}");
    assert_eq!(output.stdout, b"", "{case}");
    printed
}

#[test]
fn every_error_message_matches_its_golden_file() {
    let update = std::env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1");
    let cases = names("yaml");
    assert!(!cases.is_empty());
    let mut other = Vec::new();
    for case in &cases {
        let snapshot = folder().join(format!("{case}.txt"));
        let printed = validation_errors(case);
        if fs::read_to_string(&snapshot).ok().as_ref() == Some(&printed) {
            continue;
        }
        if update {
            fs::write(&snapshot, &printed).unwrap();
        } else {
            other.push(format!("the output for `{case}.yaml` is now:\n{printed}"));
        }
    }
    for stale in names("txt").difference(&cases) {
        if update {
            fs::remove_file(folder().join(format!("{stale}.txt"))).unwrap();
        } else {
            other.push(format!("`{stale}.txt` belongs to no case"));
        }
    }
    assert!(
        other.is_empty(),
        "{}\n(UPDATE_SNAPSHOTS=1 renews the golden files)",
        other.join("\n")
    );
}
