use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::data::source::Example;
use crate::data::split::{limited, validation};

fn example(name: String, label: u32, group: Option<u8>, content: Option<u64>) -> Example {
    Example {
        name,
        label,
        group: group.map(|group| format!("person{group}")),
        content,
    }
}

/// Creates `counts` images of each class, without groups.
fn singles(counts: &[usize]) -> Vec<Example> {
    let class = |(label, &n): (usize, &usize)| {
        (0..n).map(move |i| example(format!("{label}/{i}"), label as u32, None, None))
    };
    counts.iter().enumerate().flat_map(class).collect()
}

fn names(examples: &[Example], chosen: &[bool]) -> BTreeSet<String> {
    let chosen = examples.iter().zip(chosen).filter(|(_, chosen)| **chosen);
    chosen.map(|(example, _)| example.name.clone()).collect()
}

fn count(examples: &[Example], chosen: &[bool], label: u32) -> usize {
    let of_class = |(e, chosen): &(&Example, &bool)| **chosen && e.label == label;
    examples.iter().zip(chosen).filter(of_class).count()
}

/// Generates images, some of which share a group or have equal content.
fn grouped() -> impl Strategy<Value = Vec<Example>> {
    let image = (
        0..2u32,
        prop::option::of(0..40u8),
        prop::option::of(0..60u64),
    );
    prop::collection::vec(image, 60..200).prop_map(|images| {
        let image =
            |(i, (label, group, content))| example(format!("{i:03}"), label, group, content);
        images.into_iter().enumerate().map(image).collect()
    })
}

proptest! {
    #[test]
    fn without_groups_every_class_is_split_by_the_fraction(
        counts in prop::collection::vec(2usize..300, 2..4),
        fraction in 0.01f64..0.9,
        seed: u64,
    ) {
        let examples = singles(&counts);
        let chosen = validation(&examples, counts.len(), fraction, seed).unwrap();
        for (label, &n) in counts.iter().enumerate() {
            let share = ((n as f64 * fraction).round() as usize).clamp(1, n - 1);
            prop_assert_eq!(count(&examples, &chosen, label as u32), share);
        }
    }

    #[test]
    fn images_of_one_group_or_with_equal_content_stay_on_one_side(examples in grouped(), seed: u64) {
        if let Ok(chosen) = validation(&examples, 2, 0.3, seed) {
            for (a, &chosen_a) in examples.iter().zip(&chosen) {
                for (b, &chosen_b) in examples.iter().zip(&chosen) {
                    let group = a.group.is_some() && a.group == b.group;
                    let content = a.content.is_some() && a.content == b.content;
                    prop_assert!(chosen_a == chosen_b || !(group || content));
                }
            }
        }
    }

    #[test]
    fn the_order_of_the_examples_does_not_matter(examples in grouped(), seed: u64) {
        let mut reversed = examples.clone();
        reversed.reverse();
        let split = |examples: &[Example]| {
            validation(examples, 2, 0.3, seed).map(|chosen| names(examples, &chosen))
        };
        prop_assert_eq!(split(&examples), split(&reversed));
    }
}

#[test]
fn splits_of_grouped_images_meet_the_share() {
    let image = |i: usize| example(format!("{i:04}"), (i % 2) as u32, Some((i / 8) as u8), None);
    let examples: Vec<Example> = (0..800).map(image).collect();
    for seed in 0..20 {
        let chosen = validation(&examples, 2, 0.1, seed).unwrap();
        // 40 of each class, in groups with 4 of each class.
        assert_eq!(count(&examples, &chosen, 0), 40);
        assert_eq!(count(&examples, &chosen, 1), 40);
    }
}

#[test]
fn different_seeds_give_different_splits() {
    let examples = singles(&[100, 100]);
    let split = |seed| names(&examples, &validation(&examples, 2, 0.2, seed).unwrap());
    assert_eq!(split(1), split(1));
    assert_ne!(split(1), split(2));
}

#[test]
fn a_class_of_one_group_cannot_be_split() {
    let mut examples = singles(&[20]);
    examples.extend((0..5).map(|i| example(format!("sick {i}"), 1, Some(1), None)));
    assert_eq!(validation(&examples, 2, 0.2, 1), Err(1));
}

#[test]
fn a_limit_holds_for_each_class() {
    let examples = singles(&[30, 4]);
    let chosen = limited(&examples, (0..34).collect(), 10, 1);
    assert!(chosen.is_sorted());
    let of = |label| {
        chosen
            .iter()
            .filter(|&&i| examples[i].label == label)
            .count()
    };
    assert_eq!((of(0), of(1)), (10, 4));
    assert_ne!(chosen, limited(&examples, (0..34).collect(), 10, 2));
}
