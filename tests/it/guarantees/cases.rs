//! Runs many cases and reports all failures together.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::Verdict;

/// Number of cases that run in parallel.
const THREADS: usize = 2;

/// Runs `survives` on every case, and panics at the end if any failed.
#[expect(
    clippy::print_stdout,
    reason = "the test output shows how many cases ran"
)]
pub(crate) fn each<C: Debug + Sync>(
    what: &str,
    cases: &[C],
    survives: impl Fn(&C) -> Verdict + Sync,
) {
    let started = Instant::now();
    let next = Mutex::new(cases.iter());
    let tally = Mutex::new(BTreeMap::<&str, usize>::new());
    let lost = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(case) = { next.lock().unwrap().next() } {
                    let survives = AssertUnwindSafe(|| survives(case));
                    let verdict = catch_unwind(survives)
                        .unwrap_or_else(|_| Err("the test itself panicked".to_owned()));
                    match verdict {
                        Ok(fate) => *tally.lock().unwrap().entry(fate).or_default() += 1,
                        Err(why) => lost.lock().unwrap().push(format!("{case:?}: {why}")),
                    }
                }
            });
        }
    });
    let lost = lost.into_inner().unwrap();
    let fates: Vec<String> = tally
        .into_inner()
        .unwrap()
        .iter()
        .map(|(fate, count)| format!("{count} {fate}"))
        .collect();
    println!(
        "{what}: {}; {} survived, {} lost; {:.1} s",
        fates.join(", "),
        cases.len() - lost.len(),
        lost.len(),
        started.elapsed().as_secs_f64()
    );
    assert!(
        lost.is_empty(),
        "{what}: these cases failed:\n{}",
        lost.join("\n")
    );
}

/// A reproducible random number generator: SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    /// Takes the seed from `RUNNER_SEED`, or else from the time, and prints it.
    #[expect(
        clippy::print_stdout,
        reason = "the printed seed is needed to repeat the test"
    )]
    pub(crate) fn new(what: &str) -> Self {
        let given = std::env::var("RUNNER_SEED").ok();
        let seed = given.map_or_else(
            || {
                SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap()
                    .subsec_nanos()
                    .into()
            },
            |seed| seed.parse().expect("`RUNNER_SEED` must be a whole number"),
        );
        println!("{what}: RUNNER_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    /// Returns a number in [0, 1).
    pub(crate) fn share(&mut self) -> f64 {
        self.below(1 << 30) as f64 / f64::from(1 << 30)
    }

    pub(crate) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}
