//! A disk that fails at a chosen moment: preloaded into `runner` and its workers, this library stands
//! between them and libc's calls that change files, lock them, look at them or read them.
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
//! | what | happens to | |
//! | --- | --- | --- |
//! | `kill` | changes | SIGKILL to the calling process, just before the call |
//! | `torn` | writes | half of the bytes are written, then SIGKILL |
//! | `enospc`, `eio` | changes | this one call fails with that error |
//! | `full` | calls that make something grow or come to be | from here on they fail with ENOSPC |
//! | `erofs` | changes | from here on they fail with EROFS |
//! | `eacces`, `eloop` | looks by path | this one call fails with that error |
//! | `slow` | looks by path | from here on they take 20 ms |
//! | `eio-read` | reads of something open | this one call fails with EIO |
//! | `fifo` | opens of a regular file | its name is given to a new FIFO, which is then opened |
//!
//! Reading a mapping of a file, `statfs` and `statvfs` go unseen, and so do calls that reach the kernel
//! in another way than through the functions replaced here: those that `runner` uses, and `syscall`
//! (rustix is built with `use-libc` for this reason alone). The real calls are made as raw system calls:
//! nothing is allocated, nothing can panic. Only what libc keeps in memory of its own, open folders and
//! resolved paths, is left to the function that is replaced. Only x86-64 and AArch64 pass the arguments of
//! `open` and `syscall` as if they were not variadic, which is relied on.

#![allow(
    clippy::disallowed_methods,
    reason = "it stands below what the runner opens"
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

/// How a call bears on the disk, as far as the faults tell calls apart.
#[derive(Clone, Copy, PartialEq)]
enum Effect {
    /// Bytes are written.
    Writes,
    /// Something comes to be, or takes more room in another way.
    Grows,
    /// Something else changes, or is flushed or locked: it fits on a full disk.
    Fits,
    /// Something is looked up by its path: opened for reading, asked for its kind or size.
    Looks,
    /// Something open is read.
    Reads,
}

/// What is to become of a call.
enum Verdict {
    Pass,
    /// The error is set.
    Refused,
    /// Half of it, then the end of the process.
    Torn,
}

/// The name of all calls that open a file, in the list of faults.
const OPEN: &[u8] = b"open ";

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
        let descriptor = system!(libc::SYS_openat, AT_FDCWD, file.as_ptr(), flags, 0o644);
        system!(libc::SYS_writev, descriptor, parts.as_ptr(), parts.len());
        let length = system!(libc::SYS_lseek, descriptor, 0, libc::SEEK_CUR);
        system!(libc::SYS_close, descriptor);
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
        let file = system!(libc::SYS_openat, AT_FDCWD, name.as_ptr(), libc::O_CLOEXEC);
        let length = system!(libc::SYS_read, file, start.as_mut_ptr(), start.len());
        system!(libc::SYS_close, file);
        usize::try_from(length).unwrap_or(0)
    };
    let line = start.get(..length).unwrap_or_default();
    let mut arguments = line.split_inclusive(|&byte| byte == 0).skip(1);
    arguments.next() == Some(WORKER)
}

/// Counts a call, and says what is to become of it.
fn judge(call: &[u8], file: File, effect: Effect) -> Verdict {
    decide(call, file, effect).unwrap_or_else(|error| {
        system::refuse(error);
        Verdict::Refused
    })
}

/// As [`judge`], an error being the number to refuse the call with.
fn decide(call: &[u8], file: File, effect: Effect) -> Result<Verdict, c_int> {
    let under = variable(c"RUNNER_FAULTS_UNDER");
    if under.is_empty() {
        return Ok(Verdict::Pass);
    }
    let mut wish = variable(c"RUNNER_FAULTS").splitn(3, |&byte| byte == b':');
    let mut next = || wish.next().unwrap_or_default();
    let (who, what, n) = (next(), next(), next());
    let can_happen = match what {
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
    if !path.is_under(under) || (what == b"fifo" && !path.is_regular()) {
        return Ok(Verdict::Pass);
    }
    let is_theirs = match who {
        b"runner" => !is_worker(),
        b"worker" => is_worker(),
        _ => true,
    };
    if !is_theirs {
        return Ok(Verdict::Pass);
    }
    let count = append(c"RUNNER_FAULTS_COUNT", [b".", b"", b""]);
    let n = n.iter().fold(0, |n: c_long, digit| {
        n.saturating_mul(10)
            .saturating_add(c_long::from(digit & 15))
    });
    let lasting = matches!(what, b"full" | b"erofs" | b"slow");
    if what.is_empty() || count < n || (count > n && !lasting) || n == 0 {
        return Ok(Verdict::Pass);
    }
    append(c"RUNNER_FAULTS_SAID", [call, path.bytes(), b"\n"]);
    match what {
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
    // SAFETY: these end the process; they take no memory.
    unsafe {
        system!(libc::SYS_kill, system!(libc::SYS_getpid), libc::SIGKILL);
        libc::_exit(1)
    }
}

/// The calls that need nothing but a verdict: `name(arguments) -> result: file, effect => system
/// call(its arguments)`.
macro_rules! calls {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty: $file:expr, $effect:expr
        => $number:ident($($passed:expr),*);)*) => {$(
        /// # Safety
        /// As libc's.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> $result {
            match judge(concat!(stringify!($name), " ").as_bytes(), $file, $effect) {
                Verdict::Refused => -1,
                // SAFETY: the kernel checks what it is passed.
                _ => unsafe { answer(system!(libc::$number, $($passed),*)) as $result },
            }
        }
    )*};
}
pub(crate) use calls;
