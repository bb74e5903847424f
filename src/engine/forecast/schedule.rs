//! Simulates a plan with the scheduler's own queue.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use petgraph::graph::NodeIndex;

use super::Estimate;
use crate::graph::Graph;
use crate::plan::Plan;
use crate::scheduler::{Capacity, Entry, OnFailure, Queue, makespan};

/// Maximum number of stages that are considered for running at once: those that need the most memory.
const MOST_COMPARED: usize = 100;

/// Misses of a plan as the scheduler gets them.
pub(super) struct Schedule {
    entries: Vec<Entry>,
    seconds: Vec<f64>,
    memory: Vec<Option<u64>>,
}

impl Schedule {
    /// Creates the entries of the plan's misses that are in `stages`.
    pub(super) fn of(
        graph: &Graph,
        plan: &Plan,
        stages: &BTreeMap<NodeIndex, Estimate>,
        total: &Capacity,
    ) -> Self {
        let mut schedule = Self {
            entries: Vec::new(),
            seconds: Vec::new(),
            memory: Vec::new(),
        };
        let (mut positions, mut first) = (HashMap::new(), HashMap::new());
        for action in plan.misses() {
            let Some(estimate) = stages.get(&action.node) else {
                continue;
            };
            let position = schedule.entries.len();
            let inputs = graph.inputs(action.node);
            let producers = inputs.iter().filter_map(|(node, _)| positions.get(node));
            let mut upstream: Vec<usize> = producers.copied().collect();
            let leader = *first.entry(action.action_key).or_insert(position);
            upstream.extend((leader != position).then_some(leader));
            positions.insert(action.node, position);
            let instance = &graph.stages[action.node];
            let mut slots = instance.slots(estimate.demand(instance)).granted_of(total);
            if !total.free().has(slots) {
                // A plan may be made on a machine without these GPUs.
                (slots.gpus, slots.gpu_memory) = (0, None);
            }
            schedule.entries.push(Entry { upstream, slots });
            schedule.seconds.push(estimate.seconds.unwrap_or_default());
            schedule.memory.push(estimate.memory);
        }
        schedule
    }

    /// Returns the seconds from the first start to the last end. Stages of unknown time count as 0.
    pub(super) fn seconds(&self, total: &Capacity) -> f64 {
        let queue = Queue::new(self.entries.clone(), total, OnFailure::KeepGoing);
        makespan(queue, &[], &self.seconds)
    }

    /// Returns the largest sum of memory, in bytes, of stages that do not depend on one another and fit into
    /// the slots. The stages are chosen greedily, the largest first. `None` if no stage's memory is known.
    pub(super) fn memory_at_once(&self, total: &Capacity) -> Option<u64> {
        let memory = |index: &usize| self.memory[*index];
        let mut by_memory: Vec<usize> = (0..self.entries.len())
            .filter(|index| memory(index).is_some())
            .collect();
        by_memory.sort_by_key(|index| (Reverse(memory(index)), *index));
        let (mut chosen, mut free, mut sum) = (Vec::<usize>::new(), total.free(), None);
        for index in by_memory.into_iter().take(MOST_COMPARED) {
            let slots = self.entries[index].slots;
            if chosen.iter().any(|&other| self.are_ordered(index, other))
                || free.take(slots).is_none()
            {
                continue;
            }
            chosen.push(index);
            sum = Some(sum.unwrap_or_default() + memory(&index).unwrap_or_default());
            if free.is_used_up() {
                break;
            }
        }
        sum
    }

    /// Returns whether one of two entries is upstream of the other.
    fn are_ordered(&self, a: usize, b: usize) -> bool {
        let (upper, lower) = (a.min(b), a.max(b));
        let (mut open, mut seen) = (vec![lower], HashSet::new());
        while let Some(index) = open.pop() {
            let upstream = self.entries[index].upstream.iter().copied();
            for producer in upstream.filter(|&producer| producer >= upper) {
                if producer == upper {
                    return true;
                }
                if seen.insert(producer) {
                    open.push(producer);
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::Slots;

    fn entries(stages: &[(&[usize], usize, f64, u64)]) -> Schedule {
        let entry = |&(upstream, cpus, _, _): &(&[usize], usize, f64, u64)| Entry {
            upstream: upstream.to_vec(),
            slots: Slots::cpus(cpus),
        };
        Schedule {
            entries: stages.iter().map(entry).collect(),
            seconds: stages.iter().map(|stage| stage.2).collect(),
            memory: stages.iter().map(|stage| Some(stage.3)).collect(),
        }
    }

    fn cpus(cpus: usize) -> Capacity {
        Capacity {
            cpus,
            ..Capacity::default()
        }
    }

    #[test]
    fn time_is_the_longest_path_or_the_work_divided_by_the_slots() {
        let chain = entries(&[(&[], 1, 3.0, 0), (&[0], 1, 4.0, 0), (&[1], 1, 5.0, 0)]);
        assert_eq!([1, 8].map(|n| chain.seconds(&cpus(n))), [12.0, 12.0]);
        let apart = entries(&[(&[], 1, 3.0, 0), (&[], 1, 3.0, 0), (&[], 1, 4.0, 0)]);
        assert_eq!([1, 2, 3].map(|n| apart.seconds(&cpus(n))), [10.0, 7.0, 4.0]);
        let wide = entries(&[(&[], 2, 3.0, 0), (&[], 1, 3.0, 0), (&[], 1, 3.0, 0)]);
        assert_eq!(wide.seconds(&cpus(2)), 6.0);
        assert_eq!(entries(&[]).seconds(&cpus(2)), 0.0);
    }

    #[test]
    fn memory_is_the_sum_over_stages_that_may_run_at_once() {
        let chain = entries(&[(&[], 1, 1.0, 5), (&[0], 1, 1.0, 7), (&[1], 1, 1.0, 6)]);
        assert_eq!(chain.memory_at_once(&cpus(4)), Some(7));
        // Stages 0 and 1. Stages 1 and 2 need more, but one depends on the other.
        let fork = entries(&[(&[], 1, 1.0, 5), (&[], 1, 1.0, 7), (&[1], 1, 1.0, 6)]);
        assert_eq!(fork.memory_at_once(&cpus(4)), Some(12));
        assert_eq!(fork.memory_at_once(&cpus(1)), Some(7));
        assert_eq!(entries(&[]).memory_at_once(&cpus(1)), None);
    }
}
