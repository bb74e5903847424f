use std::collections::{BTreeMap, BTreeSet};

use contract::{Fold, Stage};
use proptest::prelude::*;
use serde_json::json;

use super::files::{params, picture, save, tree};
use super::{dataset_params, make_dataset};
use crate::data::folds::{TooFew, divide};
use crate::data::source::Example;

fn example(name: String, label: u32, group: Option<String>, content: Option<u64>) -> Example {
    Example {
        name,
        label,
        group,
        content,
    }
}

/// Returns the number of images of each class in each part.
fn counts(examples: &[Example], parts: &[usize], classes: usize, of: usize) -> Vec<Vec<usize>> {
    let mut counts = vec![vec![0; classes]; of];
    for (example, &part) in examples.iter().zip(parts) {
        counts[part][example.label as usize] += 1;
    }
    counts
}

/// The standard deviation over the parts of the share that a part has of a class, and its mean over the classes: the
/// measure of balance that scikit-learn's `StratifiedGroupKFold` minimizes.
fn imbalance(counts: &[Vec<usize>]) -> f64 {
    let classes = counts[0].len();
    let of_class = |class: usize| {
        let all: usize = counts.iter().map(|part| part[class]).sum();
        let shares = counts.iter().map(|part| part[class] as f64 / all as f64);
        let mean = 1.0 / counts.len() as f64;
        let variance: f64 = shares.map(|share| (share - mean).powi(2)).sum::<f64>() * mean;
        variance.sqrt()
    };
    (0..classes).map(of_class).sum::<f64>() / classes as f64
}

/// Generates patients with a few images each: their classes, and the numbers of their images.
fn patients() -> impl Strategy<Value = (usize, Vec<Example>)> {
    let patient = |classes: u32| {
        (
            0..classes,
            prop::bool::weighted(0.1),
            1..8usize,
            prop::option::of(0..30u64),
        )
    };
    (2..5u32)
        .prop_flat_map(move |classes| {
            let patients = prop::collection::vec(patient(classes), 40..120);
            (Just(classes), patients)
        })
        .prop_map(|(classes, patients)| {
            let mut examples = Vec::new();
            for (patient, (class, is_mixed, images, copy)) in patients.into_iter().enumerate() {
                for image in 0..images {
                    let other = u32::from(is_mixed && image % 2 == 1);
                    // The first image of some patients is a copy of that of another one.
                    let content = copy.filter(|_| image == 0);
                    examples.push(example(
                        format!("{patient:03}_{image}"),
                        (class + other) % classes,
                        Some(format!("person{patient}")),
                        content,
                    ));
                }
            }
            (classes as usize, examples)
        })
}

proptest! {
    #[test]
    fn properties_of_parts((classes, examples) in patients(), of in 2..8usize, seed: u64) {
        let parts = match divide(&examples, classes, of, seed) {
            Ok(parts) => parts,
            Err(TooFew { class, units }) => {
                prop_assert!(class < classes && units < of);
                return Ok(());
            }
        };
        // Every image is tested once, because it is in one part.
        prop_assert_eq!(parts.len(), examples.len());
        prop_assert!(parts.iter().all(|&part| part < of));
        // No group and no copies are in two parts.
        let mut of_group = BTreeMap::new();
        let mut of_content = BTreeMap::new();
        for (example, &part) in examples.iter().zip(&parts) {
            prop_assert_eq!(*of_group.entry(&example.group).or_insert(part), part);
            if let Some(content) = example.content {
                prop_assert_eq!(*of_content.entry(content).or_insert(part), part);
            }
        }
        let counts = counts(&examples, &parts, classes, of);
        prop_assert!(counts.iter().all(|part| part.iter().sum::<usize>() > 0));
        // The order of the examples does not matter.
        let mut reversed = examples.clone();
        reversed.reverse();
        let mut again = divide(&reversed, classes, of, seed).unwrap();
        again.reverse();
        prop_assert_eq!(again, parts);
    }

    #[test]
    fn without_groups_parts_differ_by_at_most_one_image_of_a_class(
        sizes in prop::collection::vec(20usize..200, 2..5),
        of in 2..20usize,
        seed: u64,
    ) {
        let class = |(label, &n): (usize, &usize)| {
            (0..n).map(move |i| example(format!("{label}/{i}"), label as u32, None, None))
        };
        let examples: Vec<Example> = sizes.iter().enumerate().flat_map(class).collect();
        let parts = divide(&examples, sizes.len(), of, seed).unwrap();
        let counts = counts(&examples, &parts, sizes.len(), of);
        for class in 0..sizes.len() {
            let of_class = || counts.iter().map(|part| part[class]);
            prop_assert!(of_class().max().unwrap() - of_class().min().unwrap() <= 1);
        }
        let totals = || counts.iter().map(|part| part.iter().sum::<usize>());
        prop_assert!(totals().max().unwrap() - totals().min().unwrap() <= sizes.len());
    }

    /// Patients usually have one class. Then every part has images of every class, if there are enough patients.
    #[test]
    fn every_part_has_every_class_if_groups_have_one(
        sizes in prop::collection::vec(prop::collection::vec(1..40usize, 8..30), 2..4),
        of in 2..9usize,
        seed: u64,
    ) {
        let mut examples = Vec::new();
        for (label, groups) in sizes.iter().enumerate() {
            for (group, &images) in groups.iter().enumerate() {
                let group = format!("{label}-{group}");
                examples.extend((0..images).map(|i| {
                    example(format!("{group}-{i}"), label as u32, Some(group.clone()), None)
                }));
            }
        }
        let parts = divide(&examples, sizes.len(), of, seed).unwrap();
        let counts = counts(&examples, &parts, sizes.len(), of);
        prop_assert!(counts.iter().flatten().all(|&images| images > 0), "{counts:?}");
    }
}

