//! The order in which ready actions start.

use std::collections::BTreeSet;

use super::properties::schedule;
use super::slots::tests::capacity;
use super::{Capacity, Entry, OnFailure, Outcome, Queue, Slots};

#[test]
fn a_large_action_starts_although_small_ones_keep_coming() {
    let large = Entry {
        upstream: Vec::new(),
        slots: Slots {
            memory: 60,
            ..Slots::cpus(1)
        },
    };
    let small = Entry {
        upstream: Vec::new(),
        slots: Slots {
            memory: 50,
            ..Slots::cpus(1)
        },
    };
    let first = small.clone();
    let plain = entry(&[], 1);
    let mut entries = vec![first, large];
    entries.extend(vec![small; 100]);
    entries.push(plain);
    let total = Capacity {
        memory: Some(100),
        ..capacity(2, &[])
    };
    let mut queue = Queue::new(entries, &total, OnFailure::Stop);
    let mut running = vec![started(&mut queue).unwrap()];
    let mut before = 0;
    loop {
        match started(&mut queue) {
            Some(1) => break,
            Some(index) => {
                running.push(index);
                before += 1;
            }
            None => queue.finish(running.remove(0), Outcome::Succeeded),
        }
    }
    // The last action takes no memory and need not wait.
    assert_eq!(before, 8 + 1);
    assert_eq!(running, [102]);
}

fn started(queue: &mut Queue) -> Option<usize> {
    queue.start().map(|(index, _)| index)
}

pub(super) fn entry(upstream: &[usize], cpus: usize) -> Entry {
    Entry {
        upstream: upstream.to_vec(),
        slots: Slots::cpus(cpus),
    }
}

#[test]
fn the_longest_chain_starts_first_and_ties_start_as_written() {
    // 0, 1 and 2 have no inputs; 3 depends on 2, and 4 on 3.
    let entries = [
        entry(&[], 1),
        entry(&[], 1),
        entry(&[], 1),
        entry(&[2], 1),
        entry(&[3], 1),
    ];
    let one = &capacity(1, &[]);
    let (_, journal) = schedule(&entries, one, OnFailure::Stop, &BTreeSet::new(), None);
    assert_eq!(journal.started, [2, 3, 0, 1, 4]);
}

#[test]
fn a_small_action_starts_on_cpus_that_a_large_one_cannot_use() {
    let mut queue = Queue::new(
        vec![entry(&[], 1), entry(&[], 2), entry(&[], 1)],
        &capacity(2, &[]),
        OnFailure::Stop,
    );
    assert_eq!(
        [
            started(&mut queue),
            started(&mut queue),
            started(&mut queue)
        ],
        [Some(0), Some(2), None]
    );
    queue.finish(0, Outcome::Succeeded);
    assert_eq!(started(&mut queue), None);
    queue.finish(2, Outcome::Cached);
    assert_eq!(started(&mut queue), Some(1));
}
