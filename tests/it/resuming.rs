//! Trainings that are killed, stopped or extended end with the same results as uninterrupted ones.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::sandbox::{Finished, Sandbox, eventually, files, finish, list, signal};

/// A CNN with everything that has state (batch statistics, dropout, augmentation, Adam's moments) and a GAN.
/// Each trains for some seconds.
const TRAININGS: &str = r#"
version: 1
name: trainings
seed: 3
vars: { epochs: 6, schedule: constant, stopping: ~, images: 600 }
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: "${images}", test_images: 20 } }, image_size: 16, validation: 0.2 }
  augmented:
    kind: augment
    inputs: { images: xrays.train }
    params: { shear: 0.2, zoom: 0.2, horizontal_flip: true }
  cnn:
    kind: train-cnn
    inputs: { train: augmented, validation: xrays.validation }
    params:
      model: [{ conv: { filters: 16 } }, { batch_norm: {} }, { conv: { filters: 16 } }, { max_pool: 2 }, flatten, { dropout: 0.3 }, { dense: { units: 1 } }]
      epochs: "${epochs}"
      schedule: "${schedule}"
      early_stopping: "${stopping}"
  gan:
    kind: train-gan
    inputs: { images: xrays.train }
    params:
      class: NORMAL
      latent: 8
      generator: [{ dense: { units: 256 } }, { reshape: { height: 4, width: 4, channels: 16 } }, { batch_norm: {} }, { conv_transpose: { filters: 8, kernel: 4, stride: 2, padding: 1 } }, { conv_transpose: { filters: 1, kernel: 4, stride: 2, padding: 1, activation: tanh } }]
      discriminator: [{ conv: { filters: 8, kernel: 4, stride: 2, padding: 1 } }, { dropout: 0.2 }, flatten, { dense: { units: 1 } }]
      batch_size: 16
      sample_every: 2
      epochs: "${epochs}"
"#;

fn run(sandbox: &Sandbox, args: &[&str]) -> Finished {
    let run = sandbox.runner(&[&["run", "pipeline.yaml"], args].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    run
}

/// Returns the path and the bytes of every output.
fn outputs(sandbox: &Sandbox) -> Vec<(String, Vec<u8>)> {
    files(&sandbox.path("artifacts/latest/trainings"))
}

/// Returns the outputs of an uninterrupted run.
fn throughout(args: &[&str]) -> Vec<(String, Vec<u8>)> {
    let sandbox = Sandbox::new(TRAININGS);
    let stderr = run(&sandbox, args).stderr;
    assert!(!stderr.contains("resumes after"), "{stderr}");
    outputs(&sandbox)
}

fn assert_same(sandbox: &Sandbox, expected: &[(String, Vec<u8>)]) {
    let found = outputs(sandbox);
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&found), names(expected));
    for ((name, bytes), (_, expected)) in found.iter().zip(expected) {
        assert!(bytes == expected, "`{name}` differs");
    }
}

/// Lists the checkpoints in the store, as `<key>/<position>`.
fn checkpoints(sandbox: &Sandbox) -> Vec<String> {
    let mut found = Vec::new();
    for key in list(&sandbox.path("artifacts/v1/checkpoints")) {
        for position in list(&key).into_iter().filter(|path| path.is_dir()) {
            let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
            found.push(format!("{}/{}", name(&key), name(&position)));
        }
    }
    found.sort();
    found
}

#[test]
fn a_killed_training_resumes_and_ends_with_the_same_results() {
    let expected = throughout(&[]);
    let sandbox = Sandbox::new(TRAININGS);
    let mut resumed = 0;
    // Kills the runner three times, each time after one more epoch has a checkpoint.
    for kept in 1..=3 {
        let mut runner = sandbox.start(&["run", "pipeline.yaml", "-j", "1"]);
        eventually("kept", || {
            let done = runner.try_wait().unwrap().is_some();
            (checkpoints(&sandbox)
                .iter()
                .any(|name| position(name) >= kept)
                || done)
                .then_some(())
        });
        runner.kill().unwrap();
        // On a fast machine, everything may be done before the last kill.
        resumed += finish(runner).stderr.matches("resumes after ").count();
    }
    let stderr = run(&sandbox, &["-j", "1"]).stderr;
    resumed += stderr.matches("resumes after ").count();
    assert!(resumed >= 1, "{stderr}");
    assert_same(&sandbox, &expected);
}

/// Returns the number of complete epochs before a checkpoint.
fn position(name: &str) -> usize {
    let (_, position) = name.split_once('/').unwrap();
    position.split('-').next().unwrap().parse().unwrap()
}

