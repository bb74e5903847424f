//! Selection of the processor's widest vectors at run time.

use pulp::Arch;

/// Calls `f`, compiled for the widest vectors that the processor has, so that loops over slices in it become
/// vector instructions. Results are the same as if `f` were called directly.
///
/// Functions that `f` calls profit only if they are inlined into it.
#[inline]
pub fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(f)
}
