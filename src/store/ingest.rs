//! Moves or copies outputs into the store.
//!
//! A program, or a process that it left behind, may still change its outputs or replace them. Files are
//! therefore reached relative to an open [`Folder`]. A file is moved into the store only if it has no other
//! link and [no process has it open for writing](super::writers); otherwise it is copied.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use contract::{
    Folder,
    files::{open, open_with},
};
use rayon::prelude::*;
use rustix::fs::FileType;

use super::files;
use super::flush::folder_of;
use super::hashing::digest_before;
use super::session::Session;
use super::writers::WriteWatch;
use super::{Blob, Deadline, Error, FileStamp, Store, Tree};

/// Longest path of a file in a tree, in bytes. With the store's own folders in front, the path must stay
/// below the system's limit (4,096 on Linux).
const LONGEST: usize = 2048;

/// Bytes copied between two checks of the deadline.
const COPIED_AT_ONCE: u64 = 64 << 20;

/// Mode of a blob: readable for everybody, writable for nobody. The store's folders decide who can reach it.
pub const BLOB_MODE: u32 = 0o444;

impl Store {
    /// Takes the file or folder at `path` in `folder` into the store and returns its tree. The tree is on disk once
    /// a record that names it is stored with [`Results::put`](super::Results::put).
    ///
    /// Refuses links, special files, and names that are not UTF-8, hold a backslash or control character, or
    /// are too long. Gives up at a deadline.
    pub fn ingest(
        &self,
        folder: &Folder,
        path: &Path,
        deadline: &Deadline<'_>,
    ) -> Result<Tree, Error> {
        let mut found = Listing::new(*deadline);
        if path.as_os_str().is_empty() {
            found.collect(folder, path, "")?;
        } else {
            let stat = folder.stat(path).map_err(Error::io("read", path))?;
            match FileType::from_raw_mode(stat.st_mode) {
                kind if kind.is_dir() => found.collect(folder, path, "")?,
                kind => found.add(folder, path, "", kind)?,
            }
        }
        let session = self.session()?;
        let blobs: Vec<Blob> = found
            .files
            .par_iter()
            .map(|(_, file)| self.ingest_file(folder, file, &session, deadline))
            .collect::<Result<_, _>>()?;
        let files = found.files.into_keys().zip(blobs).collect();
        self.write_tree(Tree::new(files, found.folders)?)
    }

    /// Ingests `bytes` as a file called `name`.
    pub fn ingest_bytes(&self, name: &str, bytes: &[u8]) -> Result<Tree, Error> {
        let session = self.session()?;
        let fresh = session.fresh("made");
        fs::write(&fresh, bytes).map_err(Error::io("write", &fresh))?;
        let blob = self.ingest_own_file(&fresh, &Deadline::NONE)?;
        let files = BTreeMap::from([(name.to_owned(), blob)]);
        self.write_tree(Tree::new(files, BTreeSet::new())?)
    }

    /// Writes a tree whose blobs are in the store.
    pub(super) fn write_tree(&self, tree: Tree) -> Result<Tree, Error> {
        // Blobs that were in the store already are included: their writer may not have flushed them yet.
        for blob in tree.files.values() {
            let path = self.blob_path(&blob.digest);
            self.to_flush([folder_of(&path), path]);
        }
        let path = self.tree_path(&tree.digest);
        let bytes = tree.encode()?;
        let is_there = |there| matches!(there, files::Found::Bytes(there) if there == bytes);
        if !files::read(&path).is_ok_and(is_there) {
            self.create_shard(&path)?;
            self.set_aside_foreign(&path)?;
            self.session()?.write(&path, &bytes)?;
        }
        self.to_flush([folder_of(&path), path]);
        self.remember_tree(&tree);
        Ok(tree)
    }

    /// Takes one file into the store.
    fn ingest_file(
        &self,
        folder: &Folder,
        path: &Path,
        session: &Session,
        deadline: &Deadline<'_>,
    ) -> Result<Blob, Error> {
        let file = folder.file(path).map_err(Error::io("read", path))?;
        let copied =
            |file: &File| self.ingest_own_file(&copy(file, path, session, deadline)?, deadline);
        match WriteWatch::watch(file) {
            Ok(watched) => match self.move_in(folder, path, session, &watched, deadline)? {
                Some(blob) => Ok(blob),
                None => copied(watched.file()),
            },
            Err(file) => copied(&file),
        }
    }

