//! `runner doctor --executor slurm` on a real cluster.

use std::process::Stdio;

use rustix::process::Signal;

use super::*;
use crate::sandbox::{finish, list, signal};

const DOCTOR: [&str; 5] = ["doctor", "--executor", "slurm", "--device", "cpu"];

/// Runs the check, which must find a problem, and returns the error.
fn problem(cluster: &Cluster, table: &str) -> String {
    let sandbox = Sandbox::new("");
    configure(&sandbox, &format!("late = 2\n{table}"));
    let found = cluster.runner(&sandbox, &DOCTOR);
    assert_eq!(found.code, Some(1), "{found:?}");
    assert_eq!(list(&sandbox.path("artifacts/v1/checks")).len(), 0);
    found.stderr
}

#[test]
fn a_site_that_works_is_described() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let sandbox = Sandbox::new("");
    let found = cluster.runner(&sandbox, &DOCTOR);
    assert_eq!(found.code, Some(0), "{found:?}");
    for words in [
        "slurm   slurm",
        "without accounting (not needed)",
        "partition main: up, 2 nodes, time limit infinite",
        "limits: 1000 elements of an array",
        "artifacts/v1/checks is shared: locks and renames work",
        "started after ",
    ] {
        assert!(found.stdout.contains(words), "{words}: {found:?}");
    }
    assert!(found.stderr.contains("submitted Slurm job "), "{found:?}");
    assert_eq!(list(&sandbox.path("artifacts/v1/checks")).len(), 0);

    let found = cluster.runner(&sandbox, &[&DOCTOR[..], &["--json", "-q"]].concat());
    assert_eq!((found.code, found.stderr.as_str()), (Some(0), ""));
    let json = found.json();
    let slurm = &json["slurm"];
    assert_eq!(slurm["has_accounting"], false);
    assert_eq!(slurm["partitions"][0]["name"], "main");
    let version = slurm["job"]["version"].as_str().unwrap();
    assert!(
        version.starts_with(json["runner"].as_str().unwrap()),
        "{json}"
    );
    assert_eq!(slurm["job"]["processor"], json["cpu"]["kind"]);
    assert_eq!(slurm["job"]["shared_folder"]["is_fit"], true);
    let node = slurm["job"]["node"].as_str().unwrap();
    assert!(cluster.shell("sinfo -h -N -o %N").contains(node), "{json}");
}

#[test]
fn problems_of_a_site_are_told_with_hints() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let told = |table: &str, parts: &[&str]| {
        let text = problem(&cluster, table);
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    };
    told(
        "partition = 'nope'",
        &["there is no partition `nope`; `sinfo` shows"],
    );
    told(
        "processor = 'other'",
        &["but stages expect `other`; set `slurm.processor = \""],
    );
    told(
        "binary = '/nowhere/runner'",
        &[
            "ended with exit code 127 before the stage started; ",
            "`slurm.binary`",
            "/nowhere/runner",
        ],
    );
    told(
        "setup = ['echo nothing works here >&2', 'exit 3']",
        &[
            "ended with exit code 3",
            "`slurm.setup`",
            "nothing works here",
        ],
    );
    told("account = 'x'\nextra = ['#SBATCH --gres=nope:1']", &["; "]);
    told(
        "container = ['env', 'not-a-container']",
        &["ended with exit code 127", "not-a-container"],
    );
}

#[test]
fn a_binary_of_another_version_is_refused() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let sandbox = Sandbox::new("");
    // Another version that follows the same protocol.
    let script = format!(
        "#!/bin/sh\nsed -i 's/\"version\":\"[^\"]*\"/\"version\":\"0.0.1\"/' \"$2/request.json\"\nexec {} \"$@\"\n",
        env!("CARGO_BIN_EXE_runner")
    );
    let binary = sandbox.path("older");
    fs::write(sandbox.path("script"), script).unwrap();
    crate::sandbox::copy_program(&sandbox.path("script"), &binary);
    configure(&sandbox, &format!("binary = '{}'", binary.display()));
    let found = cluster.runner(&sandbox, &DOCTOR);
    assert_eq!(found.code, Some(1), "{found:?}");
    assert!(
        found.stderr.contains("the node refused the job: "),
        "{found:?}"
    );
    assert!(
        found.stderr.contains("version 0.0.1; set `slurm.binary`"),
        "{found:?}"
    );
}

#[test]
fn ctrl_c_cancels_the_job_of_the_check() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let sandbox = Sandbox::new("");
    configure(&sandbox, "extra = ['#SBATCH --begin=now+1hour']");
    let mut command = cluster.command(&sandbox, &[&DOCTOR[..], &["--json"]].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let doctor = command.spawn().unwrap();
    let job = wait_for("the job", || {
        let waiting = "squeue -h -t pending -o '%i %r'";
        let jobs = cluster.shell(waiting);
        let line = jobs.lines().find(|line| line.ends_with("BeginTime"))?;
        line.split(' ').next()?.parse::<u64>().ok()
    });
    signal(doctor.id(), Signal::INT).unwrap();
    let found = finish(doctor);
    assert_eq!(found.code, Some(1), "{found:?}");
    assert_eq!(found.json()["slurm"]["job"]["id"], job.to_string());
    assert!(found.stderr.contains("was cancelled"), "{found:?}");
    assert_eq!(cluster.state(job), "CANCELLED");
    assert_eq!(list(&sandbox.path("artifacts/v1/checks")).len(), 0);
}
