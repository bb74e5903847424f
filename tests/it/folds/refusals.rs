//! Folds that are impossible or have no effect.

use super::*;

/// Returns the error about the pipeline in which `old` is replaced by `new`.
fn refusal(old: &str, new: &str) -> String {
    assert!(PIPELINE.contains(old), "{old}");
    let sandbox = Sandbox::new(&PIPELINE.replace(old, new));
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(!sandbox.path("artifacts").exists(), "a stage ran");
    run.stderr
}

#[test]
fn numbers_of_folds_that_make_no_sense_are_refused() {
    let one = refusal("folds: 3", "folds: 1");
    assert!(
        one.contains("`folds` is 1; it must be between 2 and 20"),
        "{one}"
    );
    assert!(one.contains("--> pipeline.yaml:5:8"), "{one}");
    assert!(one.contains("remove it to train and test once"), "{one}");
    let many = refusal("folds: 3", "folds: 21");
    assert!(
        many.contains("`folds` is 21; it must be between 2 and 20"),
        "{many}"
    );
    let text = refusal("folds: 3", "folds: five");
    assert!(
        text.contains("expected a whole number, found the text `five`"),
        "{text}"
    );
    let own = refusal("fold: null", "fold: { test: 4, of: 3 }");
    assert!(
        own.contains("`test` is 4; it must be between 1 and 3"),
        "{own}"
    );
    let axis = refusal("rows: [fold, width]", "rows: [folds, width]");
    assert!(axis.contains("`evaluate` has no axis `folds`"), "{axis}");
    let without = refusal("folds: 3\n", "");
    assert!(
        without.contains("`evaluate` has no axis `fold`"),
        "{without}"
    );
    assert!(without.contains("the pipeline has no `folds`"), "{without}");
}

#[test]
fn folds_without_a_dataset_to_divide_are_refused() {
    let own = refusal(
        "validation: 0.2 }",
        "validation: 0.2, fold: { test: 1, of: 3 } }",
    );
    assert!(
        own.contains("`folds` has no effect, because no stage divides images into folds"),
        "{own}"
    );
    assert!(own.contains("--> pipeline.yaml:5:8"), "{own}");
    assert!(
        own.contains("remove `fold` from the `params` of `xrays`"),
        "{own}"
    );
    let sandbox = Sandbox::new(
        "version: 1\nname: none\nfolds: 2\nstages:\n  it: { kind: command, params: { argv: [\"true\"] } }\n",
    );
    let none = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(none.code, Some(2), "{none:?}");
    assert!(
        none.stderr
            .contains("only stages of these kinds can: `dataset`"),
        "{none:?}"
    );
}

#[test]
fn more_folds_than_images_of_a_class_fail_the_dataset() {
    let sandbox = Sandbox::new(PIPELINE);
    let run = sandbox.runner(&["run", "pipeline.yaml", "-S", "images=6", "-S", "folds=4"]);
    assert_eq!(run.code, Some(100), "{run:?}");
    let says =
        "class `NORMAL` has 2 images (copies count once), which cannot be divided into 4 folds";
    assert!(run.stderr.contains(says), "{run:?}");
}