    /// Moves a file into the store unless its content is there already. Returns `None` if another process
    /// could change the file, or if it is on another file system.
    fn move_in(
        &self,
        folder: &Folder,
        path: &Path,
        session: &Session,
        watched: &WriteWatch,
        deadline: &Deadline<'_>,
    ) -> Result<Option<Blob>, Error> {
        let file = watched.file();
        let metadata = file.metadata().map_err(Error::io("read", path))?;
        // Other links to the same file must not become read-only.
        if metadata.nlink() != 1 {
            return Ok(None);
        }
        let read = digest_before(file, metadata.len(), deadline);
        let (digest, bytes) = read.map_err(Error::io("read", path))?;
        let blob = Blob { digest, bytes };
        if self.ensure_sound(&blob, deadline)? {
            return Ok(Some(blob));
        }
        file.set_permissions(Permissions::from_mode(BLOB_MODE))
            .map_err(Error::io("make read-only", path))?;
        // Move the file to a name that no other process knows first. Another process may move an equal file to the
        // blob's own name at any moment; that file must not be mistaken for this one or removed.
        let moved = session.fresh("moved");
        match folder.move_out(path, &moved) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => return Ok(None),
            done => done.map_err(Error::io("move into the store", path))?,
        }
        // The rename moved whatever had the name at that time, which may be another file.
        let there = fs::symlink_metadata(&moved).map_err(Error::io("read", &moved))?;
        let ours = file.metadata().map_err(Error::io("read", &moved))?;
        let is_ours = (there.dev(), there.ino()) == (ours.dev(), ours.ino());
        if !is_ours || ours.nlink() != 1 || !watched.is_unwritten() {
            files::remove(&moved).map_err(Error::io("remove", &moved))?;
            return Ok(None);
        }
        let target = self.blob_path(&digest);
        self.create_shard(&target)?;
        fs::rename(&moved, &target).map_err(Error::io("move into the store", path))?;
        let stamp = FileStamp::of(&file.metadata().map_err(Error::io("read", &target))?);
        // Without a stamp to rely on, the blob is read again before it is used.
        if watched.is_unwritten() {
            self.remember(&digest, stamp);
        }
        Ok(Some(blob))
    }

    /// Moves in a file that no other process knows.
    pub(super) fn ingest_own_file(
        &self,
        file: &Path,
        deadline: &Deadline<'_>,
    ) -> Result<Blob, Error> {
        let read = open(file).and_then(|file| {
            let bytes = file.metadata()?.len();
            digest_before(&file, bytes, deadline)
        });
        let (digest, bytes) = read.map_err(Error::io("read", file))?;
        let blob = Blob { digest, bytes };
        if self.ensure_sound(&blob, deadline)? {
            fs::remove_file(file).map_err(Error::io("remove", file))?;
            return Ok(blob);
        }
        let target = self.blob_path(&digest);
        self.create_shard(&target)?;
        fs::set_permissions(file, Permissions::from_mode(BLOB_MODE))
            .map_err(Error::io("make read-only", file))?;
        fs::rename(file, &target).map_err(Error::io("move into the store", file))?;
        Ok(blob)
    }

    fn create_shard(&self, path: &Path) -> Result<(), Error> {
        let shard = path.parent().unwrap_or(Path::new("."));
        if self.create_folder(shard)? {
            self.to_flush([self.home.join("cas")]);
        }
        Ok(())
    }
}

/// Copies the content of an open file up to its present length, because it may be growing.
fn copy(
    file: &File,
    path: &Path,
    session: &Session,
    deadline: &Deadline<'_>,
) -> Result<PathBuf, Error> {
    let fresh = session.fresh("copy");
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    let copied = open_with(&fresh, &mut options).and_then(|mut copy| {
        let mut left = file.metadata()?.len();
        while left > 0 {
            deadline.check()?;
            let copied = io::copy(&mut file.take(left.min(COPIED_AT_ONCE)), &mut copy)?;
            if copied == 0 {
                break;
            }
            left -= copied;
        }
        Ok(())
    });
    copied.map_err(Error::io("copy", path))?;
    Ok(fresh)
}

/// Files and folders to ingest.
struct Listing<'a> {
    /// Paths in the source folder, by name in the tree.
    files: BTreeMap<String, PathBuf>,
    /// Names of empty folders.
    folders: BTreeSet<String>,
    deadline: Deadline<'a>,
}

impl<'a> Listing<'a> {
    fn new(deadline: Deadline<'a>) -> Self {
        Self {
            files: BTreeMap::new(),
            folders: BTreeSet::new(),
            deadline,
        }
    }

    /// Adds the content of the folder at `path`. `prefix` is its name in the tree with a `/` at the
    /// end, or empty for the root.
    fn collect(&mut self, root: &Folder, path: &Path, prefix: &str) -> Result<(), Error> {
        let entries = self.deadline.check().and_then(|()| root.entries(path));
        let entries = entries.map_err(Error::io("read", path))?;
        if entries.is_empty()
            && let Some(name) = prefix.strip_suffix('/')
        {
            self.folders.insert(name.to_owned());
        }
        for (name, kind) in entries {
            self.add(root, &path.join(name), prefix, kind)?;
        }
        Ok(())
    }

    /// Adds a file, or the content of a folder.
    fn add(
        &mut self,
        root: &Folder,
        path: &Path,
        prefix: &str,
        kind: FileType,
    ) -> Result<(), Error> {
        let refuse = |why| {
            Err(Error::Unstorable {
                path: path.to_owned(),
                why,
            })
        };
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return refuse("its name is not UTF-8");
        };
        if name.contains(|character: char| character == '\\' || character.is_control()) {
            return refuse("its name contains a backslash or a control character");
        }
        let name = format!("{prefix}{name}");
        if name.len() > LONGEST {
            return refuse("its path is longer than 2,048 bytes");
        }
        if kind.is_dir() {
            self.collect(root, path, &format!("{name}/"))?;
        } else if kind.is_file() {
            self.files.insert(name, path.to_owned());
        } else if kind.is_symlink() {
            return refuse("it is a symbolic link; only regular files can be kept");
        } else {
            return refuse("it is a special file; only regular files can be kept");
        }
        Ok(())
    }
}
