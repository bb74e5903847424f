//! What lies in the scratch folder before the program starts.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::Params;
use crate::contract::{Artifact, Failure, Request};
use crate::sources::walk;

/// Puts inputs, code and files in place; gives the path of each in the scratch folder.
pub fn mount(
    params: &Params,
    request: &Request,
    scratch: &Path,
) -> Result<BTreeSet<PathBuf>, Failure> {
    let mut scratch = Scratch {
        folder: scratch,
        mounted: BTreeSet::new(),
        made: scratch.to_owned(),
    };
    for (role, artifacts) in &request.inputs {
        match artifacts.as_slice() {
            [artifact] => scratch.artifact(Path::new(role), artifact)?,
            several => {
                for (position, artifact) in several.iter().enumerate() {
                    scratch.artifact(&Path::new(role).join(position.to_string()), artifact)?;
                }
            }
        }
    }
    // Copied (a clone, where the file system has them): a program may write to what it reads, many an
    // interpreter looks beside a link's target for what else there is, and an archive of links is none.
    for path in &params.code {
        scratch.source(path, path, &|from, to| copy(from, to, 0o755))?;
    }
    for (name, path) in &params.files {
        scratch.source(Path::new(name), path, &|from, to| copy(from, to, 0o644))?;
    }
    Ok(scratch.mounted)
}

/// The mode is ours, as the original's is not part of the key.
fn copy(from: &Path, to: &Path, mode: u32) -> io::Result<()> {
    fs::copy(from, to)?;
    fs::set_permissions(to, Permissions::from_mode(mode))
}

struct Scratch<'a> {
    folder: &'a Path,
    mounted: BTreeSet<PathBuf>,
    /// The folder that was made last, or is there.
    made: PathBuf,
}

impl Scratch<'_> {
    /// Another name for every file of an artifact: read-only, as they are in the store.
    fn artifact(&mut self, at: &Path, artifact: &Artifact) -> Result<(), Failure> {
        if artifact.files.is_empty() {
            let folder = self.folder.join(at);
            fs::create_dir_all(&folder).map_err(|e| Failure::io("create", &folder, e))?;
        }
        for (name, file) in &artifact.files {
            let link = |from: &Path, to: &Path| match fs::hard_link(from, to) {
                // Not every file system has links, and a file only so many of them.
                Err(_) => fs::copy(from, to).map(drop),
                linked => linked,
            };
            self.put(&at.join(name), file, &link)?;
        }
        Ok(())
    }

    /// The file or folder at `path`, by `put`.
    fn source(
        &mut self,
        at: &Path,
        path: &Path,
        put: &dyn Fn(&Path, &Path) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let found = walk(path).map_err(|invalid| Failure::Data(invalid.to_string()))?;
        for name in found.files {
            // Of a source that is a file, the name is empty.
            let (at, file) = match name.as_str() {
                "" => (at.to_owned(), path.to_owned()),
                name => (at.join(name), path.join(name)),
            };
            self.put(&at, &file, put)?;
        }
        Ok(())
    }

    fn put(
        &mut self,
        at: &Path,
        file: &Path,
        put: &dyn Fn(&Path, &Path) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let target = self.folder.join(at);
        if let Some(folder) = target.parent().filter(|folder| *folder != self.made) {
            fs::create_dir_all(folder).map_err(|e| Failure::io("create", folder, e))?;
            self.made = folder.to_owned();
        }
        put(file, &target).map_err(|e| Failure::io("put into place", file, e))?;
        self.mounted.insert(at.components().collect());
        Ok(())
    }
}
