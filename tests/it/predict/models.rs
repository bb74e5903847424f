//! Which model an argument means, and what is wrong with a model.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::*;

const IMAGE: &str = "data/test/DISK/40.png";

fn export(sandbox: &Sandbox, folder: &str) {
    let done = sandbox.runner(&["artifacts", "export", "cnn.model", folder]);
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[test]
fn a_model_is_named_by_stage_port_digest_or_folder() {
    let sandbox = trained(2, &[]);
    export(&sandbox, "exported");
    let shown = sandbox.runner(&["artifacts", "show", "cnn.model", "--json"]);
    let digest = shown.json()["digest"].as_str().unwrap().to_owned();
    let expected = predicted(&sandbox, &["cnn", IMAGE])["images"].clone();
    for model in [
        "cnn.model",
        &digest,
        &digest[..8],
        "exported",
        "./exported/",
    ] {
        assert_eq!(
            predicted(&sandbox, &[model, IMAGE])["images"],
            expected,
            "{model}"
        );
    }
    // An exported folder needs no store.
    fs::rename(sandbox.path("artifacts"), sandbox.path("moved")).unwrap();
    assert_eq!(
        predicted(&sandbox, &["exported", IMAGE])["images"],
        expected
    );
    let error = refused(&sandbox, &["cnn", IMAGE], 2);
    assert!(
        error.contains("neither a folder `cnn` nor a store in `artifacts`"),
        "{error}"
    );
    assert!(error.contains("`runner artifacts export`"), "{error}");
    let moved = ["cnn", IMAGE, "--artifacts", "moved"];
    assert_eq!(predicted(&sandbox, &moved)["images"], expected);
}

#[test]
fn a_folder_and_a_stage_of_one_name_are_told_apart() {
    let sandbox = trained(2, &[]);
    // A folder without a model is not meant.
    fs::create_dir(sandbox.path("cnn")).unwrap();
    predicted(&sandbox, &["cnn", IMAGE]);
    export(&sandbox, "cnn");
    let error = refused(&sandbox, &["cnn", IMAGE], 2);
    assert!(
        error.contains("write `./cnn` for the folder, or `cnn.model`"),
        "{error}"
    );
    let digest = |model: &str| predicted(&sandbox, &[model, IMAGE])["model"]["digest"].clone();
    assert!(digest("./cnn").is_null());
    assert!(digest("cnn.model").is_string());
}

#[test]
fn ambiguous_and_unknown_models_are_refused_with_a_hint() {
    let sandbox = trained(2, &[]);
    let says = |args: &[&str], what: &str| {
        let error = refused(&sandbox, &[args, &[IMAGE]].concat(), 2);
        assert!(error.contains(what), "`{what}`: {error}");
    };
    says(&["cnn.modl"], "did you mean `cnn.model`?");
    says(&["nowhere/model"], "there is no folder `nowhere/model`");
    says(&["cn"], "there is no artifact `cn`; did you mean `cnn`?");
    says(&["cnn[fold=1]"], "did you mean `cnn`?");
    says(
        &["resnet"],
        "there is no artifact `resnet`; known classifiers: `cnn`\n",
    );
    says(
        &["evaluate"],
        "`evaluate` is not a classifier; known classifiers: `cnn`\n",
    );
    says(
        &["cnn.history"],
        "`cnn.history` is not a classifier: it has no file `model.json`",
    );
    says(
        &["data"],
        "`data` is not a classifier; known classifiers: `cnn`\n",
    );
    says(&["./data"], "`./data` is not a classifier");
    says(&["cnn", "--pipeline", "shape"], "did you mean `shapes`?");

    let matrix = PIPELINE
        .replace("name: shapes", "name: both")
        .replace(
            "kind: train-cnn",
            "kind: train-cnn\n    matrix: { n: [1, 2] }",
        )
        .replace("epochs: 2 ", "epochs: \"${matrix.n}\" ");
    fs::write(
        sandbox.path("both.yaml"),
        matrix.split("  evaluate:").next().unwrap(),
    )
    .unwrap();
    let done = sandbox.runner(&["run", "both.yaml"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    says(
        &["cnn", "--pipeline", "both"],
        "name one of them: `cnn[1].model`, `cnn[2].model`",
    );
    for name in ["cnn[3]", "cnn[n=1,fold=2].model"] {
        says(
            &[name, "--pipeline", "both"],
            "; known instances of `cnn`: `cnn[1]`, `cnn[2]`\n",
        );
    }
    says(
        &["cnn[n=2].model", "--pipeline", "both"],
        "; write the values of a matrix without the names of axes: `cnn[2].model`\n",
    );
    predicted(&sandbox, &["cnn[2]", IMAGE, "--pipeline", "both"]);
    predicted(&sandbox, &["cnn", IMAGE, "--pipeline", "shapes"]);
}

/// Changes the JSON of a model.
fn edit(sandbox: &Sandbox, change: impl Fn(&mut Value)) {
    let path = sandbox.path("exported/model.json");
    let mut card: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut card);
    fs::write(path, card.to_string()).unwrap();
}

#[test]
fn a_damaged_model_is_one_error_that_names_the_file() {
    let sandbox = trained(2, &[]);
    let says = |damage: &dyn Fn(&Path), what: &[&str]| {
        let folder = sandbox.path("exported");
        let _ = fs::remove_dir_all(&folder);
        export(&sandbox, "exported");
        damage(&folder);
        let error = refused(&sandbox, &["exported", IMAGE], 1);
        for what in what {
            assert!(error.contains(what), "`{what}`: {error}");
        }
    };
    let card = |change: fn(&mut Value)| {
        let sandbox = &sandbox;
        move |_: &Path| edit(sandbox, change)
    };
    says(
        &card(|c| c["format"] = json!(3)),
        &["exported/model.json", "version 3"],
    );
    says(
        &card(|c| c["classes"] = json!(["A"])),
        &["model.json", "names 1: A"],
    );
    says(
        &card(|c| c["classes"] = json!(["A", "A"])),
        &["model.json", "it names two classes `A`"],
    );
    for threshold in [json!(0.0), json!(-0.5), json!(1.5)] {
        let what = format!("its threshold is {threshold}").replace("0.0", "0");
        says(
            &|_: &Path| edit(&sandbox, |c| c["threshold"] = threshold.clone()),
            &["model.json", &what],
        );
    }
    says(
        &card(|c| c["surprise"] = json!(1)),
        &["model.json", "surprise"],
    );
    says(
        &card(|c| c["architecture"]["input"]["channels"] = json!(3)),
        &["model.json", "preprocessing"],
    );
    says(
        &card(|c| c["training_images"]["look"]["mean"] = json!([1.0])),
        &["model.json", "`training_images`"],
    );
    says(
        &card(|c| c["architecture"]["layers"][0]["conv"]["filters"] = json!(5)),
        &["exported/weights.safetensors"],
    );
    let weights = |change: fn(&mut Vec<u8>)| {
        move |folder: &Path| {
            let path = folder.join("weights.safetensors");
            let mut bytes = fs::read(&path).unwrap();
            change(&mut bytes);
            fs::write(path, bytes).unwrap();
        }
    };
    let file = "exported/weights.safetensors";
    says(&weights(|bytes| bytes.truncate(bytes.len() - 4)), &[file]);
    says(&weights(Vec::clear), &[file, "too few"]);
    says(&weights(|bytes| bytes[3] = 0xff), &[file]);
    says(
        &weights(|bytes| {
            let end = bytes.len();
            bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        }),
        &[file, "NaN"],
    );

    // Files that are not those of a classifier.
    let folder = sandbox.path("exported");
    fs::remove_file(folder.join("weights.safetensors")).unwrap();
    let error = refused(&sandbox, &["exported", IMAGE], 2);
    assert!(
        error.contains("it has no file `weights.safetensors`"),
        "{error}"
    );
    fs::rename(folder.join("model.json"), folder.join("generator.json")).unwrap();
    let error = refused(&sandbox, &["exported", IMAGE], 2);
    assert!(
        error.contains("is a generator of images, not a classifier"),
        "{error}"
    );
}

#[test]
fn a_damaged_model_in_the_store_is_refused() {
    let sandbox = trained(2, &[]);
    let blob = sandbox.path("artifacts/latest/shapes/cnn/model/weights.safetensors");
    let mut bytes = fs::read(&blob).unwrap();
    let end = bytes.len() - 1;
    bytes[end] ^= 1;
    let mut permissions = fs::metadata(&blob).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
    fs::set_permissions(&blob, permissions).unwrap();
    fs::write(&blob, bytes).unwrap();
    let done = predict(&sandbox, &["cnn", IMAGE, "-o", "p.csv"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("damaged"), "{done:?}");
    assert!(!sandbox.path("p.csv").exists());
}
