//! Copies artifacts out of the store, and finds trees by the beginning of their digest.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::files;
use super::inventory::entries;
use super::{Error, Store, Tree};
use crate::keys::Digest;

impl Store {
    /// Returns the digests of trees that begin with `prefix`, which needs at least two hexadecimal digits.
    pub fn trees_beginning(&self, prefix: &str) -> Result<Vec<Digest>, Error> {
        let shard = prefix.get(..2).unwrap_or(prefix);
        let mut found = Vec::new();
        for entry in entries(&self.home.join("cas").join(shard))? {
            let name = entry.path.file_name().unwrap_or_default().to_string_lossy();
            let digest = name
                .strip_suffix(".tree")
                .filter(|hex| hex.starts_with(prefix));
            found.extend(digest.and_then(|hex| hex.parse::<Digest>().ok()));
        }
        Ok(found)
    }

    /// Verifies the files of `tree` and copies them into `folder`. The copies belong to the user: they are
    /// writable and not linked to the store.
    ///
    /// If `folder` does not exist, it appears whole or not at all. If it exists, the files are moved into it
    /// once all of them are copied. They replace files of the same names; other files stay.
    pub fn export(&self, tree: &Tree, folder: &Path) -> Result<(), Error> {
        // Keeps garbage collection from removing the files meanwhile.
        let _guard = self.guard()?;
        self.verify(tree)?;
        let is_there = files::leads_to(folder, fs::Metadata::is_dir);
        let is_there = is_there.map_err(Error::io("access", folder))?;
        let beside = match folder.parent() {
            _ if is_there => folder,
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        files::create_folders(beside).map_err(Error::io("create", beside))?;
        let fresh = TempDir::with_prefix_in(".export-", beside)
            .map_err(Error::io("create a folder in", beside))?;
        // The temporary folder itself can only be entered by its owner.
        let copies = fresh.path().join("files");
        fs::create_dir(&copies).map_err(Error::io("create", &copies))?;
        for (name, blob) in &tree.files {
            copy(&self.blob_path(&blob.digest), &copies.join(name))?;
        }
        let make = |into: &Path| {
            tree.folders.iter().try_for_each(|name| {
                let folder = into.join(name);
                files::create_folders(&folder).map_err(Error::io("create", &folder))
            })
        };
        if !is_there {
            make(&copies)?;
            return fs::rename(&copies, folder).map_err(Error::io("create", folder));
        }
        let mut placed = Vec::new();
        for name in tree.files.keys() {
            let file = folder.join(name);
            let is_new = !files::exists(&file).map_err(Error::io("access", &file))?;
            if let Err(error) = place(&copies.join(name), &file) {
                // Files that did not exist before are removed again.
                for file in &placed {
                    let _ = fs::remove_file(file);
                }
                return Err(error);
            }
            if is_new {
                placed.push(file);
            }
        }
        make(folder)
    }
}

fn copy(blob: &Path, file: &PathBuf) -> Result<(), Error> {
    create_parent(file)?;
    let written = File::create_new(file).and_then(|mut to| {
        io::copy(&mut contract::files::open(blob)?, &mut to)?;
        to.sync_all()
    });
    written.map_err(Error::io("write", file))
}

fn place(copied: &Path, file: &Path) -> Result<(), Error> {
    create_parent(file)?;
    // The new file gets the mode of the file that it replaces.
    match fs::symlink_metadata(file) {
        Ok(replaced) if replaced.is_file() => fs::set_permissions(copied, replaced.permissions())
            .map_err(Error::io("write", copied))?,
        _ => {}
    }
    fs::rename(copied, file).map_err(Error::io("write", file))
}

fn create_parent(file: &Path) -> Result<(), Error> {
    let folder = file.parent().unwrap_or(Path::new("."));
    files::create_folders(folder).map_err(Error::io("create", folder))
}
