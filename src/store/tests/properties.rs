//! Properties that hold after any sequence of operations on a store and damage to it.

use proptest::prelude::*;

use super::*;

/// An operation on a store, or damage to it.
#[derive(Clone, Debug)]
enum Act {
    /// Stores an action with these file contents.
    Keep { action: u8, contents: Vec<u8> },
    /// Looks an action up and, on a hit, reads all of it.
    Use { action: u8 },
    /// Publishes an action's outputs in `latest`.
    Show { action: u8 },
    /// Damages one of the store's files.
    Damage {
        file: prop::sample::Index,
        how: Damage,
    },
    /// Opens the store as a new process.
    Reopen,
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    Flip(prop::sample::Index),
    Cut,
    Remove,
    Garbage,
    Folder,
    Link,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let action = || 0..4_u8;
    let how = prop_oneof![
        4 => any::<prop::sample::Index>().prop_map(Damage::Flip),
        1 => Just(Damage::Cut),
        1 => Just(Damage::Remove),
        1 => Just(Damage::Garbage),
        1 => Just(Damage::Folder),
        1 => Just(Damage::Link),
    ];
    let act = prop_oneof![
        3 => (action(), prop::collection::vec(0..3_u8, 0..4))
            .prop_map(|(action, contents)| Act::Keep { action, contents }),
        3 => action().prop_map(|action| Act::Use { action }),
        1 => action().prop_map(|action| Act::Show { action }),
        3 => (any::<prop::sample::Index>(), how).prop_map(|(file, how)| Act::Damage { file, how }),
        1 => Just(Act::Reopen),
    ];
    prop::collection::vec(act, 1..24)
}

/// Returns the names and contents of the files of an action's one output.
fn files(contents: &[u8]) -> Vec<(String, String)> {
    let named = contents.iter().enumerate();
    let named = named.map(|(index, byte)| (format!("f/{index}"), byte.to_string().repeat(9)));
    named.collect()
}

fn keep(store: &Store, action: u8, contents: &[u8]) {
    let staging = store.staging().unwrap();
    for (name, content) in files(contents) {
        fill(staging.path(), &[(&name, &content)]);
    }
    let tree = store
        .ingest(staging.folder(), Path::new(""), &Deadline::NONE)
        .unwrap();
    let record = ActionRecord {
        action_key: key(&format!("action {action}")),
        content_key: key(&format!("content {action}")),
        ..record(&[("out", &tree)])
    };
    store.results().put(&[&record]).unwrap();
}

/// Returns all files below a folder of the store.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            found.extend(below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn damage(file: &Path, how: Damage) {
    let bytes = fs::read(file).unwrap_or_default();
    let remove = || fs::remove_file(file).unwrap();
    match how {
        Damage::Flip(at) if !bytes.is_empty() => {
            let mut bytes = bytes;
            let at = at.index(bytes.len());
            bytes[at] ^= 0x04;
            remove();
            fs::write(file, bytes).unwrap();
        }
        Damage::Cut => {
            remove();
            fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
        }
        Damage::Remove => remove(),
        Damage::Flip(_) | Damage::Garbage => {
            remove();
            fs::write(file, "garbage").unwrap();
        }
        Damage::Folder => {
            remove();
            fs::create_dir(file).unwrap();
        }
        Damage::Link => {
            remove();
            std::os::unix::fs::symlink("/dev/null", file).unwrap();
        }
    }
}

