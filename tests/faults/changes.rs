//! Replacements for the calls that change, flush or lock files.

use std::ffi::{c_char, c_int, c_uint, c_void};

use libc::{AT_FDCWD, iovec, mode_t, off_t, size_t, ssize_t};

use crate::Effect::{Fits, Grows, Writes};
use crate::path::File::{At, Open};
use crate::system::{answer, system};
use crate::{Verdict, calls, die, judge};

calls! {
    fsync(file: c_int) -> c_int: Open(file), Fits => SYS_fsync(file);
    syncfs(file: c_int) -> c_int: Open(file), Fits => SYS_syncfs(file);
    fdatasync(file: c_int) -> c_int: Open(file), Fits => SYS_fdatasync(file);
    flock(file: c_int, how: c_int) -> c_int: Open(file), Fits => SYS_flock(file, how);
    fchmod(file: c_int, mode: mode_t) -> c_int: Open(file), Fits => SYS_fchmod(file, mode);
    ftruncate(file: c_int, length: off_t) -> c_int: Open(file), Fits => SYS_ftruncate(file, length);
    ftruncate64(file: c_int, length: off_t) -> c_int: Open(file), Fits => SYS_ftruncate(file, length);
    chmod(path: *const c_char, mode: mode_t) -> c_int: At(AT_FDCWD, path), Fits
        => SYS_fchmodat(AT_FDCWD, path, mode);
    mkdir(path: *const c_char, mode: mode_t) -> c_int: At(AT_FDCWD, path), Grows
        => SYS_mkdirat(AT_FDCWD, path, mode);
    mkdirat(folder: c_int, path: *const c_char, mode: mode_t) -> c_int: At(folder, path), Grows
        => SYS_mkdirat(folder, path, mode);
    unlink(path: *const c_char) -> c_int: At(AT_FDCWD, path), Fits => SYS_unlinkat(AT_FDCWD, path, 0);
    rmdir(path: *const c_char) -> c_int: At(AT_FDCWD, path), Fits
        => SYS_unlinkat(AT_FDCWD, path, libc::AT_REMOVEDIR);
    unlinkat(folder: c_int, path: *const c_char, flags: c_int) -> c_int: At(folder, path), Fits
        => SYS_unlinkat(folder, path, flags);
    link(from: *const c_char, to: *const c_char) -> c_int: At(AT_FDCWD, to), Grows
        => SYS_linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
    linkat(from_folder: c_int, from: *const c_char, folder: c_int, to: *const c_char, flags: c_int) -> c_int:
        At(folder, to), Grows => SYS_linkat(from_folder, from, folder, to, flags);
    symlink(from: *const c_char, to: *const c_char) -> c_int: At(AT_FDCWD, to), Grows
        => SYS_symlinkat(from, AT_FDCWD, to);
    rename(from: *const c_char, to: *const c_char) -> c_int: At(AT_FDCWD, to), Fits
        => SYS_renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
    renameat(from_folder: c_int, from: *const c_char, folder: c_int, to: *const c_char) -> c_int:
        At(folder, to), Fits => SYS_renameat2(from_folder, from, folder, to, 0);
    renameat2(from_folder: c_int, from: *const c_char, folder: c_int, to: *const c_char, flags: c_uint) -> c_int:
        At(folder, to), Fits => SYS_renameat2(from_folder, from, folder, to, flags);
}

/// Only locking can be refused; other commands are passed on.
///
/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fcntl(file: c_int, command: c_int, argument: *mut c_void) -> c_int {
    let locks = matches!(command, libc::F_OFD_SETLK | libc::F_OFD_SETLKW);
    if locks && matches!(judge(b"fcntl ", Open(file), Fits), Verdict::Refused) {
        return -1;
    }
    // SAFETY: the kernel checks what it is passed.
    unsafe { answer(system!(libc::SYS_fcntl, file, command, argument)) as c_int }
}

/// Defines the calls that write and can be torn. `count` is the number of bytes or of parts.
macro_rules! writes {
    ($($name:ident($data:ident: $type:ty; $count:ident: $counted:ty $(; $more:ident: $last:ty)?) => $number:ident;)*) => {$(
        /// # Safety
        /// As libc's.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $name(
            file: c_int,
            $data: $type,
            $count: $counted
            $(, $more: $last)?
        ) -> ssize_t {
            let write = |count: $counted| {
                // SAFETY: the kernel checks what it is passed.
                unsafe { answer(system!(libc::$number, file, $data, count $(, $more)?)) as ssize_t }
            };
            match judge(concat!(stringify!($name), " ").as_bytes(), Open(file), Writes) {
                Verdict::Pass => write($count),
                Verdict::Refused => -1,
                Verdict::Torn => {
                    write($count / 2);
                    die()
                }
            }
        }
    )*};
}

writes! {
    write(bytes: *const c_void; count: size_t) => SYS_write;
    writev(parts: *const iovec; count: c_int) => SYS_writev;
    pwrite64(bytes: *const c_void; count: size_t; offset: off_t) => SYS_pwrite64;
}