#[test]
fn parts_depend_on_the_seed() {
    let examples: Vec<Example> = (0..40)
        .map(|i| example(format!("{i}"), i % 2, None, None))
        .collect();
    let parts = |seed| divide(&examples, 2, 4, seed).unwrap();
    assert_eq!(parts(1), parts(1));
    assert_ne!(parts(1), parts(2));
}

#[test]
fn a_class_with_fewer_groups_than_parts_cannot_be_divided() {
    let patient = |i: u32, label| example(format!("{i}"), label, Some(format!("p{}", i % 3)), None);
    let mut examples: Vec<Example> = (0..12).map(|i| patient(i, 0)).collect();
    examples.extend((12..40).map(|i| example(format!("{i}"), 1, None, None)));
    assert_eq!(
        divide(&examples, 2, 4, 0),
        Err(TooFew { class: 0, units: 3 })
    );
    assert!(divide(&examples, 2, 3, 0).is_ok());
    // Copies count once.
    for example in &mut examples[12..] {
        example.content = Some(7);
    }
    assert_eq!(
        divide(&examples, 2, 2, 0),
        Err(TooFew { class: 1, units: 1 })
    );
}

/// Draws patients: a linear congruential generator chooses their classes and the numbers of their images.
fn drawn(seed: u64, patients: usize, classes: u64, are_mixed: bool, most: u64) -> Vec<Example> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let mut examples = Vec::new();
    for patient in 0..patients {
        let class = next() % classes;
        let class = match class > 0 && next().is_multiple_of(3) {
            true => 0,
            false => class,
        };
        let images = 1 + next() % most;
        let is_mixed = are_mixed && next().is_multiple_of(4);
        for i in 0..images {
            let label = (class + u64::from(is_mixed && i % 2 == 1)) % classes;
            let name = format!("{patient:04}_{i:03}");
            let group = Some(format!("{patient:04}"));
            examples.push(example(name, label as u32, group, None));
        }
    }
    examples
}

/// The imbalance that `sklearn.model_selection.StratifiedGroupKFold` of scikit-learn 1.9.1 leaves: the mean of
/// `shuffle=False` and of `shuffle=True` with `random_state` 0, 1 and 2, whose values differ by up to 0.007.
#[test]
fn parts_are_about_as_balanced_as_those_of_scikit_learn() {
    const WORSE: f64 = 0.002;
    let cases = [
        ((1, 60, 2, false, 6), 205, 5, 0.007397),
        ((2, 60, 2, true, 6), 228, 5, 0.009712),
        ((3, 200, 2, false, 30), 3296, 10, 0.000454),
        ((4, 100, 4, true, 10), 584, 5, 0.004870),
        ((5, 40, 3, true, 20), 430, 4, 0.008721),
        ((6, 400, 5, true, 4), 1011, 10, 0.002873),
        ((7, 25, 2, false, 50), 605, 5, 0.009988),
    ];
    for ((seed, patients, classes, are_mixed, most), images, of, theirs) in cases {
        let examples = drawn(seed, patients, classes, are_mixed, most);
        assert_eq!(examples.len(), images);
        let ours: f64 = (0..4)
            .map(|seed| {
                let parts = divide(&examples, classes as usize, of, seed).unwrap();
                imbalance(&counts(&examples, &parts, classes as usize, of)) / 4.0
            })
            .sum();
        assert!(ours <= theirs + WORSE, "case {seed}: {ours}, not {theirs}");
    }
}

/// Returns the names of the images on each port of a dataset stage.
fn ports(params: serde_json::Value) -> [Vec<String>; 3] {
    let finished = make_dataset(params, 5).unwrap();
    ["train", "validation", "test"].map(|port| finished.dataset(port).names().to_vec())
}

