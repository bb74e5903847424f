//! `latest/<pipeline>/<instance>/<port>/<file>`: the newest outputs, as ordinary files.
//!
//! The files are hard links to blobs (copies where the file system has no links), read-only like
//! them. A view, not a source: nothing reads it back, and each instance's folder is replaced as a
//! whole.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::files::component;
use super::{Digest, Error, Store, Tree};

/// Names the trees that a folder shows.
const MARK: &str = ".outputs.json";

impl Store {
    /// Shows `outputs`, by port, as the newest of `instance`. Does nothing if they are shown
    /// already; otherwise the old folder is exchanged for the new one at once.
    pub fn publish_latest(
        &self,
        pipeline: &str,
        instance: &str,
        outputs: &BTreeMap<String, Tree>,
    ) -> Result<(), Error> {
        let folder = self.root.join("latest").join(component(pipeline));
        let target = folder.join(component(instance));
        let digests: BTreeMap<&str, Digest> = outputs
            .iter()
            .map(|(port, tree)| (port.as_str(), tree.digest))
            .collect();
        let mark = serde_json::to_vec(&digests).map_err(|source| Error::Serialise {
            what: "the mark of published outputs",
            source,
        })?;
        if self.is_current(&target, &mark, outputs) {
            return Ok(());
        }

        let session = self.session()?;
        let fresh = session.fresh("latest");
        fs::create_dir(&fresh).map_err(Error::io("create", &fresh))?;
        for (port, tree) in outputs {
            for (name, blob) in &tree.files {
                show(
                    &self.blob_path(&blob.digest),
                    &fresh.join(component(port)).join(name),
                )?;
            }
        }
        fs::write(fresh.join(MARK), mark).map_err(Error::io("write", &fresh))?;
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        swap(&fresh, &target, &session.fresh("replaced")).map_err(Error::io("publish", &target))
    }

    fn is_current(&self, target: &Path, mark: &[u8], outputs: &BTreeMap<String, Tree>) -> bool {
        if fs::read(target.join(MARK)).ok().as_deref() != Some(mark) {
            return false;
        }
        outputs.iter().all(|(port, tree)| {
            tree.files.iter().all(|(name, blob)| {
                let shown = fs::symlink_metadata(target.join(component(port)).join(name));
                let kept = fs::symlink_metadata(self.blob_path(&blob.digest));
                let (Ok(shown), Ok(kept)) = (shown, kept) else {
                    return false;
                };
                let linked = (shown.dev(), shown.ino()) == (kept.dev(), kept.ino());
                let copied = shown.is_file() && shown.nlink() == 1 && shown.len() == blob.bytes;
                linked || copied
            })
        })
    }
}

/// Links `blob` as `file`, or copies it (its mode too) where it cannot be linked.
fn show(blob: &Path, file: &Path) -> Result<(), Error> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    fs::hard_link(blob, file)
        .or_else(|_| fs::copy(blob, file).map(|_| ()))
        .map_err(Error::io("publish", blob))
}

/// Puts the folder `fresh` at `target` and removes what was there.
fn swap(fresh: &Path, target: &Path, aside: &Path) -> io::Result<()> {
    loop {
        match renameat_with(CWD, fresh, CWD, target, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::EXIST) => {}
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => break,
            Err(error) => return Err(error.into()),
        }
        match renameat_with(CWD, fresh, CWD, target, RenameFlags::EXCHANGE) {
            Ok(()) => return remove(fresh),
            Err(rustix::io::Errno::NOENT) => {}
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => break,
            Err(error) => return Err(error.into()),
        }
    }
    // A file system without exchange: for a moment there is no folder, never half of one.
    match fs::rename(target, aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::rename(fresh, target)?,
    }
    remove(aside)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
