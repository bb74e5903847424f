//! Trees and blobs.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::thread;
use std::time::Duration;

use super::*;

#[test]
fn golden_tree_digest() {
    let tree = Fixture::new().tree(&[("weights/a.bin", "alpha"), ("b.json", "{}")]);
    assert_eq!(
        tree.files["weights/a.bin"].digest.to_string(),
        "644a9bc57c6063e2ba4028fa73ed585170ae7db8ac7723d32be49c021a0225f5"
    );
    assert_eq!(
        tree.digest.to_string(),
        "98b1d6d07f4f01f1ef1b6692613d3f1698d8ac37394ad3f29b697154ff8a6c34"
    );
}

#[test]
fn a_tree_is_identified_by_its_names_and_contents() {
    let fixture = Fixture::new();
    let tree = fixture.tree(&[("a", "1"), ("b", "2")]);
    assert_eq!(fixture.tree(&[("b", "2"), ("a", "1")]), tree);
    assert_ne!(fixture.tree(&[("a", "2"), ("b", "1")]).digest, tree.digest);
    assert_ne!(fixture.tree(&[("a", "1"), ("c", "2")]).digest, tree.digest);
    assert_ne!(fixture.tree(&[("a", "1")]).digest, tree.digest);
    assert_eq!(fixture.reopened().tree(&tree.digest).unwrap(), tree);
}

#[test]
fn a_blob_is_read_only_and_moved_not_copied() {
    let fixture = Fixture::new();
    let staging = fixture.store.staging().unwrap();
    fill(staging.path(), &[("a", "alpha")]);
    let inode = fs::metadata(staging.path().join("a")).unwrap().ino();
    let tree = fixture
        .store
        .ingest(staging.folder(), Path::new(""), &Deadline::NONE)
        .unwrap();

    let blob = fixture.store.blob_path(&tree.files["a"].digest);
    let metadata = fs::metadata(&blob).unwrap();
    assert_eq!(fs::read_to_string(&blob).unwrap(), "alpha");
    assert_eq!(tree.files["a"].bytes, 5);
    assert_eq!(metadata.mode() & 0o777, 0o444);
    assert_eq!(metadata.ino(), inode);
}

#[test]
fn an_existing_blob_is_not_written_again() {
    let fixture = Fixture::new();
    let tree = fixture.tree(&[("a", "alpha")]);
    let blob = fixture.store.blob_path(&tree.files["a"].digest);
    let before = fs::metadata(&blob).unwrap();
    assert_eq!(ingest(&fixture.reopened(), &[("a", "alpha")]), tree);
    let after = fs::metadata(&blob).unwrap();
    assert_eq!(
        (before.ino(), before.ctime_nsec()),
        (after.ino(), after.ctime_nsec())
    );
}

#[test]
fn a_damaged_blob_is_replaced_when_its_content_is_stored_again() {
    let fixture = Fixture::new();
    let tree = fixture.tree(&[("a", "alpha")]);
    let blob = fixture.store.blob_path(&tree.files["a"].digest);
    overwrite(&blob, b"alphA");
    let store = fixture.reopened();
    assert_eq!(ingest(&store, &[("a", "alpha")]), tree);
    assert_eq!(fs::read(&blob).unwrap(), b"alpha");
    fixture.reopened().verify(&tree).unwrap();
}

#[test]
fn a_file_with_other_names_is_copied() {
    let fixture = Fixture::new();
    let mine = fixture.folder.path().join("mine");
    fs::write(&mine, "alpha").unwrap();
    let staging = fixture.store.staging().unwrap();
    let folder = fs::canonicalize(staging.path()).unwrap();
    fs::hard_link(&mine, folder.join("a")).unwrap();
    let tree = fixture
        .store
        .ingest(staging.folder(), Path::new(""), &Deadline::NONE)
        .unwrap();

    let blob = fs::metadata(fixture.store.blob_path(&tree.files["a"].digest)).unwrap();
    let metadata = fs::metadata(&mine).unwrap();
    assert_ne!(metadata.ino(), blob.ino());
    assert_ne!(metadata.mode() & 0o200, 0);
}

