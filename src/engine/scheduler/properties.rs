//! Properties of the scheduler for any graph, tested with a fake executor that keeps a journal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use proptest::prelude::*;

use super::{Capacity, Entry, Executor, Grant, OnFailure, Outcome, Queue, Slots, run};
use crate::scheduler::order_tests::entry;
use crate::scheduler::slots::tests::capacity;

#[derive(Default)]
pub(super) struct Journal {
    pub(super) started: Vec<usize>,
    ended: BTreeSet<usize>,
    cpus: usize,
    most_cpus: usize,
    memory: u64,
    most_memory: u64,
    /// Slots of the actions that run on each GPU.
    gpus: BTreeMap<usize, Vec<Slots>>,
    /// Messages about wrong grants of GPUs: too many actions on one, or a wrong number of GPUs.
    overfull: Vec<String>,
    /// Actions that started before everything upstream had ended.
    early: Vec<usize>,
}

/// Fails the actions in `failing`, and stops the run after `stop_after` starts.
struct Fake<'a> {
    entries: &'a [Entry],
    capacity: &'a Capacity,
    failing: &'a BTreeSet<usize>,
    stop_after: Option<usize>,
    cancelled: &'a AtomicBool,
    journal: Mutex<Journal>,
}

impl Executor for Fake<'_> {
    fn execute(&self, index: usize, grant: &Grant) -> Outcome {
        let slots = self.entries[index].slots;
        {
            let mut journal = self.journal.lock().unwrap();
            journal.started.push(index);
            if !self.entries[index]
                .upstream
                .iter()
                .all(|producer| journal.ended.contains(producer))
            {
                journal.early.push(index);
            }
            journal.cpus += grant.cpus;
            journal.most_cpus = journal.most_cpus.max(journal.cpus);
            journal.memory += slots.memory;
            journal.most_memory = journal.most_memory.max(journal.memory);
            for &gpu in &grant.gpus {
                let users = journal.gpus.entry(gpu).or_default();
                users.push(slots);
                let shared: u64 = users.iter().filter_map(|user| user.gpu_memory).sum();
                let alone = users.iter().any(|user| user.gpu_memory.is_none());
                if shared > self.capacity.gpus[gpu].memory || alone && users.len() > 1 {
                    let message = format!("gpu {gpu}: {users:?}");
                    journal.overfull.push(message);
                }
            }
            let distinct: BTreeSet<usize> = grant.gpus.iter().copied().collect();
            if distinct.len() != slots.gpus || grant.gpus.len() != slots.gpus {
                let message = format!("{grant:?} for {slots:?}");
                journal.overfull.push(message);
            }
            if self.stop_after == Some(journal.started.len()) {
                self.cancelled.store(true, Ordering::SeqCst);
            }
        }
        thread::yield_now();
        let mut journal = self.journal.lock().unwrap();
        journal.cpus -= grant.cpus;
        journal.memory -= slots.memory;
        for gpu in &grant.gpus {
            let users = journal.gpus.get_mut(gpu).unwrap();
            let position = users.iter().position(|user| *user == slots).unwrap();
            users.remove(position);
        }
        if self.failing.contains(&index) {
            return Outcome::Failed;
        }
        journal.ended.insert(index);
        Outcome::Succeeded
    }
}

/// Memory of the largest GPU in these tests, in bytes.
const GPU_MEMORY: u64 = 10;

/// Main memory in these tests, in bytes.
const MEMORY: u64 = 100;

