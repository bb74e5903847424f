//! `runner doctor --executor ssh:HOST` with a real server.

use super::{Machines, write_program};
use crate::sandbox::{Finished, TINY, finish};

/// Checks a host.
fn doctor(machines: &Machines, host: &str, args: &[&str]) -> Finished {
    let executor = format!("ssh:{host}");
    let doctor = ["doctor", "--device", "cpu", "--executor", &executor];
    finish(machines.start_command(&[&doctor, args].concat()))
}

/// Checks a host that has a problem. Returns the error.
fn problem(machines: &Machines) -> String {
    let found = doctor(machines, "loopback", &[]);
    assert_eq!(found.code, Some(1), "{found:?}");
    found.stderr
}

#[test]
fn a_host_that_works_is_described() {
    let Some(machines) = Machines::new(TINY) else {
        return;
    };
    let found = doctor(&machines, "loopback", &[]);
    assert_eq!(found.code, Some(0), "{found:?}");
    let store = machines.sandbox.path("host store").display().to_string();
    for words in [
        "\nssh     loopback, connected after ",
        ", as here\n",
        " as here, so both share results\n",
        &format!("        store {store}, not created yet, "),
        "1 stage at once (`ssh.loopback.jobs`)",
        " s, to the same bytes as here",
    ] {
        assert!(found.stdout.contains(words), "{words}: {found:?}");
    }
    assert!(
        found.stderr.contains("training a small model on loopback"),
        "{found:?}"
    );
    assert!(
        !machines.sandbox.path("artifacts").exists(),
        "the store here is not used"
    );
    machines.wait_for_quiet_host();

    let found = doctor(&machines, "loopback", &["--json", "-q"]);
    assert_eq!((found.code, &*found.stderr), (Some(0), ""), "{found:?}");
    let json = found.json();
    let ssh = &json["ssh"];
    assert_eq!(ssh["processor"], json["cpu"]["kind"]);
    assert_eq!(ssh["training"]["has_same_bytes"], true);
    assert_eq!(ssh["store"]["is_there"], true);
    for number in [
        "seconds_to_connect",
        "seconds_of_round_trip",
        "memory",
        "cpus",
    ] {
        assert!(ssh[number].as_f64().unwrap() > 0.0, "{number}: {ssh}");
    }
}

#[test]
fn problems_of_a_host_are_told_with_hints() {
    let Some(machines) = Machines::new(TINY) else {
        return;
    };
    for (host, begins) in [
        ("closed", "error: cannot reach `closed`: "),
        ("refused", "error: `refused` refuses to log in: "),
    ] {
        let found = doctor(&machines, host, &[]);
        assert_eq!(found.code, Some(1), "{found:?}");
        assert!(found.stderr.starts_with(begins), "{found:?}");
        assert!(
            found
                .stdout
                .contains(&format!("\nssh     {host} CANNOT be used")),
            "{found:?}"
        );
    }
    machines.configure("host-runner", "processor = 'arm-neon'");
    let told = problem(&machines);
    assert!(
        told.contains("but stages expect `arm-neon`")
            && told.contains("set `ssh.loopback.processor = \""),
        "{told}"
    );
    machines.configure("host-runner", "gpu = 'NVIDIA nothing'");
    let told = problem(&machines);
    assert!(
        told.contains("but `ssh.loopback.gpu` is `NVIDIA nothing`"),
        "{told}"
    );
    machines.configure("missing", "");
    let told = problem(&machines);
    assert!(told.contains("there is no program `"), "{told}");
}

#[test]
fn a_host_on_which_stages_fail_is_a_problem() {
    let Some(machines) = Machines::new(TINY) else {
        return;
    };
    // The first connection works.
    let runner = machines.sandbox.path("host-runner").display().to_string();
    let used = machines.sandbox.path("used").display().to_string();
    let program = format!(
        "#!/bin/sh\n[ -e '{used}' ] && {{ echo 'the disk is broken' >&2; exit 1; }}\ntouch '{used}'\nexec '{runner}' \"$@\"\n"
    );
    write_program(&machines.sandbox.path("breaks"), &program);
    machines.configure("breaks", "");
    let found = doctor(&machines, "loopback", &[]);
    assert_eq!(found.code, Some(1), "{found:?}");
    let error = "a small training on `loopback` failed: runner on `loopback` ended without a result (exit status: 1): \
                 the disk is broken";
    assert!(found.stderr.contains(error), "{found:?}");
    assert!(found.stdout.contains("NO stage was run"), "{found:?}");
}

#[test]
fn other_places_are_refused() {
    let sandbox = crate::sandbox::Sandbox::new("");
    let found = sandbox.runner(&["doctor", "--executor", "ssh:-oProxyCommand=x"]);
    assert_eq!(found.code, Some(2), "{found:?}");
    assert!(
        found
            .stderr
            .contains("expected `local`, `slurm` or `ssh:HOST`"),
        "{found:?}"
    );
}
