//! The inputs of a program: found by role or name, and part of its key.

use std::fs;

use super::{latest, one, outcome, run};
use crate::sandbox::Sandbox;

#[test]
fn a_program_finds_its_inputs_by_role_and_leaves_its_outputs_where_they_are_declared() {
    let sandbox = Sandbox::new(
        r#"
version: 1
name: p
seed: 5
stages:
  make:
    kind: command
    matrix: { n: [1, 2] }
    params: { shell: true, argv: "echo ${matrix.n} > n.txt", outputs: { number: n.txt } }
  gather:
    kind: command
    inputs: { one: "one", all: make }
    params:
      shell: true
      argv: "find . > made/list; sort -o made/list made/list; cat one/sub/text all/n=1/n.txt all/n=2/n.txt extra > made/texts; echo $RUNNER_SEED $GREETING > made/env"
      files: { extra: extra.txt }
      env: [GREETING=hello]
      folder: .
      outputs: { made: made, }
    resources: { cpus: 1 }
  one:
    kind: command
    params: { shell: true, argv: "mkdir -p out/sub; echo text > out/sub/text", outputs: { one: out } }
"#,
    );
    let text = fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap();
    let text = text
        .replace("      folder: .\n", "")
        .replace("argv: \"find", "argv: \"mkdir made; find");
    fs::write(sandbox.path("pipeline.yaml"), text).unwrap();
    fs::write(sandbox.path("extra.txt"), "extra\n").unwrap();
    let run = run(&sandbox);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(latest(&sandbox, "gather/made/texts"), "text\n1\n2\nextra\n");
    assert_eq!(latest(&sandbox, "gather/made/env"), "5 hello\n");
    assert_eq!(
        latest(&sandbox, "gather/made/list"),
        ".\n./all\n./all/index.json\n./all/n=1\n./all/n=1/n.txt\n./all/n=2\n./all/n=2/n.txt\n./extra\n./made\n./made/list\n./one\n./one/sub\n./one/sub/text\n"
    );
    let again = sandbox.run_json(&[]);
    assert!(
        again
            .outcomes()
            .iter()
            .all(|(_, outcome)| outcome == "cached")
    );
}

#[test]
fn exactly_what_a_program_reads_is_in_its_key() {
    let sandbox = one(
        "{ shell: true, argv: \"cat code/a.sh data; echo $LEVEL\", code: [code], files: { data: data.txt }, env: [LEVEL] }",
    );
    fs::create_dir(sandbox.path("code")).unwrap();
    fs::write(sandbox.path("code/a.sh"), "a").unwrap();
    fs::write(sandbox.path("data.txt"), "b").unwrap();
    assert_eq!(outcome(&sandbox, &[]), "succeeded");
    assert_eq!(outcome(&sandbox, &[]), "cached");

    fs::write(sandbox.path("code/a.sh"), "c").unwrap();
    let plan = sandbox.runner(&["status", "pipeline.yaml"]).stdout;
    assert!(
        plan.contains("source: 1 file changed in code, first: a.sh"),
        "{plan}"
    );
    assert_eq!(outcome(&sandbox, &[]), "succeeded");
    fs::write(sandbox.path("data.txt"), "d").unwrap();
    assert_eq!(outcome(&sandbox, &[]), "succeeded");
    let with_level = |level: &str| {
        let mut command = sandbox.command(&["run", "pipeline.yaml", "--json"]);
        let output = command
            .env("LEVEL", level)
            .env("OTHER", level)
            .output()
            .unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("\"succeeded\":1")
    };
    assert!(with_level("1"));
    assert!(!with_level("1"));
    assert!(with_level("2"));
    assert_eq!(outcome(&sandbox, &[]), "cached");
}

#[test]
fn a_program_sees_only_declared_environment_variables() {
    let sandbox =
        one("{ shell: true, argv: \"env > env.txt\", env: [ONE], outputs: { env: env.txt } }");
    let mut command = sandbox.command(&["run", "pipeline.yaml"]);
    let run = command.env("ONE", "1").env("TWO", "2").output().unwrap();
    assert!(run.status.success(), "{run:?}");
    let env = latest(&sandbox, "it/env/env.txt");
    let mut names: Vec<&str> = env
        .lines()
        .filter_map(|l| Some(l.split_once('=')?.0))
        .collect();
    names.retain(|name| !["PWD", "SHLVL", "OLDPWD", "_"].contains(name));
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "OMP_NUM_THREADS",
            "ONE",
            "PATH",
            "PYTHONDONTWRITEBYTECODE",
            "RUNNER_CPUS",
            "RUNNER_SEED"
        ]
    );
}

#[test]
fn stages_after_a_forced_program_run_again_if_its_result_changed() {
    let sandbox = Sandbox::new(
        r#"
version: 1
name: p
stages:
  a: { kind: command, params: { shell: true, argv: "date +%N > a", outputs: { a: a } } }
  b: { kind: command, inputs: { in: a }, params: { argv: [cp, in/a, b], outputs: { b: b } } }
"#,
    );
    let same = || assert_eq!(latest(&sandbox, "a/a/a"), latest(&sandbox, "b/b/b"));
    assert_eq!(run(&sandbox).code, Some(0));
    same();
    let forced = sandbox.run_json(&["--force", "a"]);
    assert!(
        forced.outcomes().iter().all(|(_, o)| o == "succeeded"),
        "{forced:?}"
    );
    same();
    // The same holds if the two stages run in separate runs.
    let only = sandbox.run_json(&["--force", "a", "--until", "a"]);
    assert_eq!(only.outcomes().len(), 1);
    let status = sandbox.runner(&["status", "pipeline.yaml"]).stdout;
    assert!(
        status.contains("b  will run: input `in` changed"),
        "{status}"
    );
    assert_eq!(run(&sandbox).code, Some(0));
    same();
    let again = sandbox.run_json(&[]);
    assert!(
        again.outcomes().iter().all(|(_, o)| o == "cached"),
        "{again:?}"
    );
}

#[test]
fn a_program_gets_writable_and_executable_copies_of_its_files() {
    let sandbox = one(
        "{ shell: true, argv: \"echo more >> data; cat data > out; ./it.sh >> out\", code: [it.sh], files: { data: data.txt }, outputs: { out: out } }",
    );
    fs::write(sandbox.path("it.sh"), "#!/bin/sh\necho it\n").unwrap();
    fs::write(sandbox.path("data.txt"), "data\n").unwrap();
    let run = run(&sandbox);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(latest(&sandbox, "it/out/out"), "data\nmore\nit\n");
    assert_eq!(
        fs::read_to_string(sandbox.path("data.txt")).unwrap(),
        "data\n"
    );
}

#[test]
fn equal_commands_run_once() {
    let sandbox = Sandbox::new(
        r#"
version: 1
name: p
stages:
  a: { kind: command, matrix: { n: [1, 2, 3, 4, 5, 6] }, params: { shell: true, argv: "echo x > x", outputs: { x: x } } }
"#,
    );
    let run = sandbox.run_json(&[]);
    let counts = &run.json()["counts"];
    assert_eq!(
        (counts["succeeded"].as_u64(), counts["cached"].as_u64()),
        (Some(1), Some(5))
    );
    assert!(!run.stderr.contains("waits for another runner"), "{run:?}");
}