/// Generates fewer than 24 actions, each with up to three earlier ones upstream. They take up to 4 cpus, up to all of
/// the memory, and no GPU, up to `gpus` whole ones, or a part of one.
fn entries(gpus: usize) -> impl Strategy<Value = Vec<Entry>> {
    let entry = (
        prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        1..=4_usize,
        0..=MEMORY,
        prop_oneof![
            Just((0, None)),
            (1..=gpus).prop_map(|gpus| (gpus, None)),
            (1..=GPU_MEMORY).prop_map(|memory| (1, Some(memory))),
        ],
    );
    prop::collection::vec(entry, 0..24).prop_map(|drawn| {
        drawn
            .into_iter()
            .enumerate()
            .map(
                |(position, (upstream, cpus, memory, (gpus, gpu_memory)))| Entry {
                    upstream: if position == 0 {
                        vec![]
                    } else {
                        upstream.iter().map(|i| i.index(position)).collect()
                    },
                    slots: Slots {
                        cpus,
                        memory,
                        gpus,
                        gpu_memory,
                        elsewhere: 0,
                    },
                },
            )
            .collect()
    })
}

fn descendants(entries: &[Entry], roots: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for (index, entry) in entries.iter().enumerate() {
        if entry
            .upstream
            .iter()
            .any(|producer| roots.contains(producer) || found.contains(producer))
        {
            found.insert(index);
        }
    }
    found
}

pub(super) fn schedule(
    entries: &[Entry],
    total: &Capacity,
    on_failure: OnFailure,
    failing: &BTreeSet<usize>,
    stop_after: Option<usize>,
) -> (Vec<Outcome>, Journal) {
    let cancelled = AtomicBool::new(false);
    let fake = Fake {
        entries,
        capacity: total,
        failing,
        stop_after,
        cancelled: &cancelled,
        journal: Mutex::default(),
    };
    let outcomes = run(
        Queue::new(entries.to_vec(), total, on_failure),
        &fake,
        &cancelled,
    );
    (outcomes, fake.journal.into_inner().unwrap())
}

