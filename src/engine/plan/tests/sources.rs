//! The parts of a source that change its key.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use contract::{Segment, Source};
use serde_json::json;

use super::*;

#[test]
fn golden_source_digest() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let node = stages.add("xrays", fixture.source_params(), &[]);
    assert_eq!(
        fixture.plan(&stages).action(node).fingerprint.params["source"],
        json!({"path": {"$source": "790ab2aa1ed46e307ea513d09be645f6fea4c7c88f34ae0833f01a16d60b0933"}})
    );
}

#[test]
fn a_changed_byte_in_a_source_invalidates() {
    let fixture = Fixture::new();
    let before = fixture.source_key();
    fixture.write("train/NORMAL/a.jpeg", "A");
    assert_ne!(fixture.source_key(), before);
    fixture.write("train/NORMAL/a.jpeg", "a");
    assert_eq!(fixture.source_key(), before);
}

#[test]
fn a_changed_byte_invalidates_even_if_time_and_size_are_the_same() {
    let fixture = Fixture::new();
    let file = fixture.source().join("train/NORMAL/a.jpeg");
    age(&file, 100);
    let before = fixture.source_key();
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, "A").unwrap();
    fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(time)
        .unwrap();
    assert_ne!(fixture.source_key(), before);
}

#[test]
fn source_file_added_removed_or_renamed_invalidates() {
    let fixture = Fixture::new();
    let before = fixture.source_key();
    fixture.write("train/NORMAL/c.jpeg", "c");
    let added = fixture.source_key();
    assert_ne!(added, before);
    fs::rename(
        fixture.source().join("train/NORMAL"),
        fixture.source().join("train/VIRUS"),
    )
    .unwrap();
    assert_ne!(fixture.source_key(), added);
    fs::rename(
        fixture.source().join("train/VIRUS"),
        fixture.source().join("train/NORMAL"),
    )
    .unwrap();
    fs::remove_file(fixture.source().join("train/NORMAL/c.jpeg")).unwrap();
    assert_eq!(fixture.source_key(), before);
}

#[test]
fn source_path_mtime_and_hidden_files_do_not_invalidate() {
    let mut fixture = Fixture::new();
    let before = fixture.source_key();
    age(&fixture.source().join("train/NORMAL/a.jpeg"), 10_000);
    assert_eq!(fixture.source_key(), before);
    fixture.write("train/.DS_Store", "x");
    fixture.write(".git/config", "x");
    assert_eq!(fixture.source_key(), before);
    let moved = fixture.folder.path().join("moved");
    fs::rename(fixture.source(), &moved).unwrap();
    assert_eq!(fixture.key_of(json!({"source": {"path": moved}})), before);
    fs::rename(moved, fixture.source()).unwrap();
    fixture.store = Store::open(&fixture.folder.path().join("other store")).unwrap();
    assert_eq!(fixture.source_key(), before);
}

#[test]
fn ignored_files_do_not_invalidate() {
    let fixture = Fixture::new();
    let before = fixture.source_key();
    fixture.write("train/notes.txt", "seen");
    let noted = fixture.source_key();
    assert_ne!(noted, before);
    fixture.write(".runnerignore", "*.txt\n");
    assert_eq!(fixture.source_key(), before);
    fixture.write("train/notes.txt", "not seen");
    fixture.write(".runnerignore", "# the same in other words\nnotes.*\n");
    assert_eq!(fixture.source_key(), before);
    fixture.write("train/.runnerignore", "!notes.txt\n");
    fixture.write("train/notes.txt", "seen");
    assert_eq!(fixture.source_key(), noted);
}

#[test]
fn an_ignore_file_that_changes_while_a_stage_runs_is_noticed() {
    let fixture = Fixture::new();
    fixture.write(".runnerignore", "*.txt\n");
    let mut stages = Stages::new();
    let node = stages.add("xrays", fixture.source_params(), &[]);
    let plan = fixture.plan(&stages);
    let action = plan.action(node);
    let state = || source_state(&stages.0, &fixture.store, action, &action.stamps).unwrap();
    assert_eq!(state(), SourceState::Unchanged);
    fixture.write(".runnerignore", "*.jpeg\n");
    assert!(matches!(state(), SourceState::Changed(_)));
    // The stage may have listed the folder between the two edits.
    fixture.write(".runnerignore", "*.txt\n");
    assert!(matches!(state(), SourceState::Rewritten(_)));
}

#[test]
fn an_unreadable_ignore_file_is_an_error_of_the_parameter() {
    let fixture = Fixture::new();
    fixture.write(".runnerignore", "{a\n");
    let mut stages = Stages::new();
    stages.add("xrays", fixture.source_params(), &[]);
    let error = plan(&stages.0, &fixture.store, &PlanOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Source { .. }), "{error}");
    assert!(
        error.to_string().contains(".runnerignore`, line 1"),
        "{error}"
    );
}