#[test]
fn a_stopped_training_resumes_within_an_epoch() {
    // Epochs that are long enough to be stopped in the middle.
    let long = ["-S", "images=12000", "-S", "epochs=2"];
    let expected = throughout(&long);
    let sandbox = Sandbox::new(TRAININGS);
    let args = [&["run", "pipeline.yaml", "-v"][..], &long[..]].concat();
    for (earlier, stop) in [Signal::INT, Signal::TERM].into_iter().enumerate() {
        let runner = sandbox.start(&args);
        eventually("training", || {
            let events = events_of_run(&sandbox, earlier);
            events.contains(r#""stage":"cnn","progress""#).then_some(())
        });
        signal(runner.id(), stop).unwrap();
        let stopped = finish(runner);
        let code = if stop == Signal::INT { 130 } else { 143 };
        assert_eq!(stopped.code, Some(code), "{stopped:?}");
        assert!(stopped.stderr.contains("cnn: cancelled"), "{stopped:?}");
    }
    assert!(
        checkpoints(&sandbox)
            .iter()
            .any(|name| !name.ends_with("-00000000")),
        "no checkpoint is within an epoch: {:?}",
        checkpoints(&sandbox)
    );
    let stderr = run(&sandbox, &long).stderr;
    assert!(stderr.contains("resumes after batch "), "{stderr}");
    assert_same(&sandbox, &expected);
}

/// Returns the events recorded so far by the run that has `earlier` runs before it.
fn events_of_run(sandbox: &Sandbox, earlier: usize) -> String {
    let mut runs = list(&sandbox.path("artifacts/v1/runs"));
    runs.sort();
    runs.get(earlier)
        .and_then(|run| fs::read_to_string(run.join("events.jsonl")).ok())
        .unwrap_or_default()
}

#[test]
fn more_epochs_continue_a_finished_training_if_the_result_is_the_same() {
    let sandbox = Sandbox::new(TRAININGS);
    run(&sandbox, &["-S", "epochs=3"]);
    // The last checkpoint of each training is kept, so that more epochs can continue from it.
    assert_eq!(checkpoints(&sandbox).len(), 2);
    let stderr = run(&sandbox, &[]).stderr;
    for stage in ["cnn", "gan"] {
        let line = format!("{stage}: resumes after epoch 3, from its checkpoint");
        assert!(stderr.contains(&line), "{stderr}");
    }
    assert_same(&sandbox, &throughout(&[]));

    let fewer = run(&sandbox, &["-S", "epochs=5"]).stderr;
    let why = "cnn: starts over: the checkpoint is from epoch 6, but `epochs` is 5";
    assert!(fewer.contains(why), "{fewer}");
    assert_same(&sandbox, &throughout(&["-S", "epochs=5"]));
}

#[test]
fn a_training_with_a_schedule_over_all_epochs_starts_over_with_a_reason() {
    let cosine = ["--until", "cnn", "-S", "schedule={cosine: {}}"];
    let sandbox = Sandbox::new(TRAININGS);
    run(&sandbox, &[&cosine[..], &["-S", "epochs=3"]].concat());
    assert_eq!(checkpoints(&sandbox), Vec::<String>::new());
    let stderr = run(&sandbox, &cosine).stderr;
    let why = "cnn: starts over: `epochs` changed, and with `schedule: cosine` every learning rate depends on it";
    assert!(stderr.contains(why), "{stderr}");
    assert_same(&sandbox, &throughout(&cosine));
}

#[test]
fn early_stopping_depends_only_on_past_epochs() {
    let stopping = ["--until", "cnn", "-S", "stopping={patience: 1}"];
    let sandbox = Sandbox::new(TRAININGS);
    run(&sandbox, &[&stopping[..], &["-S", "epochs=30"]].concat());
    let history =
        fs::read_to_string(sandbox.path("artifacts/latest/trainings/cnn/history/history.csv"))
            .unwrap();
    let epochs = history.lines().count() - 1;
    assert!(epochs < 30, "the training did not stop early");
    run(&sandbox, &[&stopping[..], &["-S", "epochs=40"]].concat());
    assert_same(
        &sandbox,
        &throughout(&[&stopping[..], &["-S", "epochs=40"]].concat()),
    );
}

#[test]
fn no_resume_and_force_start_over() {
    let sandbox = Sandbox::new(TRAININGS);
    let cnn = ["--until", "cnn"];
    run(&sandbox, &[&cnn[..], &["-S", "epochs=3"]].concat());
    let stderr = run(&sandbox, &[&cnn[..], &["--no-resume"]].concat()).stderr;
    assert!(!stderr.contains("resumes after"), "{stderr}");
    let stderr = run(&sandbox, &[&cnn[..], &["--force", "cnn"]].concat()).stderr;
    assert!(!stderr.contains("resumes after"), "{stderr}");
    assert_same(&sandbox, &throughout(&cnn));
}

#[test]
fn a_damaged_checkpoint_is_set_aside() {
    for damage in [flip, truncate, remove] {
        let sandbox = Sandbox::new(TRAININGS);
        run(&sandbox, &["--until", "cnn", "-S", "epochs=3"]);
        let kept = checkpoints(&sandbox);
        assert_eq!(kept.len(), 1);
        let folder = sandbox.path("artifacts/v1/checkpoints").join(&kept[0]);
        damage(&folder.join("tensors.safetensors"));
        let stderr = run(&sandbox, &["--until", "cnn"]).stderr;
        assert!(
            stderr.contains("cnn: starts over: there is no checkpoint to resume from"),
            "{stderr}"
        );
        assert_eq!(list(&sandbox.path("artifacts/v1/quarantine")).len(), 1);
        assert_same(&sandbox, &throughout(&["--until", "cnn"]));
    }
}

fn flip(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(file, bytes).unwrap();
}

fn truncate(file: &Path) {
    let bytes = fs::read(file).unwrap();
    fs::write(file, &bytes[..bytes.len() - 1]).unwrap();
}

fn remove(file: &Path) {
    fs::remove_file(file).unwrap();
}
