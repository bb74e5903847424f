//! Programs as part of the key.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::latest;
use crate::sandbox::{Finished, Sandbox, skip};

/// Writes an executable shell script.
fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// Returns a pipeline of these stages. `HERE` in them stands for the pipeline's folder.
fn pipeline(stages: &str) -> Sandbox {
    let sandbox = Sandbox::new("");
    let text = format!("version: 1\nname: p\nstages:\n{stages}");
    let text = text.replace(
        "HERE",
        sandbox.path("").to_str().unwrap().trim_end_matches('/'),
    );
    fs::write(sandbox.path("pipeline.yaml"), text).unwrap();
    sandbox
}

/// Runs `runner` with the folder `bin` first in `PATH`.
fn runner(sandbox: &Sandbox, args: &[&str]) -> Finished {
    let mut command = sandbox.command(args);
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", sandbox.path("bin").display());
    command.env("PATH", path).output().unwrap().into()
}

fn outcomes(sandbox: &Sandbox) -> Vec<String> {
    let run = runner(sandbox, &["run", "pipeline.yaml", "--json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    run.outcomes()
        .into_iter()
        .map(|(_, outcome)| outcome)
        .collect()
}

#[test]
fn a_changed_program_runs_its_stages_again() {
    let sandbox = pipeline(
        "  path: { kind: command, params: { argv: [mytool], outputs: { out: out } } }\n  \
           absolute: { kind: command, params: { argv: [HERE/bin/mytool], outputs: { out: out } } }\n  \
           script: { kind: command, params: { argv: [/bin/sh, HERE/script.sh], outputs: { out: out } } }\n  \
           interpreted: { kind: command, params: { argv: [HERE/script.my], outputs: { out: out } } }\n  \
           shell: { kind: command, params: { shell: true, argv: mytool, tools: { mytool: }, outputs: { out: out } } }\n  \
           other: { kind: command, params: { argv: [touch, out], outputs: { out: out } } }\n",
    );
    let write = |text: &str| {
        script(&sandbox.path("bin/mytool"), &format!("echo {text} > out"));
        fs::write(sandbox.path("script.sh"), format!("echo {text} > out")).unwrap();
        let interpreter = sandbox.path("bin/mytool");
        script(&sandbox.path("script.my"), "");
        fs::write(
            sandbox.path("script.my"),
            format!("#!{}\n", interpreter.display()),
        )
        .unwrap();
    };
    write("one");
    assert_eq!(outcomes(&sandbox), ["succeeded"; 6]);
    assert_eq!(outcomes(&sandbox), ["cached"; 6]);
    write("two");
    let status = runner(&sandbox, &["status", "pipeline.yaml"]).stdout;
    assert!(status.contains("program `mytool` changed"), "{status}");
    let mut expected = vec!["succeeded"; 5];
    expected.push("cached");
    assert_eq!(outcomes(&sandbox), expected);
    for stage in ["path", "absolute", "script", "interpreted", "shell"] {
        assert_eq!(
            latest(&sandbox, &format!("{stage}/out/out")),
            "two\n",
            "{stage}"
        );
    }
    let explained = runner(&sandbox, &["explain", "pipeline.yaml", "path"]).stdout;
    assert!(
        explained.contains("program mytool (content "),
        "{explained}"
    );
    write("one");
    assert_eq!(outcomes(&sandbox), ["cached"; 6]);
}

#[test]
fn a_program_replaced_by_another_in_path_runs_its_stages_again() {
    let sandbox =
        pipeline("  it: { kind: command, params: { argv: [mytool], outputs: { out: out } } }\n");
    script(&sandbox.path("bin/mytool"), "echo one > out");
    assert_eq!(outcomes(&sandbox), ["succeeded"]);
    script(&sandbox.path("elsewhere"), "echo two > out");
    fs::remove_file(sandbox.path("bin/mytool")).unwrap();
    std::os::unix::fs::symlink(sandbox.path("elsewhere"), sandbox.path("bin/mytool")).unwrap();
    assert_eq!(outcomes(&sandbox), ["succeeded"]);
    assert_eq!(latest(&sandbox, "it/out/out"), "two\n");
    fs::remove_file(sandbox.path("bin/mytool")).unwrap();
    let plan = runner(&sandbox, &["plan", "pipeline.yaml"]);
    assert!(plan.stdout.contains("→ not found"), "{plan:?}");
    let run = runner(&sandbox, &["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        run.stderr
            .contains("there is no program `mytool` in any folder of `PATH`"),
        "{run:?}"
    );
}

#[test]
fn a_program_with_a_version_command_is_identified_by_its_output() {
    let sandbox = pipeline(
        "  it: { kind: command, params: { argv: [mytool], tools: { mytool: mytool version }, outputs: { out: out } } }\n  \
           next: { kind: command, inputs: { in: it }, params: { argv: [cp, in/out, copy], outputs: { copy: copy } } }\n",
    );
    let asked = || {
        fs::read_to_string(sandbox.path("asked"))
            .unwrap_or_default()
            .len()
    };
    let write = |version: &str, text: &str| {
        let asked = sandbox.path("asked");
        let text = format!(
            "if [ \"$1\" = version ]; then printf x >> {}; echo mytool {version}; else echo {text} > out; fi",
            asked.display()
        );
        script(&sandbox.path("bin/mytool"), &text);
    };
    write("1.0", "one");
    // Read-only commands do not run the version command.
    let unknown = "version of `mytool` unknown until run";
    for command in ["plan", "status"] {
        let shown = runner(&sandbox, &[command, "pipeline.yaml"]).stdout;
        assert!(shown.contains(unknown), "{shown}");
    }
    let plan = runner(&sandbox, &["plan", "pipeline.yaml", "--json"]).json();
    assert_eq!(plan["stages"][0]["tools"]["mytool"], "unknown until run");
    assert_eq!(asked(), 0);

    assert_eq!(outcomes(&sandbox), ["succeeded"; 2]);
    assert_eq!(outcomes(&sandbox), ["cached"; 2]);
    assert_eq!(asked(), 1);
    let explained = runner(&sandbox, &["explain", "pipeline.yaml", "it"]).stdout;
    assert!(
        explained.contains("program mytool (mytool 1.0)"),
        "{explained}"
    );

    // A new build of the same version is a hit, but only `run` asks for the version.
    write("1.0", "otherwise");
    let status = runner(&sandbox, &["status", "pipeline.yaml"]).stdout;
    assert!(status.contains(unknown), "{status}");
    assert_eq!(outcomes(&sandbox), ["cached"; 2]);
    write("1.1", "two");
    assert_eq!(outcomes(&sandbox), ["succeeded"; 2]);
    assert_eq!(asked(), 3);
    assert_eq!(latest(&sandbox, "next/copy/copy"), "two\n");
    let lineage = runner(&sandbox, &["lineage", "artifacts/latest/p/next/copy"]);
    assert!(
        lineage.stdout.contains("program mytool: mytool 1.1"),
        "{lineage:?}"
    );
}

#[test]
fn a_version_command_that_fails_is_an_error_with_its_place() {
    for (command, why) in [
        (
            "exit 3",
            "fails: the program ended with exit code 3, without any output",
        ),
        (
            "echo gone >&2; false",
            "fails: the program ended with exit code 1:\n  | gone",
        ),
        ("true", "prints nothing"),
    ] {
        let sandbox = pipeline(&format!(
            "  it: {{ kind: command, params: {{ argv: [sh], tools: {{ sh: \"{command}\" }} }} }}\n"
        ));
        let run = runner(&sandbox, &["run", "pipeline.yaml"]);
        assert_eq!(run.code, Some(2), "{run:?}");
        let message = format!("the version command of `sh` {why}");
        assert!(run.stderr.contains(&message), "{run:?}");
        assert!(run.stderr.contains("pipeline.yaml:4:"), "{run:?}");
    }
    let sandbox = pipeline("  it: { kind: command, params: { argv: [sh], tools: { a/b: x } } }\n");
    let run = runner(&sandbox, &["validate", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        run.stderr
            .contains("`a/b` is neither the name of a program"),
        "{run:?}"
    );
}

/// The program changes its own file while it runs, so it is unknown which version made the result.
#[test]
fn a_program_that_changes_while_it_runs_makes_no_result() {
    let sandbox =
        pipeline("  it: { kind: command, params: { argv: [mytool], outputs: { out: out } } }\n");
    let own = sandbox.path("bin/mytool");
    script(
        &own,
        &format!("echo x > out; echo '#' >> {}", own.display()),
    );
    let run = runner(&sandbox, &["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(100), "{run:?}");
    assert!(
        run.stderr.contains("changed while the stage waited or ran"),
        "{run:?}"
    );
}

/// The program changes its own file while its version command runs.
#[test]
fn the_version_of_a_program_that_changes_meanwhile_is_not_kept() {
    let sandbox = pipeline(
        "  it: { kind: command, params: { argv: [mytool], tools: { mytool: mytool version }, outputs: { out: out } } }\n",
    );
    let own = sandbox.path("bin/mytool");
    let changing = format!("echo '#' >> {}; echo 1.0 | tee out", own.display());
    script(&own, &changing);
    let run = runner(&sandbox, &["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    let message = "the version command of `mytool` ran while the program was changed";
    assert!(run.stderr.contains(message), "{run:?}");
    script(&own, "echo 1.0 | tee out");
    assert_eq!(outcomes(&sandbox), ["succeeded"]);
}

#[test]
fn a_program_that_cannot_be_read_is_an_error_with_a_hint() {
    if rustix::process::geteuid().is_root() {
        skip("root can read every file");
        return;
    }
    let sandbox = pipeline("  it: { kind: command, params: { argv: [mytool] } }\n");
    let own = sandbox.path("bin/mytool");
    script(&own, "true");
    fs::set_permissions(&own, Permissions::from_mode(0o111)).unwrap();
    let run = runner(&sandbox, &["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("part of the stage's key"), "{run:?}");
}
