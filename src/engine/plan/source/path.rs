//! Stamps of the path to a source: the folders above it and the symbolic links on the way.
//!
//! While a source is read, a folder above it or a link on the way may be replaced and put back, without a change to
//! any file of the source. That leaves traces: a link that was replaced or renamed has another inode or change time,
//! a folder that was renamed has another change time, and a file system that was mounted over the folder has another
//! mount ID.
//!
//! | component | part of the stamp |
//! | --- | --- |
//! | symbolic link | device, inode, modification and change time |
//! | folder above the source | device, inode, mount ID; change time if it differs from modification time |
//! | the source itself | device, inode, mount ID; its own stamps have the rest |
//!
//! Folders above sources often get new entries. A new entry sets both times of a folder to the same value, so the
//! change time counts only if it differs, as it does after the folder was renamed. If a folder is renamed, renamed back
//! and then gets a new entry, this is not noticed. Nor is a mount that is added and removed between two checks, because
//! it leaves no trace.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Maximum number of symbolic links on one path, the same as in Linux.
const MOST_LINKS: usize = 40;

/// Stamps of the components of one or more paths, each component once.
#[derive(Default)]
pub(super) struct PathStamps {
    seen: HashSet<PathBuf>,
    stamps: Vec<[u8; 40]>,
}

impl PathStamps {
    /// Follows `path` to its end, link by link, and stores the stamp of every component.
    pub(super) fn follow(&mut self, path: &Path) -> io::Result<()> {
        let mut rest: VecDeque<OsString> = std::path::absolute(path)?
            .components()
            .map(|part| part.as_os_str().to_owned())
            .collect();
        let mut at = PathBuf::new();
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            match Path::new(&part).components().next() {
                Some(Component::ParentDir) => {
                    at.pop();
                    continue;
                }
                Some(Component::CurDir) | None => continue,
                // An absolute target starts at the root again.
                Some(_) => at.push(&part),
            }
            let metadata = fs::symlink_metadata(&at)?;
            if !metadata.is_symlink() {
                self.add(&at, &metadata, rest.is_empty());
                continue;
            }
            links += 1;
            if links > MOST_LINKS {
                return Err(io::Error::from_raw_os_error(libc::ELOOP));
            }
            self.add(&at, &metadata, false);
            let target = fs::read_link(&at)?;
            at.pop();
            for part in target.components().rev() {
                rest.push_front(part.as_os_str().to_owned());
            }
        }
        Ok(())
    }

    fn add(&mut self, at: &Path, metadata: &Metadata, is_end: bool) {
        if !self.seen.insert(at.to_owned()) {
            return;
        }
        let time = |seconds: i64, rest: i64| seconds.wrapping_mul(1_000_000_000).wrapping_add(rest);
        let modified = time(metadata.mtime(), metadata.mtime_nsec());
        let changed = time(metadata.ctime(), metadata.ctime_nsec());
        let (first, second) = if metadata.is_symlink() {
            (modified, changed)
        } else if is_end || modified == changed {
            (0, 0)
        } else {
            (0, changed)
        };
        let mount = match metadata.is_symlink() {
            true => 0,
            false => mount_id(at).unwrap_or_default(),
        };
        let parts = [
            metadata.dev().to_le_bytes(),
            metadata.ino().to_le_bytes(),
            first.to_le_bytes(),
            second.to_le_bytes(),
            mount.to_le_bytes(),
        ];
        let mut stamp = [0; 40];
        stamp.copy_from_slice(parts.as_flattened());
        self.stamps.push(stamp);
    }

    /// Returns the stamps in the order in which they were taken.
    pub(super) fn stamps(&self) -> &[[u8; 40]] {
        &self.stamps
    }
}

/// Returns the ID of the mount that a path is on.
#[cfg(target_os = "linux")]
fn mount_id(path: &Path) -> Option<u64> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
    let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID).ok()?;
    let has_mount_id = found.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    has_mount_id.then_some(found.stx_mnt_id)
}

#[cfg(not(target_os = "linux"))]
fn mount_id(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    fn stamps(path: &Path) -> Vec<[u8; 40]> {
        let mut path_stamps = PathStamps::default();
        path_stamps.follow(path).unwrap();
        path_stamps.stamps().to_vec()
    }

    /// Longer than the resolution of file times.
    fn pause() {
        sleep(Duration::from_millis(30));
    }

    /// Applies `change` to a tree with `a/b/c/file` and the link `a/to -> b`. Returns whether the
    /// stamps of `path` change.
    fn is_noticed(path: &str, change: impl Fn(&Path)) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        fs::write(root.join("a/b/c/file"), "x").unwrap();
        fs::create_dir_all(root.join("other/c")).unwrap();
        fs::write(root.join("other/c/file"), "y").unwrap();
        symlink("b", root.join("a/to")).unwrap();
        symlink(root.join("a/to/../to"), root.join("far")).unwrap();
        pause();
        let before = stamps(&root.join(path));
        assert_eq!(before, stamps(&root.join(path)));
        change(root);
        before != stamps(&root.join(path))
    }

    fn switch_folder(root: &Path) {
        fs::rename(root.join("a/b"), root.join("aside")).unwrap();
        fs::rename(root.join("other"), root.join("a/b")).unwrap();
        pause();
        fs::rename(root.join("a/b"), root.join("other")).unwrap();
        fs::rename(root.join("aside"), root.join("a/b")).unwrap();
    }

    fn replace_link(root: &Path) {
        fs::remove_file(root.join("a/to")).unwrap();
        symlink("../other", root.join("a/to")).unwrap();
        pause();
        fs::remove_file(root.join("a/to")).unwrap();
        symlink("b", root.join("a/to")).unwrap();
    }

    fn rename_link(root: &Path) {
        fs::rename(root.join("a/to"), root.join("aside")).unwrap();
        symlink("../other", root.join("a/to")).unwrap();
        pause();
        fs::rename(root.join("aside"), root.join("a/to")).unwrap();
    }

    #[test]
    fn a_switch_that_is_undone_is_noticed() {
        for path in ["a/b/c", "a/b/c/file", "a/to/c", "far/c/file", "a/../a/b/c"] {
            assert!(is_noticed(path, switch_folder), "{path}");
        }
        for path in ["a/to/c", "a/to/c/file", "far/c", "a/to"] {
            assert!(is_noticed(path, replace_link), "{path}");
            assert!(is_noticed(path, rename_link), "{path}");
        }
    }

    #[test]
    fn new_entries_in_a_folder_above_do_not_count_as_a_switch() {
        let busy = |root: &Path| {
            pause();
            fs::write(root.join("new"), "").unwrap();
            fs::write(root.join("a/new"), "").unwrap();
            fs::remove_file(root.join("a/new")).unwrap();
        };
        for path in ["a/b/c", "a/to/c", "far/c/file"] {
            assert!(!is_noticed(path, busy), "{path}");
        }
        assert!(!is_noticed("a/b/c", replace_link));
    }

    #[test]
    fn a_loop_of_links_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        let error = PathStamps::default()
            .follow(&folder.path().join("a/c"))
            .unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
    }
}
