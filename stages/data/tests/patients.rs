//! Tests that images of one patient stay together.

use super::files::{params, tree};
use super::make_dataset;

#[test]
fn a_patient_stays_on_one_side() {
    let folder = tree();
    let mut params = params(folder.path());
    params["source"]["folder"]["group_by"] = r"^(person\d+)_".into();
    for seed in 0..10 {
        let finished = make_dataset(params.clone(), seed).unwrap();
        let patients = |port| {
            let dataset = finished.dataset(port);
            let patient = |name: &String| name.split(['/', '_']).nth(2).unwrap().to_owned();
            dataset
                .names()
                .iter()
                .map(patient)
                .collect::<std::collections::BTreeSet<_>>()
        };
        assert!(patients("train").is_disjoint(&patients("validation")));
    }
}

/// A test on images of the same patients needs their groups, so every split keeps them.
#[test]
fn images_keep_their_patient() {
    let folder = tree();
    let without = make_dataset(params(folder.path()), 0).unwrap();
    assert!(without.dataset("train").groups().is_empty());
    let mut params = params(folder.path());
    params["source"]["folder"]["group_by"] = r"^(person\d+)_".into();
    let finished = make_dataset(params, 0).unwrap();
    // The names of the test images have no patient.
    assert!(finished.dataset("test").groups().is_empty());
    for port in ["train", "validation"] {
        let dataset = finished.dataset(port);
        let patient = |name: &String| name.split(['/', '_']).nth(2).unwrap().to_owned();
        let expected: Vec<String> = dataset.names().iter().map(patient).collect();
        assert!(!expected.is_empty());
        assert_eq!(dataset.groups(), expected, "{port}");
    }
}

#[test]
fn a_pattern_that_matches_no_name_gives_a_warning() {
    let folder = tree();
    let with = |pattern: &str| {
        let mut params = params(folder.path());
        params["source"]["folder"]["group_by"] = pattern.into();
        make_dataset(params, 0).unwrap()
    };
    let none = with("^patient_([0-9]+)");
    let says = "`group_by` matches none of the ";
    assert!(
        none.warnings.iter().any(|one| one.starts_with(says)),
        "{:?}",
        none.warnings
    );
    let some = with(r"^(person\d+)_");
    assert!(!some.warnings.iter().any(|one| one.contains("group_by")));
    let says = "groups of their own: 4 of ";
    assert!(
        some.notes.iter().any(|one| one.contains(says)),
        "{:?}",
        some.notes
    );
}

/// In the names of the chest X-rays, a virus patient and a bacteria patient may have the same number. So may
/// a patient of `IM` and one of `NORMAL2-IM`.
#[test]
fn the_shipped_pattern_tells_the_patients_of_the_chest_x_rays_apart() {
    let pipelines = [
        include_str!("../../../pipelines/table1.yaml"),
        include_str!("../../../pipelines/sweep-model6.yaml"),
        include_str!("../../../pipelines/sweep-asha.yaml"),
    ];
    for pipeline in pipelines {
        let (_, rest) = pipeline.split_once("group_by: '").unwrap();
        let (pattern, _) = rest.split_once('\'').unwrap();
        let pattern = regex::Regex::new(pattern).unwrap();
        let patient = |name: &str| pattern.captures(name).unwrap()[1].to_owned();
        for (one, other) in [
            ("person1_bacteria_1.jpeg", "person1_bacteria_22.jpeg"),
            ("person3_virus_15.jpeg", "person3_virus_16_1.jpeg"),
            ("IM-0115-0001.jpeg", "IM-0115-0001-0002.jpeg"),
            (
                "NORMAL2-IM-0027-0001.jpeg",
                "NORMAL2-IM-0027-0001-0001.jpeg",
            ),
        ] {
            assert_eq!(patient(one), patient(other));
        }
        for (one, other) in [
            ("person1_bacteria_1.jpeg", "person1_virus_6.jpeg"),
            ("person1_bacteria_1.jpeg", "person10_bacteria_43.jpeg"),
            ("IM-0115-0001.jpeg", "NORMAL2-IM-0115-0001.jpeg"),
            ("IM-0011-0001.jpeg", "IM-0115-0001.jpeg"),
        ] {
            assert_ne!(patient(one), patient(other));
        }
    }
}
