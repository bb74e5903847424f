//! Injects disk faults. Preloaded into `runner` and its workers, this library replaces libc's calls that
//! change, lock, look up or read files, and makes a chosen one of them fail.
//!
//! ```text
//! LD_PRELOAD=target/release/examples/libfaults.so   runner run pipeline.yaml -j 1
//! RUNNER_FAULTS_UNDER=/absolute/folder   required; calls on files outside this folder are ignored
//! RUNNER_FAULTS_COUNT=/some/file         required; grows by one byte with every call counted
//! RUNNER_FAULTS=<process>:<name>:<n>     the fault at the n-th call; without it, changes are only counted
//! RUNNER_FAULTS_SAID=/some/file          receives a line for every fault: the call and the file's path
//! ```
//!
//! *process* selects the processes whose calls are counted: `runner`, `worker` (a process whose first argument
//! is `worker`), or `any`. The count is the length of one file that all processes append to. With one job
//! at a time, the n-th call is therefore nearly the same in every run, and the count continues from one
//! worker to the next.
//! Only calls that the fault can happen to are counted.
//!
//! *name* is one of the following. *Changes* include flushing and locking.
//!
//! | name | happens to | effect |
//! | --- | --- | --- |
//! | `kill` | changes | SIGKILL to the calling process, just before the call |
//! | `torn` | writes | half of the bytes (for `writev`: of the parts) are written, then SIGKILL |
//! | `enospc`, `eio` | changes | this one call fails with that error |
//! | `full` | calls that create something or take more space | this call and later ones fail with ENOSPC |
//! | `erofs` | changes | this call and later ones fail with EROFS |
//! | `eacces`, `eloop` | lookups by path | this one call fails with that error |
//! | `slow` | lookups by path | this call and later ones take 20 ms longer |
//! | `eio-read` | reads of an open file or folder | this one call fails with EIO |
//! | `fifo` | opens of a regular file | the file is replaced by a new FIFO, which is then opened |
//!
//! The library does not see reads of a mapped file, `statfs`, `statvfs`, and calls that bypass the functions
//! replaced here, which are those that `runner` uses, and `syscall`. (rustix is built with `use-libc` only so
//! that its calls can be replaced.) The real calls are made as raw system calls, which neither allocate nor
//! panic. `opendir`, `readdir64` and `realpath` are exceptions: they call libc's functions, because their
//! results live in libc's memory. The library needs x86-64 or AArch64, where the variadic arguments of `open` and
//! `syscall` are passed like ordinary ones.

#![allow(
    clippy::disallowed_methods,
    reason = "this library sits below the runner's file functions"
)]
#![cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

mod changes;
mod path;
mod reads;
mod system;

use std::ffi::{CStr, c_int, c_long};

use libc::{AT_FDCWD, iovec};

use path::{File, LONGEST, Path, text};
use system::system;

/// The effect of a call on the disk. Faults select calls by it.
#[derive(Clone, Copy, PartialEq)]
enum Effect {
    /// Writes bytes.
    Writes,
    /// Creates something, or takes more space in another way.
    Grows,
    /// Makes another change, flushes or locks: succeeds on a full disk.
    Fits,
    /// Looks something up by its path: opens it for reading, or queries its kind or size.
    Looks,
    /// Reads something that is open.
    Reads,
}

/// The decision about a call.
enum Verdict {
    Pass,
    /// The call fails; `errno` is set.
    Refused,
    /// Half of the data is written, then the process ends.
    Torn,
}

/// The name under which the list of faults records every call that opens a file.
const OPEN: &[u8] = b"open ";

fn variable(name: &CStr) -> &'static [u8] {
    // SAFETY: neither runner nor its workers change their environment.
    unsafe { text(libc::getenv(name.as_ptr())) }
}

/// Appends `parts` in one write to the file whose path the variable `name` holds. Returns the file's new
/// length, or 0 if the variable is not set.
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
    // SAFETY: a variable's text is zero-terminated, and the parts outlive the call that reads them.
    unsafe {
        let descriptor = system!(libc::SYS_openat, AT_FDCWD, file.as_ptr(), flags, 0o644);
        system!(libc::SYS_writev, descriptor, parts.as_ptr(), parts.len());
        let length = system!(libc::SYS_lseek, descriptor, 0, libc::SEEK_CUR);
        system!(libc::SYS_close, descriptor);
        length
    }
}

