//! [`Folder`]: access to the files below a folder that is held open.
//!
//! A program can replace a folder by a link between two uses of its path. Everything below a [`Folder`] is
//! therefore reached relative to its file descriptor, without following symbolic links and without entering a
//! file system that is mounted there.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, chmod, fchmod, fstat, openat, renameat,
    statat, unlinkat,
};
use rustix::io::Errno;

use super::files;

/// An open folder.
#[derive(Debug)]
pub struct Folder(OwnedFd);

impl Folder {
    /// Opens the folder at `path`. The last name of `path` must not be a link.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = folder_flags() | OFlags::NOFOLLOW;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    /// Opens the folder at `path` in this one. An empty path opens this folder itself.
    ///
    /// # Errors
    /// If it does not exist, or if a link or a mount point is on the way.
    pub fn folder(&self, path: &Path) -> io::Result<Self> {
        self.reach(&inside(path)?, folder_flags()).map(Self)
    }

    /// Opens the regular file at `path` in this folder for reading. Anything else is an error. A FIFO does
    /// not block the call.
    pub fn file(&self, path: &Path) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(self.reach(&inside(path)?, flags)?);
        files::check(file.metadata()?.file_type())?;
        Ok(file)
    }

    /// Returns the metadata of the file or folder at `path` in this folder. For a link, returns that of the
    /// link itself.
    pub fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.in_parent(path, |parent, name| {
            Ok(statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?)
        })
    }

    /// Moves the file at `path` in this folder to `target`.
    pub fn move_out(&self, path: &Path, target: &Path) -> io::Result<()> {
        self.in_parent(path, |parent, name| {
            Ok(renameat(parent, name, CWD, target)?)
        })
    }

    /// Returns the names and types of the entries of the folder at `path` in this one, in no particular
    /// order. A folder that was removed while it was open has no entries.
    pub fn entries(&self, path: &Path) -> io::Result<Vec<(OsString, FileType)>> {
        match self.read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.is_removed() => {
                Ok(Vec::new())
            }
            entries => entries,
        }
    }

    fn is_removed(&self) -> bool {
        fstat(&self.0).is_ok_and(|stat| stat.st_nlink == 0)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<(OsString, FileType)>> {
        let mut folder = Dir::new(self.reach(&inside(path)?, folder_flags())?)?;
        let mut entries = Vec::new();
        while let Some(entry) = folder.read() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    let stat = statat(folder.fd()?, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    FileType::from_raw_mode(stat.st_mode)
                }
                known => known,
            };
            let name = OsStr::from_bytes(name.to_bytes()).to_owned();
            entries.push((name, kind));
        }
        Ok(entries)
    }

    /// Returns the first symbolic link on the way to `path` or at its end: the reason why `path` cannot be
    /// reached.
    pub fn link_on(&self, path: &Path) -> Option<PathBuf> {
        let path = inside(path).ok()?;
        let ancestors: Vec<&Path> = path.ancestors().collect();
        let mut ways = ancestors.into_iter().rev().skip(1);
        ways.find(|way| {
            self.stat(way)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_symlink())
        })
        .map(Path::to_owned)
    }

    /// Returns whether `path` leads to this folder.
    pub fn is_at(&self, path: &Path) -> io::Result<bool> {
        match statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) => Ok(is_same(&fstat(&self.0)?, &there)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the owner back all permissions on this folder, which a program may have removed.
    pub fn regain(&self) -> io::Result<()> {
        if fstat(&self.0)?.st_mode & Mode::RWXU.bits() == Mode::RWXU.bits() {
            return Ok(());
        }
        Ok(fchmod(&self.0, Mode::RWXU)?)
    }

    /// Counts the files and folders below this one. Returns `None` if there are more than a few, or if the
    /// files have more than `most` bytes in total.
    pub fn measure(&self, most: u64) -> io::Result<Option<usize>> {
        const FEW: usize = 64;
        let mut bytes = 0;
        let mut entries = 0;
        let mut folders = vec![PathBuf::new()];
        while let Some(path) = folders.pop() {
            for (name, kind) in self.entries(&path)? {
                entries += 1;
                let path = path.join(name);
                if kind.is_dir() {
                    folders.push(path);
                } else {
                    bytes += self.stat(&path)?.st_size.unsigned_abs();
                }
                if entries > FEW || bytes > most {
                    return Ok(None);
                }
            }
        }
        Ok(Some(entries))
    }

    /// Removes the folder at `path` with everything in it, as [`clear`](Self::clear) does. Links before the
    /// last name of `path` are followed.
    pub fn remove(path: &Path) -> io::Result<()> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Errno::INVAL.into());
        };
        let parent = match parent.as_os_str().is_empty() {
            true => Path::new("."),
            false => parent,
        };
        let parent = Self(openat(CWD, parent, folder_flags(), Mode::empty())?);
        parent.enter(name)?.clear()?;
        gone(unlinkat(&parent.0, name, AtFlags::REMOVEDIR))
    }

    /// Removes everything in this folder. Links are removed, not followed; a mount point is an error.
    pub fn clear(&self) -> io::Result<()> {
        self.regain()?;
        let mut moved = 0_u64;
        let mut waiting = self.remove_files(self, &mut moved)?;
        while let Some(name) = waiting.pop() {
            let folder = self.enter(&name)?;
            waiting.extend(self.remove_files(&folder, &mut moved)?);
            gone(unlinkat(&self.0, &name, AtFlags::REMOVEDIR))?;
        }
        Ok(())
    }

    /// Removes the files in `folder` and moves its subfolders up into this folder, so that a single name
    /// reaches each of them, however deep it was. Returns the names of the subfolders.
    fn remove_files(&self, folder: &Self, moved: &mut u64) -> io::Result<Vec<OsString>> {
        let is_below = !std::ptr::eq(self, folder);
        let mut folders = Vec::new();
        for (name, kind) in folder.entries(Path::new(""))? {
            if !kind.is_dir() {
                gone(unlinkat(&folder.0, &name, AtFlags::empty()))?;
            } else if is_below {
                folder.enter(&name)?;
                let above = loop {
                    let above = OsString::from(format!(".moved-{moved}"));
                    *moved += 1;
                    let there = statat(&self.0, &above, AtFlags::SYMLINK_NOFOLLOW);
                    if matches!(there, Err(Errno::NOENT)) {
                        break above;
                    }
                };
                renameat(&folder.0, &name, &self.0, &above)?;
                folders.push(above);
            } else {
                folders.push(name);
            }
        }
        Ok(folders)
    }

    /// Opens the folder `name` in this one and gives its owner all permissions on it.
    fn enter(&self, name: &OsStr) -> io::Result<Self> {
        let path = Path::new(name);
        let folder = match self.folder(path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                #[cfg(target_os = "linux")]
                {
                    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                    let closed = self.reach(path, flags)?;
                    chmod(format!("/proc/self/fd/{}", closed.as_raw_fd()), Mode::RWXU)?;
                }
                self.folder(path)?
            }
            opened => opened?,
        };
        folder.regain()?;
        Ok(folder)
    }

    /// Calls `f` with the parent folder of `path` and the last name of `path`.
    fn in_parent<T>(
        &self,
        path: &Path,
        f: impl FnOnce(&Self, &OsStr) -> io::Result<T>,
    ) -> io::Result<T> {
        let path = inside(path)?;
        let Some(name) = path.file_name() else {
            return Err(Errno::INVAL.into());
        };
        match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => f(&self.folder(parent)?, name),
            _ => f(self, name),
        }
    }

    #[cfg(target_os = "linux")]
    fn reach(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        use rustix::fs::{ResolveFlags, openat2};

        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        let name = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        match openat2(&self.0, name, flags, Mode::empty(), resolve) {
            // Linux before 5.6 and some sandboxes do not support the call.
            Err(Errno::NOSYS | Errno::PERM) => self.step(path, flags),
            opened => Ok(opened?),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn reach(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        self.step(path, flags)
    }

    /// Opens `path` in this folder name by name, for systems without `openat2`.
    fn step(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let device = fstat(&self.0)?.st_dev;
        let mut names = path.iter().peekable();
        let mut at = openat(&self.0, ".", folder_flags(), Mode::empty())?;
        while let Some(name) = names.next() {
            let flags = match names.peek() {
                Some(_) => folder_flags(),
                None => flags,
            };
            at = openat(&at, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
            if fstat(&at)?.st_dev != device {
                return Err(Errno::XDEV.into());
            }
        }
        Ok(at)
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

/// Returns whether both describe the same file.
fn is_same(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}

/// Returns `path` without `.`, or an error if it could lead out of the folder that it is relative to.
fn inside(path: &Path) -> io::Result<PathBuf> {
    path.components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| match part {
            Component::Normal(name) => Ok(name),
            _ => Err(Errno::INVAL.into()),
        })
        .collect()
}

/// Returns success if the file was already gone, because it does not matter who removed it.
fn gone(removed: rustix::io::Result<()>) -> io::Result<()> {
    match removed {
        Err(Errno::NOENT) => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests;
