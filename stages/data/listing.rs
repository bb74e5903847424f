//! The files of a source, as the engine counts them into its digest.

use std::fs;
use std::path::{Path, PathBuf};

use crate::contract::Failure;

/// Every file below `path`, by its name in it (`/` between folders; empty for `path` itself, if it is
/// a file), sorted. Names that start with a dot do not count; links are followed.
pub fn list(path: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let mut found = Vec::new();
    add(path, String::new(), &mut found)?;
    found.sort();
    Ok(found)
}

fn add(path: &Path, name: String, found: &mut Vec<(String, PathBuf)>) -> Result<(), Failure> {
    let unread = |e| Failure::io("read", path, e);
    if !fs::metadata(path).map_err(unread)?.is_dir() {
        found.push((name, path.to_owned()));
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(unread)? {
        let entry = entry.map_err(unread)?;
        let child = entry.file_name();
        let Some(child) = child.to_str().filter(|child| !child.starts_with('.')) else {
            continue;
        };
        let child = match name.as_str() {
            "" => child.to_owned(),
            name => format!("{name}/{child}"),
        };
        add(&entry.path(), child, found)?;
    }
    Ok(())
}
