//! A shared folder, used by several processes, and damaged in ways of its own.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use super::*;
use crate::names::ObjectName;
use crate::{Fault, Uploaded};

const PROCESSES: usize = 8;
const RECORDS: usize = 12;

/// Runs in a process of its own: uploads records that other processes upload too, and fetches all.
#[test]
#[ignore = "run by another test, in processes of its own"]
fn child() {
    let (Ok(folder), Ok(number)) = (
        std::env::var("RUNNER_TEST_REMOTE"),
        std::env::var("RUNNER_TEST_NUMBER"),
    ) else {
        return;
    };
    let number: usize = number.parse().unwrap();
    let machine = Machine::new();
    let names: Vec<_> = (0..RECORDS)
        .map(|i| {
            let own = noise((number * 1000 + i) as u64, 70_000);
            machine.record(
                &i.to_string(),
                &[("shared", &noise(i as u64, 90_000)), ("own", &own)],
            )
        })
        .collect();
    let address = address(&format!("file://{folder}"));
    let settings = Settings::new(address, Mode::ReadWrite, machine.memory());
    let remote = Remote::open_with(settings, &|_| None).unwrap();
    for result in remote.push(&machine.source(), &names) {
        result.unwrap();
    }
    for (i, name) in names.iter().enumerate() {
        let contents = fetched(&remote, name).unwrap();
        assert_eq!(contents["shared"], noise(i as u64, 90_000));
        let own = (0..PROCESSES).any(|n| contents["own"] == noise((n * 1000 + i) as u64, 70_000));
        assert!(own);
    }
    assert_eq!(remote.problem(), None);
}

#[test]
fn eight_processes_use_a_folder_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..PROCESSES)
        .map(|number| {
            Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "tests::folder::child",
                    "--ignored",
                    "--nocapture",
                ])
                .env("RUNNER_TEST_REMOTE", folder.path())
                .env("RUNNER_TEST_NUMBER", number.to_string())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
    let left = fs::read_dir(folder.path().join("v1/tmp")).unwrap().count();
    assert_eq!(left, 0, "temporary files stay");
}

#[test]
fn a_missing_folder_is_reported_and_not_created() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::folder();
    let machine = Machine::new();
    let name = machine.record("one", &[("file", b"x")]);
    let remote = machine.remote_with(&place, |settings| {
        settings.address = Address::Folder(folder.path().join("missing"));
    });
    assert_eq!(remote.look_up(&[name, named("x")]), [None, None]);
    let problem = remote.problem().unwrap();
    assert!(
        problem.first.contains("mount its file system"),
        "{problem:?}"
    );
    assert!(problem.is_off);
    let pushed: Result<_, Fault> = remote.push(&machine.source(), &[name]).remove(0);
    pushed.unwrap_err();
    assert!(!folder.path().join("missing").exists());
    assert_eq!(remote.pending().unwrap().len(), 1);
}

/// Links, folders and pipes in place of objects are not followed, and do not block.
#[test]
fn foreign_files_count_as_damaged() {
    let place = Place::folder();
    let Address::Folder(root) = &place.address else {
        unreachable!("it is a folder");
    };
    let machine = Machine::new();
    let content = noise(1, 100_000);
    let name = machine.record("one", &[("file", &content)]);
    let remote = machine.remote(&place);
    remote
        .push(&machine.source(), std::slice::from_ref(&name))
        .remove(0)
        .unwrap();
    let path = root.join(ObjectName::Blob(blake3::hash(&content).into()).to_string());
    let kept = root.join("kept");
    fs::rename(&path, &kept).unwrap();
    for what in ["link", "folder", "pipe"] {
        match what {
            "link" => symlink(&kept, &path).unwrap(),
            "folder" => fs::create_dir(&path).unwrap(),
            _ => {
                let made = Command::new("mkfifo").arg(&path).status().unwrap();
                assert!(made.success());
            }
        }
        let remote = Machine::new().remote(&place);
        assert_eq!(fetched(&remote, &name), None, "{what}");
        assert!(remote.problem().is_some());
        match what {
            "folder" => fs::remove_dir(&path).unwrap(),
            _ => fs::remove_file(&path).unwrap(),
        }
    }
}

/// Users that share a folder can write into each other's folders if the umask allows it.
#[test]
fn files_have_the_permissions_of_the_umask() {
    let place = Place::folder();
    let Address::Folder(root) = &place.address else {
        unreachable!("it is a folder");
    };
    let machine = Machine::new();
    let name = machine.record("one", &[("file", b"x")]);
    let remote = machine.remote(&place);
    let pushed = remote
        .push(&machine.source(), std::slice::from_ref(&name))
        .remove(0);
    assert_eq!(pushed.unwrap(), Uploaded::Written);
    let plain = root.join("plain");
    fs::write(&plain, "x").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let record = root.join(ObjectName::Record(name).to_string());
    assert_eq!(mode(&record), mode(&plain));
}
