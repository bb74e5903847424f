//! Cores and memory that stages ask for.

use std::fs;

use crate::sandbox::{Sandbox, list};

/// Writes a pipeline of four programs, each of which fails if another one runs at the same time.
fn exclusive_programs(sandbox: &Sandbox, resources: &str, before: &str) {
    let lock = sandbox.path("lock");
    let lock = lock.display();
    let text = format!(
        "version: 1\nname: apart\nstages:\n  a:\n    kind: command\n    matrix: {{ i: [1, 2, 3, 4] }}\n    \
         resources: {{ {resources} }}\n    params:\n      shell: sh\n      argv: >-\n        \
         mkdir {lock} || exit 1; {before} sleep 0.2; rmdir {lock}; echo ${{matrix.i}}\n"
    );
    fs::write(sandbox.path("pipeline.yaml"), text).unwrap();
}

#[test]
fn stages_that_need_more_memory_together_than_there_is_wait_for_each_other() {
    let sandbox = Sandbox::new("");
    exclusive_programs(&sandbox, "memory: 60MiB", "");
    let run = sandbox.runner(&["run", "pipeline.yaml", "-j", "4", "--memory", "100MiB"]);
    assert_eq!(run.code, Some(0), "{run:?}");

    // With enough memory for two stages, both run at the same time.
    let met = sandbox.path("met");
    let met = met.display();
    fs::create_dir(sandbox.path("met")).unwrap();
    let text = format!(
        "version: 1\nname: meet\nstages:\n  a:\n    kind: command\n    matrix: {{ i: [1, 2] }}\n    \
         resources: {{ memory: 60MiB }}\n    timeout: 60s\n    params:\n      shell: sh\n      argv: >-\n        \
         touch {met}/${{matrix.i}}; until test -e {met}/1 && test -e {met}/2; do sleep 0.02; done\n"
    );
    fs::write(sandbox.path("pipeline.yaml"), text).unwrap();
    let run = sandbox.runner(&["run", "pipeline.yaml", "-j", "2", "--memory", "200MiB"]);
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[test]
fn measured_memory_counts_if_none_is_declared() {
    let sandbox = Sandbox::new("");
    exclusive_programs(
        &sandbox,
        "cpus: 1",
        "x=$(head -c 200000000 /dev/zero | tr '\\0' a);",
    );
    let first = sandbox.runner(&["run", "pipeline.yaml", "-j", "1"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    let again = [
        "run",
        "pipeline.yaml",
        "-j",
        "4",
        "--memory",
        "300MiB",
        "--force",
        "a",
    ];
    let again = sandbox.runner(&again);
    assert_eq!(again.code, Some(0), "{again:?}");
    let stages = sandbox.last_run()["stages"].as_array().unwrap().clone();
    assert!(
        stages.iter().all(|stage| stage["outcome"] == "succeeded"),
        "{stages:?}"
    );
}

#[test]
fn a_request_that_can_never_be_met_is_refused_before_anything_runs() {
    let pipeline = |resources: &str| {
        format!(
            "version: 1\nname: large\nstages:\n  small:\n    kind: command\n    params: {{ argv: ['true'] }}\n  \
             large:\n    kind: command\n    resources: {{ {resources} }}\n    params: {{ argv: ['true'] }}\n"
        )
    };
    for (resources, message, place) in [
        (
            "memory: 9223372036854775809B",
            "`large` requests more memory than stages may use (requested: 8.0 EiB, ",
            "pipeline.yaml:9:26",
        ),
        (
            "memory: 900TiB",
            "`large` requests more memory than stages may use (requested: 900.0 TiB, ",
            "pipeline.yaml:9:26",
        ),
        (
            "cpus: 60000",
            "`large` requests more cores than are available (requested: 60000, ",
            "pipeline.yaml:9:24",
        ),
    ] {
        let sandbox = Sandbox::new(&pipeline(resources));
        let refused = sandbox.runner(&["run", "pipeline.yaml"]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        let error = format!("error: {message}");
        for part in [&error, place, "hint: set its `resources."] {
            assert!(refused.stderr.contains(part), "{part}: {refused:?}");
        }
        assert!(
            list(&sandbox.path("artifacts/v1/runs")).is_empty(),
            "a stage ran"
        );

        for looking in ["validate", "plan", "status"] {
            let warned = sandbox.runner(&[looking, "pipeline.yaml"]);
            assert_eq!(warned.code, Some(0), "{looking}: {warned:?}");
            let message = format!("a run would be refused: {message}");
            assert!(warned.stderr.contains(&message), "{looking}: {warned:?}");
            let json = sandbox.runner(&[looking, "pipeline.yaml", "--json"]).json();
            let refusals = match looking {
                "validate" => &json["files"][0]["refusals"],
                _ => &json["refusals"],
            };
            assert_eq!(
                refusals.as_array().map(Vec::len),
                Some(1),
                "{looking}: {json}"
            );
        }
    }
    // All errors are shown at once.
    let sandbox = Sandbox::new(&pipeline("memory: 900TiB, cpus: 60000"));
    let refused = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(
        refused
            .stderr
            .matches("error: `large` requests more")
            .count(),
        2,
        "{refused:?}"
    );
    // Options may allow more than the machine has, and a cached stage needs no resources.
    let sandbox = Sandbox::new(&pipeline("memory: 900TiB, cpus: 60000"));
    let allowed = sandbox.runner(&["run", "pipeline.yaml", "--memory", "900TiB", "-j", "60000"]);
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
    let cached = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(cached.code, Some(0), "{cached:?}");
    assert!(
        !sandbox
            .runner(&["status", "pipeline.yaml"])
            .stderr
            .contains("refused")
    );
}

#[test]
fn a_stage_gets_at_most_as_many_threads_as_there_are_jobs() {
    let sandbox = Sandbox::new(
        "version: 1\nname: threads\nstages:\n  a:\n    kind: command\n    resources: { cpus: 2 }\n    \
         params: { shell: sh, argv: 'test \"$RUNNER_CPUS\" = 1', outputs: {} }\n",
    );
    let run = sandbox.runner(&["run", "pipeline.yaml", "-j", "1"]);
    assert_eq!(run.code, Some(0), "{run:?}");
}
