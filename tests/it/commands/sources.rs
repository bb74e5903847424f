//! Source files and folders that a program reads: complete, unchanged, and never a mixture of two states.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::{latest, one, outcome, run};
use crate::sandbox::{Sandbox, list, skip};

/// Returns how often the program of `first_time` ran. It adds a line to `tries` each time.
fn tries(sandbox: &Sandbox) -> usize {
    let tries = fs::read_to_string(sandbox.path("tries")).unwrap_or_default();
    tries.lines().count()
}

/// Writes a pipeline whose program runs the commands `what` in the sandbox's folder, the first time only.
fn first_time(sandbox: &Sandbox, what: &str, files: &str) {
    let root = sandbox.path("");
    let root = root.to_str().unwrap();
    let argv = format!(
        "mkdir o; cat d/x > o/x; cd {root}; echo x >> tries; if [ $(wc -l < tries) = 1 ]; then {what}; fi"
    );
    let stage = format!(
        "version: 1\nname: p\nstages:\n  it: {{ kind: command, params: {{ argv: '{argv}', shell: true, files: {{ d: {files} }}, outputs: {{ o: o }} }} }}\n"
    );
    fs::write(sandbox.path("pipeline.yaml"), stage).unwrap();
    for (folder, content) in [("a/data", "A"), ("b/data", "B")] {
        fs::create_dir_all(sandbox.path(folder)).unwrap();
        fs::write(sandbox.path(folder).join("x"), content).unwrap();
    }
    symlink("a", sandbox.path("link")).unwrap();
    symlink("../../b/data/x", sandbox.path("a/data/y")).unwrap();
}

#[test]
fn a_program_runs_again_if_its_source_was_switched_meanwhile() {
    for (what, files) in [
        ("ln -sfn b link; sleep .05; ln -sfn a link", "link/data"),
        ("ln -sfn b link; sleep .05; ln -sfn a link", "link/data/"),
        (
            "mv link away; ln -s b link; sleep .05; mv -T away link",
            "./link/../link/data",
        ),
        ("mv a away; mv b a; sleep .05; mv a b; mv away a", "a/data"),
        (
            "mv a away; mv b a; sleep .05; mv a b; mv away a",
            "link/data",
        ),
        (
            "ln -sfn x a/data/y; sleep .05; ln -sfn ../../b/data/x a/data/y",
            "a/data",
        ),
        ("mv b away; sleep .05; mv away b", "a/data"),
    ] {
        let sandbox = Sandbox::new("");
        first_time(&sandbox, what, files);
        // Waits for longer than the resolution of file times.
        std::thread::sleep(std::time::Duration::from_millis(30));
        let finished = run(&sandbox);
        assert_eq!(finished.code, Some(0), "{what}: {finished:?}");
        assert_eq!(tries(&sandbox), 2, "{what} ({files}): {finished:?}");
    }
}

#[test]
fn changes_in_folders_above_a_source_are_harmless() {
    let sandbox = Sandbox::new("");
    first_time(&sandbox, "touch new a/new; rm a/new; mkdir c", "a/data");
    assert_eq!(run(&sandbox).code, Some(0));
    assert_eq!(tries(&sandbox), 1);
}

#[test]
fn a_mount_in_place_of_a_source_is_detected() {
    for (what, files) in [
        // Folder, device and inodes stay the same, so only the mount shows the change.
        ("mount --bind a a", "a/data"),
        ("mount --bind a/data a/data", "a/data"),
        ("mount --bind a/data a/data", "link/data"),
    ] {
        let sandbox = Sandbox::new("");
        first_time(&sandbox, what, files);
        let can = Command::new("unshare").args(["-rm", "true"]).status();
        if !can.is_ok_and(|status| status.success()) {
            return skip("this system does not allow mounts in a user namespace");
        }
        let command = sandbox.command(&["run", "pipeline.yaml"]);
        let mut within = Command::new("unshare");
        within
            .arg("-rm")
            .arg(command.get_program())
            .args(command.get_args());
        within.current_dir(sandbox.path(""));
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => within.env(name, value),
                None => within.env_remove(name),
            };
        }
        let finished = within.output().unwrap();
        assert!(finished.status.success(), "{what}: {finished:?}");
        assert_eq!(tries(&sandbox), 2, "{what} ({files}): {finished:?}");
    }
}

