use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::slots::{Free, Grant};
use super::{Outcome, Room, Slots};

/// One action to schedule.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Positions of the entries that must have ended well before this one starts. All are smaller
    /// than the entry's own position: entries are in topological order.
    pub upstream: Vec<usize>,
    /// What the action takes while it runs.
    pub slots: Slots,
}

/// What a failure means for the actions that have not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// None of them starts; those running go on to their end.
    Stop,
    /// All go on that do not depend on a failed one.
    KeepGoing,
}

/// Order of starting among ready entries: the longest chain of dependents first, so that the end is
/// not one long chain on an idle machine; then as written.
type Rank = (Reverse<usize>, usize);

/// Actions of a lower rank that may start, for each cpu of the room, while an action waits for resources that
/// they take.
const OVERTAKEN_PER_CPU: usize = 4;

/// The ready queue: decides which action may start next.
///
/// Guarantees, whatever the caller does with the actions it gets:
///
/// - no action is given out before its upstream has outputs, and none twice;
/// - the actions given out and not [finished](Queue::finish) fit into the slots;
/// - a large action does not starve: only a bounded number of actions of a lower rank start before it that take
///   resources which it waits for.
#[derive(Debug)]
pub struct Queue {
    entries: Vec<Entry>,
    downstream: Vec<Vec<usize>>,
    /// Length of the longest chain of dependents.
    heights: Vec<usize>,
    /// Upstream entries without outputs yet.
    missing: Vec<usize>,
    /// By what they take, of which there are few sorts: where no more fits, nothing is searched.
    ready: HashMap<Slots, BTreeSet<Rank>>,
    outcomes: Vec<Option<Outcome>>,
    free: Free,
    /// Grants of the running actions.
    given: HashMap<usize, Grant>,
    /// Actions that started in place of each one while it waited for resources.
    overtaken: Vec<usize>,
    /// The largest number there.
    most_overtaken: usize,
    on_failure: OnFailure,
}

impl Queue {
    /// A queue over `entries`, of which any number may run at once that fits into `room`.
    ///
    /// # Panics
    /// If an entry's upstream does not come before it, or an entry can never fit.
    pub fn new(entries: Vec<Entry>, room: &Room, on_failure: OnFailure) -> Self {
        let mut downstream = vec![Vec::new(); entries.len()];
        for (index, entry) in entries.iter().enumerate() {
            assert!(
                room.free().has(entry.slots),
                "entry {index} wants {:?} of {room:?}",
                entry.slots
            );
            for &producer in &entry.upstream {
                assert!(
                    producer < index,
                    "entry {index} comes before its upstream {producer}"
                );
                downstream[producer].push(index);
            }
        }
        let mut heights = vec![0; entries.len()];
        for index in (0..entries.len()).rev() {
            heights[index] = downstream[index]
                .iter()
                .map(|&consumer| heights[consumer] + 1)
                .max()
                .unwrap_or(0);
        }
        let missing: Vec<usize> = entries.iter().map(|entry| entry.upstream.len()).collect();
        let outcomes = vec![None; entries.len()];
        let overtaken = vec![0; entries.len()];
        let mut queue = Self {
            entries,
            downstream,
            heights,
            missing,
            ready: HashMap::new(),
            outcomes,
            free: room.free(),
            given: HashMap::new(),
            overtaken,
            most_overtaken: OVERTAKEN_PER_CPU * room.cpus,
            on_failure,
        };
        for index in 0..queue.entries.len() {
            if queue.missing[index] == 0 {
                queue.set_ready(index);
            }
        }
        queue
    }

    fn set_ready(&mut self, index: usize) {
        self.ready
            .entry(self.entries[index].slots)
            .or_default()
            .insert((Reverse(self.heights[index]), index));
    }

    /// The next action to start, and its grant: the first ready one, or one that fits while the first does not.
    pub fn start(&mut self) -> Option<(usize, Grant)> {
        let firsts = self.ready.values().filter_map(BTreeSet::first);
        let &(_, first) = firsts.min()?;
        let waiting = self.entries[first].slots;
        let index = match self.free.has(waiting) {
            true => first,
            false => {
                let may_compete = self.overtaken[first] < self.most_overtaken;
                let fitting = self.ready.iter().filter(|&(&slots, _)| {
                    self.free.has(slots) && (may_compete || !self.free.competes(slots, waiting))
                });
                let &(_, index) = fitting.filter_map(|(_, ranks)| ranks.first()).min()?;
                let slots = self.entries[index].slots;
                self.overtaken[first] += usize::from(self.free.competes(slots, waiting));
                index
            }
        };
        let slots = self.entries[index].slots;
        self.ready.entry(slots).or_default().pop_first();
        let grant = self.free.take(slots)?;
        self.given.insert(index, grant.clone());
        Some((index, grant))
    }

    /// Takes note that a started action ended: frees its slots and readies, or skips, what depends
    /// on it.
    pub fn finish(&mut self, index: usize, outcome: Outcome) {
        if let Some(grant) = self.given.remove(&index) {
            self.free.give_back(&grant);
        }
        self.outcomes[index] = Some(outcome);
        match outcome {
            Outcome::Cached | Outcome::Succeeded => self.release_downstream(index),
            Outcome::Failed | Outcome::Skipped => match self.on_failure {
                OnFailure::Stop => self.close(),
                OnFailure::KeepGoing => self.skip_downstream(index),
            },
            Outcome::Cancelled => self.close(),
        }
    }

    /// Lets nothing more start.
    pub fn close(&mut self) {
        self.ready.clear();
        self.missing.fill(usize::MAX);
    }

    /// How each action ended; `rest` for those that never started and were not skipped.
    pub fn into_outcomes(self, rest: Outcome) -> Vec<Outcome> {
        self.outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or(rest))
            .collect()
    }

    fn release_downstream(&mut self, index: usize) {
        for at in 0..self.downstream[index].len() {
            let consumer = self.downstream[index][at];
            // A closed queue, or a skipped consumer, stays as it is.
            if self.missing[consumer] == usize::MAX {
                continue;
            }
            self.missing[consumer] -= 1;
            if self.missing[consumer] == 0 {
                self.set_ready(consumer);
            }
        }
    }

    fn skip_downstream(&mut self, index: usize) {
        let mut open = self.downstream[index].clone();
        while let Some(consumer) = open.pop() {
            if self.outcomes[consumer].is_none() {
                self.outcomes[consumer] = Some(Outcome::Skipped);
                self.missing[consumer] = usize::MAX;
                open.extend(&self.downstream[consumer]);
            }
        }
    }
}
