//! The schedule of a round, which is recorded when the round begins, and the time that it still takes.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use contract::Gpu;
use serde::{Deserialize, Serialize};

use super::slots::is_zero;
use super::{Capacity, Entry, OnFailure, Outcome, Queue, Slots};

/// The stages that a round runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// In the order of the plan. A stage comes after the stages that it waits for.
    pub stages: Vec<ScheduledStage>,
    pub cpus: usize,
    /// Main memory in bytes that all stages together may use; `None` if it limits nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Memory of each GPU, in bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<u64>,
    /// Number of stages that other machines may run at once.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub elsewhere: usize,
    /// `true` if stages that do not depend on a failed stage still run.
    pub keep_going: bool,
}

/// A stage of a [`Schedule`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScheduledStage {
    /// The instance: `cnn[model1]`.
    pub name: String,
    /// Expected wall time; `None` if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Positions of the stages that it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstream: Vec<usize>,
    pub slots: Slots,
}

/// State of a scheduled stage, as far as the remaining time depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Phase {
    #[default]
    Waiting,
    /// It runs for this many more seconds, if that is known.
    Running(Option<f64>),
    /// It has outputs.
    Done,
    /// It ended without outputs.
    Failed,
}

/// Estimate of the time that a round still takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TimeLeft {
    /// Seconds; stages of unknown time count as 0. `None` if nothing is known.
    pub seconds: Option<f64>,
    /// Number of stages of unknown time.
    pub unknown: usize,
}

impl Schedule {
    /// Creates the schedule of a queue with these entries, names and expected times.
    pub fn new(
        entries: &[Entry],
        names: impl Iterator<Item = (String, Option<f64>)>,
        capacity: &Capacity,
        on_failure: OnFailure,
    ) -> Self {
        let stages = entries.iter().zip(names);
        let stages = stages.map(|(entry, (name, seconds))| ScheduledStage {
            name,
            seconds,
            upstream: entry.upstream.clone(),
            slots: entry.slots,
        });
        Self {
            stages: stages.collect(),
            cpus: capacity.cpus,
            memory: capacity.memory,
            gpus: capacity.gpus.iter().map(|gpu| gpu.memory).collect(),
            elsewhere: capacity.elsewhere,
            keep_going: on_failure == OnFailure::KeepGoing,
        }
    }

    /// Estimates the time until everything that can still run has ended. `phases` and `seconds` (the expected times,
    /// perhaps better ones than those of the schedule) have one entry for each stage.
    pub fn left(&self, phases: &[Phase], seconds: &[Option<f64>]) -> TimeLeft {
        let capacity = self.capacity();
        let has_failed = phases.contains(&Phase::Failed);
        // Positions in the simulated queue, of the stages that have not ended and can still run.
        let mut positions: Vec<Option<usize>> = Vec::with_capacity(self.stages.len());
        let (mut entries, mut times, mut running) = (Vec::new(), Vec::new(), Vec::new());
        let mut is_lost = vec![false; self.stages.len()];
        let mut unknown = 0;
        for (index, stage) in self.stages.iter().enumerate() {
            is_lost[index] = phases[index] == Phase::Failed
                || stage
                    .upstream
                    .iter()
                    .any(|&producer| is_lost.get(producer).copied().unwrap_or_default());
            let time = match phases[index] {
                Phase::Running(left) => Some(left),
                Phase::Waiting if is_lost[index] || has_failed && !self.keep_going => None,
                Phase::Waiting => Some(seconds[index]),
                Phase::Done | Phase::Failed => None,
            };
            let Some(time) = time else {
                positions.push(None);
                continue;
            };
            let position = entries.len();
            positions.push(Some(position));
            let is_running = matches!(phases[index], Phase::Running(_));
            let upstream = stage.upstream.iter();
            let upstream = upstream.filter_map(|&producer| positions.get(producer).copied()?);
            let mut slots = stage.slots.granted_of(&capacity);
            if !capacity.free().has(slots) {
                (slots.gpus, slots.gpu_memory) = (0, None);
            }
            entries.push(Entry {
                // The end of a producer may be reported after the start of its consumer.
                upstream: if is_running {
                    Vec::new()
                } else {
                    upstream.collect()
                },
                slots,
            });
            running.extend(is_running.then_some(position));
            unknown += usize::from(time.is_none());
            times.push(time.unwrap_or_default().max(0.0));
        }
        let is_known = unknown < times.len() || times.is_empty();
        let queue = Queue::new(entries, &capacity, OnFailure::KeepGoing);
        TimeLeft {
            seconds: is_known.then(|| makespan(queue, &running, &times)),
            unknown,
        }
    }