#[test]
fn every_phantom_is_tested_in_one_fold_and_trains_the_others() {
    let fold = |test, divide: &str| {
        ports(json!({
            "source": { "phantom": { "images": 30, "test_images": 10 } },
            "image_size": 8,
            "validation": 0.2,
            "fold": Fold { test, of: 3 },
            "divide": divide,
        }))
    };
    for (divide, images) in [("train", 30), ("all", 40)] {
        let mut tested = BTreeSet::new();
        for test in 1..=3 {
            let [train, validation, part] = fold(test, divide);
            let all: BTreeSet<&String> = train.iter().chain(&validation).chain(&part).collect();
            assert_eq!(all.len(), images, "an image is missing or in two splits");
            assert_eq!(train.len() + validation.len() + part.len(), images);
            assert!(!validation.is_empty());
            for name in part {
                assert!(tested.insert(name.clone()), "`{name}` was tested twice");
                assert!(divide == "all" || name.starts_with("train/"), "{name}");
            }
        }
        assert_eq!(tested.len(), images);
    }
}

#[test]
fn patients_and_copies_are_tested_in_one_fold_and_validate_in_no_other_than_they_train() {
    let folder = tree();
    // A copy of an image of another patient.
    save(
        &picture(0),
        &folder.path().join("train/NORMAL/person77_0.png"),
    );
    let mut tested = BTreeMap::new();
    for test in 1..=2 {
        let mut params = params(folder.path());
        params["source"]["folder"]["group_by"] = r"^(person\d+)_".into();
        // With fewer, no whole patient fits.
        params["validation"] = 0.4.into();
        params["fold"] = json!({ "test": test, "of": 2 });
        let found = make_dataset(params, 3).unwrap();
        assert!(
            found.notes.contains(
                &"4 test images of the source are held out: no fold uses them".to_owned()
            )
        );
        let groups = |port: &str| -> BTreeSet<String> {
            found.dataset(port).groups().iter().cloned().collect()
        };
        let [train, validation, part] = ["train", "validation", "test"].map(groups);
        // Both classes have the same names of patients, so `person0` is one patient with images of both.
        assert!(part.is_disjoint(&train) && part.is_disjoint(&validation));
        assert!(train.is_disjoint(&validation));
        assert_eq!(part.contains("person0"), part.contains("person77"));
        for name in found.dataset("test").names() {
            assert_eq!(tested.insert(name.clone(), test), None, "{name}");
        }
    }
    assert_eq!(tested.len(), 21);
}

#[test]
fn a_source_without_test_images_can_be_divided() {
    let folder = tree();
    std::fs::remove_dir_all(folder.path().join("test")).unwrap();
    let mut params = params(folder.path());
    let refused = dataset_params(params.clone()).preflight().unwrap_err();
    let hint = refused.hint.unwrap();
    assert!(hint.contains("cross-validate with `folds: 5`"), "{hint}");
    params["fold"] = json!({ "test": 2, "of": 4 });
    dataset_params(params.clone()).preflight().unwrap();
    let found = make_dataset(params, 0).unwrap();
    assert_eq!(found.dataset("test").len(), 5);
    assert_eq!(found.notes, Vec::<String>::new());
}

#[test]
fn too_many_folds_fail_with_the_class_and_its_groups() {
    let folder = tree();
    let mut params = params(folder.path());
    params["source"]["folder"]["group_by"] = r"^(person\d+)_".into();
    params["fold"] = json!({ "test": 1, "of": 6 });
    let failure = make_dataset(params, 0).unwrap_err().to_string();
    assert_eq!(
        failure,
        "class `NORMAL` has images of 5 groups, which cannot be divided into 6 folds; use fewer `folds`, more images, \
         or check `group_by`"
    );
}

/// Results without folds keep their keys.
#[test]
fn parameters_about_folds_are_in_the_key_only_if_there_are_folds() {
    let canonical = |params| dataset_params(params).canonical();
    let plain = canonical(json!({ "divide": "all", "fold": null }));
    assert_eq!(plain, canonical(json!({})));
    assert!(plain.get("fold").is_none() && plain.get("divide").is_none());
    let fold = json!({ "test": 1, "of": 5 });
    let divided = canonical(json!({ "fold": fold, "divide": "all" }));
    assert_eq!(
        (&divided["fold"], &divided["divide"]),
        (&fold, &json!("all"))
    );
}

/// The sum of the checksums of all folds identifies the images, however they were divided.
#[test]
fn checksums_of_folds_add_up() {
    let sum = |of: usize| {
        let of_fold = |test| {
            let fold = Fold { test, of };
            let phantom = json!({ "phantom": { "images": 20, "test_images": 4 } });
            let params = json!({ "source": phantom, "image_size": 8, "fold": fold });
            let checksum = make_dataset(params, 1).unwrap().dataset("test").checksum();
            u64::from_str_radix(&checksum, 16).unwrap()
        };
        (1..=of).map(of_fold).fold(0, u64::wrapping_add)
    };
    assert_eq!(sum(2), sum(5));
}
