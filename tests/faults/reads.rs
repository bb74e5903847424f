//! Replacements for the calls that open, look up and read files and folders, and for `syscall`.

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};

use libc::{
    AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, DIR, iovec, mode_t, off_t, size_t, ssize_t,
};

use crate::Effect::{Fits, Grows, Looks, Reads};
use crate::path::File::{self, At, Open};
use crate::path::text;
use crate::system::{answer, system};
use crate::{Effect, OPEN, Verdict, calls, judge};

calls! {
    read(file: c_int, bytes: *mut c_void, count: size_t) -> ssize_t: Open(file), Reads
        => SYS_read(file, bytes, count);
    readv(file: c_int, parts: *const iovec, count: c_int) -> ssize_t: Open(file), Reads
        => SYS_readv(file, parts, count);
    pread64(file: c_int, bytes: *mut c_void, count: size_t, offset: off_t) -> ssize_t: Open(file), Reads
        => SYS_pread64(file, bytes, count, offset);
    getdents64(file: c_int, entries: *mut c_void, count: size_t) -> ssize_t: Open(file), Reads
        => SYS_getdents64(file, entries, count);
    fstat64(file: c_int, stat: *mut c_void) -> c_int: Open(file), Reads => SYS_fstat(file, stat);
    stat64(path: *const c_char, stat: *mut c_void) -> c_int: At(AT_FDCWD, path), Looks
        => SYS_newfstatat(AT_FDCWD, path, stat, 0);
    lstat64(path: *const c_char, stat: *mut c_void) -> c_int: At(AT_FDCWD, path), Looks
        => SYS_newfstatat(AT_FDCWD, path, stat, AT_SYMLINK_NOFOLLOW);
    access(path: *const c_char, mode: c_int) -> c_int: At(AT_FDCWD, path), Looks
        => SYS_faccessat(AT_FDCWD, path, mode);
    readlink(path: *const c_char, bytes: *mut c_char, count: size_t) -> ssize_t:
        At(AT_FDCWD, path), Looks => SYS_readlinkat(AT_FDCWD, path, bytes, count);
    readlinkat(folder: c_int, path: *const c_char, bytes: *mut c_char, count: size_t) -> ssize_t:
        At(folder, path), Looks => SYS_readlinkat(folder, path, bytes, count);
}