    fn capacity(&self) -> Capacity {
        // Only the memory of a GPU matters here.
        let gpu = |(index, &memory): (usize, &u64)| Gpu {
            index,
            name: String::new(),
            uuid: String::new(),
            compute_capability: (0, 0),
            memory,
        };
        Capacity {
            cpus: self.cpus.max(1),
            memory: self.memory,
            gpus: self.gpus.iter().enumerate().map(gpu).collect(),
            elsewhere: self.elsewhere.max(1),
        }
    }
}

/// Simulates a queue whose actions take these seconds. Those in `running` have started already. Returns the seconds
/// until the last one ends.
pub fn makespan(mut queue: Queue, running: &[usize], seconds: &[f64]) -> f64 {
    let started = running
        .iter()
        .filter(|&&index| queue.start_first(index))
        .map(|&index| Reverse(End(seconds[index], index)));
    // A sweep on a cluster has thousands of running stages, so the next end must be found quickly.
    let mut running: BinaryHeap<Reverse<End>> = started.collect();
    let mut now = 0.0;
    loop {
        while let Some((index, _)) = queue.start() {
            running.push(Reverse(End(now + seconds[index], index)));
        }
        let Some(Reverse(End(end, index))) = running.pop() else {
            return now;
        };
        now = end;
        queue.finish(index, Outcome::Succeeded);
    }
}

/// Time at which an action of a simulated queue ends, and its position. Ends at the same time are ordered by position.
struct End(f64, usize);

impl Ord for End {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0).then(self.1.cmp(&other.1))
    }
}

impl PartialOrd for End {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for End {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for End {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stages by upstream, cpus and seconds, on two cpus.
    fn schedule(stages: &[(&[usize], usize, Option<f64>)], keep_going: bool) -> Schedule {
        let stages = stages.iter().enumerate();
        let stages = stages.map(|(index, &(upstream, cpus, seconds))| ScheduledStage {
            name: format!("s{index}"),
            seconds,
            upstream: upstream.to_vec(),
            slots: Slots::cpus(cpus),
        });
        Schedule {
            stages: stages.collect(),
            cpus: 2,
            keep_going,
            ..Schedule::default()
        }
    }

    fn left(schedule: &Schedule, phases: &[Phase]) -> TimeLeft {
        let seconds: Vec<_> = schedule.stages.iter().map(|stage| stage.seconds).collect();
        schedule.left(phases, &seconds)
    }

    fn known(seconds: f64) -> TimeLeft {
        TimeLeft {
            seconds: Some(seconds),
            unknown: 0,
        }
    }

    use Phase::{Done, Failed, Running, Waiting};

    #[test]
    fn what_runs_continues_and_the_rest_follows_as_slots_become_free() {
        let four = schedule(
            &[
                (&[], 1, Some(9.0)),
                (&[], 1, Some(9.0)),
                (&[0], 1, Some(5.0)),
                (&[], 2, Some(4.0)),
            ],
            false,
        );
        assert_eq!(left(&four, &[Waiting; 4]), known(9.0 + 5.0 + 4.0));
        let phases = [Running(Some(1.0)), Running(Some(3.0)), Waiting, Waiting];
        // Stage 2 starts after 1 second and ends after 6; stage 3 needs both cpus.
        assert_eq!(left(&four, &phases), known(10.0));
        assert_eq!(
            left(&four, &[Done, Done, Running(Some(2.0)), Done]),
            known(2.0)
        );
        assert_eq!(left(&four, &[Done; 4]), known(0.0));
    }

    #[test]
    fn unknown_stages_are_counted() {
        let three = schedule(
            &[(&[], 1, None), (&[0], 1, Some(5.0)), (&[0], 1, None)],
            false,
        );
        let expected = TimeLeft {
            seconds: Some(5.0),
            unknown: 2,
        };
        assert_eq!(left(&three, &[Waiting; 3]), expected);
        let nothing = TimeLeft {
            seconds: None,
            unknown: 1,
        };
        assert_eq!(left(&three, &[Done, Done, Running(None)]), nothing);
        assert_eq!(left(&three, &[Done, Done, Running(Some(2.0))]), known(2.0));
    }

