//! [`Slots`]: the number of stages that may run on a host at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use contract::lock;

/// Interval between looks at the request to stop.
const POLL: Duration = Duration::from_millis(100);

/// Places for stages, which are numbered from 0.
pub(super) struct Slots {
    taken: Mutex<Vec<bool>>,
    freed: Condvar,
}

/// A place that is taken until this is dropped.
pub(super) struct Slot<'a> {
    slots: &'a Slots,
    index: usize,
}

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        Self {
            taken: Mutex::new(vec![false; count.max(1)]),
            freed: Condvar::new(),
        }
    }

    /// Waits for a free place. Calls `on_wait` first, if none is free now. Returns `None` after a stop was requested.
    pub(super) fn take(&self, stopping: &AtomicBool, on_wait: &dyn Fn()) -> Option<Slot<'_>> {
        let mut has_waited = false;
        loop {
            if stopping.load(Ordering::SeqCst) {
                return None;
            }
            let mut taken = lock(&self.taken);
            if let Some(index) = taken.iter().position(|taken| !taken) {
                taken[index] = true;
                return Some(Slot { slots: self, index });
            }
            if has_waited {
                let waited = self.freed.wait_timeout(taken, POLL);
                drop(waited.unwrap_or_else(PoisonError::into_inner));
            } else {
                drop(taken);
                has_waited = true;
                on_wait();
            }
        }
    }
}

impl Slot<'_> {
    pub(super) fn index(&self) -> usize {
        self.index
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        lock(&self.slots.taken)[self.index] = false;
        self.slots.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_lowest_free_place_is_taken_and_others_wait_for_it() {
        let slots = Slots::new(2);
        let stopping = AtomicBool::new(false);
        let never = || panic!("a place is free");
        let first = slots.take(&stopping, &never).unwrap();
        let second = slots.take(&stopping, &never).unwrap();
        assert_eq!((first.index(), second.index()), (0, 1));
        thread::scope(|scope| {
            let (waits, waited) = std::sync::mpsc::channel();
            let (slots, stopping) = (&slots, &stopping);
            let third = scope.spawn(move || {
                let on_wait = || waits.send(()).unwrap();
                slots.take(stopping, &on_wait).unwrap().index()
            });
            waited.recv().unwrap();
            drop(second);
            assert_eq!(third.join().unwrap(), 1);
        });
    }

    #[test]
    fn a_stop_ends_the_wait() {
        let slots = Slots::new(0);
        let stopping = AtomicBool::new(false);
        let _taken = slots.take(&stopping, &|| {}).unwrap();
        let stop = || stopping.store(true, Ordering::SeqCst);
        assert!(slots.take(&stopping, &stop).is_none());
    }
}
