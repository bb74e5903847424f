//! Checks of files that runner writes with the programs that users open them with. tests/python/README.md says how to
//! install these; without them, the tests are skipped.

mod images;
mod models;
mod records;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sandbox::skip;

/// Returns the Python in which the packages of `tests/python/requirements.txt` are installed.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("RUNNER_TEST_PYTHON").map(PathBuf::from);
    if python.is_none() {
        skip("`RUNNER_TEST_PYTHON` is not set; see tests/python/README.md");
    }
    python
}

/// Prints figures that a program measured.
#[expect(
    clippy::print_stdout,
    reason = "shows how close a test is to its bound"
)]
fn show(text: &str) {
    println!("{text}");
}

/// Runs a program of `tests/python`, or of another folder if `script` is absolute, and returns its output.
fn run<A: AsRef<OsStr>>(python: &Path, script: impl AsRef<Path>, args: &[A]) -> String {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
    let mut command = Command::new(python);
    command.arg(scripts.join(script)).args(args);
    let output = command.output().unwrap();
    let [text, errors] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{command:?}: {text}{errors}");
    text.into_owned()
}