/// Checks what holds whether or not actions fail or are cancelled.
fn check_order_and_slots(journal: &Journal, total: &Capacity) -> Result<(), TestCaseError> {
    prop_assert_eq!(
        &journal.early,
        &Vec::<usize>::new(),
        "started before their inputs"
    );
    let distinct: BTreeSet<_> = journal.started.iter().collect();
    prop_assert_eq!(
        distinct.len(),
        journal.started.len(),
        "started twice: {:?}",
        journal.started
    );
    prop_assert!(
        journal.most_cpus <= total.cpus,
        "{} of {total:?} taken",
        journal.most_cpus
    );
    if let Some(memory) = total.memory {
        prop_assert!(
            journal.most_memory <= memory,
            "{} bytes of {memory} taken",
            journal.most_memory
        );
    }
    prop_assert_eq!(&journal.overfull, &Vec::<String>::new());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn without_failures_everything_succeeds(entries in entries(1), cpus in 4..8_usize) {
        let total = &Capacity { memory: Some(MEMORY), ..capacity(cpus, &[GPU_MEMORY]) };
        let (outcomes, journal) = schedule(&entries, total, OnFailure::Stop, &BTreeSet::new(), None);
        check_order_and_slots(&journal, total)?;
        prop_assert!(outcomes.iter().all(|&outcome| outcome == Outcome::Succeeded));
    }

    #[test]
    fn keeping_going_skips_exactly_the_descendants_of_failures(
        entries in entries(2),
        draws in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let drawn: BTreeSet<usize> = draws.iter().filter(|_| !entries.is_empty()).map(|i| i.index(entries.len())).collect();
        let total = &Capacity { memory: Some(MEMORY), ..capacity(5, &[GPU_MEMORY / 2, GPU_MEMORY]) };
        let (outcomes, journal) = schedule(&entries, total, OnFailure::KeepGoing, &drawn, None);
        check_order_and_slots(&journal, total)?;
        // An action that would fail may be downstream of another that does, and never start.
        let failed: BTreeSet<usize> = drawn.intersection(&journal.started.iter().copied().collect()).copied().collect();
        let skipped = descendants(&entries, &failed);
        for (index, outcome) in outcomes.into_iter().enumerate() {
            let expected = match () {
                () if failed.contains(&index) => Outcome::Failed,
                () if skipped.contains(&index) => Outcome::Skipped,
                () => Outcome::Succeeded,
            };
            prop_assert_eq!(outcome, expected, "entry {}", index);
        }
        prop_assert!(drawn.iter().all(|index| failed.contains(index) || skipped.contains(index)));
    }

    #[test]
    fn stopping_at_a_failure_starts_nothing_after_it(entries in entries(1), draw in any::<prop::sample::Index>()) {
        prop_assume!(!entries.is_empty());
        let failing = BTreeSet::from([draw.index(entries.len())]);
        // One at a time, so that "after" is well defined.
        let narrow: Vec<Entry> = entries.into_iter().map(|entry| Entry { slots: Slots::cpus(1), ..entry }).collect();
        let total = &capacity(1, &[]);
        let (outcomes, journal) = schedule(&narrow, total, OnFailure::Stop, &failing, None);
        check_order_and_slots(&journal, total)?;
        prop_assert_eq!(journal.started.last(), failing.first());
        for (index, outcome) in outcomes.into_iter().enumerate() {
            let started = journal.started.contains(&index);
            let expected = match () {
                () if failing.contains(&index) => Outcome::Failed,
                () if started => Outcome::Succeeded,
                () => Outcome::Skipped,
            };
            prop_assert_eq!(outcome, expected);
        }
    }

    #[test]
    fn after_a_stop_nothing_starts(entries in entries(1), stop_after in 1..10_usize) {
        let total = &capacity(4, &[GPU_MEMORY]);
        let (outcomes, journal) = schedule(&entries, total, OnFailure::KeepGoing, &BTreeSet::new(), Some(stop_after));
        check_order_and_slots(&journal, total)?;
        for (index, outcome) in outcomes.iter().enumerate() {
            let expected = if journal.started.contains(&index) { Outcome::Succeeded } else { Outcome::Cancelled };
            prop_assert_eq!(*outcome, expected);
        }
        // Actions that were started together with the last one may still succeed.
        prop_assert!(journal.started.len() < stop_after + total.cpus);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// While a ready action waits, only a limited number of later actions may take
    /// resources that it waits for.
    #[test]
    fn no_action_starves(entries in entries(1), ends in prop::collection::vec(any::<prop::sample::Index>(), 24)) {
        let entries: Vec<Entry> = entries.into_iter().map(|entry| Entry { upstream: Vec::new(), ..entry }).collect();
        let total = Capacity { memory: Some(MEMORY), ..capacity(4, &[GPU_MEMORY]) };
        let mut queue = Queue::new(entries.clone(), &total, OnFailure::Stop);
        let mut overtaken = vec![0; entries.len()];
        let mut waiting: BTreeSet<usize> = (0..entries.len()).collect();
        let mut running: Vec<(usize, Grant)> = Vec::new();
        let mut free = total.free();
        for end in ends {
            while let Some((index, grant)) = queue.start() {
                waiting.remove(&index);
                // Without dependents, actions start in the order in which they are written.
                if let Some(&first) = waiting.first().filter(|&&first| first < index) {
                    overtaken[first] += usize::from(free.competes(entries[index].slots, entries[first].slots));
                }
                prop_assert!(free.take(entries[index].slots).is_some());
                running.push((index, grant));
            }
            if running.is_empty() {
                break;
            }
            let (index, grant) = running.swap_remove(end.index(running.len()));
            free.give_back(&grant);
            queue.finish(index, Outcome::Succeeded);
        }
        prop_assert!(waiting.is_empty(), "{waiting:?} never started");
        prop_assert!(overtaken.iter().all(|&times| times <= 4 * total.cpus), "{overtaken:?}");
    }
}

#[test]
fn a_panicking_executor_does_not_hang_the_run() {
    struct Panics;
    impl Executor for Panics {
        fn execute(&self, _: usize, _: &Grant) -> Outcome {
            panic!("a fault");
        }
    }
    let queue = Queue::new(
        vec![entry(&[], 1), entry(&[0], 1)],
        &capacity(1, &[]),
        OnFailure::KeepGoing,
    );
    let caught = std::panic::catch_unwind(|| run(queue, &Panics, &AtomicBool::new(false)));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"a fault"));
}