#[test]
fn a_store_inside_a_source_is_not_part_of_it() {
    let sandbox = one("{ argv: 'ls d d/sub', shell: true, files: { d: . } }");
    fs::write(sandbox.path("x.txt"), "hi").unwrap();
    fs::create_dir(sandbox.path("sub")).unwrap();
    // A store other than the run's own.
    for folder in ["v1/cas", "v1/actions"] {
        fs::create_dir_all(sandbox.path("sub/other").join(folder)).unwrap();
    }
    let first = run(&sandbox);
    assert_eq!(first.code, Some(0), "{first:?}");
    let log = sandbox.runner(&["runs", "logs", "latest", "it"]).stdout;
    assert!(log.contains("x.txt") && !log.contains("artifacts"), "{log}");
    assert!(!log.contains("other"), "{log}");
    assert_eq!(outcome(&sandbox, &[]), "cached");
    let elsewhere = outcome(&sandbox, &["--artifacts", "sub/third"]);
    assert_eq!(elsewhere, "succeeded");
    assert_eq!(outcome(&sandbox, &["--artifacts", "sub/third"]), "cached");
}

#[test]
fn a_store_cannot_be_a_source() {
    let sandbox = one("{ argv: [ls, d], files: { d: artifacts } }");
    let refused = run(&sandbox);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let message = "`artifacts` is a runner store, which cannot be a source";
    assert!(refused.stderr.contains(message), "{refused:?}");
    assert!(refused.stderr.contains("hint: "), "{refused:?}");
    assert!(refused.stderr.contains("pipeline.yaml:6:"), "{refused:?}");
}

#[test]
fn empty_folders_are_copied_and_are_in_the_key() {
    let sandbox = one(
        "{ argv: 'mkdir o; find d c e | sort > o/all', shell: true, files: { d: data, e: empty }, code: [c], outputs: { o: o } }",
    );
    for folder in ["data/A", "data/B", "data/C/D", "c/empty", "empty"] {
        fs::create_dir_all(sandbox.path(folder)).unwrap();
    }
    fs::write(sandbox.path("data/A/x"), "x").unwrap();
    fs::write(sandbox.path("data/C/.runnerignore"), "*.tmp").unwrap();
    fs::write(sandbox.path("data/C/D/y.tmp"), "y").unwrap();
    let first = run(&sandbox);
    assert_eq!(first.code, Some(0), "{first:?}");
    let all = "c\nc/empty\nd\nd/A\nd/A/x\nd/B\nd/C\nd/C/D\ne\n";
    assert_eq!(latest(&sandbox, "it/o/all"), all);
    assert_eq!(outcome(&sandbox, &[]), "cached");

    fs::create_dir(sandbox.path("data/Z")).unwrap();
    let status = sandbox.runner(&["status", "pipeline.yaml"]).stdout;
    assert!(status.contains("first: Z/"), "{status}");
    assert_eq!(outcome(&sandbox, &[]), "succeeded");
    fs::remove_dir(sandbox.path("data/B")).unwrap();
    fs::create_dir(sandbox.path("empty/now-not")).unwrap();
    assert_eq!(outcome(&sandbox, &[]), "succeeded");
    let all = "c\nc/empty\nd\nd/A\nd/A/x\nd/C\nd/C/D\nd/Z\ne\ne/now-not\n";
    assert_eq!(latest(&sandbox, "it/o/all"), all);
    // A folder with only ignored files counts as empty.
    fs::write(sandbox.path("data/Z/.hidden"), "").unwrap();
    assert_eq!(outcome(&sandbox, &[]), "cached");
}

/// Returns the bytes of the index of the only source.
fn index(sandbox: &Sandbox) -> Vec<u8> {
    let files = list(&sandbox.path("artifacts/v1/sources/index-2"));
    let file: &Path = files.first().expect("the run must write an index");
    fs::read(file).unwrap()
}

#[test]
fn rehash_reads_unchanged_sources_again() {
    let sandbox = one("{ argv: [cat, d], files: { d: one } }");
    fs::write(sandbox.path("one"), "1").unwrap();
    // Waits for longer than the coarsest resolution of file times that the index allows for.
    std::thread::sleep(std::time::Duration::from_millis(2_200));
    assert_eq!(run(&sandbox).code, Some(0));
    for command in [
        &["run", "pipeline.yaml"][..],
        &["plan", "pipeline.yaml"],
        &["status", "pipeline.yaml"],
        &["explain", "pipeline.yaml", "it"],
    ] {
        let before = index(&sandbox);
        assert_eq!(sandbox.runner(command).code, Some(0));
        assert!(
            index(&sandbox) == before,
            "{command:?} read an unchanged source"
        );
        let rehashed = sandbox.runner(&[command, &["--rehash"]].concat());
        assert_eq!(rehashed.code, Some(0), "{rehashed:?}");
        assert!(
            index(&sandbox) != before,
            "{command:?} --rehash did not read the source"
        );
    }
}
