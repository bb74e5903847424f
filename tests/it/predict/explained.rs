//! `--explain`: pictures of the places that speak for the predicted class.

use std::collections::HashSet;
use std::fs;

use super::*;
use crate::sandbox::list;

#[test]
fn every_image_gets_a_picture_in_its_own_shape() {
    let sandbox = trained(2, &[]);
    files::write(
        &sandbox.path("mine/wide.png"),
        &files::picture(1, 3, 200),
        "png",
    );
    files::write(
        &sandbox.path("mine/small.jpg"),
        &files::picture(0, 3, 24),
        "jpeg",
    );
    let before = predicted(&sandbox, &["cnn", "mine", "data/test"]);
    let args = [
        "cnn",
        "mine",
        "data/test",
        "-o",
        "p.csv",
        "--explain",
        "maps",
    ];
    let done = predict(
        &sandbox,
        &[&args as &[&str], &["--batch-size", "5"]].concat(),
    );
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stderr.contains("; heat maps in `maps`\n"), "{done:?}");
    let rows = rows(&fs::read_to_string(sandbox.path("p.csv")).unwrap());
    assert_eq!(rows[0][5], "heat_map");
    let images = before["images"].as_array().unwrap();
    let mut pictures = HashSet::new();
    for (row, image) in rows[1..].iter().zip(images) {
        // Heat maps change no prediction.
        assert_eq!(row[0], image["name"].as_str().unwrap());
        assert_eq!(row[3], image["probabilities"]["SQUARE"].to_string());
        let picture = image::open(sandbox.path("maps").join(&row[5])).unwrap();
        let size = if row[0].ends_with("wide.png") {
            200
        } else {
            192
        };
        assert_eq!((picture.width(), picture.height()), (size, size), "{row:?}");
        pictures.insert(picture.into_rgb8().into_raw());
    }
    assert_eq!(pictures.len(), 12);
    assert_eq!(rows[11][5], "11-small.png");
    let mut names: Vec<&str> = rows[1..].iter().map(|row| row[5].as_str()).collect();
    names.sort_unstable();
    let mut found: Vec<String> = list(&sandbox.path("maps"))
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort_unstable();
    assert_eq!(found, names);
    // The same call gives the same pictures.
    predict(
        &sandbox,
        &["cnn", "mine", "data/test", "--explain", "again"],
    );
    assert!(
        crate::sandbox::files(&sandbox.path("again"))
            == crate::sandbox::files(&sandbox.path("maps"))
    );
}

#[test]
fn a_folder_that_would_mix_with_other_files_is_refused() {
    let sandbox = trained(2, &[]);
    fs::create_dir(sandbox.path("filled")).unwrap();
    fs::write(sandbox.path("filled/mine.txt"), "x").unwrap();
    let says = |folder: &str, code: i32, what: &str| {
        let error = refused(&sandbox, &["cnn", "data/test", "--explain", folder], code);
        assert!(error.contains(what), "`{what}`: {error}");
    };
    says("filled", 2, "`filled` is not empty");
    says(
        "data/test/maps",
        2,
        "is in the folder of images `data/test`",
    );
    says("pipeline.yaml", 2, "`pipeline.yaml` is not a folder");
    says("missing/maps", 1, "failed to access `missing`");
    // An image that cannot be read leaves no pictures of the others.
    files::write(
        &sandbox.path("mine/a.png"),
        &files::picture(0, 3, 24),
        "png",
    );
    let cut = fs::read(sandbox.path("mine/a.png")).unwrap();
    fs::write(sandbox.path("mine/b.png"), &cut[..cut.len() - 40]).unwrap();
    refused(
        &sandbox,
        &["cnn", "mine", "--batch-size", "1", "--explain", "maps"],
        2,
    );
    // An empty folder is filled.
    fs::create_dir(sandbox.path("maps")).unwrap();
    let done = predict(&sandbox, &["cnn", "data/test", "--explain", "maps"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(list(&sandbox.path("maps")).len(), 10);
}

#[test]
fn a_model_without_convolutions_is_explained_by_occlusion() {
    let sandbox = trained(2, &[]);
    let dense = PIPELINE.replace("{ conv: { filters: 4 } }, ", "");
    assert_ne!(dense, PIPELINE);
    fs::write(sandbox.path("pipeline.yaml"), dense).unwrap();
    run(&sandbox, &[]);
    let done = predict(
        &sandbox,
        &["cnn", "data/test/DISK/40.png", "--explain", "maps"],
    );
    assert_eq!(done.code, Some(0), "{done:?}");
    let picture = fs::read(sandbox.path("maps/1-40.png")).unwrap();
    let holds = |text: &[u8]| picture.windows(text.len()).any(|found| found == text);
    assert!(holds(b"occlusion by patches"));
}
