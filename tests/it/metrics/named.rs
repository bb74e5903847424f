//! Metrics that are named, but that will not or do not exist: classes of images, validation images, and metrics of
//! programs.

use std::fs;

use crate::fuzz::medmnist;
use crate::sandbox::{Finished, Sandbox};

/// A model that is evaluated. `TOP`, `SOURCE`, `VALIDATION` and `INPUTS` are replaced.
const EVALUATED: &str = r#"
version: 1
name: p
stages:
  xrays:
    kind: dataset
    params: { source: SOURCE, image_size: 8, validation: VALIDATION }
  cnn:
    kind: train-cnn
    inputs: { train: xrays.train INPUTS }
    params: { model: [flatten, { dense: { units: 1 } }], epochs: 1 }
  score: { kind: evaluate, inputs: { model: cnn, images: xrays.test } }
TOP
"#;

fn evaluated(top: &str, source: &str, validation: &str, inputs: &str) -> Sandbox {
    let text = EVALUATED.replace("TOP", top).replace("SOURCE", source);
    let text = text
        .replace("VALIDATION", validation)
        .replace("INPUTS", inputs);
    Sandbox::new(&text)
}

fn validate(sandbox: &Sandbox) -> Finished {
    sandbox.runner(&["validate", "pipeline.yaml"])
}

fn refused(done: &Finished, says: &[&str]) {
    assert_eq!(done.code, Some(2), "{done:?}");
    for text in says {
        assert!(done.stderr.contains(text), "{text}: {done:?}");
    }
}

