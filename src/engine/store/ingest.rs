//! Taking outputs into the store.
//!
//! A program, or a process that it left behind, may still change what it made, or put something else in
//! its place. So files are reached relative to an open [`Folder`], and a file is moved into the store only
//! if it has no other name and [nobody has it open for writing](super::writers); any other is copied.

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
use super::writers::Unwritten;
use super::{Blob, Deadline, Error, Stamp, Store, Tree};

/// Longest path of a file in a tree, in bytes: with the store's own folders before it, it must stay below
/// what systems take as one path (4,096 on Linux).
const LONGEST: usize = 2048;

/// Bytes that are copied between two looks at a deadline.
const COPIED_AT_ONCE: u64 = 64 << 20;

/// The rights to a blob: everybody reads, nobody writes. Who gets at it is up to the store's folders.
pub const BLOB_MODE: u32 = 0o444;

impl Store {
    /// Takes the file or folder at `path` in `folder` into the store and gives its tree. It is on disk
    /// once a [record](Store::record) is.
    ///
    /// Refuses links, special files, and names that are not UTF-8, hold a backslash or control character,
    /// or are too long. Gives up at a deadline.
    pub fn ingest(
        &self,
        folder: &Folder,
        path: &Path,
        deadline: &Deadline<'_>,
    ) -> Result<Tree, Error> {
        let mut found = Found::new(*deadline);
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
            .map(|(_, file)| self.take_in(folder, file, &session, deadline))
            .collect::<Result<_, _>>()?;
        let files = found.files.into_keys().zip(blobs).collect();
        self.keep_tree(Tree::new(files, found.folders)?)
    }

    /// Takes in a file of this name and content.
    pub fn ingest_bytes(&self, name: &str, bytes: &[u8]) -> Result<Tree, Error> {
        let session = self.session()?;
        let fresh = session.fresh("made");
        fs::write(&fresh, bytes).map_err(Error::io("write", &fresh))?;
        let blob = self.take_in_own(&fresh, &Deadline::NONE)?;
        let files = BTreeMap::from([(name.to_owned(), blob)]);
        self.keep_tree(Tree::new(files, BTreeSet::new())?)
    }

    /// Writes a tree whose blobs are there.
    fn keep_tree(&self, tree: Tree) -> Result<Tree, Error> {
        // All blobs: whoever put those there that were known may not have flushed them yet.
        for blob in tree.files.values() {
            let path = self.blob_path(&blob.digest);
            self.to_flush([folder_of(&path), path]);
        }
        let path = self.tree_path(&tree.digest);
        let bytes = tree.encode()?;
        let is_there = |there| matches!(there, files::Found::Bytes(there) if there == bytes);
        if !files::read(&path).is_ok_and(is_there) {
            self.create_shard(&path)?;
            self.make_way(&path)?;
            self.session()?.write(&path, &bytes)?;
        }
        self.to_flush([folder_of(&path), path]);
        self.have_at_hand(&tree);
        Ok(tree)
    }

    /// Takes in one file.
    fn take_in(
        &self,
        folder: &Folder,
        path: &Path,
        session: &Session,
        deadline: &Deadline<'_>,
    ) -> Result<Blob, Error> {
        let file = folder.file(path).map_err(Error::io("read", path))?;
        let copied =
            |file: &File| self.take_in_own(&copy(file, path, session, deadline)?, deadline);
        match Unwritten::watch(file) {
            Ok(watched) => match self.move_in(folder, path, session, &watched, deadline)? {
                Some(blob) => Ok(blob),
                None => copied(watched.file()),
            },
            Err(file) => copied(&file),
        }
    }

    /// Moves a file in, unless its content is there already. Returns `None` if somebody else could change the
    /// file, or if it is on another file system.
    fn move_in(
        &self,
        folder: &Folder,
        path: &Path,
        session: &Session,
        watched: &Unwritten,
        deadline: &Deadline<'_>,
    ) -> Result<Option<Blob>, Error> {
        let file = watched.file();
        let metadata = file.metadata().map_err(Error::io("read", path))?;
        // Other names of the same file are not ours to make read-only.
        if metadata.nlink() != 1 {
            return Ok(None);
        }
        let read = digest_before(file, metadata.len(), deadline);
        let (digest, bytes) = read.map_err(Error::io("read", path))?;
        let blob = Blob { digest, bytes };
        if self.has(&blob, deadline)? {
            return Ok(Some(blob));
        }
        file.set_permissions(Permissions::from_mode(BLOB_MODE))
            .map_err(Error::io("make read-only", path))?;
        // First to a name that nobody else knows. Under the blob's own name there may be, at any moment, an
        // equal file that somebody else moves in: it must not be taken for this one, nor removed.
        let moved = session.fresh("moved");
        match folder.move_out(path, &moved) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => return Ok(None),
            done => done.map_err(Error::io("move into the store", path))?,
        }
        // What was moved is what had the name, and that may have become another file than the one that was read.
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
        let stamp = Stamp::of(&file.metadata().map_err(Error::io("read", &target))?);
        // Without a stamp to rely on, the blob is read again before it is used.
        if watched.is_unwritten() {
            self.remember(&digest, stamp);
        }
        Ok(Some(blob))
    }

    /// Moves in a file that only we know.
    fn take_in_own(&self, file: &Path, deadline: &Deadline<'_>) -> Result<Blob, Error> {
        let read = open(file).and_then(|file| {
            let bytes = file.metadata()?.len();
            digest_before(&file, bytes, deadline)
        });
        let (digest, bytes) = read.map_err(Error::io("read", file))?;
        let blob = Blob { digest, bytes };
        if self.has(&blob, deadline)? {
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

/// Copies what an open file holds, up to its present length: it may be growing.
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

/// Files and folders to take in.
struct Found<'a> {
    /// Paths in the folder that is read, by their names in the tree.
    files: BTreeMap<String, PathBuf>,
    /// Names of folders with nothing in them.
    folders: BTreeSet<String>,
    deadline: Deadline<'a>,
}

impl<'a> Found<'a> {
    fn new(deadline: Deadline<'a>) -> Self {
        Self {
            files: BTreeMap::new(),
            folders: BTreeSet::new(),
            deadline,
        }
    }

    /// Adds what is in the folder at `path`, whose name in the tree is `prefix` without the `/` behind.
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

    /// Adds a file, or what is in a folder.
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
            return refuse("its name holds a backslash or control character");
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
