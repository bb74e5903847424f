//! The table, the CSV file and the JSON object.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::process::Signal;

use super::*;
use crate::sandbox::{eventually, finish, list, signal};

#[test]
fn a_table_shows_every_image_and_a_line_says_how_it_was_decided() {
    let sandbox = trained(2, &[]);
    let done = predict(&sandbox, &["cnn", "data/test"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(lines.len(), 11);
    let header: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(
        header,
        ["name", "predicted", "p_DISK", "p_SQUARE", "warnings"]
    );
    let all = predicted(&sandbox, &["cnn", "data/test"]);
    for (line, image) in lines[1..].iter().zip(all["images"].as_array().unwrap()) {
        let cells: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(cells[0], image["name"]);
        assert_eq!(cells[1], image["predicted"]);
        let probability = image["probabilities"]["SQUARE"].as_f64().unwrap();
        assert_eq!(cells[3], format!("{probability:.3}"));
    }
    let threshold = all["decision"]["threshold"].as_f64().unwrap();
    assert_eq!(all["decision"]["class"], "SQUARE");
    let line = format!("10 images, threshold {threshold:.3} of SQUARE");
    assert!(done.stderr.starts_with(&line), "{done:?}");
    for image in all["images"].as_array().unwrap() {
        let is_square = image["probabilities"]["SQUARE"].as_f64().unwrap() >= threshold;
        assert_eq!(image["predicted"] == "SQUARE", is_square, "{image}");
    }
    assert_eq!(predict(&sandbox, &["-q", "cnn", "data/test"]).stderr, "");
}

#[test]
fn the_file_is_the_csv_that_a_dash_prints_and_names_the_model_nowhere() {
    let sandbox = trained(2, &[]);
    let done = predict(&sandbox, &["cnn", "data/test", "-o", "p.csv"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""), "{done:?}");
    assert!(
        done.stderr.starts_with("wrote `p.csv`: 10 images, "),
        "{done:?}"
    );
    let written = fs::read_to_string(sandbox.path("p.csv")).unwrap();
    assert_eq!(
        predict(&sandbox, &["cnn", "data/test", "-o", "-"]).stdout,
        written
    );
    // The same again, with the JSON object as well.
    let again = predicted(&sandbox, &["cnn", "data/test", "-o", "p.csv"]);
    assert_eq!(again["images"].as_array().unwrap().len(), 10);
    assert_eq!(fs::read_to_string(sandbox.path("p.csv")).unwrap(), written);
}

#[test]
fn outputs_that_get_into_each_others_way_are_refused() {
    let sandbox = trained(2, &[]);
    let before = crate::sandbox::files(&sandbox.path(""));
    for (args, expected) in [
        (
            &["--json", "-o", "-"][..],
            "error: `--json` and `-o -` both print to standard output; give a file with `-o`, or leave out one of them\n",
        ),
        (
            &["-o", "same", "--explain", "./same"],
            "error: `-o` and `--explain` both name `./same`; give the file and the folder different names\n",
        ),
    ] {
        let done = predict(&sandbox, &[&["cnn", "data/test"], args].concat());
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{done:?}");
        assert_eq!(done.stderr, expected);
    }
    assert!(crate::sandbox::files(&sandbox.path("")) == before);
}

#[test]
fn only_a_file_of_predictions_is_replaced() {
    let sandbox = trained(2, &[]);
    let evaluation = "artifacts/latest/shapes/evaluate/metrics/predictions.csv";
    fs::copy(sandbox.path(evaluation), sandbox.path("evaluation.csv")).unwrap();
    fs::write(sandbox.path("other.csv"), "name,label\n").unwrap();
    symlink("other.csv", sandbox.path("link.csv")).unwrap();
    for file in [
        "pipeline.yaml",
        "other.csv",
        "evaluation.csv",
        "link.csv",
        "data/test/DISK/40.png",
    ] {
        let before = fs::read(sandbox.path(file)).unwrap();
        let done = predict(&sandbox, &["cnn", "data/test", "-o", file]);
        assert_eq!(done.code, Some(2), "{file}: {done:?}");
        assert!(
            done.stderr
                .contains("is not a file of `predict`, so it is kept"),
            "{done:?}"
        );
        assert_eq!(fs::read(sandbox.path(file)).unwrap(), before);
    }
    for file in [
        "missing/p.csv",
        "data",
        "data/",
        "pipeline.yaml/p.csv",
        "nothing/",
    ] {
        let done = predict(&sandbox, &["cnn", "data/test", "-o", file]);
        assert_eq!(done.code, Some(2), "{file}: {done:?}");
        assert_eq!(
            done.stderr
                .lines()
                .filter(|l| l.starts_with("error"))
                .count(),
            1
        );
    }
    assert!(!is_left(&sandbox, ".tmp"));
}

/// Predicts until a signal comes, and leaves nothing behind.
#[test]
fn a_signal_ends_it_and_nothing_is_written() {
    let sandbox = trained(2, &[]);
    let image = files::picture(0, 3, 1500);
    files::write(&sandbox.path("mine/0.png"), &image, "png");
    let bytes = fs::read(sandbox.path("mine/0.png")).unwrap();
    for number in 1..300 {
        fs::write(sandbox.path(&format!("mine/{number}.png")), &bytes).unwrap();
    }
    for (sent, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let child = sandbox.start(&["predict", "cnn", "mine", "-o", "p.csv", "--batch-size", "1"]);
        let io = format!("/proc/{}/io", child.id());
        // It waits for signals before it reads images.
        eventually("reading images", || {
            let io = fs::read_to_string(&io).ok()?;
            let read = io.lines().find_map(|line| line.strip_prefix("rchar: "))?;
            (read.parse::<u64>().ok()? > 4_000_000).then_some(())
        });
        signal(child.id(), sent).unwrap();
        let done = finish(child);
        assert_eq!(done.code, Some(code), "{done:?}");
        assert_eq!(
            (done.stdout.as_str(), done.stderr.as_str()),
            ("", "stopped\n")
        );
        assert!(!is_left(&sandbox, ".csv"));
        assert!(!is_left(&sandbox, ".tmp"));
    }
}

/// Returns `true` if the name of a file in the sandbox contains `part`.
pub(super) fn is_left(sandbox: &Sandbox, part: &str) -> bool {
    let files = list(&sandbox.path(""));
    let mut names = files.iter().filter_map(|path| path.file_name()?.to_str());
    names.any(|name| name.contains(part))
}
