//! A disk that fails at a chosen moment: preloaded into `runner` and its workers, this library stands
//! between them and libc's calls that change files or lock them.
//!
//! ```text
//! LD_PRELOAD=target/release/examples/libfaults.so   runner run pipeline.yaml -j 1
//! RUNNER_FAULTS_UNDER=/absolute/folder   calls on other files are passed on unseen
//! RUNNER_FAULTS_COUNT=/some/file         grows by a byte with every call seen
//! RUNNER_FAULTS=<who>:<what>:<n>         what happens at the n-th; without it calls are only counted
//! RUNNER_FAULTS_SAID=/some/file          gets a line for every fault: the call, and the file's path
//! ```
//!
//! *who* says whose calls are seen: `runner`, `worker` (a process whose first argument is that), or
//! `any`. Counting goes by the length of one file, over all processes and in their common order, so
//! that with one job at a time the n-th call is nearly the same one in every run, and the calls of
//! every stage's worker have their turn. A fault counts only the calls that it can happen to.
//!
//! *what* is one of
//!
//! - `kill`: SIGKILL to the calling process, just before the call;
//! - `torn`: half of the bytes of a write are written, then SIGKILL;
//! - `enospc`, `eio`: this one call fails with that error;
//! - `full`: from here on every call that makes something grow or come to be fails with ENOSPC;
//! - `erofs`: from here on every call fails with EROFS.
//!
//! The real calls are made as raw system calls: nothing is looked up, nothing is allocated, nothing
//! can panic. Whatever libc offers and `runner` uses has to be here; what reaches the kernel in another
//! way goes unseen (rustix is built with `use-libc` for this reason alone). Only x86-64 and AArch64
//! pass the mode of `open` as if it were not variadic, which is relied on.

#![allow(
    clippy::disallowed_methods,
    reason = "it stands below what the runner opens"
)]
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};

use libc::{AT_FDCWD, iovec, mode_t, off_t, size_t, ssize_t};

/// What a call does to the disk, as far as the faults tell calls apart.
#[derive(Clone, Copy, PartialEq)]
enum Effect {
    /// Bytes are written.
    Writes,
    /// Something comes to be, or takes more room in another way.
    Grows,
    /// It fits on a full disk.
    Fits,
}

/// What is to become of a call.
enum Verdict {
    Pass,
    /// The error is set.
    Refused,
    /// Half of it, then the end of the process.
    Torn,
}

/// The file a call is about.
#[derive(Clone, Copy)]
enum File {
    Open(c_int),
    /// A path, relative to an open folder.
    At(c_int, *const c_char),
}

const LONGEST: usize = libc::PATH_MAX as usize;

/// An absolute path, cut where it is too long.
struct Path {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Path {
    fn of(file: File) -> Self {
        let mut path = Self {
            bytes: [0; LONGEST],
            length: 0,
        };
        match file {
            Open(descriptor) => path.read_descriptor(descriptor),
            At(folder, name) => {
                // SAFETY: callers pass what they were given as a path.
                let name = unsafe { text(name) };
                if !name.starts_with(b"/") {
                    if folder == AT_FDCWD {
                        path.read_link(c"/proc/self/cwd".to_bytes_with_nul());
                    } else {
                        path.read_descriptor(folder);
                    }
                    path.push(b"/");
                }
                path.push(name);
            }
        }
        path
    }

    fn read_descriptor(&mut self, descriptor: c_int) {
        let mut link = *b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0";
        let digits = decimal(descriptor.unsigned_abs().into());
        for (place, digit) in link.iter_mut().skip(14).zip(digits.bytes()) {
            *place = *digit;
        }
        self.read_link(&link);
    }

    /// `link` ends in a zero.
    fn read_link(&mut self, link: &[u8]) {
        // SAFETY: the buffer is as long as we say.
        let length = unsafe {
            libc::syscall(
                libc::SYS_readlinkat,
                AT_FDCWD,
                link.as_ptr(),
                self.bytes.as_mut_ptr(),
                LONGEST,
            )
        };
        self.length = usize::try_from(length).unwrap_or(0);
    }

