//! Hosts that cannot be reached, or have another program.

use std::fs;

use super::{Machines, write_program};
use crate::sandbox::{TINY, finish, list};

/// Stages that do not depend on each other.
const MANY: &str = r#"
version: 1
name: many
stages:
  xrays:
    kind: dataset
    matrix: { images: [20, 21, 22, 23, 24, 25, 26, 27] }
    params: { source: { phantom: { images: "${matrix.images}", test_images: 10 } }, image_size: 16 }
  here:
    kind: dataset
    executor: local
    params: { source: { phantom: { images: 19, test_images: 10 } }, image_size: 16 }
"#;

/// The hosts that cannot be used, with the beginning of the error and a part of its hint.
const UNUSABLE: [(&str, &str, &str); 5] = [
    (
        "nowhere",
        "`ssh` does not know the host `nowhere`; ",
        "`~/.ssh/config`",
    ),
    (
        "refused",
        "`refused` refuses to log in: ",
        "(publickey); runner cannot",
    ),
    (
        "changed",
        "the key of `changed` is not the one that is known for it; ",
        "`ssh changed` shows how to remove the old key",
    ),
    (
        "unknown",
        "the key of `unknown` is not known; ",
        "connect once with `ssh unknown`",
    ),
    (
        "closed",
        "cannot reach `closed`: ",
        "Connection refused; check that `ssh closed` works",
    ),
];

#[test]
fn a_host_that_cannot_be_reached_gives_one_error_before_anything_runs() {
    let Some(machines) = Machines::new(MANY) else {
        return;
    };
    for (host, begins, hint) in UNUSABLE {
        let run = finish(machines.start(&["--executor", &format!("ssh:{host}")]));
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(
            run.stderr.starts_with(&format!("error: {begins}")),
            "{run:?}"
        );
        assert!(run.stderr.contains(hint), "{run:?}");
        assert!(run.stderr.contains("\nnothing was run; "), "{run:?}");
        assert_eq!(run.stderr.lines().count(), 2, "{run:?}");
        let runs = list(&machines.sandbox.path("artifacts/v1/runs"));
        assert!(runs.is_empty(), "{runs:?}");
    }
    let pipeline = MANY.replace(
        "kind: dataset\n    matrix",
        "kind: dataset\n    executor: \"ssh:nowhere\"\n    matrix",
    );
    fs::write(
        machines.sandbox.path("pipeline.yaml"),
        pipeline.replace("executor: local", "executor: \"ssh:closed\""),
    )
    .unwrap();
    let run = finish(machines.start(&[]));
    assert_eq!(run.stderr.matches("error: ").count(), 2, "{run:?}");
}

#[test]
fn with_keep_going_the_stages_of_a_host_fail_together_and_others_run() {
    let Some(machines) = Machines::new(MANY) else {
        return;
    };
    for (host, begins, _) in UNUSABLE {
        machines.count_connections();
        let executor = format!("ssh:{host}");
        let args = ["--executor", &executor, "--keep-going", "--force"];
        let run = finish(machines.start(&args));
        assert_eq!(run.code, Some(100), "{run:?}");
        let errors = run.stderr.matches(&format!("failed: {begins}")).count();
        let others = format!("could not connect to `{host}`; see its error");
        let others = run.stderr.matches(&others).count();
        assert_eq!(
            (errors + others, machines.connections()),
            (8, errors),
            "{run:?}"
        );
        // Only stages that come more than a second after the first one try again, and only if that may help.
        assert!(errors == 1 || host == "closed", "{run:?}");
        assert!(others > 0, "{run:?}");
        assert!(run.stderr.contains("here: done"), "{run:?}");
    }
    // A retry tries again, but not if that is futile.
    for (host, connections) in [("closed", 2), ("refused", 1)] {
        machines.count_connections();
        let executor = format!("ssh:{host}");
        let run =
            finish(machines.start(&["--executor", &executor, "--keep-going", "--retries", "1"]));
        assert_eq!(run.code, Some(100), "{run:?}");
        assert!(machines.connections() >= connections, "{run:?}");
        assert!(machines.connections() < 8, "{run:?}");
    }
}

#[test]
fn another_build_on_the_host_is_refused() {
    let Some(machines) = Machines::new(TINY) else {
        return;
    };
    let mut bytes = fs::read(machines.sandbox.path("host-runner")).unwrap();
    bytes.push(0);
    fs::write(machines.sandbox.path("draft"), bytes).unwrap();
    let other = machines.sandbox.path("other");
    crate::sandbox::copy_program(&machines.sandbox.path("draft"), &other);
    machines.configure("other", "");
    for args in [&["--retries", "3", "--keep-going"][..], &[]] {
        let run = machines.run(args);
        assert_eq!(
            run.code,
            Some(if args.is_empty() { 1 } else { 100 }),
            "{run:?}"
        );
        assert!(run.stderr.contains("both must be the same"), "{run:?}");
        assert!(!run.stderr.contains("retry"), "{run:?}");
    }
    assert!(!machines.sandbox.path("host store").exists());
}

#[test]
fn a_missing_program_on_the_host_has_a_hint() {
    let Some(machines) = Machines::new(TINY) else {
        return;
    };
    machines.configure("missing", "");
    let run = machines.run(&[]);
    assert!(run.stderr.contains("there is no program `"), "{run:?}");
    assert!(run.stderr.contains("`ssh.loopback.binary`"), "{run:?}");
    fs::write(machines.sandbox.path("text"), "no program").unwrap();
    machines.configure("text", "");
    let run = machines.run(&[]);
    assert!(run.stderr.contains("cannot be executed"), "{run:?}");
}

#[test]
fn text_before_the_protocol_is_skipped_up_to_a_limit() {
    let Some(machines) = Machines::new(TINY) else {
        return;
    };
    let runner = machines.sandbox.path("host-runner").display().to_string();
    let greeting = format!("#!/bin/sh\necho 'Welcome!'\nprintf '$ '\nexec '{runner}' \"$@\"\n");
    write_program(&machines.sandbox.path("greeting"), &greeting);
    machines.configure("greeting", "");
    let run = machines.run(&[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    write_program(&machines.sandbox.path("flood"), "#!/bin/sh\nexec yes\n");
    machines.configure("flood", "");
    let run = machines.run(&["--force"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(
        run.stderr.contains("does not speak runner's protocol"),
        "{run:?}"
    );
    assert!(
        run.stderr.contains("start-up files print nothing"),
        "{run:?}"
    );
}

#[test]
fn a_host_with_another_kind_of_processor_is_refused() {
    let Some(machines) = Machines::new(TINY) else {
        return;
    };
    machines.configure("host-runner", "processor = 'arm-neon'");
    let run = machines.run(&["--keep-going"]);
    assert_eq!(run.code, Some(100), "{run:?}");
    assert!(
        run.stderr.contains("and the result is for arm-neon"),
        "{run:?}"
    );
    // Only trainings compute.
    assert!(run.stderr.contains("xrays: done"), "{run:?}");
}
