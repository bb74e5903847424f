//! Links in place of the store's own folders: nothing is written, moved or removed behind them.

use std::os::unix::fs::symlink;

use super::*;

/// Creates a folder outside the store, with two files that do not belong to the store.
fn foreign(fixture: &Fixture) -> PathBuf {
    let folder = fixture.folder.path().join("foreign");
    fill(
        &folder,
        &[("mine/thesis.txt", "three years"), ("notes", "mine")],
    );
    folder
}

fn assert_unchanged(folder: &Path) {
    assert_eq!(names(folder), ["mine", "notes"]);
    let thesis = fs::read_to_string(folder.join("mine/thesis.txt")).unwrap();
    assert_eq!(thesis, "three years");
}

#[test]
fn a_store_with_a_linked_folder_is_refused() {
    for name in ["", "tmp", "cas", "actions", "checkpoints", "runs"] {
        let fixture = Fixture::new();
        let foreign = foreign(&fixture);
        let folder = fixture.home().join(name);
        fs::remove_dir_all(&folder).unwrap();
        symlink(
            &foreign,
            folder.parent().unwrap().join(folder.file_name().unwrap()),
        )
        .unwrap();
        let error = Store::open(fixture.store.root()).unwrap_err().to_string();
        assert!(error.contains("it is a symbolic link"), "{error}");
        assert_unchanged(&foreign);
    }
}

#[test]
fn a_folder_behind_a_linked_view_is_not_replaced() {
    for linked in ["latest", "latest/p"] {
        let fixture = Fixture::new();
        let foreign = foreign(&fixture);
        let tree = fixture.tree(&[("a", "alpha")]);
        let link = fixture.store.root().join(linked);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(&foreign, &link).unwrap();
        let outputs = BTreeMap::from([("out".to_owned(), tree)]);
        fixture
            .store
            .publish_latest("p", "mine", &key("action"), &outputs)
            .unwrap();
        assert_unchanged(&foreign);
        let shown = fixture.store.root().join("latest/p/mine/out/a");
        assert_eq!(fs::read_to_string(shown).unwrap(), "alpha");
    }
}

#[test]
fn a_file_behind_a_linked_shard_is_not_set_aside() {
    let fixture = Fixture::new();
    let tree = fixture.tree(&[("a", "alpha")]);
    let blob = fixture.store.blob_path(&tree.files["a"].digest);
    let shard = blob.parent().unwrap();
    let outside = fixture.folder.path().join("outside");
    fs::rename(shard, &outside).unwrap();
    symlink(&outside, shard).unwrap();
    let moved = outside.join(blob.file_name().unwrap());
    overwrite(&moved, b"somebody's own");
    assert!(fixture.reopened().verify(&tree).is_err());
    assert_eq!(fs::read(&moved).unwrap(), b"somebody's own");
    // The link is gone, and the blob can be made again.
    let again = fixture.tree(&[("a", "alpha")]);
    fixture.reopened().verify(&again).unwrap();
    assert_eq!(fs::read(&moved).unwrap(), b"somebody's own");
}

#[test]
fn linked_checkpoints_and_memos_are_not_written_through() {
    let fixture = Fixture::new();
    let foreign = foreign(&fixture);
    let home = fixture.home();
    symlink(
        &foreign,
        home.join("checkpoints").join(key("training").to_string()),
    )
    .unwrap();
    symlink(&foreign, home.join("last/p")).unwrap();
    drop(fixture.store.checkpoints(&key("training")).unwrap());
    fixture
        .store
        .set_last_fingerprint("p", "cnn", &fingerprint(1))
        .unwrap();
    assert_eq!(
        fixture.store.last_fingerprint("p", "cnn"),
        Some(fingerprint(1))
    );
    assert_unchanged(&foreign);
}