    #[test]
    fn after_a_failure_only_what_can_still_run_counts() {
        let stages: [(&[usize], usize, Option<f64>); 4] = [
            (&[], 1, Some(9.0)),
            (&[0], 1, Some(5.0)),
            (&[1], 1, Some(5.0)),
            (&[], 1, Some(4.0)),
        ];
        let phases = [Failed, Waiting, Waiting, Waiting];
        assert_eq!(left(&schedule(&stages, true), &phases), known(4.0));
        assert_eq!(left(&schedule(&stages, false), &phases), known(0.0));
        let phases = [Failed, Waiting, Waiting, Running(Some(3.0))];
        assert_eq!(left(&schedule(&stages, false), &phases), known(3.0));
    }

    #[test]
    fn a_schedule_is_read_as_it_was_written_and_may_come_from_a_machine_with_more() {
        let mut one = schedule(&[(&[], 8, Some(2.0))], true);
        one.stages[0].slots.gpus = 4;
        one.stages[0].slots.gpu_memory = Some(1 << 30);
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), one);
        assert_eq!(left(&one, &[Waiting]), known(2.0));
    }

    /// The time of `Schedule::left` for a sweep on a cluster, which a terminal shows once a second.
    #[test]
    #[ignore = "measures time"]
    #[expect(clippy::print_stdout, reason = "shows what was measured")]
    fn a_large_sweep_on_a_cluster() {
        let stage = |index: usize| ScheduledStage {
            name: format!("cnn[{index}]"),
            seconds: Some(600.0 + index as f64 % 97.0),
            upstream: Vec::new(),
            slots: Slots::ELSEWHERE,
        };
        let large = Schedule {
            stages: (0..100_000).map(stage).collect(),
            elsewhere: 4096,
            ..Schedule::default()
        };
        let begun = std::time::Instant::now();
        let left = left(&large, &vec![Waiting; large.stages.len()]);
        println!("{left:?} in {:.3} s", begun.elapsed().as_secs_f64());
        let entry = |stage: &ScheduledStage| Entry {
            upstream: Vec::new(),
            slots: stage.slots,
        };
        let entries = large.stages.iter().map(entry).collect();
        let queue = Queue::new(entries, &large.capacity(), OnFailure::KeepGoing);
        let seconds = large.stages.iter().filter_map(|stage| stage.seconds);
        let begun = std::time::Instant::now();
        let left = slow_makespan(queue, &seconds.collect::<Vec<_>>());
        println!(
            "{left} s in {:.3} s, by searching",
            begun.elapsed().as_secs_f64()
        );
    }

    /// Simulates a queue as `makespan` does, and searches for the next end among all running stages.
    fn slow_makespan(mut queue: Queue, seconds: &[f64]) -> f64 {
        let (mut running, mut now): (Vec<(f64, usize)>, f64) = (Vec::new(), 0.0);
        loop {
            while let Some((index, _)) = queue.start() {
                running.push((now + seconds[index], index));
            }
            let ends = running.iter().enumerate();
            let next = ends.min_by(|(_, a), (_, b)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let Some((position, _)) = next else {
                return now;
            };
            let (end, index) = running.swap_remove(position);
            now = end;
            queue.finish(index, Outcome::Succeeded);
        }
    }

    mod properties {
        use proptest::prelude::*;

        use super::super::*;
        use super::slow_makespan;

        proptest! {
            /// Many stages end at the same time, so that their order matters.
            #[test]
            fn the_next_end_is_found_among_all(
                stages in prop::collection::vec((any::<u16>(), 1..=3_usize, 0..4_u8), 1..16),
            ) {
                let entries = stages.iter().enumerate().map(|(index, &(upstream, cpus, _))| Entry {
                    upstream: (0..index).filter(|i| upstream >> i & 3 == 3).collect(),
                    slots: Slots::cpus(cpus),
                });
                let entries: Vec<Entry> = entries.collect();
                let seconds: Vec<f64> = stages.iter().map(|&(_, _, s)| f64::from(s)).collect();
                let capacity = Capacity { cpus: 4, ..Capacity::default() };
                let queue = || Queue::new(entries.clone(), &capacity, OnFailure::KeepGoing);
                prop_assert_eq!(makespan(queue(), &[], &seconds), slow_makespan(queue(), &seconds));
            }
        }
    }
}
