//! `runner submit`: the driver as a job.

use super::*;
use crate::sandbox::TINY;

/// Returns a pipeline with a program that waits for the file `gate`, and runs in the driver's job.
fn gated() -> Sandbox {
    let sandbox = Sandbox::new("");
    let [started, gate] = ["started", "gate"].map(|name| sandbox.path(name));
    let argv = format!(
        "touch {}; while ! [ -e {} ]; do sleep 0.1; done; echo done > o",
        started.display(),
        gate.display()
    );
    let stage =
        format!("kind: command, params: {{ shell: true, argv: \"{argv}\", outputs: {{ o: o }} }}");
    let pipeline = format!("version: 1\nname: gated\nstages: {{ it: {{ {stage} }} }}\n");
    fs::write(sandbox.path("pipeline.yaml"), pipeline).unwrap();
    sandbox
}

/// Submits with `args`, and returns the id of the job and the path of its log.
fn submit(cluster: &Cluster, sandbox: &Sandbox, args: &[&str]) -> (u64, PathBuf) {
    let mut command = cluster.command(sandbox, &[&["submit", "--json"], args].concat());
    command.env("RUNNER_EXECUTOR", "local");
    let submitted: Finished = command.output().unwrap().into();
    assert_eq!(submitted.code, Some(0), "{submitted:?}");
    let json = submitted.json();
    let log = json["log"].as_str().unwrap();
    (json["job"].as_u64().unwrap(), log.into())
}

fn wait_for_end(cluster: &Cluster, job: u64) -> String {
    wait_for("the end of the driver", || {
        let state = cluster.state(job);
        let is_over = !["PENDING", "RUNNING", "COMPLETING", "REQUEUED"].contains(&state.as_str());
        is_over.then_some(state)
    })
}

#[test]
fn the_driver_runs_as_a_job_with_unchanged_options() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let sandbox = Sandbox::new(TINY);
    let submitted = cluster.runner(
        &sandbox,
        &[
            "submit",
            "--time",
            "15m",
            "--memory",
            "1GiB",
            "pipeline.yaml",
            "-S",
            "epochs=1",
        ],
    );
    assert_eq!(submitted.code, Some(0), "{submitted:?}");
    let line = submitted.stdout.trim();
    let (job, log) = line
        .strip_prefix("submitted Slurm job ")
        .and_then(|rest| rest.split_once("; log: "))
        .unwrap();
    let details = cluster.shell(&format!("scontrol -o show job {job}"));
    for words in [
        "TimeLimit=00:15:00",
        "NumCPUs=1 ",
        "MinMemoryNode=1G",
        "JobName=runner-driver",
    ] {
        assert!(details.contains(words), "{words}: {details}");
    }
    let state = wait_for_end(&cluster, job.parse().unwrap());
    let text = fs::read_to_string(sandbox.path(log)).unwrap();
    assert_eq!(state, "COMPLETED", "{text}");
    assert!(text.contains("epochs"), "{text}");
    let status = ["status", "pipeline.yaml", "-S", "epochs=1", "--exit-code"];
    let status = sandbox.runner(&status);
    assert_eq!(status.code, Some(0), "{status:?}");
}

#[test]
fn mistakes_are_told_before_a_job_is_submitted() {
    let sandbox = Sandbox::new(TINY);
    let refused = |args: &[&str], parts: &[&str]| {
        let mut command = sandbox.command(&[&["submit"], args].concat());
        let refused: Finished = command.env("PATH", "").output().unwrap().into();
        assert_eq!(refused.code, Some(2), "{args:?}: {refused:?}");
        for part in parts {
            assert!(refused.stderr.contains(part), "{part}: {refused:?}");
        }
    };
    refused(&["pipeline.yaml", "--job", "3"], &["'--job'", "'--jobs'"]);
    refused(&["none.yaml"], &["none.yaml"]);
    refused(&["pipeline.yaml", "-S", "epochs=many"], &["epochs"]);
    refused(&["pipeline.yaml", "-n"], &["`--dry-run` runs nothing"]);
    refused(&["pipeline.yaml", "--force"], &["`--force` would force"]);
    refused(
        &["--time", "5m", "pipeline.yaml"],
        &["`--time` is too short; use at least 10 minutes"],
    );
    refused(
        &["--partition", "a b", "pipeline.yaml"],
        &["`--partition`: "],
    );
    refused(&["--time", "1h"], &["<FILE>"]);
    assert!(!sandbox.path("artifacts").exists());
}

#[test]
fn a_refusal_of_slurm_is_told_with_a_hint() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let sandbox = Sandbox::new(TINY);
    let refused = cluster.runner(
        &sandbox,
        &["submit", "--partition", "nope", "pipeline.yaml"],
    );
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("invalid partition"), "{refused:?}");
    assert!(
        refused.stderr.contains("; check `slurm.partition`"),
        "{refused:?}"
    );
}

#[test]
fn a_driver_is_cancelled_from_its_machine_and_from_others() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    for is_elsewhere in [false, true] {
        let sandbox = gated();
        let (job, log) = submit(&cluster, &sandbox, &["pipeline.yaml"]);
        wait_for("the stage", || {
            sandbox.path("started").exists().then_some(())
        });
        let cancel = ["runs", "cancel", "latest"];
        let mut command = cluster.command(&sandbox, &cancel);
        if is_elsewhere {
            // Another name makes this machine another one.
            let mut within = Command::new("unshare");
            within.args(["--user", "--map-root-user", "--uts", "sh", "-c"]);
            within.arg("hostname elsewhere && exec \"$@\"").arg("sh");
            within.arg(command.get_program()).args(command.get_args());
            within.current_dir(sandbox.path(""));
            for (name, value) in command.get_envs() {
                match value {
                    Some(value) => within.env(name, value),
                    None => within.env_remove(name),
                };
            }
            command = within;
        }
        let cancelled: Finished = command.output().unwrap().into();
        if is_elsewhere && cancelled.stderr.contains("unshare") {
            cluster.shell(&format!("scancel {job}"));
            return skip("this system does not allow user namespaces");
        }
        assert_eq!(cancelled.code, Some(0), "{cancelled:?}");
        let state = wait_for_end(&cluster, job);
        let text = fs::read_to_string(&log).unwrap();
        assert_eq!(state, "FAILED", "{text}");
        assert!(text.contains("stopped"), "{text}");
        let details = cluster.shell(&format!("scontrol -o show job {job}"));
        assert!(details.contains("ExitCode=143:0"), "{details}");
    }
}

#[test]
fn a_driver_goes_on_after_its_time_limit() {
    let Some(cluster) = Cluster::shared_for_long() else {
        return;
    };
    let sandbox = gated();
    let (job, log) = submit(&cluster, &sandbox, &["pipeline.yaml"]);
    wait_for("the stage", || {
        sandbox.path("started").exists().then_some(())
    });
    fs::remove_file(sandbox.path("started")).unwrap();
    // What Slurm does before the limit.
    cluster.shell(&format!("scancel --batch --signal=USR1 {job}"));
    wait_for("the second start", || {
        sandbox.path("started").exists().then_some(())
    });
    let details = cluster.shell(&format!("scontrol -o show job {job}"));
    assert!(details.contains(" Restarts=1 "), "{details}");
    fs::write(sandbox.path("gate"), "").unwrap();
    let state = wait_for_end(&cluster, job);
    let text = fs::read_to_string(&log).unwrap();
    assert_eq!(state, "COMPLETED", "{text}");
    assert!(text.contains("1 stage: 1 ran"), "{text}");
}
