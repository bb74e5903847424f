//! Properties of races, for any results in any order of arrival.

use std::collections::BTreeSet;

use contract::Direction;
use proptest::prelude::*;

use super::{Decision, Entry, Halving, Invalid, Race, Reason, Standing};

fn rules(grace: u64, max: u64, reduction: u64) -> Halving {
    Halving::new(grace, max, reduction, Direction::Minimize).unwrap()
}

/// Runs a race with this number of slots. `pick` chooses the running trial that arrives next, and `value`
/// returns its metric.
fn run(
    race: &mut Race,
    slots: usize,
    mut pick: impl FnMut(usize) -> usize,
    value: impl Fn(usize, u64) -> Option<f64>,
) {
    let mut running: Vec<(usize, u64)> = Vec::new();
    loop {
        for decision in race.decide(slots - running.len()) {
            running.push(match decision {
                Decision::New { trial, to_epochs } => (trial, to_epochs),
                Decision::Promote {
                    trial, to_epochs, ..
                } => (trial, to_epochs),
            });
        }
        if running.is_empty() {
            return;
        }
        let (trial, epochs) = running.remove(pick(running.len()));
        race.arrive(trial, value(trial, epochs));
    }
}

/// From Algorithm 2 of Li et al. (2020), with s = 0: ⌊log_η(R / r)⌋ cuts.
#[test]
fn the_maximum_allows_as_many_cuts_as_full_reductions() {
    assert_eq!(rules(1, 27, 3).rungs(), [1, 3, 9, 27]);
    // ⌊log₃ 10⌋ = 2 cuts, not another after 18 of 20 epochs.
    assert_eq!(rules(2, 20, 3).rungs(), [2, 6, 20]);
    assert_eq!(rules(2, 18, 3).rungs(), [2, 6, 18]);
    assert_eq!(rules(2, 17, 3).rungs(), [2, 17]);
    // ⌊log₂ 31⌋ = 4 and ⌊log₂ 32⌋ = 5 cuts.
    assert_eq!(rules(1, 31, 2).rungs(), [1, 2, 4, 8, 31]);
    assert_eq!(rules(1, 32, 2).rungs(), [1, 2, 4, 8, 16, 32]);
    // No cuts.
    assert_eq!(rules(2, 5, 3).rungs(), [5]);
    assert_eq!(rules(5, 5, 2).rungs(), [5]);
    assert_eq!(rules(1, u64::MAX, u64::MAX).rungs(), [1, u64::MAX]);
    assert_eq!(rules(2, u64::MAX, u64::MAX).rungs(), [u64::MAX]);
}

#[test]
fn rules_without_a_first_rung_or_a_reduction_are_refused() {
    let refused = |grace, max, reduction| {
        Halving::new(grace, max, reduction, Direction::Minimize).unwrap_err()
    };
    assert_eq!(refused(0, 5, 2), Invalid::NoGrace);
    assert_eq!(refused(6, 5, 2), Invalid::Order { grace: 6, max: 5 });
    assert_eq!(refused(1, 5, 1), Invalid::Reduction(1));
}

#[test]
fn a_trial_is_promoted_as_soon_as_it_is_in_the_best_third_of_its_rung() {
    let mut race = Race::new(rules(1, 9, 3), 9);
    run(
        &mut race,
        1,
        |_| 0,
        |trial, _| Some([5.0, 1.0, 3.0, 9.0, 8.0, 0.5, 7.0, 2.0, 6.0][trial]),
    );
    let decisions = race.record().iter().filter_map(|entry| match entry {
        Entry::Decided(Decision::New { trial, .. }) => Some((*trial, 1)),
        Entry::Decided(Decision::Promote {
            trial, to_epochs, ..
        }) => Some((*trial, *to_epochs)),
        Entry::Arrived { .. } => None,
    });
    let decisions: Vec<(usize, u64)> = decisions.collect();
    assert_eq!(
        decisions,
        [
            (0, 1),
            (1, 1),
            (2, 1),
            (1, 3),
            (3, 1),
            (4, 1),
            (5, 1),
            (5, 3),
            (6, 1),
            (7, 1),
            (8, 1),
            (7, 3),
            (5, 9),
        ]
    );
    assert_eq!(race.standing(5), Some(Standing::Done { value: 0.5 }));
    assert_eq!(
        race.standing(7),
        Some(Standing::Waiting {
            epochs: 3,
            value: 2.0
        })
    );
    assert_eq!(
        race.standing(0),
        Some(Standing::Waiting {
            epochs: 1,
            value: 5.0
        })
    );
}

#[test]
fn a_race_too_short_for_promotions_still_has_a_winner() {
    let mut race = Race::new(rules(2, 20, 3), 2);
    run(&mut race, 2, |_| 0, |trial, _| Some(trial as f64));
    assert_eq!(race.standing(0), Some(Standing::Done { value: 0.0 }));
    assert_eq!(
        race.standing(1),
        Some(Standing::Waiting {
            epochs: 2,
            value: 1.0
        })
    );
}

#[test]
fn if_all_trials_fail_no_decision_is_left() {
    let mut race = Race::new(rules(1, 9, 3), 5);
    run(&mut race, 2, |_| 0, |_, _| Some(f64::NAN));
    assert!((0..5).all(|trial| race.standing(trial) == Some(Standing::Failed)));
    assert_eq!(race.next(), None);
}

