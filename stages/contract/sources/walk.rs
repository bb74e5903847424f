//! All of a source.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rayon::prelude::*;

use super::folder::{SourceFolder, no_file};
use super::rules::IGNORE_FILE;
use crate::Invalid;

/// What a source consists of.
#[derive(Debug, Default)]
pub struct Found {
    /// Paths in the source of all its files, `/` between folders, sorted; of a source that is a file,
    /// one that is empty.
    pub files: Vec<String>,
    /// What says which files there are: the folders, by their paths with a `/` behind, and the ignore
    /// files, each with its metadata from before it was read. Sorted.
    pub listed: Vec<(String, Metadata)>,
    /// Paths of the folders with nothing in them that counts, with a `/` behind. Sorted; the source itself is
    /// not among them.
    pub empty: Vec<String>,
    /// The symbolic links that were followed, each with its own metadata from before. Sorted by path.
    pub links: Vec<(String, Metadata)>,
}

/// Finds all files of the source at `path`, on all threads.
pub fn walk(path: &Path) -> Result<Found, Invalid> {
    let metadata = fs::metadata(path).map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let invalid = Invalid::new(if missing {
            format!("`{}` does not exist", path.display())
        } else {
            format!("failed to read `{}`: {error}", path.display())
        });
        match std::env::current_dir() {
            Ok(folder) if missing && path.is_relative() => invalid.hint(format!(
                "a relative path starts at the working directory, `{}`",
                folder.display()
            )),
            _ => invalid,
        }
    })?;
    if metadata.is_file() {
        return Ok(Found {
            files: vec![String::new()],
            ..Found::default()
        });
    }
    if !metadata.is_dir() {
        return Err(no_file(path));
    }
    let above = Above {
        id: id(&metadata),
        above: None,
    };
    let mut found = below(SourceFolder::open(path)?, metadata, &above)?;
    found.files.par_sort();
    found.empty.par_sort();
    for named in [&mut found.listed, &mut found.links] {
        named.par_sort_by(|(a, _), (b, _)| a.cmp(b));
    }
    Ok(found)
}

/// A folder that is being walked, and those it is in.
struct Above<'a> {
    id: (u64, u64),
    above: Option<&'a Above<'a>>,
}

impl Above<'_> {
    fn contains(&self, id: (u64, u64)) -> bool {
        self.id == id || self.above.is_some_and(|above| above.contains(id))
    }
}

/// Device and inode, which a folder and a link to it have in common.
fn id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// What is in a folder and below it. `above` are the folder itself and those it is in, so that a link
/// to one of them is not followed for ever.
fn below(folder: SourceFolder, metadata: Metadata, above: &Above<'_>) -> Result<Found, Invalid> {
    let inner: Vec<Found> = folder
        .folders
        .par_iter()
        .map(|name| {
            let path = folder.path.join(name);
            // Before it is listed: whatever is added to it from here on changes its times.
            let metadata =
                fs::metadata(&path).map_err(|error| super::folder::unreadable(&path, &error))?;
            let id = id(&metadata);
            if above.contains(id) {
                let message = format!("`{}` is a link to a folder it is in", path.display());
                return Err(Invalid::new(message));
            }
            let above = Above {
                id,
                above: Some(above),
            };
            below(folder.enter(name)?, metadata, &above)
        })
        .collect::<Result<_, _>>()?;

    let SourceFolder {
        name,
        mut files,
        folders,
        mut links,
        rules,
        path: _,
        hidden: _,
    } = folder;
    for file in &mut files {
        file.insert_str(0, &name);
    }
    for (link, _) in &mut links {
        link.insert_str(0, &name);
    }
    let mut found = Found {
        links,
        ..Found::default()
    };
    if files.is_empty() && folders.is_empty() && !name.is_empty() {
        found.empty.push(name.clone());
    }
    found.files = files;
    if let Some(metadata) = rules.own(name.len()) {
        let file = format!("{name}{IGNORE_FILE}");
        found.listed.push((file, metadata.clone()));
    }
    let name = if name.is_empty() {
        "/".to_owned()
    } else {
        name
    };
    found.listed.push((name, metadata));
    for inner in inner {
        found.files.extend(inner.files);
        found.listed.extend(inner.listed);
        found.empty.extend(inner.empty);
        found.links.extend(inner.links);
    }
    Ok(found)
}
