//! Hosts that cannot be reached, or have another program.

use std::fs;

use super::{Machines, write_program};
use crate::sandbox::{TINY, finish};

#[test]
fn a_host_that_cannot_be_reached_gives_one_error_with_a_hint() {
    let Some(machines) = Machines::new(TINY) else {
        return;
    };
    for (host, parts) in [
        (
            "nowhere",
            &["does not know the host `nowhere`", "`~/.ssh/config`"][..],
        ),
        ("refused", &["`refused` refuses to log in", "`ssh-agent`"]),
        (
            "changed",
            &[
                "the key of `changed` is not known or has changed",
                "run `ssh changed` once",
            ],
        ),
        ("closed", &["cannot reach `closed`", "Connection refused"]),
    ] {
        let run = finish(machines.start(&["--executor", &format!("ssh:{host}")]));
        assert_eq!(run.code, Some(100), "{run:?}");
        let failures = run.stderr.lines().filter(|line| line.contains("failed: "));
        let failures: Vec<&str> = failures.collect();
        assert_eq!(failures.len(), 1, "{run:?}");
        for part in parts {
            assert!(failures[0].contains(part), "{part}: {run:?}");
        }
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
    let run = machines.run(&["--retries", "3"]);
    assert_eq!(run.code, Some(100), "{run:?}");
    assert!(run.stderr.contains("both must be the same"), "{run:?}");
    assert!(!run.stderr.contains("retry"), "{run:?}");
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
    assert_eq!(run.code, Some(100), "{run:?}");
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
