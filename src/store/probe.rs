//! Probes whether a store works in its folder, or in the folder where it would be created.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::latest::link;
use super::session::Session;
use super::{Error, FORMAT, refuse_link};

/// Result of probing the folder of a store.
#[derive(Debug)]
pub struct Probe {
    /// Folder that was probed: in the store, or where the store would be created.
    pub folder: PathBuf,
    /// `true` if hard links work; without them `latest` holds copies. An error if files cannot be written.
    pub links: Result<bool, Error>,
}

/// Tries to write and link a file in the folder that a store in `root` uses. Does not create a store. In an
/// existing store, it leaves only the lock file that every run creates.
pub fn probe(root: &Path) -> Probe {
    let home = root.join(FORMAT);
    let tmp = home.join("tmp");
    let folder = existing_part(&tmp);
    let links = if folder == tmp {
        // Uses a session, as a run does. Otherwise another process could delete the files as leftovers.
        refuse_link(&home)
            .and_then(|()| refuse_link(&tmp))
            .and_then(|()| links_in(Session::begin(&tmp)?.path()))
    } else {
        TempDir::with_prefix_in(".runner-", &folder)
            .map_err(Error::io("create a folder in", &folder))
            .and_then(|fresh| links_in(fresh.path()))
    };
    Probe { folder, links }
}

/// Returns the path if it exists, or else its nearest ancestor that does.
fn existing_part(path: &Path) -> PathBuf {
    let exists = |path: &&Path| fs::symlink_metadata(path).is_ok();
    match path.ancestors().find(exists) {
        Some(path) => path.to_owned(),
        None => PathBuf::from("."),
    }
}

fn links_in(folder: &Path) -> Result<bool, Error> {
    let file = folder.join("file");
    fs::write(&file, "to be linked").map_err(Error::io("write", &file))?;
    link(&file, &folder.join("link"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    /// Returns everything below a folder.
    fn all(folder: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(all(&path));
            }
            found.push(path);
        }
        found.sort();
        found
    }

    #[test]
    fn a_probe_leaves_an_existing_store_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path()).unwrap());
        let before = all(folder.path());
        let found = probe(folder.path());
        assert_eq!(found.folder, folder.path().join("v1/tmp"));
        assert!(found.links.is_ok(), "{found:?}");
        let after: Vec<PathBuf> = all(folder.path())
            .into_iter()
            .filter(|path| !path.ends_with("v1/tmp/.lock"))
            .collect();
        assert_eq!(after, before);
    }

    #[test]
    fn a_probe_creates_no_store() {
        let folder = tempfile::tempdir().unwrap();
        let found = probe(&folder.path().join("not/there"));
        assert_eq!(found.folder, folder.path());
        assert!(found.links.is_ok(), "{found:?}");
        assert_eq!(all(folder.path()), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_probe_below_a_file_fails() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let said = probe(&file.join("store")).links.unwrap_err().to_string();
        let start = format!("failed to create a folder in `{}`: ", file.display());
        assert!(said.starts_with(&start), "{said}");
    }

    #[test]
    fn probing_and_opening_a_linked_store_give_the_same_error() {
        let folder = tempfile::tempdir().unwrap();
        let [real, root] = ["real", "root"].map(|name| folder.path().join(name));
        drop(Store::open(&real).unwrap());
        fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink(real.join("v1"), root.join("v1")).unwrap();
        let opened = Store::open(&root).unwrap_err().to_string();
        assert_eq!(probe(&root).links.unwrap_err().to_string(), opened);
    }
}
