use pulp::Arch;

/// Calls `f`, compiled for the widest vectors that the processor has: what loops over slices in it
/// becomes vector instructions. Results are the same as without.
///
/// Functions that `f` calls must be inlined into it to profit.
#[inline]
pub fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(f)
}
