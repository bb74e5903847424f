//! The folder for heat maps: written completely, or not at all.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use contract::{ShowPath, files};
use engine::error::Error;
use rustix::fs::{Mode, OFlags};
use tempfile::TempDir;

use crate::cli::output_path;

/// Prefix of the name of the folder before it is complete.
const FRESH: &str = ".tmp-heat-maps-";

/// A folder that gets its name once it is complete.
pub(super) struct HeatMaps {
    to: PathBuf,
    fresh: Fresh,
}

impl HeatMaps {
    /// Checks that heat maps can be written to the folder `to`, and that it is not among the images.
    pub(super) fn begin(to: &Path, images: &[PathBuf]) -> Result<Self, Error> {
        if output_path::is_filled(to)? {
            return Err(Error::Usage(format!(
                "`{}` is not empty; give another folder with `--explain`, or remove this one",
                to.shown()
            )));
        }
        let parent = output_path::parent(to);
        if !files::leads_to(parent, Metadata::is_dir).map_err(Error::io("access", parent))? {
            return Err(Error::Usage(format!(
                "`{}` cannot be written, because there is no folder `{}`",
                to.shown(),
                parent.shown()
            )));
        }
        let place = parent.canonicalize().map_err(Error::io("access", parent))?;
        let place = place.join(to.file_name().unwrap_or_default());
        for folder in images {
            let is_folder = files::leads_to(folder, Metadata::is_dir);
            if is_folder.map_err(Error::io("access", folder))?
                && place.starts_with(folder.canonicalize().map_err(Error::io("access", folder))?)
            {
                return Err(Error::Usage(format!(
                    "`{}` is in the folder of images `{}`, so heat maps would be taken for images the next time; give \
                     another folder with `--explain`",
                    to.shown(),
                    folder.shown()
                )));
            }
        }
        remove_abandoned(parent);
        let heat_maps = Self {
            to: to.to_owned(),
            fresh: Fresh::create(parent).map_err(Error::io("write", to))?,
        };
        // With the default permissions, unlike the folder around it.
        fs::create_dir(heat_maps.folder()).map_err(Error::io("write", to))?;
        Ok(heat_maps)
    }

    /// The folder to write to.
    pub(super) fn folder(&self) -> PathBuf {
        self.fresh.folder.path().join("complete")
    }

    /// Gives the folder its name.
    pub(super) fn finish(self) -> Result<PathBuf, Error> {
        fs::rename(self.folder(), &self.to).map_err(Error::io("write", &self.to))?;
        Ok(self.to)
    }
}

/// A folder that is removed when this is dropped.
struct Fresh {
    folder: TempDir,
    /// The folder, locked. If this process is killed, the lock ends, and another process may remove the folder.
    _lock: File,
}

impl Fresh {
    fn create(parent: &Path) -> io::Result<Self> {
        loop {
            let folder = tempfile::Builder::new().prefix(FRESH).tempdir_in(parent)?;
            let lock = open_folder(folder.path())?;
            // Where folders cannot be locked, no process removes those of others.
            let _ = lock.lock();
            // Another process may have removed it before it was locked.
            if files::exists(folder.path())? {
                return Ok(Self {
                    folder,
                    _lock: lock,
                });
            }
        }
    }
}

/// Opens a folder to lock it. A symbolic link is an error.
fn open_folder(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// Removes the folders in `parent` that processes left when they were killed. It is no error if that fails.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_fresh = name.as_encoded_bytes().starts_with(FRESH.as_bytes())
            && entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_fresh {
            continue;
        }
        if let Ok(folder) = open_folder(&entry.path())
            && folder.try_lock().is_ok()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_that_nobody_uses_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let used = Fresh::create(folder.path()).unwrap();
        let abandoned = at(&format!("{FRESH}a"));
        fs::create_dir_all(abandoned.join("complete")).unwrap();
        fs::write(abandoned.join("complete/1.png"), "").unwrap();
        fs::write(at(&format!("{FRESH}file")), "").unwrap();
        fs::create_dir(at("maps")).unwrap();
        remove_abandoned(folder.path());
        assert!(used.folder.path().is_dir());
        assert!(!abandoned.exists());
        assert!(at(&format!("{FRESH}file")).exists() && at("maps").exists());
        drop(used);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
