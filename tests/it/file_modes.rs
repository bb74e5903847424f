//! Modes of written files: new files follow the umask, replaced ones keep their mode.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::records::PIPELINE;
use crate::sandbox::{Finished, Sandbox, files, list};

/// Lists everything below a folder, without following links.
fn all_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in list(folder) {
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            found.extend(all_below(&path));
        }
        found.push(path);
    }
    found
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// Runs `runner` with a umask.
fn masked(sandbox: &Sandbox, umask: &str, args: &[&str]) -> Finished {
    let runner = sandbox.command(args);
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("umask {umask}; exec \"$0\" \"$@\""));
    shell.arg(runner.get_program()).args(runner.get_args());
    shell.current_dir(sandbox.path(""));
    for (name, value) in runner.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.output().unwrap().into()
}

#[test]
fn all_written_files_follow_the_umask() {
    for (umask, file, folder) in [
        ("002", 0o664, 0o775),
        ("027", 0o640, 0o750),
        ("077", 0o600, 0o700),
    ] {
        let sandbox = Sandbox::new(PIPELINE);
        let run = masked(
            &sandbox,
            umask,
            &["run", "pipeline.yaml", "--junit", "report.xml"],
        );
        assert_eq!(run.code, Some(0), "{run:?}");
        assert_eq!(mode(&sandbox.path("report.xml")), file, "{umask}");
        let artifacts = sandbox.path("artifacts");
        for path in all_below(&artifacts) {
            let is_folder = path.is_dir();
            // Stored files are read-only and readable by all users that the modes of the folders let in.
            let is_kept = mode(&path) == 0o444
                && (path.starts_with(artifacts.join("latest"))
                    || path.starts_with(artifacts.join("v1/cas")));
            let expected = if is_folder { folder } else { file };
            assert!(
                is_kept || mode(&path) == expected,
                "umask {umask}: `{}` has mode {:o}",
                path.display(),
                mode(&path)
            );
        }
        let exported = masked(&sandbox, umask, &["artifacts", "export", "a.o", "copy"]);
        assert_eq!(exported.code, Some(0), "{exported:?}");
        for path in all_below(&sandbox.path("copy")) {
            assert_eq!(mode(&path), file, "{umask}: {}", path.display());
        }
    }
}

#[test]
fn a_replaced_file_of_the_user_keeps_its_mode() {
    let sandbox = Sandbox::new(PIPELINE);
    let report = sandbox.path("report.xml");
    let exported = sandbox.path("copy/o");
    fs::create_dir(sandbox.path("copy")).unwrap();
    for file in [&report, &exported] {
        fs::write(file, "").unwrap();
        fs::set_permissions(file, Permissions::from_mode(0o604)).unwrap();
    }
    let run = masked(
        &sandbox,
        "022",
        &["run", "pipeline.yaml", "--junit", "report.xml"],
    );
    assert_eq!(run.code, Some(0), "{run:?}");
    let export = ["artifacts", "export", "a.o", "copy", "--force"];
    let export = masked(&sandbox, "022", &export);
    assert_eq!(export.code, Some(0), "{export:?}");
    let written = files(&sandbox.path("copy"));
    assert_eq!(written, [("o".to_owned(), b"1\n".to_vec())]);
    assert_eq!((mode(&report), mode(&exported)), (0o604, 0o604));
}