/// Record of a race of 4 trials in 2 slots with η = 2, worked out by hand.
const RECORD: &str = r#"[
    {"decided":{"new":{"trial":0,"to_epochs":1}}},
    {"decided":{"new":{"trial":1,"to_epochs":1}}},
    {"came":{"trial":1,"value":0.5}},
    {"decided":{"new":{"trial":2,"to_epochs":1}}},
    {"came":{"trial":0,"value":0.25}},
    {"decided":{"promote":{"trial":0,"from_epochs":1,"to_epochs":2,"reason":"top"}}},
    {"came":{"trial":2,"value":null}},
    {"decided":{"new":{"trial":3,"to_epochs":1}}},
    {"came":{"trial":0,"value":0.125}},
    {"came":{"trial":3,"value":0.75}},
    {"decided":{"promote":{"trial":1,"from_epochs":1,"to_epochs":2,"reason":"top"}}},
    {"came":{"trial":1,"value":0.5}},
    {"decided":{"promote":{"trial":0,"from_epochs":2,"to_epochs":4,"reason":"top"}}}
]"#;

#[test]
fn a_recorded_race_is_replayed_from_json() {
    let record: Vec<Entry> = serde_json::from_str(RECORD).unwrap();
    let race = Race::replay(rules(1, 4, 2), 4, &record).unwrap();
    assert_eq!(race.record(), record);
    assert_eq!(race.standing(0), Some(Standing::Running { to_epochs: 4 }));
    let written = serde_json::to_value(race.record()).unwrap();
    assert_eq!(
        written,
        serde_json::from_str::<serde_json::Value>(RECORD).unwrap()
    );
}

#[test]
fn a_changed_record_is_detected() {
    let mut record: Vec<Entry> = serde_json::from_str(RECORD).unwrap();
    record[4] = Entry::Arrived {
        trial: 0,
        value: Some(0.75),
    };
    let diverged = Race::replay(rules(1, 4, 2), 4, &record).unwrap_err();
    assert_eq!(diverged.at, 5);
    assert!(matches!(
        diverged.decided,
        Some(Decision::Promote { trial: 1, .. })
    ));
    let unknown = [Entry::Arrived {
        trial: 0,
        value: None,
    }];
    assert_eq!(Race::replay(rules(1, 4, 2), 4, &unknown).unwrap_err().at, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn races_follow_their_rules_and_can_be_replayed(
        (grace, max, reduction) in (1..4_u64, 4..60_u64, 2..5_u64),
        values in prop::collection::vec(prop::option::weighted(0.9, 0..20_u32), 1..40),
        slots in 1..6_usize,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 200),
    ) {
        let halving = rules(grace, max, reduction);
        let trials = values.len();
        let mut race = Race::new(halving.clone(), trials);
        let mut picks = picks.into_iter().cycle();
        run(&mut race, slots, |n| picks.next().unwrap().index(n), |trial, epochs| {
            // Some trials rank differently on later rungs.
            values[trial].map(|v| f64::from((v + trial as u32 * epochs as u32) % 20))
        });

        // The trials that arrived at each rung so far, and those that were promoted from it.
        let rung_of = |epochs| halving.rungs().iter().position(|&rung| rung == epochs).unwrap();
        let mut came: Vec<Vec<(usize, Option<f64>)>> = vec![Vec::new(); halving.rungs().len()];
        let mut promoted = vec![BTreeSet::new(); halving.rungs().len()];
        let mut bound: Vec<Option<usize>> = vec![None; trials];
        for entry in race.record() {
            match *entry {
                Entry::Arrived { trial, value } => came[bound[trial].take().unwrap()].push((trial, value)),
                Entry::Decided(Decision::New { trial, to_epochs }) => {
                    prop_assert_eq!(to_epochs, halving.rungs()[0]);
                    bound[trial] = Some(0);
                }
                Entry::Decided(Decision::Promote { trial, from_epochs, to_epochs, reason }) => {
                    prop_assert!(to_epochs <= max);
                    let rung = rung_of(from_epochs);
                    prop_assert_eq!(rung_of(to_epochs), rung + 1);
                    let value = came[rung].iter().find(|(t, _)| *t == trial).unwrap().1.unwrap();
                    let better = came[rung].iter().filter(|(_, v)| v.is_some_and(|v| v < value)).count();
                    match reason {
                        Reason::Top => prop_assert!(better < came[rung].len() / reduction as usize),
                        Reason::Winner => {
                            prop_assert!(bound.iter().all(Option::is_none));
                            prop_assert!(came.last().unwrap().iter().all(|(_, v)| v.is_none()));
                        }
                    }
                    prop_assert!(promoted[rung].insert(trial), "{} twice", trial);
                    prop_assert!(bound[trial].replace(rung + 1).is_none());
                }
            }
        }
        prop_assert_eq!(race.started(), trials);
        let all_fail = values.iter().all(Option::is_none);
        let is_won = (0..trials).any(|t| matches!(race.standing(t), Some(Standing::Done { .. })));
        prop_assert_eq!(is_won, !all_fail);

        let text = serde_json::to_string(race.record()).unwrap();
        let record: Vec<Entry> = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(Race::replay(halving, trials, &record).unwrap(), race);
    }
}
