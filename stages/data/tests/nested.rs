//! Tests images in folders below their class folder.

use serde_json::json;

use super::files::{params, picture, save, tree};
use super::make_dataset;

#[test]
fn images_below_their_class_folder_are_read_on_request() {
    let folder = tree();
    for (number, name) in [
        "train/NORMAL/patient7/1.png",
        "train/NORMAL/patient7/older/2.png",
        "train/PNEUMONIA/patient8/1.png",
        "test/NORMAL/patient9/1.png",
        "train/NORMAL/__MACOSX/1.png",
        "train/NORMAL/.hidden/1.png",
    ]
    .into_iter()
    .enumerate()
    {
        save(&picture(200 + number as u8), &folder.path().join(name));
    }
    let mut params = params(folder.path());
    params["validation"] = json!(0);
    let made = make_dataset(params.clone(), 1).unwrap();
    assert_eq!(made.dataset("train").len(), 20);
    let warned = made.warnings.join("\n");
    assert!(
        warned.contains("(`nested: true` reads such files)"),
        "{warned}"
    );

    params["source"]["folder"]["nested"] = json!(true);
    let made = make_dataset(params, 1).unwrap();
    let train = made.dataset("train");
    assert_eq!(train.len(), 23);
    assert!(train.names().is_sorted());
    let names = ["patient7/1.png", "patient7/older/2.png"];
    let names = names.map(|name| format!("train/NORMAL/{name}"));
    assert!(names.iter().all(|name| train.names().contains(name)));
    assert_eq!(made.dataset("test").len(), 5);
    assert!(made.warnings.is_empty(), "{:?}", made.warnings);
}

/// The name of a class may be part of that of the split.
#[test]
fn the_group_is_in_the_path_below_the_class() {
    let folder = tempfile::TempDir::new().unwrap();
    for (number, name) in [
        "train/rain/p1.png",
        "train/sun/p2.png",
        "test/rain/p3.png",
        "test/sun/p4.png",
    ]
    .into_iter()
    .enumerate()
    {
        save(&picture(10 * number as u8), &folder.path().join(name));
    }
    let mut params = params(folder.path());
    params["validation"] = json!(0);
    params["source"]["folder"]["group_by"] = json!("^(p[0-9])");
    let made = make_dataset(params, 1).unwrap();
    assert_eq!(made.dataset("train").groups(), ["p1", "p2"]);
    assert_eq!(made.dataset("test").groups(), ["p3", "p4"]);
}

#[test]
fn a_folder_can_be_the_group() {
    let folder = tree();
    for patient in 0..4u8 {
        for image in 0..3 {
            let name = format!("train/NORMAL/patient{patient}/{image}.png");
            save(
                &picture(150 + 3 * patient + image),
                &folder.path().join(name),
            );
        }
    }
    let mut params = params(folder.path());
    params["source"]["folder"]["nested"] = json!(true);
    params["source"]["folder"]["group_by"] = json!("^(patient[0-9]+)/");
    for seed in 0..5 {
        let made = make_dataset(params.clone(), seed).unwrap();
        let groups = |port: &str| {
            let dataset = made.dataset(port);
            let groups = dataset.groups().iter().filter(|group| !group.is_empty());
            groups.cloned().collect::<std::collections::BTreeSet<_>>()
        };
        let (train, validation) = (groups("train"), groups("validation"));
        assert!(train.is_disjoint(&validation));
        assert_eq!(train.len() + validation.len(), 4);
    }
}
