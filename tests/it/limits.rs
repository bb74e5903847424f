//! Timeouts, retries and memory limits.

use std::fs;

use rustix::process::Signal;

use crate::sandbox::{Sandbox, TINY, files, finish, first_worker, signal};

/// A run whose dataset stage takes several seconds.
const SLOW: [&str; 4] = ["run", "pipeline.yaml", "-S", "images=30000"];

#[test]
fn a_stage_that_exceeds_its_timeout_fails_with_a_clear_message() {
    let own = ["-S", "stages.xrays.timeout=300ms"];
    let for_all = ["--timeout", "0.3s"];
    for limit in [own, for_all] {
        let sandbox = Sandbox::new(TINY);
        let failed = sandbox.runner(&[&SLOW[..], &limit[..]].concat());
        assert_eq!(failed.code, Some(100), "{failed:?}");
        let why = "xrays: failed: took longer than its timeout, 0.3 s";
        assert!(failed.stderr.contains(why), "{failed:?}");
    }
}

#[test]
fn a_training_that_exceeds_its_timeout_is_finished_by_retries() {
    // On the CPU, because a GPU takes longer than the timeout to initialize.
    let args = "-S images=2000 -S epochs=60 -S widths=[4] --device cpu";
    let args: Vec<&str> = args.split(' ').collect();
    let throughout = Sandbox::new(TINY);
    let whole = throughout.run_json(&args);
    assert_eq!(whole.code, Some(0), "{whole:?}");
    let stages = whole.json()["stages"].as_array().unwrap().clone();
    let cnn = stages.iter().find(|stage| stage["name"] == "cnn[4]");
    let seconds = cnn.unwrap()["seconds"].as_f64().unwrap();

    let retries = "stages.cnn.retries={times: 100, backoff: 1ms}";
    // A quarter of the time measured above is long enough for each attempt to make progress. It should be too short to
    // finish in one attempt, unless the machine was busy when the time was measured.
    let mut timeout = 1000.0 * seconds / 4.0;
    let (sandbox, run) = loop {
        let sandbox = Sandbox::new(TINY);
        let limit = format!("stages.cnn.timeout={timeout:.0}ms");
        let limits = ["-S", &limit, "-S", retries];
        let run = sandbox.runner(&[&["run", "pipeline.yaml"], &args[..], &limits[..]].concat());
        assert_eq!(run.code, Some(0), "{run:?}");
        if run.stderr.contains("retry 1 of 100") {
            break (sandbox, run);
        }
        timeout /= 2.0;
    };
    for said in [
        "cnn[4]: warning: failed: took longer than its timeout, ",
        "cnn[4]: starts (retry 1 of 100)",
    ] {
        assert!(run.stderr.contains(said), "{run:?}");
    }
    assert!(run.stderr.contains("cnn[4]: resumes after "), "{run:?}");
    let outputs = |sandbox: &Sandbox| files(&sandbox.path("artifacts/latest/tiny"));
    assert!(outputs(&sandbox) == outputs(&throughout));
}

#[test]
fn a_killed_worker_is_retried_and_bad_data_is_not() {
    let sandbox = Sandbox::new(TINY);
    let runner = sandbox.start(&[&SLOW[..], &["--until", "xrays", "--retries", "1"]].concat());
    signal(first_worker(&runner), Signal::KILL).unwrap();
    let run = finish(runner);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.stderr.contains("xrays: starts (retry 1 of 1)"),
        "{run:?}"
    );

    let sandbox = Sandbox::new(TINY);
    for class in ["NORMAL", "PNEUMONIA"] {
        for split in ["train", "test"] {
            let folder = sandbox.path("data").join(split).join(class);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("a.jpeg"), "no image").unwrap();
        }
    }
    let folder = "stages.xrays.params.source={folder: {path: data}}";
    let run = sandbox.runner(&["run", "pipeline.yaml", "-S", folder, "--retries", "3"]);
    assert_ne!(run.code, Some(0), "{run:?}");
    assert!(!run.stderr.contains("retry"), "{run:?}");
}

#[test]
fn a_stage_that_exceeds_its_memory_fails_with_the_amount_it_used() {
    let sandbox = Sandbox::new(TINY);
    let limit = ["-S", "stages.cnn.resources.memory=2MiB", "-S", "epochs=200"];
    let failed = sandbox.runner(&[&["run", "pipeline.yaml", "-j", "1"], &limit[..]].concat());
    assert_eq!(failed.code, Some(100), "{failed:?}");
    let why = "failed: out of memory: its process used ";
    assert!(failed.stderr.contains(why), "{failed:?}");
    assert!(
        failed.stderr.contains("more than its limit of 2.0 MiB"),
        "{failed:?}"
    );
    let stages = &sandbox.last_run()["stages"];
    let failed = stages.as_array().unwrap().iter();
    let failed = failed.filter(|stage| stage["outcome"] == "failed");
    assert!(failed.clone().count() >= 1);
    assert!(
        failed
            .clone()
            .all(|stage| stage["peak_memory_mib"].as_f64().unwrap() > 2.0)
    );
}

#[test]
fn invalid_limits_are_refused_with_their_place() {
    for (set, message) in [
        (
            "stages.cnn.timeout=soon",
            "expected a time such as `90s` or `1h 30m`",
        ),
        (
            "stages.cnn.timeout=0s",
            "expected a time above zero, found `0s`",
        ),
        (
            "stages.cnn.timeout=5",
            "`5` has no unit; did you mean `5s`?",
        ),
        (
            "stages.cnn.resources.memory=much",
            "expected a size such as `512MiB` or `2GB`",
        ),
        (
            "stages.cnn.resources.memory=4",
            "`4` has no unit; did you mean `4MiB`?",
        ),
        (
            "stages.cnn.retries=101",
            "expected at most 100 retries, found 101",
        ),
        (
            "stages.cnn.retries=often",
            "expected a number of retries, or `{ times, backoff }`",
        ),
        ("stages.cnn.retries={often: 3}", "unknown key `often`"),
        (
            "stages.cnn.retries={times: 1, backoff: soon}",
            "expected a time such as `90s`",
        ),
    ] {
        let sandbox = Sandbox::new(TINY);
        let refused = sandbox.runner(&["run", "pipeline.yaml", "-S", set]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(message), "{refused:?}");
        assert!(refused.stderr.contains(set), "{refused:?}");
    }
}

#[test]
fn limits_do_not_change_what_is_cached() {
    let sandbox = Sandbox::new(TINY);
    assert_eq!(sandbox.run_json(&[]).code, Some(0));
    let limits = [
        "-S",
        "stages.cnn.timeout=1h",
        "-S",
        "stages.cnn.retries=3",
        "-S",
        "stages.cnn.resources.memory=8GB",
    ];
    let again = sandbox.run_json(&limits);
    assert_eq!(again.json()["counts"]["cached"], 3, "{again:?}");
}
