//! Copies of a pipeline that differ only in their seeds.

use crate::spec::{Assignment, Node, Pipeline, Place, Plain, Value};

/// Label and assignments of a copy with its own seeds.
pub(super) struct SeedCopy {
    /// Label that tells the copy from others: its seed.
    pub label: String,
    pub assignments: Vec<Assignment>,
}

/// Returns one copy for every seed: the written seed, the next one, and so on. If no seeds are set, returns a
/// single copy without assignments. `wanted` overrides the `seeds` of the pipeline.
///
/// A stage with fewer seeds than another one keeps its last seed in later copies.
pub(super) fn copies(pipeline: &Pipeline, wanted: Option<(usize, &Place)>) -> Vec<SeedCopy> {
    let whole = pipeline.seeds.as_ref();
    let whole = wanted.or(whole.map(|seeds| (seeds.count, &seeds.place)));
    // Path of a seed, the first seed, the number of seeds, and the place of that number.
    let mut repeated: Vec<(Vec<&str>, u64, usize, &Place)> = Vec::new();
    if let Some((count, place)) = whole {
        repeated.push((vec!["seed"], pipeline.seed, count, place));
    }
    for stage in &pipeline.stages {
        if let Some(seeds) = &stage.seeds {
            let first = stage.seed.unwrap_or(pipeline.seed);
            let key = vec!["stages", &stage.name, "seed"];
            repeated.push((key, first, seeds.count, &seeds.place));
        }
    }
    let most = repeated.iter().max_by_key(|(_, _, count, _)| *count);
    let copy = |index: usize| {
        let seed = |first: u64, count: usize| first.wrapping_add(index.min(count - 1) as u64);
        let assign = |(key, first, count, place): &(Vec<&str>, u64, usize, &Place)| {
            let value = Value::Number(Plain::new(seed(*first, *count).into()));
            Assignment::own(key, place, Node::new(value, (*place).clone()))
        };
        SeedCopy {
            label: most.map_or(String::new(), |&(_, first, count, _)| {
                seed(first, count).to_string()
            }),
            assignments: repeated.iter().map(assign).collect(),
        }
    };
    let count = most.map_or(1, |&(_, _, count, _)| count);
    (0..count).map(copy).collect()
}

/// Returns the labels that tell copies apart; empty if there is only one copy.
pub(super) fn labels(copies: &[SeedCopy]) -> Vec<String> {
    match copies {
        [_] => Vec::new(),
        several => several.iter().map(|copy| copy.label.clone()).collect(),
    }
}
