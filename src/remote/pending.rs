//! [`Pending`]: names of records that are to be uploaded, in a folder of this machine.
//!
//! Each name is an empty file, so that processes can add and remove names at the same time.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use contract::files;
use store::keys::Key;

#[derive(Debug)]
pub(crate) struct Pending {
    folder: PathBuf,
}

impl Pending {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(crate) fn add(&self, name: &Key) -> io::Result<()> {
        let path = self.folder.join(name.to_string());
        let mut options = File::options();
        options.write(true).create(true);
        match files::open_with(&path, &mut options) {
            Err(error) if files::is_absence(&error) => {
                files::create_folders(&self.folder)?;
                files::open_with(&path, &mut options)?;
            }
            opened => drop(opened?),
        }
        Ok(())
    }

    pub(crate) fn remove(&self, name: &Key) -> io::Result<()> {
        match fs::remove_file(self.folder.join(name.to_string())) {
            Err(error) if !files::is_absence(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Returns the names, sorted.
    pub(crate) fn list(&self) -> io::Result<Vec<Key>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if files::is_absence(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            names.extend(name.to_str().and_then(|name| name.parse::<Key>().ok()));
        }
        names.sort_unstable();
        Ok(names)
    }
}