/// Returns all memos of sources, with the times at which they were written.
fn memos(fixture: &Fixture) -> Vec<(PathBuf, SystemTime)> {
    let sources = fixture.store.root().join("v1/sources");
    let in_folder = |folder: &str| fs::read_dir(sources.join(folder)).unwrap();
    let entries = in_folder("index-2").chain(in_folder("listings"));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| {
            (
                path.clone(),
                fs::metadata(&path).unwrap().modified().unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_plan_of_an_unchanged_source_writes_nothing() {
    let fixture = Fixture::new();
    // Longer than the resolution of file times that the index allows for.
    std::thread::sleep(Duration::from_millis(2100));
    let before = fixture.source_key();
    let written = memos(&fixture);
    assert_eq!(written.len(), 2);
    assert_eq!(fixture.source_key(), before);
    assert_eq!(memos(&fixture), written);
}

#[test]
fn rehash_reads_a_known_source_again() {
    let mut fixture = Fixture::new();
    std::thread::sleep(Duration::from_millis(2100));
    let before = fixture.source_key();
    let written = memos(&fixture);
    std::thread::sleep(Duration::from_millis(30));
    rehash_sources(&mut fixture.store);
    assert_eq!(fixture.source_key(), before);
    // What was read again is trusted again, in this process too.
    let again = memos(&fixture);
    assert_ne!(again, written);
    assert_eq!(fixture.source_key(), before);
    assert_eq!(memos(&fixture), again);
}

#[test]
fn empty_folders_count_only_if_the_stage_uses_them() {
    let fixture = Fixture::new();
    let see = |empty_folders: bool| {
        let mut source = Source::new(Vec::new(), &fixture.source());
        source.empty_folders = empty_folders;
        Sources::new(&fixture.store).read(&source).unwrap().digest
    };
    let before = see(true);
    assert_eq!(see(false), before);
    fs::create_dir_all(fixture.source().join("test/NORMAL")).unwrap();
    assert_eq!(see(false), before);
    let with = see(true);
    assert_ne!(with, before);
    fixture.write("test/NORMAL/.hidden", "");
    assert_eq!(see(true), with);
    fs::create_dir(fixture.source().join("test/PNEUMONIA")).unwrap();
    assert_ne!(see(true), with);
    assert_eq!(source_len(&fixture.store, &with), Some(2));
}

#[test]
fn damaged_and_missing_memos_of_a_source_change_no_key() {
    let fixture = Fixture::new();
    let before = fixture.source_key();
    for (path, _) in memos(&fixture) {
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert_eq!(fixture.source_key(), before, "{}", path.display());
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(fixture.source_key(), before, "{}", path.display());
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(fixture.source_key(), before);
        assert!(path.exists(), "{} was not written again", path.display());
    }
}

#[test]
fn a_source_may_be_a_file() {
    let fixture = Fixture::new();
    fixture.write("x.npz", "a");
    fixture.write("y.npz", "a");
    let key = |name: &str| fixture.key_of(json!({"source": {"path": fixture.source().join(name)}}));
    let before = key("x.npz");
    assert_eq!(key("y.npz"), before);
    fixture.write("x.npz", "b");
    assert_ne!(key("x.npz"), before);
    assert_ne!(key("train/NORMAL"), key("train/NORMAL/a.jpeg"));
}

#[test]
fn content_behind_a_link_counts() {
    let fixture = Fixture::new();
    let elsewhere = fixture.folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("c.jpeg"), "c").unwrap();
    let link = fixture.source().join("test");
    symlink(&elsewhere, &link).unwrap();
    let linked = fixture.source_key();
    fs::write(elsewhere.join("c.jpeg"), "C").unwrap();
    assert_ne!(fixture.source_key(), linked);
    fs::remove_file(&link).unwrap();
    fixture.write("test/c.jpeg", "c");
    assert_eq!(fixture.source_key(), linked);
}

#[test]
fn an_unreadable_source_is_an_error_of_the_parameter() {
    let fixture = Fixture::new();
    let fault = |path: PathBuf| {
        let mut stages = Stages::new();
        stages.add("other", json!({}), &[]);
        let node = stages.add("stage", json!({"source": {"path": path}}), &[]);
        match plan(&stages.0, &fixture.store, &PlanOptions::default()) {
            Err(Error::Source { node: at, invalid }) => {
                assert_eq!(at, node);
                let path = ["source", "path"].map(|key| Segment::Key(key.into()));
                assert_eq!(invalid.path, path);
                invalid
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(fault("no/such".into()).message, "`no/such` does not exist");
    assert!(
        fault("no/such".into())
            .hint
            .unwrap()
            .contains("working directory")
    );
    symlink("no-such", fixture.source().join("dangling")).unwrap();
    assert!(fault(fixture.source()).message.contains("dangling"));
    fs::remove_file(fixture.source().join("dangling")).unwrap();
    symlink("..", fixture.source().join("train/up")).unwrap();
    assert!(
        fault(fixture.source())
            .message
            .ends_with("is a link to a folder that contains it")
    );
}

#[test]
fn a_source_that_changes_while_a_stage_runs_is_noticed() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let node = stages.add("xrays", fixture.source_params(), &[]);
    let plan = fixture.plan(&stages);
    let action = plan.action(node);
    let state = |before: &Stamps| source_state(&stages.0, &fixture.store, action, before).unwrap();
    assert_eq!(state(&action.stamps), SourceState::Unchanged);
    let before = fs::read_to_string(fixture.source().join("train/NORMAL/a.jpeg")).unwrap();
    fixture.write("train/NORMAL/a.jpeg", "A");
    let changed = vec![fixture.source().display().to_string()];
    assert_eq!(state(&action.stamps), SourceState::Changed(changed));

    // Changed back, but the stage may have read the other content in between.
    fixture.write("train/NORMAL/a.jpeg", &before);
    let SourceState::Rewritten(now) = state(&action.stamps) else {
        panic!("a change that was undone was not noticed");
    };
    assert_eq!(state(&now), SourceState::Unchanged);

    // A file that existed for a while.
    fixture.write("train/NORMAL/z.jpeg", "Z");
    fs::remove_file(fixture.source().join("train/NORMAL/z.jpeg")).unwrap();
    assert!(matches!(state(&now), SourceState::Rewritten(_)));
}
