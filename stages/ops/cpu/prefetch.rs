//! Loading of memory into the caches before it is needed.

/// Bytes ahead of the memory that is used: a page. Processors load ahead by themselves only up to the end of a page.
const AHEAD: usize = 4096;

/// Starts to load the memory that is [`AHEAD`] of these values, whatever is there, as many bytes as the values have.
/// Processors do this by themselves if memory is read value by value, but hardly if it is read in bursts, with long
/// computations between them.
#[inline(always)]
pub fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let first = values.as_ptr().cast::<i8>().wrapping_add(AHEAD);
        for line in (0..size_of_val(values)).step_by(64) {
            // SAFETY: every x86-64 processor has the instruction, and it accesses no memory as far as programs can see, so
            // any address is allowed.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(line)) }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}
