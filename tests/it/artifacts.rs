//! `runner artifacts`: `ls`, `show` and `export`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use serde_json::Value;

use crate::sandbox::{Sandbox, TINY, files, list};

fn artifacts(sandbox: &Sandbox, args: &[&str]) -> Value {
    let done = sandbox.runner(&[&["artifacts"], args, &["--json"]].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    done.json()
}

fn refused(sandbox: &Sandbox, args: &[&str]) -> String {
    let done = sandbox.runner(&[&["artifacts"], args].concat());
    assert_eq!(done.code, Some(2), "{done:?}");
    done.stderr
}

#[test]
fn ls_lists_every_output_of_every_stage() {
    let sandbox = Sandbox::new(TINY);
    sandbox.run_json(&[]);
    let listed = artifacts(&sandbox, &["ls"]);
    let listed = listed["artifacts"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for artifact in listed {
        let folder = sandbox.path(&text(&artifact["path"]));
        let found = files(&folder);
        let bytes: usize = found.iter().map(|(_, bytes)| bytes.len()).sum();
        assert_eq!(artifact["files"], found.len());
        assert_eq!(artifact["bytes"], bytes);
        assert!(artifact["seconds"].as_f64().unwrap() > 0.0, "{artifact}");
    }
    let shown = list(&sandbox.path("artifacts/latest/tiny"));
    let folders: usize = shown
        .iter()
        .map(|stage| list(stage).iter().filter(|p| p.is_dir()).count())
        .sum();
    assert_eq!(listed.len(), folders);
    let table = sandbox.runner(&["artifacts", "ls", "tiny"]).stdout;
    assert!(table.contains("tiny      cnn[4].model"), "{table}");
    let stderr = refused(&sandbox, &["ls", "tinny"]);
    assert!(stderr.contains("did you mean `tiny`?"), "{stderr}");
}

#[test]
fn show_prints_the_files_and_the_origin_of_an_artifact() {
    let sandbox = Sandbox::new(TINY);
    sandbox.run_json(&[]);
    let shown = artifacts(&sandbox, &["show", "cnn[4].model"]);
    let digest = shown["digest"].as_str().unwrap();
    assert_eq!(shown["made"]["kind"], "train-cnn");
    assert_eq!(shown["made"]["params"]["epochs"], 2);
    let inputs = shown["made"]["inputs"].as_array().unwrap();
    assert_eq!(inputs[0]["artifact"], "xrays.train");
    let train = artifacts(&sandbox, &["show", "xrays.train"]);
    assert_eq!(inputs[0]["digest"], train["digest"]);
    for file in shown["files"].as_array().unwrap() {
        let path = sandbox
            .path("artifacts/latest/tiny/cnn[4]/model")
            .join(file["name"].as_str().unwrap());
        let content = blake3::hash(&fs::read(&path).unwrap()).to_string();
        assert_eq!(file["digest"], content);
    }

    assert_eq!(artifacts(&sandbox, &["show", &digest[..8]]), shown);
    assert_eq!(artifacts(&sandbox, &["show", digest]), shown);
    let text = sandbox
        .runner(&["artifacts", "show", "cnn[4].model"])
        .stdout;
    for expected in [
        "cnn[4].model of pipeline tiny",
        "epochs: 2",
        "train: xrays.train",
        "weights.safetensors",
    ] {
        assert!(text.contains(expected), "`{expected}`: {text}");
    }

    // An artifact that `latest` no longer shows is still found by its digest.
    sandbox.run_json(&["-S", "epochs=1"]);
    let older = artifacts(&sandbox, &["show", digest]);
    assert!(older["stage"].is_null(), "{older}");
    assert_eq!(older["made"]["params"]["epochs"], 2);
}

#[test]
fn ambiguous_and_unknown_names_are_refused_with_a_hint() {
    let sandbox = Sandbox::new(TINY);
    sandbox.run_json(&[]);
    let says = |args: &[&str], what: &str| {
        let stderr = refused(&sandbox, &[&["show"], args].concat());
        assert!(stderr.contains(what), "`{what}`: {stderr}");
    };
    says(
        &["cnn.model"],
        "matches several artifacts; name one of them: `cnn[4].model`, `cnn[6].model`",
    );
    says(&["xrays"], "`xrays.train`");
    says(&["cnn[4].modl"], "did you mean `cnn[4].model`?");
    says(&["nothing"], "`runner artifacts ls`");
    says(&["00000000"], "there is no artifact `00000000`");
    says(&["abcdef0"], "at least 8 digits");
    says(
        &["xrays.train", "--pipeline", "tinny"],
        "did you mean `tiny`?",
    );

    fs::write(
        sandbox.path("other.yaml"),
        TINY.replace("name: tiny", "name: other"),
    )
    .unwrap();
    sandbox.runner(&["run", "other.yaml"]);
    says(
        &["xrays.train"],
        "choose one with `--pipeline`: `other`, `tiny`",
    );
    let one = artifacts(&sandbox, &["show", "xrays.train", "--pipeline", "tiny"]);
    assert_eq!(one["pipeline"], "tiny");

    // Two pipelines have `cnn[4]`, but only one has `cnn`.
    let plain = "version: 1\nname: plain\nstages:\n  cnn:\n    kind: command\n    params: \
                 { argv: [sh, -c, 'echo > m'], outputs: { model: m } }\n";
    fs::write(sandbox.path("plain.yaml"), plain).unwrap();
    sandbox.runner(&["run", "plain.yaml"]);
    let one = artifacts(&sandbox, &["show", "cnn.model"]);
    assert_eq!(one["pipeline"], "plain");
}

#[test]
fn export_makes_independent_copies() {
    let sandbox = Sandbox::new(TINY);
    sandbox.run_json(&[]);
    let before = files(&sandbox.path("artifacts"));
    let export =
        |args: &[&str]| sandbox.runner(&[&["artifacts", "export", "xrays.train"], args].concat());
    let done = export(&["deep/down"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""), "{done:?}");
    let wanted = files(&sandbox.path("artifacts/latest/tiny/xrays/train"));
    assert!(files(&sandbox.path("deep/down")) == wanted);
    for file in list(&sandbox.path("deep/down")) {
        let metadata = fs::metadata(&file).unwrap();
        assert!(
            metadata.permissions().mode() & 0o200 != 0,
            "an exported file is read-only"
        );
        assert_eq!(
            metadata.nlink(),
            1,
            "an exported file is a hard link into the store"
        );
        fs::write(&file, "mine").unwrap();
    }
    assert_eq!(
        list(&sandbox.path("deep")).len(),
        1,
        "`export` left something beside the folder"
    );
    assert!(files(&sandbox.path("artifacts")) == before);

    // `export` accepts an empty folder. A folder with files needs `--force`; files with other names stay.
    fs::create_dir(sandbox.path("empty")).unwrap();
    assert_eq!(export(&["empty"]).code, Some(0));
    let filled = export(&["deep/down"]);
    assert_eq!(filled.code, Some(2), "{filled:?}");
    assert!(
        filled
            .stderr
            .contains("`deep/down` is not empty; `--force`"),
        "{filled:?}"
    );
    fs::write(sandbox.path("deep/down/notes.txt"), "mine").unwrap();
    assert_eq!(export(&["deep/down", "--force"]).code, Some(0));
    let mut expected = wanted.clone();
    expected.push(("notes.txt".to_owned(), b"mine".to_vec()));
    expected.sort();
    assert!(files(&sandbox.path("deep/down")) == expected);
    assert!(files(&sandbox.path("empty")) == wanted);
    assert_eq!(export(&["pipeline.yaml"]).code, Some(2));
}

#[test]
fn a_damaged_artifact_is_not_partly_exported() {
    let sandbox = Sandbox::new(TINY);
    sandbox.run_json(&[]);
    let blob = sandbox.path("artifacts/latest/tiny/xrays/train/images.bin");
    fs::set_permissions(&blob, fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = fs::read(&blob).unwrap();
    bytes[0] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let export = ["artifacts", "export", "xrays.train", "out"];
    let failed = sandbox.runner(&export);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stderr.contains("damaged"), "{failed:?}");
    assert!(!sandbox.path("out").exists());
    // Once the stage has run again, the artifact can be exported.
    assert_eq!(sandbox.run_json(&["-f", "xrays"]).code, Some(0));
    assert_eq!(sandbox.runner(&export).code, Some(0));
}

#[test]
fn a_model_is_exported_as_onnx_and_nothing_else_is() {
    let sandbox = Sandbox::new(TINY);
    sandbox.run_json(&[]);
    let export = |artifact: &str, folder: &str, options: &[&str]| {
        sandbox.runner(&[&["artifacts", "export", artifact, folder], options].concat())
    };
    let onnx = ["--format", "onnx"];
    let done = export("cnn[4].model", "out", &onnx);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.stderr.contains("cnn[4].model: `out/model.onnx`"),
        "{done:?}"
    );
    let names = |folder: &str| -> Vec<String> {
        let files = files(&sandbox.path(folder)).into_iter();
        files.map(|(name, _)| name).collect()
    };
    assert_eq!(names("out"), ["model.onnx"]);
    let again = export("cnn[4].model", "again", &onnx);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(files(&sandbox.path("out")) == files(&sandbox.path("again")));

    for (artifact, folder, options, expected) in [
        (
            "xrays.test",
            "none",
            onnx.as_slice(),
            "is neither a model nor a generator",
        ),
        (
            "cnn[4].model",
            "out",
            &onnx,
            "`out` is not empty; `--force` replaces",
        ),
        (
            "cnn[4].model",
            "none",
            &["--fold-batch-norm"],
            "`--fold-batch-norm` needs `--format onnx`",
        ),
    ] {
        let refused = export(artifact, folder, options);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(expected), "{refused:?}");
        assert!(
            !sandbox.path("none").exists(),
            "a refused export leaves no folder"
        );
    }
    assert_eq!(
        export("cnn[6].model", "out", &["--format", "onnx", "--force"]).code,
        Some(0)
    );
    assert_eq!(names("out"), ["model.onnx"]);
}