/// Few cases, because each flushes files to disk; many with `RUNNER_SUITE=full`.
fn cases() -> ProptestConfig {
    let full = std::env::var("RUNNER_SUITE").is_ok_and(|suite| suite == "full");
    ProptestConfig {
        cases: if full { 500 } else { 40 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Returns the contents of the action if the store has them.
fn read(store: &Store, action: u8) -> Option<Vec<(String, String)>> {
    let record = store.lookup(&key(&format!("action {action}"))).unwrap()?;
    let tree = store.tree(&record.outputs["out"]).ok()?;
    store.verify(&tree).ok()?;
    let read = tree.files.iter().map(|(name, blob)| {
        let bytes = fs::read(store.blob_path(&blob.digest)).unwrap();
        (name.clone(), String::from_utf8(bytes).unwrap())
    });
    Some(read.collect())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_store_returns_exactly_what_was_stored(acts in acts()) {
        let fixture = Fixture::new();
        let mut store = fixture.reopened();
        let mut kept: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        for act in &acts {
            match act {
                Act::Keep { action, contents } => {
                    keep(&store, *action, contents);
                    kept.insert(*action, contents.clone());
                }
                // An open store trusts what it has verified, so a newly opened one must find the damage.
                Act::Use { action } => {
                    if let Some(found) = read(&fixture.reopened(), *action) {
                        prop_assert_eq!(Some(found), kept.get(action).map(|c| files(c)));
                    }
                }
                Act::Show { action } => {
                    let record = store.lookup(&key(&format!("action {action}"))).unwrap();
                    if let Some(tree) = record.and_then(|r| store.tree(&r.outputs["out"]).ok()) {
                        let outputs = BTreeMap::from([("out".to_owned(), tree)]);
                        store.publish_latest("p", &action.to_string(), &key("action"), &outputs).unwrap();
                    }
                }
                Act::Damage { file, how } => {
                    let mut files = below(&fixture.home().join("cas"));
                    files.extend(below(&fixture.home().join("actions")));
                    if !files.is_empty() {
                        damage(&files[file.index(files.len())], *how);
                    }
                }
                Act::Reopen => store = fixture.reopened(),
            }
        }

        // A check finds all damage. After the damage is set aside and what is missing is made again, the store is
        // complete.
        let store = fixture.reopened();
        store.repair(&store.check().unwrap()).unwrap();
        prop_assert_eq!(store.check().unwrap().findings, vec![]);
        for (&action, contents) in &kept {
            if read(&store, action).is_none() {
                keep(&store, action, contents);
            }
            prop_assert_eq!(read(&store, action), Some(files(contents)));
        }
        prop_assert_eq!(names(fixture.folder.path()), ["artifacts"]);
    }

    #[test]
    fn a_collection_leaves_exactly_the_results_of_kept_runs(
        actions in prop::collection::vec(prop::collection::vec(0..3_u8, 0..4), 1..6),
        runs in prop::collection::vec(prop::collection::btree_set(0..6_u8, 0..4), 0..5),
        keep_runs in 1..4_usize,
        // Clock times that go back and forth.
        clock in prop::collection::vec(0..9_u64, 5),
    ) {
        let fixture = Fixture::new();
        let store = &fixture.store;
        for (action, contents) in actions.iter().enumerate() {
            keep(store, action as u8, contents);
        }
        let runs_of = |(index, actions): (usize, &BTreeSet<u8>)| RunUse {
            folder: fixture.home().join("runs").join(index.to_string()),
            pipeline: "p".to_owned(),
            started: std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(clock[index]),
            keys: actions.iter().map(|action| key(&format!("action {action}"))).collect(),
        };
        let uses = Uses {
            runs: runs.iter().enumerate().map(runs_of).collect(),
            ..Uses::default()
        };
        let uses = || Ok(uses.clone());
        let policy = Policy { keep_runs: Some(keep_runs), ..Policy::default() };
        let before = below(&fixture.home());
        let would = store.collect(&policy, uses, None).unwrap();
        let new = below(&fixture.home()).into_iter().filter(|path| !before.contains(path));
        // The collector's lock may be new.
        prop_assert!(new.clone().all(|path| path.ends_with("collector.lock")), "{:?}", new.collect::<Vec<_>>());
        let did = store.collect(&policy, uses, Some(Patience::Endless)).unwrap();
        prop_assert_eq!(would.bytes(), did.bytes());

        let kept: BTreeSet<u8> =
            runs.iter().rev().take(keep_runs).flatten().copied().collect();
        let store = fixture.reopened();
        for (action, contents) in actions.iter().enumerate() {
            let expected = kept.contains(&(action as u8)).then(|| files(contents));
            prop_assert_eq!(read(&store, action as u8), expected);
        }
        prop_assert_eq!(store.check().unwrap().findings, vec![]);
        // No garbage is left.
        let again = store.collect(&Policy::default(), uses, Some(Patience::Endless)).unwrap();
        prop_assert_eq!(again.removals.len(), 0);
    }
}
