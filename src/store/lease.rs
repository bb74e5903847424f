//! The lease: the right to fill a miss. It is an exclusive kernel lock that ends with its process.
//!
//! Each key locks one byte of the file `leases.lock`, at an offset derived from the key. A separate file for
//! each key would have to be created and removed for every stage, which is slow on any file system. If two
//! keys share a byte, one waits for the other.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use super::{Error, Store, lock};
use crate::keys::Key;

/// Held while an action is made; released on drop, or by the kernel when the process ends.
#[derive(Debug)]
pub struct Lease {
    file: File,
    offset: i64,
}

impl Store {
    /// Takes the lease on `key`, and waits while this or another process holds it. Look the key up again
    /// afterwards: the previous holder has most likely filled the miss.
    pub fn lease(&self, key: &Key) -> Result<Lease, Error> {
        loop {
            // A signal can interrupt the wait.
            if let Some(lease) = self.take_lease(key, libc::F_OFD_SETLKW)? {
                return Ok(lease);
            }
        }
    }

    /// Takes the lease on `key` unless it is held.
    pub fn try_lease(&self, key: &Key) -> Result<Option<Lease>, Error> {
        self.take_lease(key, libc::F_OFD_SETLK)
    }

    fn take_lease(&self, key: &Key, command: libc::c_int) -> Result<Option<Lease>, Error> {
        let path = self.home.join("leases.lock");
        self.set_aside_foreign(&path)?;
        // Opened for each lease: locks taken through the same open file do not exclude each other.
        let file = lock::open_to_write(&path).map_err(Error::io("open", &path))?;
        let offset = key.offset();
        match set(&file, offset, command, libc::F_WRLCK) {
            Ok(()) => Ok(Some(Lease { file, offset })),
            Err(error) if is_taken(&error) => Ok(None),
            Err(error) => Err(Error::io("lock", &path)(error)),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that is just being started still
        // has it open for a moment.
        let _ = set(&self.file, self.offset, libc::F_OFD_SETLK, libc::F_UNLCK);
    }
}

/// Sets or releases a lock on one byte. The lock belongs to the open file, not to the process.
fn set(file: &File, offset: i64, command: libc::c_int, kind: libc::c_int) -> io::Result<()> {
    // SAFETY: all zeros is a value of this plain struct; `l_pid` must be 0 for these commands.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = offset;
    lock.l_len = 1;
    // SAFETY: the descriptor is open, and the pointer is to a live struct of the type that these
    // commands take.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, &raw const lock) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn is_taken(error: &io::Error) -> bool {
    // A denied lock is EAGAIN or EACCES, depending on the system.
    error.kind() == io::ErrorKind::Interrupted
        || matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES))
}
