//! The states of stages, and the reasons.

use std::fs;

use contract::{Device, Precision};
use serde_json::{Value, json};

use super::*;

#[test]
fn a_stage_that_ran_is_cached_and_one_that_never_ran_is_not() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let a = stages.add("a", json!({}), &[]);
    let b = stages.add("b", json!({}), &[("in", a)]);
    let c = stages.add("c", json!({}), &[("in", b)]);
    let d = stages.add("d", json!({"x": 1}), &[]);
    let plan = fixture.plan(&stages);
    let reasons = [a, b, c, d].map(|node| reason(&plan, node));
    assert_eq!(
        reasons,
        ["first run", "waits on 0", "waits on 0", "first run"]
    );
    fixture.run(&stages, a, "a");
    let plan = fixture.plan(&stages);
    assert_eq!(
        [a, b, c].map(|node| reason(&plan, node)),
        ["cached", "first run", "waits on 1"]
    );
    fixture.run(&stages, b, "b");
    fixture.run(&stages, c, "c");
    let plan = fixture.plan(&stages);
    assert_eq!([a, b, c].map(|node| reason(&plan, node)), ["cached"; 3]);
}

#[test]
fn a_hit_does_not_need_results_upstream() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let a = stages.add("a", json!({}), &[]);
    let b = stages.add("b", json!({}), &[("in", a)]);
    let record = fixture.run(&stages, a, "a");
    fixture.run(&stages, b, "b");
    let tree = fixture.store.tree(&record.outputs["out"]).unwrap();
    fs::remove_file(&fixture.store.files_of(&tree)["file"]).unwrap();
    let plan = fixture.plan(&stages);
    assert_eq!(
        [a, b].map(|node| reason(&plan, node)),
        ["output missing: out", "cached"]
    );
}

#[test]
fn the_same_result_upstream_does_not_invalidate() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let a = stages.add("a", json!({"x": 1}), &[]);
    let b = stages.add("b", json!({}), &[("in", a)]);
    fixture.run(&stages, a, "same");
    let before = fixture.run(&stages, b, "b");

    stages.edit(a).stage = Box::new(Fake(json!({"x": 2})));
    assert_eq!(reason(&fixture.plan(&stages), b), "waits on 0");
    let tree = fixture.run(&stages, a, "same").outputs["out"];
    let plan = fixture.plan(&stages);
    let planned = plan.action(b);
    let inputs = BTreeMap::from([("in".into(), vec![tree])]);
    let (content_key, _) = content_key(&stages.0, planned, &inputs);
    assert_eq!(content_key, before.content_key);
    assert_ne!(planned.action_key, before.action_key);
    let State::Cached(record) = &planned.state else {
        panic!("{:?}", planned.state)
    };
    assert_eq!(record.outputs, before.outputs);
    assert_eq!(
        (record.action_key, &record.fingerprint),
        (planned.action_key, &planned.fingerprint)
    );

    let found = fixture.store.lookup(&planned.action_key).unwrap();
    assert_eq!(
        found.as_ref(),
        Some(&**record),
        "the record is also stored under the new key"
    );
}

#[test]
fn another_result_upstream_invalidates() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let a = stages.add("a", json!({"x": 1}), &[]);
    let b = stages.add("b", json!({}), &[("in", a)]);
    fixture.run_all(&stages);
    stages.edit(a).stage = Box::new(Fake(json!({"x": 2})));
    fixture.run(&stages, a, "another");
    assert_eq!(reason(&fixture.plan(&stages), b), "input `in` changed");
}

#[test]
fn force_runs_cached_stages() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let a = stages.add("a", json!({}), &[]);
    let b = stages.add("b", json!({}), &[("in", a)]);
    fixture.run_all(&stages);
    let reasons = |force| {
        let options = PlanOptions { force, until: None };
        let plan = plan(&stages.0, &fixture.store, &options).unwrap();
        [a, b].map(|node| reason(&plan, node))
    };
    assert_eq!(reasons(Force::None), ["cached", "cached"]);
    assert_eq!(reasons(Force::All), ["forced", "forced"]);
    assert_eq!(reasons(Force::Nodes([a].into())), ["forced", "waits on 0"]);
}

#[test]
fn until_leaves_out_stages_that_are_not_needed() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let a = stages.add("a", json!({"x": 1}), &[]);
    let b = stages.add("b", json!({}), &[("in", a)]);
    let c = stages.add("c", json!({}), &[("in", b)]);
    let d = stages.add("d", json!({"x": 2}), &[]);
    let options = PlanOptions {
        until: Some(vec![b]),
        ..PlanOptions::default()
    };
    let plan = plan(&stages.0, &fixture.store, &options).unwrap();
    assert_eq!(
        plan.actions
            .iter()
            .map(|action| action.node)
            .collect::<Vec<_>>(),
        [a, b]
    );
    assert!(plan.get(c).is_none() && plan.get(d).is_none());
}

