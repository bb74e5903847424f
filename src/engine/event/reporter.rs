//! [`Reporter`]: passes the events of a run to its observers.

use std::sync::{Condvar, Mutex, PoisonError};

use contract::lock;

use super::{Event, Observer};

/// Passes every event to every observer. Events from one thread keep their order.
#[derive(Default)]
pub struct Reporter {
    observers: Vec<Box<dyn Observer>>,
    /// Events that are held back, in order. `None` if events are passed on at once.
    held: Mutex<Option<Vec<Event>>>,
    /// Signalled when events are no longer held back.
    released: Condvar,
}

impl Reporter {
    pub fn add(&mut self, observer: impl Observer + 'static) {
        self.observers.push(Box::new(observer));
    }

    pub fn send(&self, event: &Event) {
        if let Some(held) = &mut *lock(&self.held) {
            held.push(event.clone());
            return;
        }
        self.pass_on(event);
    }

    /// Calls `act`, and sends `event` before all events that follow from it. `act` comes first, because an observer may
    /// be slow: a terminal blocks while its user selects text.
    pub fn send_after(&self, act: impl FnOnce(), event: &Event) {
        *lock(&self.held) = Some(Vec::new());
        let _release = Release(self);
        act();
        self.pass_on(event);
    }

    /// Sends the last event of a run: after all events that are held back.
    pub fn send_last(&self, event: &Event) {
        let mut held = lock(&self.held);
        while held.is_some() {
            let woken = self.released.wait(held);
            held = woken.unwrap_or_else(PoisonError::into_inner);
        }
        drop(held);
        self.pass_on(event);
    }

    fn pass_on(&self, event: &Event) {
        for observer in &self.observers {
            observer.observe(event);
        }
    }
}

/// Passes on the events that are held back, also if an observer has panicked.
struct Release<'a>(&'a Reporter);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        let Self(reporter) = self;
        loop {
            let mut held = lock(&reporter.held);
            let events = held.replace(Vec::new()).unwrap_or_default();
            if events.is_empty() {
                *held = None;
                reporter.released.notify_all();
                return;
            }
            // Events that are sent meanwhile are held back, so that they come later.
            drop(held);
            events.iter().for_each(|event| reporter.pass_on(event));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<String>>>);

    impl Observer for Seen {
        fn observe(&self, event: &Event) {
            lock(&self.0).push(match event {
                Event::StageNote { message, .. } => message.clone(),
                Event::Interrupted { .. } => "interrupted".to_owned(),
                _ => "end".to_owned(),
            });
        }
    }

    fn note(message: &str) -> Event {
        Event::StageNote {
            stage: "a".to_owned(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn what_follows_from_a_stop_is_reported_after_it() {
        let seen = Seen::default();
        let mut reporter = Reporter::default();
        reporter.add(seen.clone());
        reporter.send(&note("before"));
        let stop = || {
            // Stages end on other threads before the stop is announced.
            thread::scope(|scope| {
                scope.spawn(|| reporter.send(&note("after 1")));
            });
            reporter.send(&note("after 2"));
        };
        reporter.send_after(stop, &Event::Interrupted { signal: 2 });
        reporter.send(&note("later"));
        let counts = crate::scheduler::Counts::default();
        let seconds = 0.0;
        reporter.send_last(&Event::RunEnded { counts, seconds });
        let expected = [
            "before",
            "interrupted",
            "after 1",
            "after 2",
            "later",
            "end",
        ];
        assert_eq!(*lock(&seen.0), expected);
    }

    /// Sends an event when it sees the first one, as another thread might.
    struct Slow {
        seen: Seen,
        reporter: Arc<Mutex<Option<Arc<Reporter>>>>,
    }

    impl Observer for Slow {
        fn observe(&self, event: &Event) {
            self.seen.observe(event);
            if let Event::Interrupted { .. } = event
                && let Some(reporter) = &*lock(&self.reporter)
            {
                let reporter = Arc::clone(reporter);
                // Does not block, although the announcement has not ended.
                thread::spawn(move || reporter.send(&note("meanwhile")))
                    .join()
                    .unwrap();
            }
        }
    }

    #[test]
    fn a_slow_observer_blocks_nobody_else() {
        let (seen, place) = (Seen::default(), Arc::default());
        let mut reporter = Reporter::default();
        reporter.add(Slow {
            seen: seen.clone(),
            reporter: Arc::clone(&place),
        });
        let reporter = Arc::new(reporter);
        *lock(&place) = Some(Arc::clone(&reporter));
        reporter.send_after(|| {}, &Event::Interrupted { signal: 2 });
        assert_eq!(*lock(&seen.0), ["interrupted", "meanwhile"]);
    }
}
