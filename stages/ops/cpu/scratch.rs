//! Working memory that is used again: a fresh buffer costs a page fault for every 4 KiB of it.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use bytemuck::{Pod, Zeroable};

/// A cache line, which is also the widest vector: buffers begin at its boundaries, so no vector
/// straddles two.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Values in a cache line.
pub const LINE: usize = 16;

/// Buffers that nobody holds.
static IDLE: Mutex<Vec<Vec<Line>>> = Mutex::new(Vec::new());

/// A buffer of unspecified content, aligned to cache lines; goes back to the others when dropped.
pub struct Scratch {
    lines: Vec<Line>,
    len: usize,
}

/// A buffer of `len` values.
pub fn take(len: usize) -> Scratch {
    let needed = len.div_ceil(LINE);
    let mut lines = {
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = idle.iter().enumerate();
        let best = fitting
            .filter(|(_, lines)| lines.len() >= needed)
            .min_by_key(|(_, lines)| lines.len())
            .map(|(index, _)| index);
        match best {
            Some(index) => idle.swap_remove(index),
            // The largest that does not fit grows, rather than all being kept beside a new one.
            None => idle.pop().unwrap_or_default(),
        }
    };
    if lines.len() < needed {
        lines.clear();
        lines.shrink_to_fit();
        lines = vec![Line::zeroed(); needed];
    }
    Scratch { lines, len }
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
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(lines);
        idle.sort_by_key(Vec::len);
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
