//! Puts the files that a program reads into its scratch folder.
//!
//! A program must not be able to change what others read, so it gets private copies: clones, if the file
//! system supports them (`FICLONE`), or else ordinary copies. Only a large file of an input (see
//! [`PRIVATE_BYTES`]) that cannot be cloned is a hard link to the store's own file, which the engine watches.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use contract::{
    Artifact, Failure, INDEX_FILE, Mount, PRIVATE_BYTES, Request, clock, files, json, sources::walk,
};
use serde::Serialize;

use super::Params;

/// Puts inputs, code and files in place. Returns each file's path in the scratch folder, and how it was put there.
pub(super) fn mount(
    params: &Params,
    request: &Request,
    scratch: &Path,
) -> Result<BTreeMap<PathBuf, Mount>, Failure> {
    let mut scratch = Scratch {
        folder: scratch,
        mounted: BTreeMap::new(),
        made: scratch.to_owned(),
    };
    for (role, artifacts) in &request.inputs {
        for artifact in artifacts {
            let mut at = PathBuf::from(role);
            at.extend(artifact.entry.iter().map(|entry| &entry.path));
            scratch.artifact(role, &at, artifact)?;
        }
        scratch.index(role, artifacts)?;
    }
    // Code and files are copied (cloned, if the file system supports it) and not linked: a program may write
    // to the files that it reads, many interpreters look for other files beside a link's target, and an
    // archive of links is useless.
    for path in &params.code {
        scratch.source(path, path, 0o755)?;
    }
    for (_, place, path) in params.mounts() {
        scratch.source(&place, path, 0o644)?;
    }
    scratch.forget_recent_times();
    Ok(scratch.mounted)
}

/// Copies a file and sets its mode. The original's mode is not part of the key, so it is not kept.
fn copy(from: &Path, to: &Path, mode: u32) -> io::Result<()> {
    files::copy(from, to)?;
    fs::set_permissions(to, Permissions::from_mode(mode))
}

/// Creates a private copy of an input's file, read-only as the original is, or a hard link to a large file
/// that cannot be cloned.
fn copy_or_link(role: &str, from: &Path, to: &Path) -> io::Result<Mount> {
    let mut original = files::open(from)?;
    let is_small = original.metadata()?.len() <= PRIVATE_BYTES;
    let mut create = File::options();
    create.write(true).create_new(true).mode(0o444);
    let mut copy = files::open_with(to, &mut create)?;
    if !clone(&original, &copy) {
        if !is_small {
            fs::remove_file(to)?;
            // Not every file system has hard links, and a file can have only so many of them.
            if fs::hard_link(from, to).is_ok() {
                return Ok(Mount::Linked);
            }
            copy = files::open_with(to, &mut create)?;
        }
        io::copy(&mut original, &mut copy)?;
    }
    let metadata = copy.metadata()?;
    Ok(Mount::Copied {
        role: role.to_owned(),
        original: from.to_owned(),
        inode: metadata.ino(),
        changed: Some((metadata.ctime(), metadata.ctime_nsec())),
    })
}

/// Makes `to` share the blocks of `from`; returns `false` if the file system cannot.
fn clone(from: &File, to: &File) -> bool {
    #[cfg(target_os = "linux")]
    return rustix::fs::ioctl_ficlone(to, from).is_ok();
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (from, to);
        false
    }
}

/// Entry of an artifact in the index of an input.
#[derive(Serialize)]
struct Listed<'a> {
    instance: &'a str,
    axes: &'a BTreeMap<String, String>,
    path: &'a str,
    /// Path of the artifact's file, if it is a single file.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

impl<'a> Listed<'a> {
    fn of(artifact: &'a Artifact) -> Option<Self> {
        let entry = artifact.entry.as_ref()?;
        let names: Vec<&String> = artifact.files.keys().take(2).collect();
        let file = match names.as_slice() {
            [name] if artifact.folders.is_empty() => Some(format!("{}/{name}", entry.path)),
            _ => None,
        };
        Some(Self {
            instance: &entry.instance,
            axes: &entry.axes,
            path: &entry.path,
            file,
        })
    }
}

struct Scratch<'a> {
    folder: &'a Path,
    mounted: BTreeMap<PathBuf, Mount>,
    /// A folder that exists: the one that was created last.
    made: PathBuf,
}

impl Scratch<'_> {
    /// Puts every file and empty folder of an artifact on the port `role` in place.
    fn artifact(&mut self, role: &str, at: &Path, artifact: &Artifact) -> Result<(), Failure> {
        if artifact.files.is_empty() {
            self.make(&self.folder.join(at))?;
        }
        for name in &artifact.folders {
            self.make(&self.folder.join(at).join(name))?;
        }
        for (name, file) in &artifact.files {
            self.put(&at.join(name), file, &|to| copy_or_link(role, file, to))?;
        }
        Ok(())
    }

    /// Writes the index of the artifacts on the port `role`, unless the port's folder is a single artifact.
    fn index(&mut self, role: &str, artifacts: &[Artifact]) -> Result<(), Failure> {
        let listed: Vec<Listed<'_>> = artifacts.iter().filter_map(Listed::of).collect();
        if listed.is_empty() {
            return Ok(());
        }
        let at = Path::new(role).join(INDEX_FILE);
        let text = json::text(&listed).map_err(|e| Failure::io("write", &at, e))?;
        self.put(&at, &at, &|to| {
            let mut create = File::options();
            create.write(true).create_new(true).mode(0o444);
            files::open_with(to, &mut create)?.write_all(text.as_bytes())?;
            Ok(Mount::Source)
        })
    }

    /// Copies the file or folder at `path`.
    fn source(&mut self, at: &Path, path: &Path, mode: u32) -> Result<(), Failure> {
        let found = walk(path).map_err(|invalid| Failure::Data(invalid.to_string()))?;
        let whole = found.files.is_empty().then(String::new);
        for name in found.empty.iter().chain(&whole) {
            self.make(&self.folder.join(at).join(name))?;
        }
        for name in found.files {
            // If the source is a file, the name is empty.
            let (at, file) = match name.as_str() {
                "" => (at.to_owned(), path.to_owned()),
                name => (at.join(name), path.join(name)),
            };
            self.put(&at, &file, &|to| {
                copy(&file, to, mode).map(|()| Mount::Source)
            })?;
        }
        Ok(())
    }

    fn put(
        &mut self,
        at: &Path,
        file: &Path,
        put: &dyn Fn(&Path) -> io::Result<Mount>,
    ) -> Result<(), Failure> {
        let target = self.folder.join(at);
        if let Some(folder) = target.parent().filter(|folder| *folder != self.made) {
            self.make(folder)?;
            self.made = folder.to_owned();
        }
        let mount = put(&target).map_err(|e| Failure::io("prepare", file, e))?;
        self.mounted.insert(at.components().collect(), mount);
        Ok(())
    }

    fn make(&self, folder: &Path) -> Result<(), Failure> {
        files::create_folders(folder).map_err(|e| Failure::io("create", folder, e))
    }

    /// Forgets the times of copies that were made within the current tick of the clock (a few milliseconds).
    /// If the program changes such a copy at once, its time may stay the same.
    fn forget_recent_times(&mut self) {
        for mount in self.mounted.values_mut() {
            if let Mount::Copied { changed, .. } = mount {
                *changed = changed.filter(|&changed| clock::has_passed(changed));
            }
        }
    }
}
