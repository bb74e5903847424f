//! Tests changes that a program could make to a folder between two looks at it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A folder with `inside/deep/file`, and a secret outside of it.
fn fixture() -> (tempfile::TempDir, PathBuf, Folder) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("inside");
    fs::create_dir_all(path.join("deep")).unwrap();
    fs::write(path.join("deep/file"), "mine").unwrap();
    fs::create_dir(home.path().join("outside")).unwrap();
    fs::write(home.path().join("outside/file"), "secret").unwrap();
    let folder = Folder::open(&path).unwrap();
    (home, path, folder)
}

fn read(folder: &Folder, path: &str) -> io::Result<String> {
    io::read_to_string(folder.file(Path::new(path))?)
}

/// Returns whether a file can be reached, in both ways: by one call, and name by name.
fn reached(folder: &Folder, path: &str) -> [bool; 2] {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let path = Path::new(path);
    [
        folder.reach(path, flags).is_ok(),
        folder.step(path, flags).is_ok(),
    ]
}

#[test]
fn a_link_anywhere_in_a_path_is_not_followed() {
    let (home, path, folder) = fixture();
    symlink("../outside", path.join("link")).unwrap();
    symlink("../../outside", path.join("deep/link")).unwrap();
    symlink("file", path.join("deep/name")).unwrap();
    symlink(home.path(), path.join("absolute")).unwrap();
    assert_eq!(reached(&folder, "deep/file"), [true; 2]);
    for leads_out in [
        "link",
        "link/file",
        "deep/link/file",
        "deep/name",
        "absolute/outside/file",
    ] {
        assert_eq!(reached(&folder, leads_out), [false; 2], "{leads_out}");
        assert!(folder.link_on(Path::new(leads_out)).is_some());
    }
    assert_eq!(
        folder.link_on(Path::new("./deep/link/file")),
        Some("deep/link".into())
    );
    assert_eq!(folder.link_on(Path::new("deep/file")), None);
    assert!(read(&folder, "../outside/file").is_err());
    assert!(read(&folder, "/etc/passwd").is_err());
}

#[test]
fn an_open_folder_stays_the_same_after_its_path_is_replaced() {
    let (home, path, folder) = fixture();
    assert!(folder.is_at(&path).unwrap());
    fs::rename(&path, home.path().join("moved")).unwrap();
    symlink("outside", &path).unwrap();
    assert_eq!(read(&folder, "deep/file").unwrap(), "mine");
    assert!(!folder.is_at(&path).unwrap());
    assert!(Folder::open(&path).is_err());
    folder.clear().unwrap();
    assert_eq!(
        fs::read(home.path().join("outside/file")).unwrap(),
        b"secret"
    );
}

#[test]
fn a_folder_that_was_removed_holds_nothing() {
    let (home, _, _) = fixture();
    let path = home.path().join("gone");
    fs::create_dir(&path).unwrap();
    let folder = Folder::open(&path).unwrap();
    fs::remove_dir(&path).unwrap();
    assert_eq!(folder.entries(Path::new("")).unwrap(), []);
    assert!(folder.entries(Path::new("deep")).unwrap().is_empty());
    folder.clear().unwrap();
}

#[test]
fn only_regular_files_are_opened() {
    let (_home, path, folder) = fixture();
    let pipe = path.join("pipe");
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
    for other in ["pipe", "deep", "nothing"] {
        assert!(read(&folder, other).is_err(), "{other}");
    }
}

#[test]
fn clearing_removes_links_but_not_their_targets() {
    let (home, path, folder) = fixture();
    symlink(home.path().join("outside"), path.join("deep/link")).unwrap();
    symlink(home.path().join("outside"), path.join("link")).unwrap();
    fs::create_dir_all(path.join("a/.moved-0/b")).unwrap();
    fs::create_dir(path.join(".moved-0")).unwrap();
    folder.clear().unwrap();
    assert_eq!(folder.entries(Path::new("")).unwrap(), []);
    assert!(home.path().join("outside/file").exists());
}

#[test]
fn clearing_works_without_permissions_and_with_long_paths() {
    let (_home, path, folder) = fixture();
    let mut deepest = Folder::open(&path).unwrap();
    for _ in 0..1200 {
        rustix::fs::mkdirat(&deepest.0, "level", Mode::RWXU).unwrap();
        deepest = deepest.folder(Path::new("level")).unwrap();
    }
    for closed in ["deep", "."] {
        fs::set_permissions(path.join(closed), Permissions::from_mode(0o000)).unwrap();
    }
    folder.clear().unwrap();
    assert_eq!(folder.entries(Path::new("")).unwrap(), []);
}
