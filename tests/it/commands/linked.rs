//! Programs that replace their own files and folders by links or other folders.

use std::fs;
use std::path::Path;

use crate::sandbox::{Sandbox, files};

/// Returns a pipeline of one stage, `it`, next to a folder `outside` that must not change. `OUTSIDE` in
/// `params` stands for its path.
fn with_outside(params: &str) -> Sandbox {
    let sandbox = super::one(params);
    let outside = sandbox.path("outside");
    fs::create_dir_all(outside.join("sub")).unwrap();
    for (file, content) in [
        ("best.pt", "best"),
        ("m.json", "{\"a\": 0.5}"),
        ("sub/deep", "deep"),
    ] {
        fs::write(outside.join(file), content).unwrap();
    }
    let text = fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap();
    let text = text.replace("OUTSIDE", outside.to_str().unwrap());
    fs::write(sandbox.path("pipeline.yaml"), text).unwrap();
    sandbox
}

fn is_untouched(outside: &Path) {
    let names: Vec<String> = files(outside).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["best.pt", "m.json", "sub/deep"]);
}

#[test]
fn nothing_behind_a_link_is_taken_moved_or_removed() {
    let behind = |output: &str, link: &str| {
        Some(format!(
            "it: failed: the output `{output}` is reached through the symbolic link `{link}`; have the program create \
             a folder there instead"
        ))
    };
    for (params, failure) in [
        (
            "{ shell: true, argv: \"ln -s OUTSIDE runs\", outputs: { o: runs/best.pt }, ignore: [runs] }",
            behind("runs/best.pt", "runs"),
        ),
        (
            "{ shell: true, argv: \"ln -s OUTSIDE runs\", metrics: runs/m.json, ignore: [runs] }",
            behind("runs/m.json", "runs"),
        ),
        (
            "{ shell: true, argv: \"mkdir a; ln -s OUTSIDE a/runs\", outputs: { o: a/runs/sub/deep } }",
            behind("a/runs/sub/deep", "a/runs"),
        ),
        (
            "{ shell: true, argv: \"ln -s OUTSIDE runs\", ignore: [runs] }",
            None,
        ),
        (
            "{ shell: true, argv: \"mkdir a; ln -s OUTSIDE a/b\", ignore: [a] }",
            None,
        ),
        (
            "{ shell: true, argv: 'rmdir \"$PWD\"; ln -s OUTSIDE \"$PWD\"' }",
            None,
        ),
        (
            "{ shell: true, argv: 'mv \"$PWD\" \"$PWD.moved\"; ln -s OUTSIDE \"$PWD\"' }",
            None,
        ),
        (
            "{ shell: true, argv: 'rmdir \"$PWD\"; ln -s OUTSIDE \"$PWD\"', outputs: { o: best.pt } }",
            Some("it: failed: the program did not create `best.pt`, which the pipeline declares as output".to_owned()),
        ),
    ] {
        let sandbox = with_outside(params);
        let run = super::run(&sandbox);
        match failure {
            None => assert_eq!(run.code, Some(0), "{params}: {run:?}"),
            Some(failure) => {
                assert_eq!(run.code, Some(100), "{params}: {run:?}");
                assert!(run.stderr.contains(&failure), "{params}: {run:?}");
            }
        }
        is_untouched(&sandbox.path("outside"));
        assert_eq!(sandbox.runner(&["cache", "verify"]).code, Some(0));
        sandbox.runner(&["cache", "gc", "--keep-runs", "1", "--apply"]);
        is_untouched(&sandbox.path("outside"));
    }
}

#[test]
fn outputs_in_a_scratch_folder_that_was_renamed_are_found() {
    let sandbox = with_outside(
        "{ shell: true, argv: 'echo mine > o; mv \"$PWD\" \"$PWD.moved\"; ln -s OUTSIDE \"$PWD\"', outputs: { o: o } }",
    );
    let run = super::run(&sandbox);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(super::latest(&sandbox, "it/o/o"), "mine\n");
    is_untouched(&sandbox.path("outside"));
}

/// Root can mount a folder below the scratch folder.
#[test]
fn files_in_a_mounted_folder_are_not_removed() {
    if !rustix::process::geteuid().is_root() {
        return crate::sandbox::skip("only root can mount");
    }
    let sandbox =
        with_outside("{ shell: true, argv: 'mkdir m; mount --bind OUTSIDE m', ignore: [m] }");
    let run = super::run(&sandbox);
    is_untouched(&sandbox.path("outside"));
    if run.stderr.contains("mount: ") {
        crate::sandbox::skip("this system does not let root mount");
    }
    // The store cannot remove the mount point, so the folder is still mounted.
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let ours = sandbox.path("artifacts").canonicalize().unwrap();
    for mount in mounts.lines().filter_map(|line| line.split(' ').nth(1)) {
        if mount.starts_with(ours.to_str().unwrap()) {
            rustix::mount::unmount(mount, rustix::mount::UnmountFlags::DETACH).unwrap();
        }
    }
    is_untouched(&sandbox.path("outside"));
}