#[test]
fn only_regular_files_are_stored() {
    let refused = |prepare: &dyn Fn(&Path)| {
        let fixture = Fixture::new();
        let staging = fixture.store.staging().unwrap();
        fill(staging.path(), &[("fine", "alpha")]);
        prepare(staging.path());
        let error = fixture
            .store
            .ingest(staging.folder(), Path::new(""), &Deadline::NONE)
            .unwrap_err();
        assert!(names(&fixture.home().join("cas")).is_empty());
        error.to_string()
    };
    let link = |folder: &Path| symlink("/etc/hostname", folder.join("link")).unwrap();
    assert!(refused(&link).contains("link`: it is a symbolic link"));
    let folder_link = |folder: &Path| symlink(".", folder.join("link")).unwrap();
    assert!(refused(&folder_link).contains("link`: it is a symbolic link"));
    let pipe = |folder: &Path| {
        let path = folder.join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
    };
    assert!(refused(&pipe).contains("pipe`: it is a special file"));
    let name = |folder: &Path| fs::write(folder.join("a\nb"), "").unwrap();
    assert!(refused(&name).contains("control character"));
    let name = |folder: &Path| {
        use std::os::unix::ffi::OsStrExt;
        fs::write(folder.join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    };
    assert!(refused(&name).contains("not UTF-8"));
}

#[test]
fn a_damaged_or_missing_blob_is_noticed_when_it_is_verified() {
    type Damage = fn(&Path);
    let damages: [(Damage, bool); 4] = [
        (|blob| overwrite(blob, b"alphb"), true),
        (|blob| overwrite(blob, b"alph"), true),
        (|blob| overwrite(blob, b""), true),
        (|blob| fs::remove_file(blob).unwrap(), false),
    ];
    for (damage, set_aside) in damages {
        let fixture = Fixture::new();
        let tree = fixture.tree(&[("sub/a", "alpha"), ("b", "beta")]);
        let digest = tree.files["sub/a"].digest;
        damage(&fixture.store.blob_path(&digest));
        let store = fixture.reopened();
        match store.verify(&tree).unwrap_err() {
            Error::Blob {
                name,
                digest: bad,
                damaged,
            } => {
                assert_eq!((name.as_str(), bad, damaged), ("sub/a", digest, set_aside));
            }
            error => panic!("{error}"),
        }
        assert!(!store.blob_path(&digest).exists());
        let kept = if set_aside {
            vec![digest.to_string()]
        } else {
            vec![]
        };
        assert_eq!(names(&fixture.home().join("quarantine")), kept);
    }
}

/// Waits until a change to a file would show in its timestamps.
fn next_tick() {
    thread::sleep(Duration::from_millis(20));
}

#[test]
fn a_blob_is_read_once_per_store_unless_it_is_written_to() {
    let fixture = Fixture::new();
    let tree = fixture.tree(&[("a", "alpha")]);
    let blob = tree.files["a"];
    let path = fixture.store.blob_path(&blob.digest);
    let store = fixture.reopened();
    next_tick();
    assert!(!store.is_known(&blob));
    store.verify(&tree).unwrap();
    assert!(store.is_known(&blob));
    fs::hard_link(&path, fixture.folder.path().join("name")).unwrap();
    assert!(!store.is_known(&blob));
    next_tick();
    store.verify(&tree).unwrap();
    assert!(store.is_known(&blob));
}

#[test]
fn a_write_is_noticed_even_if_its_time_is_restored() {
    let fixture = Fixture::new();
    let tree = fixture.tree(&[("a", "alpha")]);
    let path = fixture.store.blob_path(&tree.files["a"].digest);
    let store = fixture.reopened();
    next_tick();
    store.verify(&tree).unwrap();
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let mut file = fs::File::options().write(true).open(&path).unwrap();
    file.write_all(b"alphb").unwrap();
    file.set_modified(before).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    store.verify(&tree).unwrap_err();
}

#[test]
fn a_write_in_the_same_clock_tick_as_the_last_check_is_noticed() {
    for _ in 0..50 {
        let fixture = Fixture::new();
        let tree = fixture.tree(&[("a", "alpha")]);
        let path = fixture.store.blob_path(&tree.files["a"].digest);
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        fixture.store.verify(&tree).unwrap();
        let mut file = fs::File::options();
        overwrite(&path, b"alphb");
        let file = file.write(true).open(&path).unwrap();
        file.set_modified(before).unwrap();
        fixture.store.verify(&tree).unwrap_err();
    }
}

#[test]
fn a_damaged_tree_is_never_read_as_another() {
    let fixture = Fixture::new();
    let digest = fixture.tree(&[("a", "alpha")]).digest;
    let path = fixture.store.blob_path(&digest).with_extension("tree");
    let whole = fs::read(&path).unwrap();
    for index in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[index] ^= 1;
        overwrite(&path, &flipped);
        let error = fixture.store.tree(&digest).unwrap_err();
        assert!(
            matches!(error, Error::Tree { damaged: true, .. }),
            "{error}"
        );
        fs::write(&path, "").unwrap();
    }
    fs::remove_file(&path).unwrap();
    let error = fixture.store.tree(&digest).unwrap_err();
    assert!(
        matches!(error, Error::Tree { damaged: false, .. }),
        "{error}"
    );
}

#[test]
fn threads_may_ingest_the_same_content() {
    let fixture = Fixture::new();
    let files: Vec<(String, String)> = (0..20)
        .map(|n| (format!("f{n}"), "x".repeat(n * 1000)))
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    let stores = [fixture.reopened(), fixture.reopened()];
    let trees: Vec<Tree> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                scope.spawn({
                    let (store, files) = (&stores[n % 2], &files);
                    move || ingest(store, files)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(trees.iter().all(|tree| *tree == trees[0]));
    fixture.reopened().verify(&trees[0]).unwrap();
    assert!(names(&fixture.home().join("quarantine")).is_empty());
}

#[test]
fn a_damaged_blob_is_replaced_by_one_of_several_equal_files() {
    let names: Vec<String> = (0..32).map(|index| index.to_string()).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "equal")).collect();
    let fixture = Fixture::new();
    let tree = fixture.tree(&files);
    let blob = fixture.store.blob_path(&tree.files["0"].digest);
    for _ in 0..50 {
        overwrite(&blob, b"other");
        let store = fixture.reopened();
        assert_eq!(ingest(&store, &files), tree);
        fixture.reopened().verify(&tree).unwrap();
    }
}