#[test]
fn classes_of_an_npz_file_without_names_are_known_before_the_run() {
    let npz = "{ npz: { path: data.npz } }";
    let column =
        |metric: &str| format!("tables: {{ t: {{ columns: [{{ metric: \"{metric}\" }}] }} }}");
    let sandbox = |top: &str| {
        let sandbox = evaluated(top, npz, "0.2", ", validation: xrays.validation");
        fs::write(sandbox.path("data.npz"), medmnist()).unwrap();
        sandbox
    };
    let unknown = "`SICK` is not a class of the images";
    let known = "known classes: `class0`, `class1`";
    let in_table = validate(&sandbox(&column("score.recall[SICK]")));
    refused(&in_table, &[unknown, known, "--> pipeline.yaml:13:"]);
    let expected = validate(&sandbox("expect: { \"score.f1[SICK]\": { at_least: 0 } }"));
    refused(&expected, &[unknown, known]);
    let positive = validate(&sandbox("positive: class2"));
    refused(
        &positive,
        &[
            "`positive` is `class2`, which is not a class",
            "did you mean `class0`?",
        ],
    );
    let objective = validate(&sandbox(
        "sweep: { axes: { cnn.params.learning_rate: [0.1, 0.2] }, objective: { metric: \"score.f1[SICK]\" } }",
    ));
    refused(&objective, &[unknown]);

    let right = sandbox(&(column("score.recall[class1]") + "\npositive: class1"));
    let done = right.runner(&["run", "pipeline.yaml"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    // The dataset is cached now, and its classes are still known.
    let text = fs::read_to_string(right.path("pipeline.yaml")).unwrap();
    fs::write(
        right.path("pipeline.yaml"),
        text.replace("[class1]", "[class2]"),
    )
    .unwrap();
    refused(
        &right.runner(&["run", "pipeline.yaml"]),
        &["`class2` is not a class"],
    );
    // A file that changed is read again, and one that cannot be read is no error here.
    fs::write(right.path("data.npz"), "no archive").unwrap();
    assert_eq!(validate(&right).code, Some(0));
}

#[test]
fn classes_in_parameters_of_trainings_are_checked_before_the_run() {
    let phantom = "{ phantom: { images: 40, test_images: 20 } }";
    let weights = |class: &str| {
        let sandbox = evaluated("", phantom, "0.2", "");
        let text = fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap();
        let weights = format!("epochs: 1, class_weights: {{ {class}: 2 }}");
        fs::write(
            sandbox.path("pipeline.yaml"),
            text.replace("epochs: 1", &weights),
        )
        .unwrap();
        validate(&sandbox)
    };
    let says = [
        "`SICK` is not a class of the images",
        "= hint: the classes are `NORMAL`, `PNEUMONIA`",
        "--> pipeline.yaml:11:",
    ];
    refused(&weights("SICK"), &says);
    assert_eq!(weights("NORMAL").code, Some(0));
    let gan = "  gan: { kind: train-gan, inputs: { images: xrays.train }, params: { class: SICK, latent: 4, generator: \
               [{ dense: { units: 64 } }, { reshape: { channels: 1, height: 8, width: 8 } }, { conv: { filters: 1, \
               activation: tanh } }], discriminator: [flatten, { dense: { units: 1 } }] } }";
    refused(&validate(&evaluated(gan, phantom, "0.2", "")), &says[..2]);
}

#[test]
fn metrics_on_validation_images_need_validation_images() {
    let phantom = "{ phantom: { images: 40, test_images: 20 } }";
    let connected = ", validation: xrays.validation";
    let table = "tables: { t: { columns: [{ metric: cnn.validation_loss }] } }";
    let expect = "expect: { cnn.validation_accuracy: { at_least: 0.5 } }";
    let objective = "sweep: { axes: { cnn.params.learning_rate: [0.1, 0.2] }, objective: { metric: cnn.validation_auc } }";
    for (top, metric) in [
        (table, "validation_loss"),
        (expect, "validation_accuracy"),
        (objective, "validation_auc"),
    ] {
        let empty = validate(&evaluated(top, phantom, "0", connected));
        let message = format!(
            "`cnn` will not measure `{metric}`: `xrays.validation` has no images: its `validation` is 0, and its source has \
             no validation images"
        );
        refused(
            &empty,
            &[
                &message,
                "= hint: set `validation` of the dataset",
                "--> pipeline.yaml:",
            ],
        );
        let unconnected = validate(&evaluated(top, phantom, "0.2", ""));
        let message =
            format!("`cnn` will not measure `{metric}`: its input `validation` is not connected");
        refused(
            &unconnected,
            &[&message, "= hint: connect the input `validation`"],
        );
        let right = validate(&evaluated(top, phantom, "0.2", connected));
        assert_eq!(right.code, Some(0), "{right:?}");
    }
    // The source may have validation images of its own.
    let folder = evaluated(table, "{ folder: { path: images } }", "0", connected);
    for split in ["train", "test"] {
        for class in ["NORMAL", "SICK"] {
            let class = folder.path("images").join(split).join(class);
            fs::create_dir_all(&class).unwrap();
            fs::write(class.join("a.png"), "").unwrap();
        }
    }
    refused(&validate(&folder), &["`xrays.validation` has no images"]);
    fs::create_dir(folder.path("images/val")).unwrap();
    assert_eq!(validate(&folder).code, Some(0));
}

/// A program that measures `accuracy` and `loss`, without a declaration. `REST` is replaced.
const PROGRAM: &str = r#"
version: 1
name: p
vars: { x: 1 }
stages:
  it:
    kind: command
    params:
      argv: [sh, -c, 'echo "{\"accuracy\": 0.9, \"loss\": 0.1}" > m.json', "${x}"]
      metrics: m.json
REST
"#;

#[test]
fn a_misspelt_metric_of_a_program_is_named_once_the_program_has_run() {
    let rest = "\
tables: { t: { columns: [{ metric: it.acuracy }, { metric: it.loss }] } }
expect: { it.los: { at_least: 0 } }";
    let sandbox = Sandbox::new(&PROGRAM.replace("REST", rest));
    let before = sandbox.runner(&["table", "pipeline.yaml"]);
    assert!(!before.stderr.contains("no such metric"), "{before:?}");
    for args in [
        &["run", "pipeline.yaml"][..],
        &["table", "pipeline.yaml"],
        &["run", "pipeline.yaml", "--json"],
    ] {
        let done = sandbox.runner(args);
        assert_eq!(done.code, Some(0), "{done:?}");
        let warnings = "\
warning: the table `t` names `it.acuracy`, but `it` has no such metric; did you mean `accuracy`?
warning: `expect` names `it.los`, but `it` has no such metric; did you mean `loss`?
";
        assert!(done.stderr.contains(warnings), "{done:?}");
    }
    // An expectation of a metric that does not exist does not pass.
    let strict = sandbox.runner(&["run", "pipeline.yaml", "--strict"]);
    assert_eq!(strict.code, Some(101), "{strict:?}");
    assert!(strict.stderr.contains("no metric `los`"), "{strict:?}");

    let sweep =
        "sweep: { axes: { x: [1, 2] }, objective: { metric: it.acc, direction: maximize } }";
    let sandbox = Sandbox::new(&PROGRAM.replace("REST", sweep));
    let done = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(done.code, Some(100), "{done:?}");
    let why = "`it[x=1]` has no metric `acc`; known metrics: `accuracy`, `loss`";
    assert!(done.stdout.contains(why), "{done:?}");
}
