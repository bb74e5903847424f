//! [`NewFolder`]: a folder that appears complete or not at all.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use contract::{ShowPath, files};
use engine::error::Error;
use tempfile::TempDir;

/// Files for a folder of the user. They are collected beside it, and moved there by [`NewFolder::finish`].
pub struct NewFolder {
    target: PathBuf,
    /// `true` if the folder exists.
    exists: bool,
    /// Removed when this is dropped.
    fresh: TempDir,
}

impl NewFolder {
    /// Checks that files may be written to `target`: it does not exist yet, it is empty, or `force` allows to replace
    /// files with the same names.
    ///
    /// # Errors
    /// If files may not be written there, or cannot be.
    pub fn begin(target: &Path, force: bool) -> Result<Self, Error> {
        let shown = target.shown();
        let filled = match fs::read_dir(target) {
            Ok(mut entries) => Some(entries.next().is_some()),
            Err(error) => match error.kind() {
                ErrorKind::NotFound => None,
                ErrorKind::NotADirectory => {
                    return Err(Error::Usage(format!("`{shown}` is not a folder")));
                }
                _ => return Err(Error::io("read", target)(error)),
            },
        };
        if filled == Some(true) && !force {
            return Err(Error::Usage(format!(
                "`{shown}` is not empty; `--force` replaces files with the same names"
            )));
        }
        // A file can be moved only within a file system.
        let beside = match filled {
            Some(_) => target,
            None => existing_parent(target)?,
        };
        let fresh = TempDir::with_prefix_in(".export-", beside);
        let fresh = fresh.map_err(Error::io("create a folder in", beside))?;
        let folder = Self {
            target: target.to_owned(),
            exists: filled.is_some(),
            fresh,
        };
        // Others cannot enter a temporary folder, but the new folder gets the usual mode.
        fs::create_dir(folder.path()).map_err(Error::io("create", &folder.path()))?;
        Ok(folder)
    }

    /// The place where files are collected.
    pub fn path(&self) -> PathBuf {
        self.fresh.path().join("files")
    }

    /// Writes a file. `name` may contain folders; its parts must be safe.
    ///
    /// # Errors
    /// If the system refuses it.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let file = self.path().join(name);
        let folder = file.parent().unwrap_or(&file);
        files::create_folders(folder).map_err(Error::io("create", folder))?;
        fs::write(&file, bytes).map_err(Error::io("write", &self.target.join(name)))
    }

    /// Moves everything to its place.
    ///
    /// # Errors
    /// If the system refuses it. Files that did not exist before are removed again.
    pub fn finish(self) -> Result<(), Error> {
        let Self { target, exists, .. } = &self;
        if !exists {
            if let Some(parent) = target.parent().filter(|parent| *parent != Path::new("")) {
                files::create_folders(parent).map_err(Error::io("create", parent))?;
            }
            return fs::rename(self.path(), target).map_err(Error::io("create", target));
        }
        let mut names = Vec::new();
        list(&self.path(), Path::new(""), &mut names).map_err(Error::io("read", &self.path()))?;
        let mut placed = Vec::new();
        for name in &names {
            let file = target.join(name);
            let is_new = !files::exists(&file).map_err(Error::io("access", &file))?;
            let folder = file.parent().unwrap_or(target);
            let moved = files::create_folders(folder).and_then(|()| {
                let from = self.path().join(name);
                match files::is(&from, fs::Metadata::is_dir)? {
                    true => files::create_folders(&file),
                    false => fs::rename(from, &file),
                }
            });
            if let Err(error) = moved {
                for file in placed {
                    let _ = fs::remove_file(file);
                }
                return Err(Error::io("write", &file)(error));
            }
            if is_new {
                placed.push(file);
            }
        }
        Ok(())
    }
}

/// The nearest folder above `target` that exists.
fn existing_parent(target: &Path) -> Result<&Path, Error> {
    for parent in target.ancestors().skip(1) {
        let parent = match parent == Path::new("") {
            true => Path::new("."),
            false => parent,
        };
        let is_there = files::leads_to(parent, fs::Metadata::is_dir);
        if is_there.map_err(Error::io("access", parent))? {
            return Ok(parent);
        }
    }
    Ok(Path::new("/"))
}

/// Lists all files and empty folders below a folder, in a fixed order.
fn list(folder: &Path, below: &Path, names: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = fs::read_dir(folder.join(below))?;
    let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    if entries.is_empty() && below != Path::new("") {
        names.push(below.to_owned());
    }
    for entry in entries {
        let name = below.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => list(folder, &name, names)?,
            false => names.push(name),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> Vec<String> {
        let mut names = Vec::new();
        list(folder, Path::new(""), &mut names).unwrap();
        names.iter().map(|name| name.shown()).collect()
    }

    #[test]
    fn a_folder_appears_complete_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("new/deep");
        let folder = NewFolder::begin(&target, false).unwrap();
        folder.write("a/b", b"1").unwrap();
        drop(folder);
        assert!(entries(place.path()).is_empty());

        let folder = NewFolder::begin(&target, false).unwrap();
        folder.write("a/b", b"1").unwrap();
        folder.finish().unwrap();
        assert_eq!(entries(place.path()), ["new/deep/a/b"]);
    }

    #[test]
    fn only_force_writes_into_a_folder_with_files() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("there");
        fs::create_dir(&target).unwrap();
        let folder = NewFolder::begin(&target, false).unwrap();
        folder.write("a", b"1").unwrap();
        folder.finish().unwrap();
        fs::write(target.join("own"), "kept").unwrap();

        let error = NewFolder::begin(&target, false).err().unwrap().to_string();
        assert!(error.contains("is not empty"), "{error}");
        let folder = NewFolder::begin(&target, true).unwrap();
        folder.write("a", b"2").unwrap();
        folder.write("b/c", b"3").unwrap();
        fs::create_dir(folder.path().join("empty")).unwrap();
        folder.finish().unwrap();
        assert_eq!(entries(&target), ["a", "b/c", "empty", "own"]);
        assert_eq!(fs::read(target.join("a")).unwrap(), b"2");

        let error = NewFolder::begin(&target.join("own"), true);
        let error = error.err().unwrap().to_string();
        assert!(error.contains("is not a folder"), "{error}");
    }
}