/// Returns whether this process is a worker: its first argument is `worker`.
fn is_worker() -> bool {
    const WORKER: &[u8] = b"worker\0";
    let mut start = [0u8; LONGEST];
    let name = c"/proc/self/cmdline";
    // SAFETY: the buffer has the length that is passed.
    let length = unsafe {
        let file = system!(libc::SYS_openat, AT_FDCWD, name.as_ptr(), libc::O_CLOEXEC);
        let length = system!(libc::SYS_read, file, start.as_mut_ptr(), start.len());
        system!(libc::SYS_close, file);
        usize::try_from(length).unwrap_or(0)
    };
    let line = start.get(..length).unwrap_or_default();
    let mut arguments = line.split_inclusive(|&byte| byte == 0).skip(1);
    arguments.next() == Some(WORKER)
}

/// Counts a call and decides about it.
fn judge(call: &[u8], file: File, effect: Effect) -> Verdict {
    decide(call, file, effect).unwrap_or_else(|error| {
        system::refuse(error);
        Verdict::Refused
    })
}

/// As [`judge`], but returns the error number of a refused call.
fn decide(call: &[u8], file: File, effect: Effect) -> Result<Verdict, c_int> {
    let under = variable(c"RUNNER_FAULTS_UNDER");
    if under.is_empty() {
        return Ok(Verdict::Pass);
    }
    let mut request = variable(c"RUNNER_FAULTS").splitn(3, |&byte| byte == b':');
    let mut next = || request.next().unwrap_or_default();
    let (process, name, n) = (next(), next(), next());
    let can_happen = match name {
        b"torn" => effect == Effect::Writes,
        b"full" => matches!(effect, Effect::Writes | Effect::Grows),
        b"eacces" | b"eloop" | b"slow" => effect == Effect::Looks,
        b"eio-read" => effect == Effect::Reads,
        b"fifo" => call == OPEN,
        _ => matches!(effect, Effect::Writes | Effect::Grows | Effect::Fits),
    };
    if !can_happen {
        return Ok(Verdict::Pass);
    }
    let path = Path::of(file);
    if !path.is_under(under) || (name == b"fifo" && !path.is_regular()) {
        return Ok(Verdict::Pass);
    }
    let is_selected = match process {
        b"runner" => !is_worker(),
        b"worker" => is_worker(),
        _ => true,
    };
    if !is_selected {
        return Ok(Verdict::Pass);
    }
    let count = append(c"RUNNER_FAULTS_COUNT", [b".", b"", b""]);
    let n = n.iter().fold(0, |n: c_long, digit| {
        n.saturating_mul(10)
            .saturating_add(c_long::from(digit & 15))
    });
    let lasting = matches!(name, b"full" | b"erofs" | b"slow");
    if name.is_empty() || count < n || (count > n && !lasting) || n == 0 {
        return Ok(Verdict::Pass);
    }
    append(c"RUNNER_FAULTS_SAID", [call, path.bytes(), b"\n"]);
    match name {
        b"enospc" | b"full" => Err(libc::ENOSPC),
        b"eio" | b"eio-read" => Err(libc::EIO),
        b"erofs" => Err(libc::EROFS),
        b"eacces" => Err(libc::EACCES),
        b"eloop" => Err(libc::ELOOP),
        b"torn" => Ok(Verdict::Torn),
        b"slow" => {
            wait();
            Ok(Verdict::Pass)
        }
        b"fifo" => {
            path.turn_into_fifo();
            Ok(Verdict::Pass)
        }
        _ => die(),
    }
}

/// Waits for 20 ms.
fn wait() {
    let time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 20_000_000,
    };
    // SAFETY: the kernel reads the time, and writes nothing.
    unsafe {
        system!(
            libc::SYS_nanosleep,
            &raw const time,
            std::ptr::null_mut::<libc::timespec>()
        );
    }
}

fn die() -> ! {
    // SAFETY: these end the process and access no memory.
    unsafe {
        system!(libc::SYS_kill, system!(libc::SYS_getpid), libc::SIGKILL);
        libc::_exit(1)
    }
}

/// Defines replacements for calls that are either refused or passed on:
/// `name(arguments) -> result: file, effect => system call(its arguments)`.
macro_rules! calls {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty: $file:expr, $effect:expr
        => $number:ident($($passed:expr),*);)*) => {$(
        /// # Safety
        /// As libc's.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $name($($argument: $type),*) -> $result {
            match judge(concat!(stringify!($name), " ").as_bytes(), $file, $effect) {
                Verdict::Refused => -1,
                // SAFETY: the kernel checks what it is passed.
                _ => unsafe { answer(system!(libc::$number, $($passed),*)) as $result },
            }
        }
    )*};
}
pub(crate) use calls;