/// Returns the file and the effect of a call that takes `AT_EMPTY_PATH`. With this flag and an empty path,
/// the call is about the open file `folder`.
fn stated(folder: c_int, path: *const c_char, flags: c_int) -> (File, Effect) {
    // SAFETY: the path comes from the caller of a replaced function.
    if flags & AT_EMPTY_PATH != 0 && unsafe { text(path) }.is_empty() {
        (Open(folder), Reads)
    } else {
        (At(folder, path), Looks)
    }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fstatat64(
    folder: c_int,
    path: *const c_char,
    stat: *mut c_void,
    flags: c_int,
) -> c_int {
    let (file, effect) = stated(folder, path, flags);
    match judge(b"fstatat64 ", file, effect) {
        Verdict::Refused => -1,
        // SAFETY: the kernel checks what it is passed.
        _ => unsafe { answer(system!(libc::SYS_newfstatat, folder, path, stat, flags)) as c_int },
    }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn statx(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mask: c_uint,
    stat: *mut c_void,
) -> c_int {
    let (file, effect) = stated(folder, path, flags);
    match judge(b"statx ", file, effect) {
        Verdict::Refused => -1,
        // SAFETY: the kernel checks what it is passed.
        _ => unsafe { answer(system!(libc::SYS_statx, folder, path, flags, mask, stat)) as c_int },
    }
}

/// Decides about a copy between open files: first about its writes, then about its reads.
fn judge_copy(call: &[u8], from: c_int, to: c_int) -> Verdict {
    match judge(call, Open(to), Grows) {
        Verdict::Pass => judge(call, Open(from), Reads),
        verdict => verdict,
    }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn copy_file_range(
    from: c_int,
    from_offset: *mut off_t,
    to: c_int,
    to_offset: *mut off_t,
    count: size_t,
    flags: c_uint,
) -> ssize_t {
    match judge_copy(b"copy_file_range ", from, to) {
        Verdict::Refused => -1,
        // SAFETY: the kernel checks what it is passed.
        _ => unsafe {
            answer(system!(
                libc::SYS_copy_file_range,
                from,
                from_offset,
                to,
                to_offset,
                count,
                flags
            )) as ssize_t
        },
    }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn sendfile64(
    to: c_int,
    from: c_int,
    offset: *mut off_t,
    count: size_t,
) -> ssize_t {
    match judge_copy(b"sendfile64 ", from, to) {
        Verdict::Refused => -1,
        // SAFETY: the kernel checks what it is passed.
        _ => unsafe { answer(system!(libc::SYS_sendfile, to, from, offset, count)) as ssize_t },
    }
}

/// Returns the effect of opening a file with these flags.
fn opening(flags: c_int) -> Effect {
    if flags & libc::O_CREAT != 0 {
        Grows
    } else if flags & libc::O_TRUNC != 0 {
        Fits
    } else {
        Looks
    }
}

/// # Safety
/// As libc's.
unsafe fn open_at(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    match judge(OPEN, At(folder, path), opening(flags)) {
        Verdict::Refused => -1,
        // SAFETY: the kernel checks what it is passed.
        _ => unsafe { answer(system!(libc::SYS_openat, folder, path, flags, mode)) as c_int },
    }
}

/// # Safety
/// As the system call's: `how` is null or begins with the flags, as 64 bits.
unsafe fn open_at_2(folder: c_int, path: *const c_char, how: *const u64, size: size_t) -> c_int {
    // SAFETY: as above.
    let flags = unsafe { how.as_ref() }.map_or(0, |flags| *flags as c_int);
    match judge(OPEN, At(folder, path), opening(flags)) {
        Verdict::Refused => -1,
        // SAFETY: the kernel checks what it is passed.
        _ => unsafe { answer(system!(libc::SYS_openat2, folder, path, how, size)) as c_int },
    }
}

/// Defines the calls that open files, all through [`open_at`].
macro_rules! opens {
    ($($name:ident($($folder:ident: $type:ty)?) => $in:expr;)*) => {$(
        /// # Safety
        /// As libc's.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $name(
            $($folder: $type,)?
            path: *const c_char,
            flags: c_int,
            mode: mode_t,
        ) -> c_int {
            // SAFETY: the caller's arguments are passed on.
            unsafe { open_at($in, path, flags, mode) }
        }
    )*};
}

opens! {
    open() => AT_FDCWD;
    open64() => AT_FDCWD;
    openat(folder: c_int) => folder;
    openat64(folder: c_int) => folder;
}

/// Returns libc's function of this name, which this library replaces.
fn behind(name: &CStr) -> *mut c_void {
    // SAFETY: the name is zero-terminated.
    unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn opendir(path: *const c_char) -> *mut DIR {
    if matches!(
        judge(b"opendir ", At(AT_FDCWD, path), Looks),
        Verdict::Refused
    ) {
        return std::ptr::null_mut();
    }
    // SAFETY: this is libc's function of that name and type, called with the caller's arguments.
    unsafe {
        let real: unsafe extern "C" fn(*const c_char) -> *mut DIR =
            std::mem::transmute(behind(c"opendir"));
        real(path)
    }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn readdir64(folder: *mut DIR) -> *mut libc::dirent64 {
    // SAFETY: callers pass an open folder.
    let file = Open(unsafe { libc::dirfd(folder) });
    if matches!(judge(b"readdir64 ", file, Reads), Verdict::Refused) {
        return std::ptr::null_mut();
    }
    // SAFETY: this is libc's function of that name and type, called with the caller's arguments.
    unsafe {
        let real: unsafe extern "C" fn(*mut DIR) -> *mut libc::dirent64 =
            std::mem::transmute(behind(c"readdir64"));
        real(folder)
    }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn realpath(
    path: *const c_char,
    resolved: *mut c_char,
) -> *mut c_char {
    if matches!(
        judge(b"realpath ", At(AT_FDCWD, path), Looks),
        Verdict::Refused
    ) {
        return std::ptr::null_mut();
    }
    // SAFETY: this is libc's function of that name and type, called with the caller's arguments.
    unsafe {
        let real: unsafe extern "C" fn(*const c_char, *mut c_char) -> *mut c_char =
            std::mem::transmute(behind(c"realpath"));
        real(path, resolved)
    }
}

/// Forwards calls about files to the functions above and in [`crate::changes`].
///
/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    use crate::changes::{fsync, mkdirat, renameat2, unlinkat, write};

    // The kernel reads only as many bytes of each argument as its type has.
    let (file, name) = (a as c_int, b as *const c_char);
    // SAFETY: the caller's arguments are passed on.
    unsafe {
        match number {
            libc::SYS_openat => open_at(file, name, c as c_int, d as mode_t).into(),
            libc::SYS_openat2 => open_at_2(file, name, c as *const u64, d as size_t).into(),
            libc::SYS_newfstatat => fstatat64(file, name, c as *mut c_void, d as c_int).into(),
            libc::SYS_statx => {
                let stat = e as *mut c_void;
                statx(file, name, c as c_int, d as c_uint, stat).into()
            }
            libc::SYS_fstat => fstat64(file, b as *mut c_void).into(),
            libc::SYS_readlinkat => readlinkat(file, name, c as *mut c_char, d as size_t) as c_long,
            libc::SYS_faccessat | libc::SYS_faccessat2 => {
                match judge(b"faccessat ", At(file, name), Looks) {
                    Verdict::Refused => -1,
                    _ => answer(system!(number, a, b, c, d)),
                }
            }
            libc::SYS_read => read(file, b as *mut c_void, c as size_t) as c_long,
            libc::SYS_pread64 => pread64(file, b as *mut c_void, c as size_t, d) as c_long,
            libc::SYS_getdents64 => getdents64(file, b as *mut c_void, c as size_t) as c_long,
            libc::SYS_copy_file_range => copy_file_range(
                file,
                b as *mut off_t,
                c as c_int,
                d as *mut off_t,
                e as size_t,
                f as c_uint,
            ) as c_long,
            libc::SYS_sendfile => {
                sendfile64(file, b as c_int, c as *mut off_t, d as size_t) as c_long
            }
            libc::SYS_write => write(file, b as *const c_void, c as size_t) as c_long,
            libc::SYS_fsync => fsync(file).into(),
            libc::SYS_mkdirat => mkdirat(file, name, c as mode_t).into(),
            libc::SYS_unlinkat => unlinkat(file, name, c as c_int).into(),
            libc::SYS_renameat2 => {
                renameat2(file, name, c as c_int, d as *const c_char, e as c_uint).into()
            }
            _ => answer(system!(number, a, b, c, d, e, f)),
        }
    }
}
