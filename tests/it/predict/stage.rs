//! The stage kind `predict`.

use std::fs;

use super::*;

fn with_stage(params: &str) -> String {
    format!(
        "{PIPELINE}  new:\n    kind: predict\n    inputs: {{ model: cnn }}\n    params: {params}\n"
    )
}

const PREDICTIONS: &str = "artifacts/latest/shapes/new/predictions/predictions.csv";

#[test]
fn a_stage_gives_the_same_predictions_as_the_command() {
    let sandbox = trained(2, &[]);
    files::write(
        &sandbox.path("mine/a/b.png"),
        &files::picture(1, 3, 24),
        "png",
    );
    files::write(
        &sandbox.path("mine/wide.png"),
        &files::picture(1, 3, 5),
        "png",
    );
    fs::write(sandbox.path("mine/notes.txt"), "x").unwrap();
    fs::write(sandbox.path("pipeline.yaml"), with_stage("{ path: mine }")).unwrap();
    let done = sandbox.runner(&["run", "pipeline.yaml", "-v"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.stderr
            .contains("1 file left out (see skipped.json): `notes.txt`"),
        "{done:?}"
    );
    assert!(
        done.stderr.contains("1 of 2 images have warnings"),
        "{done:?}"
    );
    let of_stage = rows(&fs::read_to_string(sandbox.path(PREDICTIONS)).unwrap());
    predict(&sandbox, &["cnn", "mine", "-o", "p.csv"]);
    let of_command = rows(&fs::read_to_string(sandbox.path("p.csv")).unwrap());
    assert_eq!(of_stage[0], of_command[0]);
    for (ours, theirs) in of_stage[1..].iter().zip(&of_command[1..]) {
        assert_eq!(format!("mine/{}", ours[0]), theirs[0]);
        assert_eq!(ours[1..], theirs[1..]);
    }
    let names: Vec<&str> = of_stage[1..].iter().map(|row| row[0].as_str()).collect();
    assert_eq!(names, ["a/b.png", "wide.png"]);
    assert!(of_stage[2][4].contains("tiny: 5×5 pixels"), "{of_stage:?}");

    // It runs again only if a file changes.
    let outcome = || sandbox.run_json(&[]).outcomes().pop().unwrap();
    assert_eq!(outcome(), ("new".to_owned(), "cached".to_owned()));
    files::write(
        &sandbox.path("mine/c.png"),
        &files::picture(0, 3, 24),
        "png",
    );
    assert_eq!(outcome(), ("new".to_owned(), "succeeded".to_owned()));
    let report = sandbox.runner(&["report", "pipeline.yaml"]);
    assert_eq!(report.code, Some(0), "{report:?}");
}

#[test]
fn mistakes_are_found_before_anything_runs() {
    let sandbox = Sandbox::new("");
    let mine = |name: &str| sandbox.path("mine").join(name);
    for (class, name) in CLASSES.iter().take(2).enumerate() {
        for (split, number) in [("train", 1), ("train", 2), ("test", 3)] {
            let path = sandbox.path(&format!("data/{split}/{name}/{number}.png"));
            files::write(&path, &files::picture(class, number, 24), "png");
        }
    }
    let says = |params: &str, what: &str| {
        fs::write(sandbox.path("pipeline.yaml"), with_stage(params)).unwrap();
        let done = sandbox.runner(&["run", "pipeline.yaml"]);
        assert_eq!(done.code, Some(2), "{params}: {done:?}");
        assert!(done.stderr.contains(what), "`{what}`: {done:?}");
        assert!(done.stderr.contains("pipeline.yaml:"), "{done:?}");
    };
    says("{ path: mine }", "`mine` does not exist");
    says("{}", "path");
    says("{ path: mine, batch_size: 0 }", "batch_size");
    fs::create_dir(sandbox.path("mine")).unwrap();
    fs::write(mine("notes.txt"), "x").unwrap();
    says(
        "{ path: mine }",
        "there are no images (`jpg`, `jpeg`, `png`, `tif`, `tiff`, `bmp`, `webp`, `dcm` or `dicom`) in `mine`",
    );
    fs::write(mine("bad.png"), "x").unwrap();
    says(
        "{ path: mine }",
        "`mine/bad.png` is no image in the format JPEG, PNG, TIFF, BMP, WebP or DICOM",
    );
    says("{ path: mine }", "set `on_bad_image: skip`");
    files::write(&mine("good.png"), &files::picture(0, 3, 24), "png");
    fs::write(
        sandbox.path("pipeline.yaml"),
        with_stage("{ path: mine, on_bad_image: skip }"),
    )
    .unwrap();
    let done = sandbox.run_json(&[]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(
        rows(&fs::read_to_string(sandbox.path(PREDICTIONS)).unwrap()).len(),
        2
    );
}
