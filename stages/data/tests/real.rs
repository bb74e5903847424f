//! Tests on real data. Each is skipped if its data is missing.

use std::collections::BTreeSet;

use serde_json::json;

use super::{make_dataset, real_data, run};
use crate::augment;

#[test]
fn chest_radiographs_are_split_by_patient() {
    let Some(path) = real_data("chest-xray") else {
        return;
    };
    let params = json!({
        "source": { "folder": { "path": path, "group_by": r"^(person\d+_[a-z]+)_" } },
        "image_size": 64,
        "validation": 0.1,
    });
    let finished = make_dataset(params, 42).unwrap();
    let [train, validation, test] = ["train", "validation", "test"].map(|p| finished.dataset(p));
    assert_eq!(train.len() + validation.len(), 5216);
    assert_eq!(test.len(), 624);
    assert_eq!(test.labels().iter().sum::<u32>(), 390);
    let pneumonias = validation.labels().iter().sum::<u32>();
    assert_eq!(
        (pneumonias, validation.len() as u32 - pneumonias),
        (388, 134)
    );

    let patients = |names: &[String]| -> BTreeSet<String> {
        let file = |name: &String| name.rsplit('/').next().unwrap().to_owned();
        let files = names
            .iter()
            .map(file)
            .filter(|file| file.starts_with("person"));
        files
            .map(|file| file.splitn(3, '_').take(2).collect::<Vec<_>>().join("_"))
            .collect()
    };
    assert!(patients(train.names()).is_disjoint(&patients(validation.names())));
    let contents = |dataset: &crate::data::Dataset| -> BTreeSet<Vec<u8>> {
        (0..dataset.len())
            .map(|i| dataset.image(i).to_vec())
            .collect()
    };
    assert!(contents(&train).is_disjoint(&contents(&validation)));

    let policy =
        serde_json::from_value(json!({ "shear": 0.2, "zoom": 0.2, "horizontal_flip": true }));
    let policy: augment::Params = policy.unwrap();
    let augmented = run(&policy, 42, &[("images", finished.artifact("train"))]).unwrap();
    assert_eq!(augmented.dataset("images").policy(), Some(&policy));
    assert_eq!(augmented.dataset("images").len(), train.len());
    assert!(
        augmented
            .artifact("figure")
            .files
            .contains_key("augmented.png")
    );
}

#[test]
fn a_medmnist_file_is_read() {
    let Some(path) = real_data("pneumoniamnist_28_resplit.npz") else {
        return;
    };
    let params =
        json!({ "source": { "npz": { "path": path } }, "image_size": 28, "validation": 0 });
    let finished = make_dataset(params, 1).unwrap();
    let sizes = ["train", "validation", "test"].map(|port| finished.dataset(port).len());
    assert_eq!(sizes, [3882, 524, 624]);
    let test = finished.dataset("test");
    assert_eq!(test.labels().iter().sum::<u32>(), 390);
    // The pixels are plausible: the image is neither black nor white on average.
    let mean = test.image(0).iter().map(|&v| u32::from(v)).sum::<u32>() / 784;
    assert!((40..220).contains(&mean), "{mean}");
}