    fn push(&mut self, more: &[u8]) {
        for (place, byte) in self.bytes.iter_mut().skip(self.length).zip(more) {
            *place = *byte;
            self.length += 1;
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn is_under(&self, folder: &[u8]) -> bool {
        self.bytes()
            .strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }
}

/// A number in text.
struct Decimal {
    digits: [u8; 20],
    start: usize,
}

fn decimal(mut number: u64) -> Decimal {
    let mut text = Decimal {
        digits: [b'0'; 20],
        start: 20,
    };
    for (index, digit) in text.digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (number % 10) as u8;
        text.start = index;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text
}

impl Decimal {
    fn bytes(&self) -> std::slice::Iter<'_, u8> {
        self.digits.get(self.start..).unwrap_or_default().iter()
    }
}

/// # Safety
/// `pointer` is null or leads to a string that ends in a zero and lives as long as it is used.
unsafe fn text<'a>(pointer: *const c_char) -> &'a [u8] {
    if pointer.is_null() {
        return &[];
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(pointer) }.to_bytes()
}

fn variable(name: &CStr) -> &'static [u8] {
    // SAFETY: neither runner nor its workers change their environment.
    unsafe { text(libc::getenv(name.as_ptr())) }
}

/// Adds `parts` to the file that a variable names, in one write. Gives the file's length then.
fn append(name: &CStr, parts: [&[u8]; 3]) -> c_long {
    let file = variable(name);
    if file.is_empty() {
        return 0;
    }
    let parts = parts.map(|part| iovec {
        iov_base: part.as_ptr().cast_mut().cast(),
        iov_len: part.len(),
    });
    let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC;
    // SAFETY: a variable's text ends in a zero, and the parts outlive the call that reads them.
    unsafe {
        let descriptor = libc::syscall(libc::SYS_openat, AT_FDCWD, file.as_ptr(), flags, 0o644);
        libc::syscall(libc::SYS_writev, descriptor, parts.as_ptr(), parts.len());
        let length = libc::syscall(libc::SYS_lseek, descriptor, 0, libc::SEEK_CUR);
        libc::syscall(libc::SYS_close, descriptor);
        length
    }
}

/// Whether this process is a worker: its first argument is `worker`.
fn is_worker() -> bool {
    const WORKER: &[u8] = b"worker\0";
    let mut start = [0u8; LONGEST];
    let name = c"/proc/self/cmdline";
    // SAFETY: the buffer is as long as we say.
    let length = unsafe {
        let file = libc::syscall(libc::SYS_openat, AT_FDCWD, name.as_ptr(), libc::O_CLOEXEC);
        let length = libc::syscall(libc::SYS_read, file, start.as_mut_ptr(), start.len());
        libc::syscall(libc::SYS_close, file);
        usize::try_from(length).unwrap_or(0)
    };
    let line = start.get(..length).unwrap_or_default();
    let mut arguments = line.split_inclusive(|&byte| byte == 0).skip(1);
    arguments.next() == Some(WORKER)
}

/// Counts a call, and says what is to become of it.
fn judge(call: &[u8], file: File, effect: Effect) -> Verdict {
    // SAFETY: it is the calling thread's own.
    let error = unsafe { *libc::__errno_location() };
    let verdict = decide(call, file, effect);
    let error = match verdict {
        Ok(Verdict::Pass | Verdict::Torn | Verdict::Refused) => error,
        Err(refusal) => refusal,
    };
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = error };
    verdict.unwrap_or(Verdict::Refused)
}

