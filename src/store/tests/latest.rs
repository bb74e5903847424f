//! The view of the latest outputs, `latest/`.

use std::os::unix::fs::MetadataExt;
use std::thread;

use super::*;

#[test]
fn publishing_is_idempotent_and_replaces_the_whole_folder() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let [first, second] = [("a", "alpha"), ("sub/b", "beta")].map(|file| fixture.tree(&[file]));
    let folder = store.root().join("latest/p/cnn[m1]");
    let publish = |tree: &Tree| {
        store
            .publish_latest(
                "p",
                "cnn[m1]",
                &key("action"),
                &BTreeMap::from([("model".into(), tree.clone())]),
            )
            .unwrap();
        fs::metadata(&folder).unwrap().ino()
    };

    let inode = publish(&first);
    assert_eq!(fs::read_to_string(folder.join("model/a")).unwrap(), "alpha");
    assert_eq!(publish(&first), inode, "nothing to do");

    assert_ne!(publish(&second), inode);
    assert_eq!(names(&folder.join("model")), ["sub"]);
    assert_eq!(
        fs::read_to_string(folder.join("model/sub/b")).unwrap(),
        "beta"
    );

    fs::remove_file(folder.join("model/sub/b")).unwrap();
    publish(&second);
    assert_eq!(
        fs::read_to_string(folder.join("model/sub/b")).unwrap(),
        "beta"
    );
    assert_eq!(names(&store.root().join("latest/p")), ["cnn[m1]"]);
}

#[test]
fn published_files_are_linked_and_read_only() {
    let fixture = Fixture::new();
    let tree = fixture.tree(&[("a", "alpha")]);
    let outputs = BTreeMap::from([("model".into(), tree.clone())]);
    fixture
        .store
        .publish_latest("p", "cnn", &key("action"), &outputs)
        .unwrap();
    let shown = fs::metadata(fixture.store.root().join("latest/p/cnn/model/a")).unwrap();
    let blob = fs::metadata(fixture.store.blob_path(&tree.files["a"].digest)).unwrap();
    assert_eq!(shown.ino(), blob.ino());
    assert_eq!(shown.mode() & 0o222, 0);
}

#[test]
fn the_published_folder_exists_at_every_moment() {
    let fixture = Fixture::new();
    let trees = ["alpha", "beta"].map(|text| fixture.tree(&[("a", text), ("b", text)]));
    let folder = fixture.store.root().join("latest/p/cnn");
    let publish = |tree: &Tree| {
        let outputs = BTreeMap::from([("model".into(), tree.clone())]);
        fixture
            .store
            .publish_latest("p", "cnn", &key("action"), &outputs)
            .unwrap();
    };
    publish(&trees[0]);
    thread::scope(|scope| {
        let writer = scope.spawn(|| (0..200).for_each(|n| publish(&trees[n % 2])));
        while !writer.is_finished() {
            let opened = rustix::fs::open(
                &folder,
                rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY,
                rustix::fs::Mode::empty(),
            );
            opened.expect("the folder is always there");
        }
        writer.join().unwrap();
    });
    assert_eq!(names(&folder), [".outputs.json", "model"]);
}
