//! Tests which files of a source count.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// Creates a folder with `files`. All are empty, except those that are given as `path: content`.
fn folder(files: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for file in files {
        let (name, content) = file.split_once(": ").unwrap_or((file, ""));
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn files(folder: &Path) -> Vec<String> {
    walk(folder).unwrap().files
}

/// Lists files as a stage does when it enters one folder after the other.
fn listed(folder: &SourceFolder) -> Vec<String> {
    let own = folder
        .files
        .iter()
        .map(|file| format!("{}{file}", folder.name));
    let inner = folder
        .folders
        .iter()
        .flat_map(|inner| listed(&folder.enter(inner).unwrap()));
    own.chain(inner).collect()
}

#[test]
fn hidden_names_do_not_count() {
    let folder = folder(&["a", "b/c", ".DS_Store", ".git/config", "b/.c", ".d/.e/f"]);
    assert_eq!(files(folder.path()), ["a", "b/c"]);
}

#[test]
fn names_that_are_not_utf_8_are_errors_or_listed_apart() {
    let name = |bytes: &'static [u8]| OsStr::from_bytes(bytes);
    let folder = folder(&[".runnerignore: no*\n", "a", "b/c"]);
    for bytes in [b"x\xff".as_slice(), b"no\xff", b".\xff"] {
        fs::write(folder.path().join(name(bytes)), "").unwrap();
    }
    fs::create_dir(folder.path().join("b").join(name(b"\xff"))).unwrap();
    let error = walk(folder.path()).unwrap_err();
    assert!(error.message.ends_with("is not UTF-8"), "{error:?}");
    let found = walk_any(folder.path()).unwrap();
    assert_eq!(found.files, ["a", "b/c"]);
    let unnamed = found.unnamed.iter();
    let unnamed: Vec<_> = unnamed.map(|u| (u.path.clone(), u.is_folder)).collect();
    let expected = [
        (folder.path().join("b").join(name(b"\xff")), true),
        (folder.path().join(name(b"x\xff")), false),
    ];
    assert_eq!(unnamed, expected);
}

#[test]
fn entries_that_cannot_be_used_are_errors_or_listed_apart() {
    let folder = folder(&[".runnerignore: no*\n", "a", "b/c", "b/locked/d"]);
    let at = |name: &str| folder.path().join(name);
    symlink("nowhere", at("dangling.png")).unwrap();
    symlink("nowhere", at("no.png")).unwrap();
    symlink("loop", at("loop")).unwrap();
    symlink("..", at("b/up")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("b/socket")).unwrap();
    assert!(walk(folder.path()).is_err());
    let found = walk_any(folder.path()).unwrap();
    assert_eq!(found.files, ["a", "b/c", "b/locked/d"]);
    let broken = found.broken.iter();
    let broken: Vec<_> = broken.map(|b| (b.path.clone(), b.reason())).collect();
    let expected = [
        ("b/socket", "is neither a file nor a folder"),
        ("b/up", "is a link to a folder that contains it"),
        (
            "dangling.png",
            "is a link to a file or folder that does not exist",
        ),
    ];
    for ((path, reason), (name, expected)) in broken.iter().zip(expected) {
        assert_eq!((path, reason.as_str()), (&at(name), expected));
    }
    let (path, reason) = &broken[3];
    assert_eq!(*path, at("loop"));
    assert!(reason.starts_with("cannot be read: "), "{reason}");
    assert_eq!(broken.len(), 4);
}

#[test]
fn a_folder_without_permission_is_named_itself() {
    let folder = folder(&["a", "locked/b"]);
    let locked = folder.path().join("locked");
    let allow = |mode| fs::set_permissions(&locked, fs::Permissions::from_mode(mode)).unwrap();
    // Without permission to enter the folder, to list it, or to do either.
    for mode in [0o600, 0o100, 0o000] {
        allow(mode);
        if fs::metadata(locked.join("b")).is_ok() && fs::read_dir(&locked).is_ok() {
            // The superuser may do everything.
            continue;
        }
        let error = walk(folder.path()).unwrap_err();
        let start = format!("failed to read `{}`: ", locked.display());
        assert!(error.message.starts_with(&start), "{error}");
        let found = walk_any(folder.path()).unwrap();
        assert_eq!(found.files, ["a"]);
        assert_eq!(found.broken[0].path, locked);
    }
    allow(0o700);
}

#[test]
fn compiled_python_files_do_not_count() {
    let folder = folder(&[
        "a/__pycache__/m.cpython-313.pyc",
        "a/m.py",
        "a/m.pyc",
        "a/alone.pyc",
        "__pycache__/x",
    ]);
    assert_eq!(files(folder.path()), ["a/alone.pyc", "a/m.py"]);
}

#[test]
fn ignored_files_do_not_count() {
    let folder = folder(&[
        ".runnerignore: # by hand\n*.txt\n!keep.txt\n/top\nraw/\ndeep/**/x\n",
        "notes.txt",
        "keep.txt",
        "top",
        "below/top",
        "below/notes.txt",
        "raw/keep.txt",
        "below/raw",
        "deep/1/2/x",
        "deep/1/2/y",
    ]);
    assert_eq!(
        files(folder.path()),
        ["below/raw", "below/top", "deep/1/2/y", "keep.txt"]
    );
}

#[test]
fn the_innermost_ignore_file_decides() {
    let folder = folder(&[
        ".runnerignore: *.txt\n",
        "a/.runnerignore: !*.txt\n/own\n",
        "a/b/.runnerignore: one.txt\n",
        "top.txt",
        "a/a.txt",
        "a/own",
        "a/b/own",
        "a/b/one.txt",
        "a/b/two.txt",
    ]);
    assert_eq!(files(folder.path()), ["a/a.txt", "a/b/own", "a/b/two.txt"]);
}

#[test]
fn an_ignore_file_above_the_source_has_no_effect() {
    let folder = folder(&[".runnerignore: *\n", "source/a"]);
    assert_eq!(files(&folder.path().join("source")), ["a"]);
}

#[test]
fn names_are_sorted_as_paths() {
    let folder = folder(&["a/z", "a-b/a", "a.b", "a/b/c", "b"]);
    assert_eq!(files(folder.path()), ["a-b/a", "a.b", "a/b/c", "a/z", "b"]);
}

#[test]
fn links_are_followed_unless_they_are_ignored() {
    let elsewhere = folder(&["x/y"]);
    let folder = folder(&["a"]);
    symlink(elsewhere.path(), folder.path().join("link")).unwrap();
    symlink("a", folder.path().join("b")).unwrap();
    assert_eq!(files(folder.path()), ["a", "b", "link/x/y"]);
    symlink("nowhere", folder.path().join("dangling")).unwrap();
    symlink("..", folder.path().join("up")).unwrap();
    assert!(walk(folder.path()).is_err());
    fs::write(folder.path().join(IGNORE_FILE), "dangling\nup/\nlink/").unwrap();
    assert_eq!(files(folder.path()), ["a", "b"]);
}

#[test]
fn a_link_to_a_folder_that_contains_it_is_refused() {
    let folder = folder(&["a/b/c"]);
    symlink("../..", folder.path().join("a/b/up")).unwrap();
    let error = walk(folder.path()).unwrap_err();
    assert!(
        error
            .message
            .ends_with("a/b/up` is a link to a folder that contains it")
    );
}

#[test]
fn paths_that_cannot_be_sources_are_refused() {
    let folder = folder(&["a"]);
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let error = walk(folder.path()).unwrap_err();
    assert!(
        error
            .message
            .ends_with("socket` is neither a file nor a folder")
    );
    fs::write(folder.path().join(IGNORE_FILE), "socket").unwrap();
    assert_eq!(files(folder.path()), ["a"]);
}

#[test]
fn an_invalid_pattern_is_refused_with_its_line() {
    let folder = folder(&[".runnerignore: ok\n\na{b\n"]);
    let error = walk(folder.path()).unwrap_err();
    assert!(
        error.message.contains(".runnerignore`, line 3: "),
        "{error}"
    );
    assert!(error.message.contains("a{b"), "{error}");
}

#[test]
fn a_source_that_is_a_file_has_one_file_without_a_name() {
    let folder = folder(&["a", ".runnerignore: a"]);
    assert_eq!(files(&folder.path().join("a")), [""]);
}

#[test]
fn folders_and_ignore_files_are_listed() {
    let folder = folder(&["a/b/c", "a/.runnerignore: d", "a/d/e"]);
    let names = walk(folder.path()).unwrap().listed.into_iter();
    assert_eq!(
        names.map(|(name, _)| name).collect::<Vec<_>>(),
        ["/", "a/", "a/.runnerignore", "a/b/"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The engine's list and a stage's are the same, whatever exists and whatever is ignored.
    #[test]
    fn the_engine_and_a_stage_see_the_same(
        names in prop::collection::btree_set("\\.?[ab]{1,2}(/\\.?[ab]{1,2}){0,3}", 1..12),
        patterns in prop::collection::vec(("([ab]/){0,2}", "!?/?[ab*]{1,2}(/[ab*]{1,2})?/?"), 0..4),
    ) {
        let folder = TempDir::new().unwrap();
        for name in &names {
            let path = folder.path().join(name);
            // Either call fails if a file is where a folder is needed, or a folder where a file is needed.
            let _ = fs::create_dir_all(path.parent().unwrap());
            let _ = fs::write(path, "");
        }
        for (place, pattern) in &patterns {
            let place = folder.path().join(place);
            if place.is_dir() {
                fs::write(place.join(IGNORE_FILE), pattern).unwrap();
            }
        }
        let mut seen = listed(&SourceFolder::open(folder.path()).unwrap());
        seen.sort();
        prop_assert_eq!(seen, files(folder.path()));
    }
}

#[test]
fn folders_without_files_that_count_are_listed_as_empty() {
    let folder = folder(&[
        ".runnerignore: *.tmp\n",
        "a/x",
        "b/.hidden",
        "c/d/x.tmp",
        "e/f/y",
    ]);
    for empty in ["g", "h/i", "e/j"] {
        fs::create_dir_all(folder.path().join(empty)).unwrap();
    }
    let found = walk(folder.path()).unwrap();
    assert_eq!(found.files, ["a/x", "e/f/y"]);
    assert_eq!(found.empty, ["b/", "c/d/", "e/j/", "g/", "h/i/"]);
    assert!(walk(&folder.path().join("g")).unwrap().empty.is_empty());
    let holds = |name: &str| {
        let root = SourceFolder::open(folder.path()).unwrap();
        root.enter(name).unwrap().holds_files().unwrap()
    };
    assert!(holds("a") && holds("e"));
    assert!(!holds("b") && !holds("c") && !holds("h"));
}

#[test]
fn links_are_listed_with_their_own_metadata() {
    let elsewhere = folder(&["x/y"]);
    let folder = folder(&["a", "b/c"]);
    symlink(elsewhere.path(), folder.path().join("b/link")).unwrap();
    symlink("../a", folder.path().join("b/to-a")).unwrap();
    symlink("nowhere", folder.path().join("ignored")).unwrap();
    fs::write(folder.path().join(IGNORE_FILE), "ignored").unwrap();
    let links = walk(folder.path()).unwrap().links;
    let names: Vec<&str> = links.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["b/link", "b/to-a"]);
    assert!(links.iter().all(|(_, metadata)| metadata.is_symlink()));
}

#[test]
fn a_store_is_not_part_of_a_source() {
    let store = ["v1/cas/00", "v1/actions/00", "latest/p/x"];
    let within = |folder: &str| store.map(|file| format!("{folder}/{file}"));
    let files_: Vec<String> = [within("artifacts"), within("deep/other")].concat();
    let mut names: Vec<&str> = files_.iter().map(String::as_str).collect();
    // Folders that only resemble a store.
    names.extend([
        "a",
        "deep/b",
        "v1/cas/x",
        "like/v1/cas/x",
        "like/v1/actions",
    ]);
    let folder = folder(&names);
    symlink("artifacts", folder.path().join("link")).unwrap();
    assert_eq!(
        files(folder.path()),
        [
            "a",
            "deep/b",
            "like/v1/actions",
            "like/v1/cas/x",
            "v1/cas/x"
        ]
    );
    for path in ["artifacts", "link", "deep/other"] {
        let path = folder.path().join(path);
        for error in [
            walk(&path).unwrap_err(),
            SourceFolder::open(&path).unwrap_err(),
        ] {
            assert!(
                error
                    .message
                    .ends_with("is a runner store, which cannot be a source"),
                "{error}"
            );
            assert!(error.hint.is_some());
        }
    }
    assert_eq!(files(&folder.path().join("artifacts/latest")), ["p/x"]);
}
