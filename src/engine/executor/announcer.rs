//! Sends the events of stages in an order that a reader expects: the end of a stage comes before the start of the
//! stages that read its outputs.
//!
//! A stage starts as soon as the outputs that it needs are in the store, while the recorder still flushes the record
//! of their producer, and the end of the producer is reported only after that. Waiting for the flush would delay every
//! stage of a chain, so the events of the consumer are held back instead.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use contract::lock;

use crate::event::{Event, Reporter};

/// Passes events on to a [`Reporter`], and holds back those of stages whose producers have not been reported as ended.
pub(super) struct Announcer<'a> {
    reporter: &'a Reporter,
    order: Mutex<Order>,
}

#[derive(Default)]
struct Order {
    /// Positions of the stages, by name.
    positions: HashMap<String, usize>,
    stages: Vec<Announced>,
}

#[derive(Default)]
struct Announced {
    /// Number of producers that have not been reported as ended.
    awaited: usize,
    consumers: Vec<usize>,
    has_ended: bool,
    /// Events that are held back.
    held: Vec<Event>,
}

impl<'a> Announcer<'a> {
    /// Creates an announcer for stages with these names. `upstream` has the positions of each stage's producers.
    /// Events of other stages are passed on at once.
    pub(super) fn new(
        reporter: &'a Reporter,
        names: impl Iterator<Item = String>,
        upstream: &[&[usize]],
    ) -> Self {
        let mut stages: Vec<Announced> = upstream
            .iter()
            .map(|producers| Announced {
                awaited: producers.len(),
                ..Announced::default()
            })
            .collect();
        for (consumer, producers) in upstream.iter().enumerate() {
            for &producer in *producers {
                stages[producer].consumers.push(consumer);
            }
        }
        let order = Order {
            positions: names.zip(0..).collect(),
            stages,
        };
        Self {
            reporter,
            order: Mutex::new(order),
        }
    }

    /// Passes on an event, now or once the events before it are known.
    pub(super) fn send(&self, event: Event) {
        // Held while the observers are called, so that they see the same order.
        let mut order = lock(&self.order);
        let name = event.stage();
        let Some(&position) = name.and_then(|name| order.positions.get(name)) else {
            return self.reporter.send(&event);
        };
        let stage = &mut order.stages[position];
        if stage.awaited > 0 {
            return stage.held.push(event);
        }
        let mut open = VecDeque::new();
        self.pass_on(&mut order, position, &event, &mut open);
        while let Some(released) = open.pop_front() {
            for event in std::mem::take(&mut order.stages[released].held) {
                self.pass_on(&mut order, released, &event, &mut open);
            }
        }
    }

    /// Passes on everything that is still held back. Nothing is, unless the execution was aborted.
    pub(super) fn finish(&self) {
        for stage in &mut lock(&self.order).stages {
            for event in std::mem::take(&mut stage.held) {
                self.reporter.send(&event);
            }
        }
    }

    /// Passes on an event of a stage. If it is its end, adds the stages that wait for nothing else to `released`.
    fn pass_on(
        &self,
        order: &mut Order,
        stage: usize,
        event: &Event,
        released: &mut VecDeque<usize>,
    ) {
        self.reporter.send(event);
        let is_end = matches!(event, Event::StageEnded { .. });
        if !is_end || std::mem::replace(&mut order.stages[stage].has_ended, true) {
            return;
        }
        for consumer in order.stages[stage].consumers.clone() {
            let consumer_stage = &mut order.stages[consumer];
            consumer_stage.awaited -= 1;
            if consumer_stage.awaited == 0 {
                released.push_back(consumer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::{Observer, StageReport};
    use crate::scheduler::Outcome;
    use store::keys::Key;

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<String>>>);

    impl Observer for Seen {
        fn observe(&self, event: &Event) {
            let what = match event {
                Event::StageEnded { .. } => "ends",
                _ => "starts",
            };
            let line = format!("{} {what}", event.stage().unwrap());
            lock(&self.0).push(line);
        }
    }

    fn starts(stage: &str) -> Event {
        Event::StageStarted {
            stage: stage.to_owned(),
            reason: String::new(),
        }
    }

    fn ends(stage: &str) -> Event {
        let key: Key = "0".repeat(64).parse().unwrap();
        Event::StageEnded {
            stage: StageReport::not_executed(stage, Outcome::Succeeded, &key),
        }
    }

    #[test]
    fn events_follow_the_ends_of_all_producers() {
        let seen = Seen::default();
        let mut reporter = Reporter::default();
        reporter.add(seen.clone());
        let names = ["a", "b", "c", "d"].map(str::to_owned).into_iter();
        let announcer = Announcer::new(&reporter, names, &[&[], &[0], &[0, 1, 1], &[]]);
        for event in [
            starts("a"),
            starts("b"),
            ends("b"),
            starts("c"),
            starts("other"),
            starts("d"),
            ends("a"),
            ends("c"),
            ends("d"),
        ] {
            announcer.send(event);
        }
        let expected = [
            "a starts",
            "other starts",
            "d starts",
            "a ends",
            "b starts",
            "b ends",
            "c starts",
            "c ends",
            "d ends",
        ];
        assert_eq!(*lock(&seen.0), expected);
    }
}
