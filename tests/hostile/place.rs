//! The folder of a test case, and the files in it that programs use.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// The text that programs write to the watched file `given`. The test expects it there.
pub(crate) const WRITTEN: &str = "written by the program\n";

pub(crate) struct Place {
    root: PathBuf,
}

impl Place {
    pub(crate) fn new(root: &str) -> Self {
        Self {
            root: PathBuf::from(root),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns a path in the watched tree.
    pub(crate) fn watched(&self, name: &str) -> PathBuf {
        self.root.join("watched").join(name)
    }

    /// Returns a path in the folder that belongs to the programs.
    pub(crate) fn elsewhere(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.root.join("elsewhere");
        fs::create_dir_all(&folder)?;
        Ok(folder.join(name))
    }

    /// Returns the path of a folder of the store.
    pub(crate) fn store(&self, folder: &str) -> PathBuf {
        self.root.join("artifacts/v1").join(folder)
    }

    /// Returns the path in `latest` of a file that the producer made. Waits until it exists.
    pub(crate) fn latest(&self, name: &str) -> io::Result<PathBuf> {
        let data = self.root.join("artifacts/latest/p/producer/data");
        let found = [data.join(name), data.join("data").join(name)];
        for _ in 0..300 {
            if let Some(file) = found.iter().find(|file| file.exists()) {
                return Ok(file.clone());
            }
            sleep(Duration::from_millis(10));
        }
        Err(io::Error::other(
            "`latest` does not show the output of `producer` after 3 s",
        ))
    }

    /// Returns the path of the blob with the bytes of `file`.
    pub(crate) fn blob_of(&self, file: &Path) -> io::Result<PathBuf> {
        let bytes = fs::read(file)?;
        let blobs = files_below(&self.store("cas"))?;
        blobs
            .into_iter()
            .find(|blob| fs::read(blob).is_ok_and(|content| content == bytes))
            .ok_or_else(|| io::Error::other("no blob in the store has these bytes"))
    }
}

/// Lists every file below a folder. Folders that are being changed are listed as far as possible.
pub(crate) fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)?.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(files_below(&entry.path())?),
            _ => files.push(entry.path()),
        }
    }
    Ok(files)
}

/// Makes a read-only file writable and opens it for reading and writing.
pub(crate) fn open_writable(file: &Path) -> io::Result<File> {
    fs::set_permissions(file, Permissions::from_mode(0o644))?;
    File::options().read(true).write(true).open(file)
}

/// Overwrites the first bytes of a read-only file and leaves its mode as it was.
pub(crate) fn poison(file: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileExt;

    let mode = fs::metadata(file)?.mode();
    open_writable(file)?.write_all_at(b"POISON", 0)?;
    fs::set_permissions(file, Permissions::from_mode(mode))
}