/// As [`judge`], an error being the number to refuse the call with.
fn decide(call: &[u8], file: File, effect: Effect) -> Result<Verdict, c_int> {
    let under = variable(c"RUNNER_FAULTS_UNDER");
    if under.is_empty() {
        return Ok(Verdict::Pass);
    }
    let path = Path::of(file);
    if !path.is_under(under) {
        return Ok(Verdict::Pass);
    }
    let mut wish = variable(c"RUNNER_FAULTS").splitn(3, |&byte| byte == b':');
    let mut next = || wish.next().unwrap_or_default();
    let (who, what, n) = (next(), next(), next());
    let is_theirs = match who {
        b"runner" => !is_worker(),
        b"worker" => is_worker(),
        _ => true,
    };
    let can_happen = match what {
        b"torn" => effect == Writes,
        b"full" => effect != Fits,
        _ => true,
    };
    if !is_theirs || !can_happen {
        return Ok(Verdict::Pass);
    }
    let count = append(c"RUNNER_FAULTS_COUNT", [b".", b"", b""]);
    let n = n.iter().fold(0, |n: c_long, digit| {
        n.saturating_mul(10)
            .saturating_add(c_long::from(digit & 15))
    });
    let lasting = matches!(what, b"full" | b"erofs");
    if what.is_empty() || count < n || (count > n && !lasting) || n == 0 {
        return Ok(Verdict::Pass);
    }
    append(c"RUNNER_FAULTS_SAID", [call, path.bytes(), b"\n"]);
    match what {
        b"enospc" | b"full" => Err(libc::ENOSPC),
        b"eio" => Err(libc::EIO),
        b"erofs" => Err(libc::EROFS),
        b"torn" => Ok(Verdict::Torn),
        _ => die(),
    }
}

fn die() -> ! {
    // SAFETY: these end the process; they take no memory.
    unsafe {
        libc::syscall(
            libc::SYS_kill,
            libc::syscall(libc::SYS_getpid),
            libc::SIGKILL,
        );
        libc::_exit(1)
    }
}

/// The calls that need nothing but a verdict: `name(arguments) = system call(its arguments)`.
macro_rules! calls {
    ($($name:ident($($argument:ident: $type:ty),*): $file:expr, $effect:expr => $number:ident($($passed:expr),*);)*) => {$(
        /// # Safety
        /// As libc's.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> c_int {
            match judge(concat!(stringify!($name), " ").as_bytes(), $file, $effect) {
                Verdict::Refused => -1,
                // SAFETY: the kernel checks what it is passed.
                _ => unsafe { libc::syscall(libc::$number, $($passed),*) as c_int },
            }
        }
    )*};
}

use Effect::{Fits, Grows, Writes};
use File::{At, Open};

calls! {
    fsync(file: c_int): Open(file), Fits => SYS_fsync(file);
    syncfs(file: c_int): Open(file), Fits => SYS_syncfs(file);
    fdatasync(file: c_int): Open(file), Fits => SYS_fdatasync(file);
    flock(file: c_int, how: c_int): Open(file), Fits => SYS_flock(file, how);
    fchmod(file: c_int, mode: mode_t): Open(file), Fits => SYS_fchmod(file, mode);
    ftruncate(file: c_int, length: off_t): Open(file), Fits => SYS_ftruncate(file, length);
    ftruncate64(file: c_int, length: off_t): Open(file), Fits => SYS_ftruncate(file, length);
    chmod(path: *const c_char, mode: mode_t): At(AT_FDCWD, path), Fits
        => SYS_fchmodat(AT_FDCWD, path, mode);
    mkdir(path: *const c_char, mode: mode_t): At(AT_FDCWD, path), Grows
        => SYS_mkdirat(AT_FDCWD, path, mode);
    mkdirat(folder: c_int, path: *const c_char, mode: mode_t): At(folder, path), Grows
        => SYS_mkdirat(folder, path, mode);
    unlink(path: *const c_char): At(AT_FDCWD, path), Fits => SYS_unlinkat(AT_FDCWD, path, 0);
    rmdir(path: *const c_char): At(AT_FDCWD, path), Fits
        => SYS_unlinkat(AT_FDCWD, path, libc::AT_REMOVEDIR);
    unlinkat(folder: c_int, path: *const c_char, flags: c_int): At(folder, path), Fits
        => SYS_unlinkat(folder, path, flags);
    link(from: *const c_char, to: *const c_char): At(AT_FDCWD, to), Grows
        => SYS_linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
    linkat(from_folder: c_int, from: *const c_char, folder: c_int, to: *const c_char, flags: c_int):
        At(folder, to), Grows => SYS_linkat(from_folder, from, folder, to, flags);
    symlink(from: *const c_char, to: *const c_char): At(AT_FDCWD, to), Grows
        => SYS_symlinkat(from, AT_FDCWD, to);
    rename(from: *const c_char, to: *const c_char): At(AT_FDCWD, to), Fits
        => SYS_renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
    renameat(from_folder: c_int, from: *const c_char, folder: c_int, to: *const c_char):
        At(folder, to), Fits => SYS_renameat2(from_folder, from, folder, to, 0);
    renameat2(from_folder: c_int, from: *const c_char, folder: c_int, to: *const c_char, flags: c_uint):
        At(folder, to), Fits => SYS_renameat2(from_folder, from, folder, to, flags);
}

