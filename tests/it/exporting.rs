//! `runs export`: folders, addresses and errors. `python/records.rs` reads exported runs with other programs.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::sandbox::{Finished, Sandbox, TINY};

fn tiny() -> Sandbox {
    let sandbox = Sandbox::new(TINY);
    let done = sandbox.runner(&["run", "pipeline.yaml", "-q"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    sandbox
}

fn export(sandbox: &Sandbox, target: &str, format: &str, options: &[&str]) -> Finished {
    let command = ["runs", "export", "latest", target, "--format", format];
    sandbox.runner(&[&command, options].concat())
}

fn exported(sandbox: &Sandbox, target: &str, format: &str, options: &[&str]) -> String {
    let done = export(sandbox, target, format, options);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(done.stdout, "");
    done.stderr
}

/// Checks that a command fails with one line, which contains `parts`, and returns that line.
fn fails(done: &Finished, code: i32, parts: &[&str]) -> String {
    assert_eq!(done.code, Some(code), "{done:?}");
    assert_eq!(done.stderr.lines().count(), 1, "{done:?}");
    for part in parts {
        assert!(
            done.stderr.contains(part),
            "`{part}` is not in {}",
            done.stderr
        );
    }
    done.stderr.clone()
}

/// All files below a folder, with their content.
pub(crate) fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap();
                found.insert(name.to_str().unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn exporting_twice_gives_the_same_bytes() {
    let sandbox = tiny();
    for format in ["tensorboard", "ro-crate"] {
        let [one, two] = ["one", "two"].map(|name| format!("{format}/{name}"));
        let said = exported(&sandbox, &one, format, &[]);
        assert!(said.starts_with("run 2"), "{said}");
        assert!(said.ends_with(&format!(", in `{one}`\n")), "{said}");
        assert_eq!(exported(&sandbox, &two, format, &["-q"]), "");
        let [first, second] = [one, two].map(|name| contents(&sandbox.path(&name)));
        assert!(first.len() > 3, "{:?}", first.keys());
        assert!(first == second, "{format} differs");
    }
}

#[test]
fn a_folder_with_files_is_kept_unless_forced() {
    let sandbox = tiny();
    fs::create_dir(sandbox.path("there")).unwrap();
    fs::write(sandbox.path("there/own.txt"), "mine").unwrap();
    for format in ["tensorboard", "ro-crate"] {
        let refused = export(&sandbox, "there", format, &[]);
        fails(&refused, 2, &["`there` is not empty", "--force"]);
        assert_eq!(contents(&sandbox.path("there")).len(), 1);
        exported(&sandbox, "there", format, &["--force"]);
        let found = contents(&sandbox.path("there"));
        assert_eq!(found["own.txt"], b"mine");
        for name in found.keys().filter(|name| *name != "own.txt") {
            let path = sandbox.path("there").join(name);
            fs::remove_file(path).unwrap();
        }
        fs::remove_dir_all(sandbox.path("there")).unwrap();
        fs::create_dir(sandbox.path("there")).unwrap();
        fs::write(sandbox.path("there/own.txt"), "mine").unwrap();
    }
    let refused = export(&sandbox, "there/own.txt", "tensorboard", &[]);
    fails(&refused, 2, &["is not a folder"]);
    let refused = export(&sandbox, "new", "tensorboard", &["--with-models"]);
    fails(&refused, 2, &["`--with-models` needs"]);
    let refused = export(&sandbox, "http://127.0.0.1:1", "ro-crate", &[]);
    fails(&refused, 2, &["TARGET must be a folder"]);
    let refused = sandbox.runner(&["runs", "export", "2099", "new", "--format", "ro-crate"]);
    fails(&refused, 2, &["there is no run `2099`"]);
    assert!(!sandbox.path("new").exists());
}

#[test]
fn a_damaged_result_is_an_error_and_nothing_is_written() {
    for format in ["tensorboard", "ro-crate"] {
        // The store sets damaged results aside, so each export needs its own.
        let sandbox = tiny();
        damage(&sandbox, "artifacts/latest/tiny/cnn[4]/history/history.csv");
        let done = export(&sandbox, "new", format, &[]);
        assert_eq!(done.code, Some(1), "{done:?}");
        let error = "error: artifact file `history.csv`";
        assert!(done.stderr.contains(error), "{done:?}");
        let left = fs::read_dir(sandbox.path("")).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["artifacts", "pipeline.yaml"]);
    }
}

/// Flips a bit in the blob with the content of this file.
fn damage(sandbox: &Sandbox, file: &str) {
    let content = fs::read(sandbox.path(file)).unwrap();
    let blobs = contents(&sandbox.path("artifacts/v1/cas")).into_iter();
    let blobs: Vec<_> = blobs.filter(|(_, bytes)| *bytes == content).collect();
    let [(name, _)] = blobs.as_slice() else {
        panic!("{} blobs have the content of {file}", blobs.len());
    };
    let blob = sandbox.path("artifacts/v1/cas").join(name);
    let mut changed = content;
    changed[0] ^= 1;
    fs::set_permissions(&blob, Permissions::from_mode(0o644)).unwrap();
    fs::write(&blob, changed).unwrap();
}

#[test]
fn what_is_missing_is_said() {
    let sandbox = Sandbox::new(TINY);
    let done = sandbox.runner(&[
        "run",
        "pipeline.yaml",
        "-q",
        "-S",
        "images=40",
        "-S",
        "stages.cnn.timeout=1ms",
    ]);
    assert_eq!(done.code, Some(100), "{done:?}");
    let said = exported(&sandbox, "failed", "tensorboard", &[]);
    assert!(
        said.contains("note: the run did not succeed: its state is `failed`"),
        "{said}"
    );
    assert!(
        said.contains("note: 2 stages did not end with a result"),
        "{said}"
    );

    let sandbox = tiny();
    fs::remove_dir_all(sandbox.path("artifacts/v1/actions")).unwrap();
    let said = exported(&sandbox, "removed", "tensorboard", &[]);
    let note = "note: results of 3 stages are no longer in the store";
    assert!(said.contains(note), "{said}");
    // Metrics are in the record of the run.
    assert!(sandbox.path("removed/cnn[4]").is_dir());
    fs::write(sandbox.path("pipeline.yaml"), "version: 1\n").unwrap();
    let said = exported(&sandbox, "changed", "ro-crate", &[]);
    assert!(
        said.contains("so the recorded stages take its place"),
        "{said}"
    );
    let found = contents(&sandbox.path("changed"));
    assert!(!found.contains_key("pipeline.yaml"));
    let stages: Value = serde_json::from_slice(&found["stages.json"]).unwrap();
    assert_eq!(stages["stages"][1]["fingerprint"]["params"]["epochs"], 2);
}

#[test]
fn only_a_crate_with_models_contains_them() {
    let sandbox = tiny();
    let has_models = |folder: &str| {
        let found = contents(&sandbox.path(folder));
        let mut names = found.keys();
        assert!(!names.any(|name| name.ends_with("images.bin")));
        found.contains_key("results/cnn[4]/model/weights.safetensors")
    };
    exported(&sandbox, "small", "ro-crate", &[]);
    assert!(!has_models("small"));
    exported(&sandbox, "large", "ro-crate", &["--with-models"]);
    assert!(has_models("large"));
}

/// A request: method and path, the header `Authorization`, and the body.
type Request = (String, String, String);

/// Answers requests on a port until the test ends. Returns the address, and the requests.
fn serve(
    answer: impl Fn(&str, &str) -> (u16, String) + Send + 'static,
) -> (String, Arc<Mutex<Vec<Request>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = read(&mut stream);
            let (status, body) = answer(&request.0, &request.2);
            seen.lock().unwrap().push(request);
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    (address, requests)
}

fn read(stream: &mut TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let what = line.rsplit_once(' ').unwrap().0.to_owned();
    let (mut length, mut authorization) = (0, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else {
            break;
        };
        match &*name.to_ascii_lowercase() {
            "content-length" => length = value.parse().unwrap(),
            "authorization" => authorization = value.to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (
        what,
        authorization,
        String::from_utf8_lossy(&body).into_owned(),
    )
}

/// Exports to a server with these variables, without a proxy.
fn send(sandbox: &Sandbox, address: &str, variables: &[(&str, &str)]) -> Finished {
    let command = ["runs", "export", "latest", address, "--format", "mlflow"];
    let mut command = sandbox.command(&command);
    for name in ["USERNAME", "PASSWORD", "TOKEN"] {
        command.env_remove(format!("MLFLOW_TRACKING_{name}"));
    }
    command
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1");
    command.envs(variables.iter().copied());
    command.output().unwrap().into()
}

#[test]
fn a_server_that_is_none_or_refuses_is_one_clear_error() {
    let sandbox = tiny();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let done = send(&sandbox, &address, &[]);
    fails(&done, 1, &["failed to reach", &address, "is it running?"]);

    for (status, body) in [(200, "<html>"), (404, "<html>"), (302, ""), (200, "[]")] {
        let (address, _) = serve(move |_, _| (status, body.to_owned()));
        let done = send(&sandbox, &address, &[]);
        fails(&done, 2, &[&address, "is not an MLflow tracking server"]);
    }
    let (address, _) = serve(|_, _| (502, "<html>".to_owned()));
    fails(&send(&sandbox, &address, &[]), 1, &[&address, "status 502"]);

    let refusal =
        json!({ "error_code": "INVALID_PARAMETER_VALUE", "message": "not\nthis\u{1b}[2J" });
    let (address, _) = serve(move |_, _| (400, refusal.to_string()));
    let done = send(&sandbox, &address, &[]);
    let said = fails(&done, 1, &[&address, "INVALID_PARAMETER_VALUE"]);
    assert!(!said.contains('\u{1b}'), "{said}");

    let done = send(&sandbox, "https://127.0.0.1:1", &[]);
    fails(&done, 1, &["failed to reach", "https://127.0.0.1:1"]);
    let done = send(&sandbox, "http://me:secret@127.0.0.1:1", &[]);
    let said = fails(&done, 2, &["must not contain credentials"]);
    assert!(!said.contains("secret"), "{said}");
    let done = send(&sandbox, "somewhere", &[]);
    fails(&done, 2, &["TARGET must be an address"]);
}

#[test]
fn credentials_are_sent_and_never_printed() {
    let sandbox = tiny();
    let (address, requests) = serve(|_, _| (401, "no".to_owned()));
    let basic = [
        ("MLFLOW_TRACKING_USERNAME", "Aladdin"),
        ("MLFLOW_TRACKING_PASSWORD", "open sesame"),
    ];
    let token = [("MLFLOW_TRACKING_TOKEN", "abc123")];
    for variables in [&basic[..], &token] {
        let done = send(&sandbox, &address, variables);
        let said = fails(&done, 1, &["refuses access", "MLFLOW_TRACKING_TOKEN"]);
        for secret in ["sesame", "abc123", "QWxhZGRpbjpv"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
    let requests = requests.lock().unwrap();
    let sent: Vec<&str> = requests.iter().map(|(_, sent, _)| sent.as_str()).collect();
    assert_eq!(
        sent,
        ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Bearer abc123"]
    );
}

#[test]
fn runs_of_an_export_that_fails_are_deleted() {
    let sandbox = tiny();
    let created = Mutex::new(0);
    let (address, requests) = serve(move |what, body| {
        let absent = json!({ "error_code": "RESOURCE_DOES_NOT_EXIST", "message": "" });
        let answer = if what.contains("get-by-name") {
            return (404, absent.to_string());
        } else if what.contains("experiments/create") {
            json!({ "experiment_id": "7" })
        } else if what.contains("runs/create") {
            let mut created = created.lock().unwrap();
            *created += 1;
            let id = format!("r{created}");
            json!({ "run": { "info": { "run_id": id, "artifact_uri": "s3://bucket/7" } } })
        } else if what.contains("log-batch") && body.contains("\"r2\"") {
            return (500, "<html>".to_owned());
        } else {
            json!({})
        };
        (200, answer.to_string())
    });
    let done = send(&sandbox, &address, &[]);
    fails(&done, 1, &[&address, "status 500"]);
    let requests = requests.lock().unwrap();
    let deleted = requests
        .iter()
        .filter(|(what, ..)| what.contains("runs/delete"));
    let deleted: Vec<&str> = deleted.map(|(.., body)| body.as_str()).collect();
    assert_eq!(deleted, [r#"{"run_id":"r2"}"#, r#"{"run_id":"r1"}"#]);
    assert!(!requests.iter().any(|(.., body)| body.contains("complete")));
}
