//! The ready queue: [`Queue`] decides which action starts next.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::slots::{Free, Grant};
use super::{Capacity, Outcome, Slots};

/// An action to schedule.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Positions of the entries that must have outputs before this one starts. All are smaller than the
    /// entry's own position, because entries are in topological order.
    pub upstream: Vec<usize>,
    /// Resources that the action takes while it runs.
    pub slots: Slots,
}

/// Consequence of a failure for the actions that have not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// None of them starts. Running actions go on to their end.
    Stop,
    /// All that do not depend on a failed action still run.
    KeepGoing,
}

/// Order in which ready entries start: the longest chain of dependents first, so that the run does not end
/// with one long chain on an idle machine; then by position.
type Rank = (Reverse<usize>, usize);

/// Number of actions of a lower rank, for each cpu of the run, that may take resources for
/// which an action is waiting.
const OVERTAKEN_PER_CPU: usize = 4;

/// The ready queue. It decides which action may start next, and guarantees, whatever the caller does
/// with the actions it gets:
///
/// - no action starts before its upstream has outputs, and none starts twice;
/// - the actions started and not [finished](Queue::finish) fit into the [`Capacity`];
/// - a large action does not starve: while it waits, only a bounded number of actions of a lower rank may
///   take resources that it needs.
#[derive(Debug)]
pub struct Queue {
    entries: Vec<Entry>,
    downstream: Vec<Vec<usize>>,
    /// Length of each entry's longest chain of dependents.
    heights: Vec<usize>,
    /// Number of each entry's upstream entries that have no outputs yet; `usize::MAX` for
    /// entries that must not start.
    missing: Vec<usize>,
    /// Ready entries, grouped by their slots. There are few different slots, so looking
    /// for one that fits is fast.
    ready: HashMap<Slots, BTreeSet<Rank>>,
    outcomes: Vec<Option<Outcome>>,
    free: Free,
    /// Grants of the running actions.
    grants: HashMap<usize, Grant>,
    /// For each action, the number of others that took resources it was waiting for.
    overtaken: Vec<usize>,
    /// Largest allowed number in `overtaken`.
    most_overtaken: usize,
    on_failure: OnFailure,
}

impl Queue {
    /// Creates a queue of `entries`. As many of them may run at once as fit into `capacity`.
    ///
    /// # Panics
    /// If an entry's upstream does not come before it, or if an entry can never fit.
    pub fn new(entries: Vec<Entry>, capacity: &Capacity, on_failure: OnFailure) -> Self {
        let mut downstream = vec![Vec::new(); entries.len()];
        for (index, entry) in entries.iter().enumerate() {
            assert!(
                capacity.free().has(entry.slots),
                "entry {index} requests {:?}, more than {capacity:?}",
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
            free: capacity.free(),
            grants: HashMap::new(),
            overtaken,
            most_overtaken: OVERTAKEN_PER_CPU * capacity.cpus,
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

    /// Returns the next action to start, with its grant: the first ready action, or one that
    /// fits if the first does not.
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
        self.grants.insert(index, grant.clone());
        Some((index, grant))
    }

    /// Starts a ready action before those of a higher rank, for simulations. Returns whether it was ready and its
    /// resources were free.
    pub fn start_first(&mut self, index: usize) -> bool {
        let slots = self.entries[index].slots;
        let rank = (Reverse(self.heights[index]), index);
        let is_ready = self
            .ready
            .get(&slots)
            .is_some_and(|ranks| ranks.contains(&rank));
        if !is_ready {
            return false;
        }
        let Some(grant) = self.free.take(slots) else {
            return false;
        };
        self.ready.entry(slots).or_default().remove(&rank);
        self.grants.insert(index, grant);
        true
    }

    /// Notes that a started action has ended: frees its slots, and makes its dependents ready or skips them.
    pub fn finish(&mut self, index: usize, outcome: Outcome) {
        if let Some(grant) = self.grants.remove(&index) {
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

    /// Prevents further actions from starting.
    pub fn close(&mut self) {
        self.ready.clear();
        self.missing.fill(usize::MAX);
    }

    /// Returns the outcome of each action. `rest` is the outcome of those that neither
    /// started nor were skipped.
    pub fn into_outcomes(self, rest: Outcome) -> Vec<Outcome> {
        self.outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or(rest))
            .collect()
    }

    fn release_downstream(&mut self, index: usize) {
        for at in 0..self.downstream[index].len() {
            let consumer = self.downstream[index][at];
            // A closed queue and a skipped consumer stay as they are.
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
