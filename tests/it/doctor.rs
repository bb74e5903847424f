//! `runner doctor`; on machines without a GPU.

use crate::sandbox::{Sandbox, skip};

#[test]
fn a_machine_is_told_of_in_words_and_as_an_object() {
    let sandbox = Sandbox::new("");
    let told = sandbox.runner(&["doctor", "--device", "cpu"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    for line in [
        "runner  ",
        "cpu     ",
        "memory  ",
        "store   artifacts, ",
        "cuda    ",
    ] {
        let found = told.stdout.lines().any(|told| told.starts_with(line));
        assert!(found, "{line}: {told:?}");
    }
    let object = sandbox
        .runner(&["doctor", "--device", "cpu", "--json"])
        .json();
    assert!(object["cpu"]["cores"].as_u64().unwrap() > 0);
    assert!(object["problems"].as_array().unwrap().is_empty());
    assert_eq!(object["cuda"]["default_precision"], "tf32");
    assert!(!sandbox.path("artifacts").exists());
}

#[test]
fn a_missing_gpu_is_said_plainly_and_a_failure_only_for_who_asks_for_one() {
    let Err(why) = runner::devices::gpus() else {
        skip("there is a GPU");
        return;
    };
    let sandbox = Sandbox::new("");
    let told = sandbox.runner(&["doctor"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stdout.contains(&why.to_string()), "{told:?}");
    let asked = sandbox.runner(&["doctor", "--device", "cuda"]);
    assert_eq!(asked.code, Some(1), "{asked:?}");
    let error = format!("there is no GPU to compute on: {why}; ");
    assert!(asked.stderr.contains(&error), "{asked:?}");
}
