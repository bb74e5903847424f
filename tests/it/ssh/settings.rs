//! Settings of hosts, and stages that cannot run on one. These tests need no server.

use std::fs;

use crate::sandbox::{Sandbox, TINY};

const ON_HOST: [&str; 4] = ["run", "pipeline.yaml", "--executor", "ssh:nowhere.invalid"];

#[test]
fn stages_that_read_files_of_this_machine_are_refused_before_anything_runs() {
    let pipeline = r#"
version: 1
name: files
stages:
  xrays:
    kind: dataset
    params: { source: { folder: { path: images } }, image_size: 16 }
  count:
    kind: command
    params: { shell: true, argv: "ls > names", outputs: { names: names } }
"#;
    let sandbox = Sandbox::new(pipeline);
    for folder in ["train/A", "train/B", "test/A", "test/B"] {
        let folder = sandbox.path("images").join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("1.png"), "no image").unwrap();
    }
    let run = sandbox.runner(&ON_HOST);
    assert_eq!(run.code, Some(2), "{run:?}");
    for (stage, what) in [("xrays", "reads files"), ("count", "runs a program")] {
        let message =
            format!("`{stage}` {what} of this machine, so it cannot run on `nowhere.invalid`");
        assert!(run.stderr.contains(&message), "{message}: {run:?}");
        let hint = format!("set `executor: local` for `{stage}`");
        assert!(run.stderr.contains(&hint), "{hint}: {run:?}");
    }
}

#[test]
fn settings_of_a_project_for_hosts_need_consent() {
    let sandbox = Sandbox::new(TINY);
    fs::create_dir(sandbox.path(".git")).unwrap();
    let project = "[ssh.\"nowhere.invalid\"]\nbinary = './evil'\njobs = 2\n";
    fs::write(sandbox.path(".runner.toml"), project).unwrap();
    let name = "ssh.\"nowhere.invalid\".binary";
    let run = sandbox.runner(&ON_HOST);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        run.stderr
            .contains(&format!("the project sets `{name}` to `./evil`")),
        "{run:?}"
    );
    assert!(run.stderr.contains(".runner.toml:2:10"), "{run:?}");
    let trusted = sandbox.runner(&["config", "trust"]);
    assert!(
        trusted
            .stderr
            .contains(&format!("allowed: `{name}` is `./evil`")),
        "{trusted:?}"
    );
    let shown = sandbox.runner(&["config", "--json"]).json();
    assert_eq!(shown["settings"][name]["value"], "./evil", "{shown}");
    assert_eq!(
        shown["settings"]["ssh.\"nowhere.invalid\".jobs"]["value"],
        2
    );
    // A local run does not need the consent.
    sandbox.runner(&["config", "trust", "--revoke"]);
    assert_eq!(sandbox.runner(&["run", "pipeline.yaml"]).code, Some(0));
}
