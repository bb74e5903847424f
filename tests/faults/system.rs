//! Raw system calls. They pass by libc, whose `syscall` this library replaces.

use std::arch::asm;
use std::ffi::{c_int, c_long};

/// Makes a system call; gives the negated error number where it is refused.
///
/// # Safety
/// As the call's.
pub unsafe fn raw(number: c_long, arguments: [c_long; 6]) -> c_long {
    let [a, b, c, d, e, f] = arguments;
    let result;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the registers of the kernel's convention; the caller answers for the call.
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

/// Converts the result of a system call as libc does: -1 for an error, whose number is set.
pub fn answer(result: c_long) -> c_long {
    const LAST_ERROR: c_long = 4095;
    if (-LAST_ERROR..0).contains(&result) {
        refuse(-result as c_int);
        return -1;
    }
    result
}

/// Sets the error of the calling thread.
pub fn refuse(error: c_int) {
    // SAFETY: it is the calling thread's own.
    unsafe { *libc::__errno_location() = error };
}

/// `system!(number, arguments)`: a raw system call with the arguments as numbers.
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
