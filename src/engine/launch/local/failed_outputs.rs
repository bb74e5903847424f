//! Keeps declared outputs of a failed stage, which are often its logs.
//!
//! They are copied into the run's folder for inspection, and are never results.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use contract::{Folder, ShowPath};

use store::remove;

/// Maximum number of bytes that are kept of one file.
const MOST: u64 = 16 << 20;
/// Maximum number of files that are kept.
const FILES: usize = 16;

/// Copies the regular files among `outputs` from `staging` to `target`; only the beginning of large files.
/// Returns the text that names the copies, for the end of a message, or an empty text if there are none.
pub(super) fn keep(staging: &Folder, outputs: &[PathBuf], target: &Path) -> String {
    let mut kept = Vec::new();
    // An earlier attempt may have left `target`, or a program may have put something there. Through a link, the
    // copies would be written elsewhere.
    if let Err(error) = remove(target) {
        tracing::warn!(
            "outputs of the failed stage are not kept: failed to remove `{}`: {error}",
            target.shown()
        );
        return String::new();
    }
    for path in outputs {
        if kept.len() == FILES {
            break;
        }
        let Ok(file) = staging.file(path) else {
            continue;
        };
        match copy(file, &target.join(path)) {
            Ok(()) => kept.push(path),
            Err(error) => tracing::warn!("the output `{}` is not kept: {error}", path.shown()),
        }
    }
    match kept.as_slice() {
        [] => String::new(),
        [only] => format!("\n  its output is kept: {}", target.join(only).shown()),
        several => format!(
            "\n  {} of its outputs are kept in {}",
            several.len(),
            target.shown()
        ),
    }
}

fn copy(file: File, to: &Path) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut copy = File::create_new(to)?;
    io::copy(&mut file.take(MOST), &mut copy)?;
    Ok(())
}
