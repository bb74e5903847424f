//! Raw system calls, which bypass libc because this library replaces libc's `syscall`.

use std::arch::asm;
use std::ffi::{c_int, c_long};

/// Makes a system call. Returns the negated error number on failure.
///
/// # Safety
/// As the call's.
pub(crate) unsafe fn raw(number: c_long, arguments: [c_long; 6]) -> c_long {
    let [a, b, c, d, e, f] = arguments;
    let result;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the registers follow the kernel's calling convention; the caller guarantees the rest.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack),
        );
    }
    result
}

/// Converts the result of a system call as libc does: for an error, sets `errno` and returns -1.
pub(crate) fn answer(result: c_long) -> c_long {
    const LAST_ERROR: c_long = 4095;
    if (-LAST_ERROR..0).contains(&result) {
        refuse(-result as c_int);
        return -1;
    }
    result
}

/// Sets `errno` of the calling thread.
pub(crate) fn refuse(error: c_int) {
    // SAFETY: the location belongs to the calling thread.
    unsafe { *libc::__errno_location() = error };
}

/// `system!(number, arguments)` makes a raw system call with the arguments converted to numbers.
macro_rules! system {
    ($number:expr $(, $argument:expr)* $(,)?) => {{
        let given = [$($argument as std::ffi::c_long),*];
        let mut arguments = [0; 6];
        for (place, argument) in arguments.iter_mut().zip(given) {
            *place = argument;
        }
        $crate::system::raw($number, arguments)
    }};
}
pub(crate) use system;
