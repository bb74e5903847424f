//! Working memory that is reused, because a fresh buffer costs a page fault for every 4 KiB.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard};

use bytemuck::{Pod, Zeroable};
use contract::lock;

/// A cache line, which is also as long as the widest vector. Buffers start at cache lines, so no vector
/// straddles two of them.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Values per cache line.
pub const LINE: usize = 16;

/// Number of idle buffers that a thread keeps for itself, because their content is likely to be in the caches of
/// its core.
const KEPT: usize = 8;

thread_local! {
    static OWN: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// Idle buffers for any thread.
static SHARED: Mutex<Vec<Vec<Line>>> = Mutex::new(Vec::new());

/// A buffer of unspecified content, aligned to cache lines. It is kept for reuse when dropped.
pub struct Scratch {
    lines: Vec<Line>,
    len: usize,
}

/// Returns a buffer of `len` values.
pub fn take(len: usize) -> Scratch {
    let needed = len.div_ceil(LINE);
    let lines = OWN
        .with_borrow_mut(|idle| fitting(idle, needed))
        .or_else(|| fitting(&mut shared(), needed))
        .unwrap_or_else(|| vec![Line::zeroed(); needed]);
    Scratch { lines, len }
}

/// Takes the smallest buffer of at least `needed` lines, unless it is much too large.
fn fitting(idle: &mut Vec<Vec<Line>>, needed: usize) -> Option<Vec<Line>> {
    let fits = |lines: &Vec<Line>| lines.len() >= needed && lines.len() / 4 <= needed;
    let best = idle.iter().enumerate().filter(|(_, lines)| fits(lines));
    let (index, _) = best.min_by_key(|(_, lines)| lines.len())?;
    Some(idle.swap_remove(index))
}

fn shared() -> MutexGuard<'static, Vec<Vec<Line>>> {
    lock(&SHARED)
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        // A thread that is ending has no list anymore, so its last buffers are freed.
        let _ = OWN.try_with(|own| {
            let mut own = own.borrow_mut();
            own.push(lines);
            if own.len() > KEPT {
                // The buffer that has been idle for the longest time.
                shared().push(own.remove(0));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_as_long_as_asked() {
        for len in [0, 1, 16, 1000] {
            let mut buffer = take(len);
            assert_eq!(buffer.len(), len);
            buffer.fill(1.0);
            let other = take(len);
            assert_eq!(buffer.as_ptr().addr() % 64, 0);
            assert!(len == 0 || buffer.as_ptr() != other.as_ptr());
        }
    }
}