#[test]
fn a_miss_names_the_most_telling_change() {
    let reason_after = |edit: &dyn Fn(&mut Instance)| {
        let fixture = Fixture::new();
        let mut stages = Stages::new();
        let params = json!({"epochs": 6, "model": [{"conv": {"filters": 64}}, "flatten"]});
        let node = stages.add("cnn", params, &[]);
        fixture.run(&stages, node, "a");
        edit(stages.edit(node));
        reason(&fixture.plan(&stages), node)
    };
    let params =
        |params: Value| reason_after(&move |stage| stage.stage = Box::new(Fake(params.clone())));
    let conv = |filters: u32| json!({"conv": {"filters": filters}});

    assert_eq!(reason_after(&|stage| stage.seed = 1), "seed 42 → 1");
    assert_eq!(
        reason_after(&|stage| stage.device = Device::Cuda {
            precision: Precision::default()
        }),
        "device cpu → cuda, tf32"
    );
    assert_eq!(
        reason_after(&|stage| stage.kind = ALPHA_4),
        "code: alpha version 3 → 4"
    );
    assert_eq!(
        reason_after(&|stage| stage.kind = BETA),
        "kind alpha → beta"
    );
    assert_eq!(
        reason_after(&|stage| {
            stage.kind = ALPHA_4;
            stage.seed = 1;
        }),
        "code: alpha version 3 → 4"
    );
    assert_eq!(
        params(json!({"epochs": 3, "model": [conv(64), "flatten"]})),
        "params.epochs 6 → 3"
    );
    assert_eq!(
        params(json!({"epochs": 6, "model": [conv(32), "flatten"]})),
        "params.model[0].conv.filters 64 → 32"
    );
    assert_eq!(
        params(json!({"epochs": 6, "model": [conv(64), {"dropout": 0.5}, "flatten"]})),
        "params.model[1] added: {\"dropout\":0.5}"
    );
    assert_eq!(
        params(json!({"epochs": 6, "model": ["flatten"]})),
        "params.model[0] removed"
    );
    assert_eq!(
        params(json!({"epochs": 5, "rate": 0.1, "model": [conv(64), "flatten"]})),
        "params.epochs 6 → 5, 1 more"
    );
    assert_eq!(
        params(json!({"epochs": "a".repeat(100), "model": [conv(64), "flatten"]})),
        format!("params.epochs 6 → {}…", "a".repeat(31))
    );
}

#[test]
fn a_miss_counts_the_source_files_that_changed() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let node = stages.add("xrays", fixture.source_params(), &[]);
    fixture.run(&stages, node, "a");
    let reason = || reason(&fixture.plan(&stages), node);
    assert_eq!(reason(), "cached");
    let folder = fixture.source();
    let expected =
        |what: &str, first: &str| format!("source: {what} in {}, first: {first}", folder.display());
    fixture.write("train/NORMAL/b.jpeg", "B");
    assert_eq!(reason(), expected("1 file changed", "train/NORMAL/b.jpeg"));
    fixture.write("train/NORMAL/a.jpeg", "A");
    assert_eq!(reason(), expected("2 files changed", "train/NORMAL/a.jpeg"));
    fixture.write("test/c.jpeg", "c");
    assert_eq!(
        reason(),
        expected("2 files changed, 1 added", "test/c.jpeg")
    );
    fs::remove_dir_all(fixture.source().join("train")).unwrap();
    assert_eq!(reason(), expected("1 file added, 2 removed", "test/c.jpeg"));
}

#[test]
fn a_source_that_is_a_file_is_named() {
    let fixture = Fixture::new();
    fixture.write("x.npz", "a");
    let path = fixture.source().join("x.npz");
    let mut stages = Stages::new();
    let node = stages.add("xrays", json!({"source": {"path": path}}), &[]);
    fixture.run(&stages, node, "a");
    fixture.write("x.npz", "b");
    let expected = format!("source: {} changed", path.display());
    assert_eq!(reason(&fixture.plan(&stages), node), expected);
}

#[test]
fn a_miss_distinguishes_missing_and_damaged_records() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let node = stages.add("a", json!({}), &[]);
    let record = fixture.run(&stages, node, "a");
    let actions = fixture.store.root().join("v1/actions");
    let files =
        [record.action_key, record.content_key].map(|key| actions.join(format!("{key}.json")));
    fs::write(&files[0], "{}").unwrap();
    fs::remove_file(&files[1]).unwrap();
    for _ in 0..2 {
        assert_eq!(reason(&fixture.plan(&stages), node), "record damaged");
    }
    fs::remove_file(&files[0]).unwrap();
    assert_eq!(reason(&fixture.plan(&stages), node), "record missing");
}
