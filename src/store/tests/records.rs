//! Action records and memos.

use super::*;

#[test]
fn a_record_is_found_under_both_keys() {
    let fixture = Fixture::new();
    let record = record(&[("model", &fixture.tree(&[("a", "alpha")]))]);
    fixture.store.results().put(&[&record]).unwrap();
    let store = fixture.reopened();
    assert_eq!(
        store.lookup(&record.action_key).unwrap().as_ref(),
        Some(&record)
    );
    assert_eq!(
        store.lookup(&record.content_key).unwrap().as_ref(),
        Some(&record)
    );
    assert_eq!(store.lookup(&key("other")).unwrap(), None);
}

#[test]
fn an_alias_is_found_under_its_own_key() {
    let fixture = Fixture::new();
    let record = record(&[("model", &fixture.tree(&[("a", "alpha")]))]);
    fixture.store.results().put(&[&record]).unwrap();
    let alias = fixture
        .store
        .alias(&record, key("new"), &fingerprint(2))
        .unwrap();
    assert_eq!(alias.outputs, record.outputs);
    assert_eq!(fixture.store.lookup(&key("new")).unwrap(), Some(alias));
    assert_eq!(
        fixture.store.lookup(&record.action_key).unwrap(),
        Some(record.clone())
    );
    assert_eq!(
        fixture.store.lookup(&record.content_key).unwrap(),
        Some(record)
    );
}

#[test]
fn a_torn_or_edited_record_is_a_miss() {
    let fixture = Fixture::new();
    let record = record(&[("model", &fixture.tree(&[("a", "alpha")]))]);
    fixture.store.results().put(&[&record]).unwrap();
    let path = fixture
        .home()
        .join("actions")
        .join(format!("{}.json", record.action_key));
    let whole = fs::read(&path).unwrap();

    let torn = (0..whole.len()).map(|length| whole[..length].to_vec());
    let flipped = (0..whole.len()).flat_map(|index| {
        [0x01, 0x20, 0x80].map(|bit| {
            let mut bytes = whole.clone();
            bytes[index] ^= bit;
            bytes
        })
    });
    let longer = [[whole.clone(), b"\n".to_vec()].concat()];
    for bytes in torn.chain(flipped).chain(longer) {
        fs::write(&path, &bytes).unwrap();
        assert_eq!(
            fixture.store.examine(&record.action_key).unwrap(),
            Lookup::Damaged
        );
    }
    assert_eq!(fixture.store.lookup(&record.action_key).unwrap(), None);
    assert!(!path.exists(), "a damaged record is set aside");
    fs::write(&path, whole).unwrap();
    assert_eq!(
        fixture.store.lookup(&record.action_key).unwrap(),
        Some(record)
    );
}

#[test]
fn a_record_under_a_foreign_key_is_a_miss() {
    let fixture = Fixture::new();
    let record = record(&[]);
    fixture.store.results().put(&[&record]).unwrap();
    let actions = fixture.home().join("actions");
    fs::copy(
        actions.join(format!("{}.json", record.action_key)),
        actions.join(format!("{}.json", key("other"))),
    )
    .unwrap();
    assert_eq!(
        fixture.store.examine(&key("other")).unwrap(),
        Lookup::Damaged
    );
}

#[test]
fn a_record_without_its_outputs_is_a_miss() {
    type Damage = fn(blob: &Path, tree: &Path);
    let damages: [Damage; 4] = [
        |blob, _| fs::remove_file(blob).unwrap(),
        |blob, _| overwrite(blob, b"alph"),
        |_, tree| fs::remove_file(tree).unwrap(),
        |_, tree| overwrite(tree, b"{}"),
    ];
    for damage in damages {
        let fixture = Fixture::new();
        let tree = fixture.tree(&[("a", "alpha")]);
        let record = record(&[("model", &tree)]);
        fixture.store.results().put(&[&record]).unwrap();
        damage(
            &fixture.store.blob_path(&tree.files["a"].digest),
            &fixture.store.blob_path(&tree.digest).with_extension("tree"),
        );
        assert_eq!(
            fixture.store.examine(&record.action_key).unwrap(),
            Lookup::OutputMissing {
                port: "model".into()
            }
        );
        assert_eq!(fixture.store.lookup(&record.action_key).unwrap(), None);
        assert_eq!(fixture.store.lookup(&record.content_key).unwrap(), None);
    }
}

// Memos.

#[test]
fn the_last_fingerprint_is_kept_per_pipeline_and_instance() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    store
        .set_last_fingerprint("p", "cnn[a/b,0.1]", &fingerprint(1))
        .unwrap();
    store
        .set_last_fingerprint("p", "..", &fingerprint(2))
        .unwrap();
    assert_eq!(
        store.last_fingerprint("p", "cnn[a/b,0.1]"),
        Some(fingerprint(1))
    );
    assert_eq!(store.last_fingerprint("p", ".."), Some(fingerprint(2)));
    assert_eq!(store.last_fingerprint("q", "cnn[a/b,0.1]"), None);
    assert_eq!(
        names(&fixture.home().join("last/p")),
        ["%2E..json", "cnn[a%2Fb,0.1].json"]
    );
}

#[test]
fn long_names_stay_distinct() {
    let [a, b] = ["a", "b"].map(|end| component(&format!("{}{end}", "é".repeat(300))));
    assert_ne!(a, b);
    assert!(a.len() <= 200, "{}", a.len());
}
