//! [`walk`]: finds all files of a source.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rayon::prelude::*;

use super::error::{Broken, Why};
use super::folder::{Entries, SourceFolder, Unnamed};
use super::rules::IGNORE_FILE;
use crate::Invalid;
use crate::ShowPath;

/// The contents of a source.
#[derive(Debug, Default)]
pub struct Found {
    /// Paths of all files in the source, with `/` between folders, sorted. If the source is a file, its path
    /// is empty.
    pub files: Vec<String>,
    /// Everything that determines which files are found: the folders, by their path with a `/` at the end, and
    /// the ignore files. Each has its metadata from before it was read. Sorted by path.
    pub listed: Vec<(String, Metadata)>,
    /// Paths of the folders that contain nothing that counts, with a `/` at the end. Sorted. The source
    /// itself is never among them.
    pub empty: Vec<String>,
    /// The symbolic links that were followed, each with its own metadata from before it was followed. Sorted by
    /// path.
    pub links: Vec<(String, Metadata)>,
    /// Files and folders whose names are not UTF-8, and which are therefore not in the other lists. Sorted by path. Only
    /// [`walk_any`] finds some.
    pub unnamed: Vec<Unnamed>,
    /// Entries that cannot be used, and which are therefore not in the other lists: dangling links, links to a folder
    /// around them, special files, and folders without permission. Sorted by path. Only [`walk_any`] finds some.
    pub broken: Vec<Broken>,
}

/// Finds all files of the source at `path`, using all threads. An entry that cannot be used, or whose name is not UTF-8, is an
/// error.
pub fn walk(path: &Path) -> Result<Found, Invalid> {
    walk_with(path, Entries::Sound)
}

/// Like [`walk`], but lists entries whose names are not UTF-8 as [`Found::unnamed`], and entries that cannot be used as
/// [`Found::broken`]. Folders among them are not entered.
pub fn walk_any(path: &Path) -> Result<Found, Invalid> {
    walk_with(path, Entries::Any)
}

fn walk_with(path: &Path, entries: Entries) -> Result<Found, Invalid> {
    let metadata = fs::metadata(path).map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let invalid = Invalid::new(if missing {
            format!("`{}` does not exist", path.shown())
        } else {
            format!("failed to read `{}`: {error}", path.shown())
        });
        match std::env::current_dir() {
            Ok(folder) if missing && path.is_relative() => invalid.hint(format!(
                "relative paths start at the working directory, `{}`",
                folder.shown()
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
        let path = path.to_owned();
        let why = Why::Special;
        return Err(Broken { path, why }.invalid());
    }
    let above = Above {
        id: id(&metadata),
        above: None,
    };
    let mut found = below(SourceFolder::open_with(path, entries)?, metadata, &above)?;
    found.files.par_sort();
    found.empty.par_sort();
    found.unnamed.par_sort_by(|a, b| a.path.cmp(&b.path));
    found.broken.par_sort_by(|a, b| a.path.cmp(&b.path));
    for named in [&mut found.listed, &mut found.links] {
        named.par_sort_by(|(a, _), (b, _)| a.cmp(b));
    }
    Ok(found)
}

/// A folder that is being walked, and the folders above it.
struct Above<'a> {
    id: (u64, u64),
    above: Option<&'a Above<'a>>,
}

impl Above<'_> {
    fn contains(&self, id: (u64, u64)) -> bool {
        self.id == id || self.above.is_some_and(|above| above.contains(id))
    }
}

/// Returns device and inode, which are the same for a folder and for a link to it.
fn id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Opens a folder in `folder`, and reads its metadata. An error of the outer result is about its contents.
fn enter(
    folder: &SourceFolder,
    name: &str,
    above: &Above<'_>,
) -> Result<Result<(SourceFolder, Metadata), Broken>, Invalid> {
    let path = folder.path.join(name);
    // Read before the folder is listed: anything that is added from now on changes its times.
    let opened = fs::metadata(&path).map_err(Why::Unreadable);
    let opened = opened.and_then(|metadata| match above.contains(id(&metadata)) {
        true => Err(Why::Cycle),
        false => fs::read_dir(&path)
            .map(|listed| (listed, metadata))
            .map_err(Why::Unreadable),
    });
    match opened {
        Ok((listed, metadata)) => Ok(Ok((folder.enter_listed(name, listed)?, metadata))),
        Err(why) => Ok(Err(Broken { path, why })),
    }
}

/// Returns the contents of a folder and of everything below it. `above` is the folder itself and those above
/// it, so that a link to one of them is an error and is not followed forever.
fn below(folder: SourceFolder, metadata: Metadata, above: &Above<'_>) -> Result<Found, Invalid> {
    let inner: Vec<Found> = folder
        .folders
        .par_iter()
        .map(
            |name| match (enter(&folder, name, above)?, folder.entries) {
                (Ok((inner, metadata)), _) => {
                    let above = Above {
                        id: id(&metadata),
                        above: Some(above),
                    };
                    below(inner, metadata, &above)
                }
                (Err(broken), Entries::Sound) => Err(broken.invalid()),
                (Err(broken), Entries::Any) => Ok(Found {
                    broken: vec![broken],
                    ..Found::default()
                }),
            },
        )
        .collect::<Result<_, _>>()?;

    let SourceFolder {
        name,
        mut files,
        folders,
        mut links,
        rules,
        unnamed,
        broken,
        path: _,
        hidden: _,
        entries: _,
    } = folder;
    for file in &mut files {
        file.insert_str(0, &name);
    }
    for (link, _) in &mut links {
        link.insert_str(0, &name);
    }
    let mut found = Found {
        links,
        unnamed,
        broken,
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
        found.unnamed.extend(inner.unnamed);
        found.broken.extend(inner.broken);
    }
    Ok(found)
}
