//! Detects whether a process has a file open for writing.
//!
//! Linux grants a read lease (`F_SETLEASE` in fcntl(2)) only while no process has the file open for writing
//! under any name; a shared writable mapping counts as open. While the lease is held, an attempt to open the
//! file for writing or to truncate it breaks the lease, and blocks until the lease is released or, by
//! default, for 45 seconds. Leases require the file's owner or root, and some file systems have none.
//! Timestamps are no substitute, because a program can set them.

use std::fs::File;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// An open file on which every attempt to write is noticed for as long as this value exists.
#[derive(Debug)]
pub struct WriteWatch {
    file: File,
    /// Set once the lease was released in favour of a writer.
    given_up: AtomicBool,
}

impl WriteWatch {
    /// Watches `file`, which must be open for reading only.
    ///
    /// # Errors
    /// Returns the file if a process has it open for writing, or if the system cannot tell.
    #[cfg(target_os = "linux")]
    pub fn watch(file: File) -> Result<Self, File> {
        // By default, breaking a lease raises a signal that would end the process; SIGURG is ignored by
        // default. `F_SETSIG` is 10 on every Linux architecture (fcntl(2)).
        const F_SETSIG: libc::c_int = 10;
        let granted = control(&file, F_SETSIG, libc::SIGURG) == Some(0)
            && control(&file, libc::F_SETLEASE, libc::F_RDLCK) == Some(0);
        if !granted {
            return Err(file);
        }
        Ok(Self {
            file,
            given_up: AtomicBool::new(false),
        })
    }

    #[cfg(not(target_os = "linux"))]
    pub fn watch(file: File) -> Result<Self, File> {
        Err(file)
    }

    /// Returns whether no process has tried to write to the file.
    pub fn is_unwritten(&self) -> bool {
        #[cfg(target_os = "linux")]
        return !self.given_up.load(Ordering::SeqCst)
            && control(&self.file, libc::F_GETLEASE, 0) == Some(libc::F_RDLCK);
        #[cfg(not(target_os = "linux"))]
        false
    }

    /// Lets a waiting writer continue. From then on the file counts as written to.
    pub fn release(&self) {
        #[cfg(target_os = "linux")]
        if !self.is_unwritten() && !self.given_up.swap(true, Ordering::SeqCst) {
            control(&self.file, libc::F_SETLEASE, libc::F_UNLCK);
        }
    }

    pub fn file(&self) -> &File {
        &self.file
    }
}

/// Returns whether a process has `file` open for writing. `file` itself must be open for reading only. While there is a
/// writer, unchanged timestamps prove nothing: a page of a shared mapping that was written to once can be written to
/// again without changing them. `false` where the system cannot tell.
#[cfg(target_os = "linux")]
pub fn is_open_for_writing(file: &File) -> bool {
    // `NFS_SUPER_MAGIC`: an NFS client refuses a lease whenever it has no delegation, whether or not the
    // file is open for writing.
    const NFS: u64 = 0x6969;
    let Ok(own) = file.try_clone() else {
        return false;
    };
    if WriteWatch::watch(own).is_ok() {
        return false;
    }
    let refused = std::io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN);
    let is_nfs = || rustix::fs::fstatfs(file).is_ok_and(|found| found.f_type as u64 == NFS);
    refused && !is_nfs()
}

#[cfg(not(target_os = "linux"))]
pub fn is_open_for_writing(_: &File) -> bool {
    false
}

impl Drop for WriteWatch {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that is just being started still
        // has it open for a moment.
        #[cfg(target_os = "linux")]
        control(&self.file, libc::F_SETLEASE, libc::F_UNLCK);
    }
}

/// Calls fcntl(2) with an integer argument. `None` if the call fails.
#[cfg(target_os = "linux")]
fn control(file: &File, command: libc::c_int, argument: libc::c_int) -> Option<libc::c_int> {
    // SAFETY: the descriptor is open, and these commands take an integer.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, argument) } {
        -1 => None,
        answer => Some(answer),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::Path;

    use super::*;

    fn fixture() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "content").unwrap();
        (folder, path)
    }

    fn watch(path: &Path) -> Option<WriteWatch> {
        WriteWatch::watch(File::open(path).unwrap()).ok()
    }

    #[test]
    fn a_file_that_is_open_for_writing_cannot_be_watched() {
        let (_folder, path) = fixture();
        let readers = File::open(&path).unwrap();
        let writer = OpenOptions::new().write(true).open(&path).unwrap();
        assert!(watch(&path).is_none() && is_open_for_writing(&readers));
        drop(writer);
        assert!(watch(&path).is_some() && !is_open_for_writing(&readers));
        // No lease is left that would block a writer.
        OpenOptions::new().append(true).open(&path).unwrap();
    }

    #[test]
    fn a_shared_mapping_counts_as_open() {
        let (_folder, path) = fixture();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        // SAFETY: a fresh mapping of an open file that is not truncated while it is mapped; it is not read.
        let mapped = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                7,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        assert_ne!(mapped, libc::MAP_FAILED);
        drop(file);
        assert!(watch(&path).is_none());
        // SAFETY: this is the mapping from above, and nothing refers to it.
        assert_eq!(unsafe { libc::munmap(mapped, 7) }, 0);
        assert!(watch(&path).is_some());
    }

    #[test]
    fn an_attempt_to_write_is_noticed_by_every_watcher_and_kills_no_process() {
        let (_folder, path) = fixture();
        let watchers = [watch(&path).unwrap(), watch(&path).unwrap()];
        File::open(&path).unwrap();
        assert!(watchers.iter().all(WriteWatch::is_unwritten));
        let refused = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&path)
            .unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::WouldBlock);
        assert!(!watchers.iter().any(WriteWatch::is_unwritten));
        drop(watchers);
        OpenOptions::new().write(true).open(&path).unwrap();
    }
}