/// Of what this does only locking can be refused.
///
/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fcntl(file: c_int, command: c_int, argument: *mut c_void) -> c_int {
    let locks = matches!(command, libc::F_OFD_SETLK | libc::F_OFD_SETLKW);
    if locks && matches!(judge(b"fcntl ", Open(file), Fits), Verdict::Refused) {
        return -1;
    }
    // SAFETY: the kernel checks what it is passed.
    unsafe { libc::syscall(libc::SYS_fcntl, file, command, argument) as c_int }
}

/// The calls that can be torn: by how many bytes, or parts, they write.
macro_rules! writes {
    ($($name:ident($data:ident: $type:ty; $count:ident: $counted:ty $(; $more:ident: $last:ty)?) => $number:ident;)*) => {$(
        /// # Safety
        /// As libc's.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            file: c_int,
            $data: $type,
            $count: $counted
            $(, $more: $last)?
        ) -> ssize_t {
            let write = |count: $counted| {
                // SAFETY: the kernel checks what it is passed.
                unsafe { libc::syscall(libc::$number, file, $data, count $(, $more)?) as ssize_t }
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

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn copy_file_range(
    from: c_int,
    from_offset: *mut off_t,
    to: c_int,
    to_offset: *mut off_t,
    count: size_t,
    flags: c_uint,
) -> ssize_t {
    match judge(b"copy_file_range ", Open(to), Grows) {
        Verdict::Refused => -1,
        // SAFETY: the kernel checks what it is passed.
        _ => unsafe {
            libc::syscall(
                libc::SYS_copy_file_range,
                from,
                from_offset,
                to,
                to_offset,
                count,
                flags,
            ) as ssize_t
        },
    }
}

/// Opening is seen where it may change something.
///
/// # Safety
/// As libc's.
unsafe fn open_at(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let verdict = if flags & libc::O_CREAT != 0 {
        judge(b"open ", At(folder, path), Grows)
    } else if flags & libc::O_TRUNC != 0 {
        judge(b"open ", At(folder, path), Fits)
    } else {
        Verdict::Pass
    };
    match verdict {
        Verdict::Refused => -1,
        // SAFETY: the kernel checks what it is passed.
        _ => unsafe { libc::syscall(libc::SYS_openat, folder, path, flags, mode) as c_int },
    }
}

/// The calls that open files, all by [`open_at`].
macro_rules! opens {
    ($($name:ident($($folder:ident: $type:ty)?) => $in:expr;)*) => {$(
        /// # Safety
        /// As libc's.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            $($folder: $type,)?
            path: *const c_char,
            flags: c_int,
            mode: mode_t,
        ) -> c_int {
            // SAFETY: passed on.
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
