//! The planner's laws, on graphs of fake stages.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use petgraph::graph::DiGraph;
use serde_json::{Value, json};
use stages::contract::{
    Context, DeviceClass, Failure, KindInfo, Segment, Signature, Source, Stage,
};
use tempfile::TempDir;

use super::*;
use crate::graph::{InstanceName, Link, Resources};

static ALPHA: KindInfo = kind("alpha", 3);
static ALPHA_4: KindInfo = kind("alpha", 4);
static BETA: KindInfo = kind("beta", 3);

const fn kind(name: &'static str, version: u32) -> KindInfo {
    KindInfo {
        name,
        version,
        doc: "",
        inputs: &[],
        outputs: &[],
        has_primary: true,
        model_params: &[],
    }
}

/// A stage of which only the parameters matter; `rate` is 0.5 by default, `path` is a source.
struct Fake(Value);

impl Stage for Fake {
    fn canonical(&self) -> Value {
        let mut params = self.0.clone();
        params
            .as_object_mut()
            .unwrap()
            .entry("rate")
            .or_insert(json!(0.5));
        params
    }

    fn check(
        &self,
        _: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<BTreeMap<String, Signature>, Invalid> {
        Ok(BTreeMap::new())
    }

    fn sources(&self) -> Vec<Source> {
        let path = self.0.pointer("/source/path").and_then(Value::as_str);
        let param = || {
            ["source", "path"]
                .map(|key| Segment::Key(key.into()))
                .to_vec()
        };
        path.map(|path| Source {
            param: param(),
            path: path.into(),
        })
        .into_iter()
        .collect()
    }

    fn run(&self, _: &Context<'_>) -> Result<(), Failure> {
        Ok(())
    }
}

/// Builds graphs, one stage at a time.
struct Stages(Graph);

impl Stages {
    fn new() -> Self {
        Self(Graph {
            pipeline: "p".into(),
            file: "p.yaml".into(),
            profile: None,
            stages: DiGraph::new(),
            order: Vec::new(),
            tables: Vec::new(),
        })
    }

    fn add(&mut self, name: &str, params: Value, inputs: &[(&str, NodeIndex)]) -> NodeIndex {
        let node = self.0.stages.add_node(Instance {
            name: InstanceName {
                stage: name.into(),
                axes: Vec::new(),
            },
            kind: &ALPHA,
            stage: Box::new(Fake(params)),
            seed: 42,
            device: DeviceClass::Cpu,
            resources: Resources { cpus: 1, gpus: 0 },
        });
        for (position, &(role, producer)) in inputs.iter().enumerate() {
            let link = Link {
                role: role.into(),
                position,
                port: "out".into(),
            };
            self.0.stages.add_edge(producer, node, link);
        }
        self.0.order.push(node);
        node
    }

    fn edit(&mut self, node: NodeIndex) -> &mut Instance {
        &mut self.0.stages[node]
    }
}

/// A store, and a folder for sources beside it.
struct Fixture {
    folder: TempDir,
    store: Store,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("artifacts")).unwrap();
        let fixture = Self { folder, store };
        fixture.write("train/NORMAL/a.jpeg", "a");
        fixture.write("train/NORMAL/b.jpeg", "b");
        fixture
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("images")
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.source().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn plan(&self, stages: &Stages) -> Plan {
        plan(&stages.0, &self.store, &PlanOptions::default()).unwrap()
    }

    /// Does what a run does for one stage, its output being `content`.
    fn run(&self, stages: &Stages, node: NodeIndex, content: &str) -> ActionRecord {
        let plan = self.plan(stages);
        let planned = plan.action(node);
        let mut inputs: BTreeMap<String, Vec<Digest>> = BTreeMap::new();
        for (producer, link) in stages.0.inputs(node) {
            let record = self
                .store
                .lookup(&plan.action(producer).action_key)
                .unwrap();
            let tree = record.expect("producers run first").outputs[&link.port];
            inputs.entry(link.role.clone()).or_default().push(tree);
        }
        let (content_key, _) = content_key(&stages.0, planned, &inputs);
        let staging = self.store.staging().unwrap();
        fs::write(staging.path().join("file"), content).unwrap();
        let tree = self.store.ingest(staging.path()).unwrap();
        let record = ActionRecord {
            action_key: planned.action_key,
            content_key,
            fingerprint: planned.fingerprint.clone(),
            outputs: BTreeMap::from([("out".into(), tree.digest)]),
            seconds: 0.0,
            cpu_seconds: 0.0,
            peak_memory_mib: 0.0,
            notes: Vec::new(),
            finished: "2025-11-23T08:00:00Z".into(),
            runner: "0.1.0".into(),
        };
        self.store.record(&record).unwrap();
        let name = stages.0.stages[node].name.to_string();
        self.store
            .set_last_fingerprint("p", &name, &planned.fingerprint)
            .unwrap();
        record
    }

    fn run_all(&self, stages: &Stages) {
        for &node in &stages.0.order {
            self.run(stages, node, &format!("output of {}", node.index()));
        }
    }

    fn key(&self, stages: &Stages, node: NodeIndex) -> Key {
        self.plan(stages).action(node).action_key
    }

    /// The key of a single stage.
    fn key_of(&self, params: Value) -> Key {
        let mut stages = Stages::new();
        let node = stages.add("stage", params, &[]);
        self.key(&stages, node)
    }

    fn source_params(&self) -> Value {
        json!({"source": {"path": self.source()}})
    }

    fn source_key(&self) -> Key {
        self.key_of(self.source_params())
    }
}

/// Whether the key of a single stage changes with `edit`, and of one that depends on it.
fn invalidates(edit: impl Fn(&mut Instance)) -> bool {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let first = stages.add("first", json!({"epochs": 6}), &[]);
    let second = stages.add("second", json!({}), &[("train", first)]);
    let before = [first, second].map(|node| fixture.key(&stages, node));
    edit(stages.edit(first));
    let after = [first, second].map(|node| fixture.key(&stages, node));
    let [here, below] = [0, 1].map(|index| before[index] != after[index]);
    assert_eq!(
        here, below,
        "what changes a stage changes what depends on it"
    );
    here
}

/// The reason for which a stage runs, or what else is to become of it, as text.
fn reason(plan: &Plan, node: NodeIndex) -> String {
    match &plan.action(node).state {
        State::Cached(_) => "cached".into(),
        State::Runs(reason) => reason.to_string(),
        State::Waits(node) => format!("waits on {}", node.index()),
    }
}

/// Gives a file a modification time `seconds` ago.
fn age(file: &Path, seconds: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds);
    fs::File::options()
        .write(true)
        .open(file)
        .unwrap()
        .set_modified(time)
        .unwrap();
}

// What is in a key.

#[test]
fn golden_action_and_content_key() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let first = stages.add("first", json!({"epochs": 6, "layers": [{"conv": 32}]}), &[]);
    let second = stages.add("second", json!({"rate": 1e-4}), &[("train", first)]);
    let plan = fixture.plan(&stages);
    assert_eq!(
        String::from_utf8(plan.action(first).fingerprint.canonical_bytes()).unwrap(),
        concat!(
            r#"{"device":"cpu","format":1,"inputs":{},"kind":"alpha","#,
            r#""params":{"epochs":6,"layers":[{"conv":32}],"rate":0.5},"seed":42,"version":3}"#
        )
    );
    assert_eq!(
        plan.action(second).action_key.to_string(),
        "bd99c855f46e8eede094ef42d97a2aea60f640d5b0f815e8fe64f6915b82599a"
    );
    let inputs = BTreeMap::from([("train".into(), vec![Digest::derive("test", b"")])]);
    assert_eq!(
        content_key(&stages.0, plan.action(second), &inputs)
            .0
            .to_string(),
        "92c5f9a0b2bcd4050015b2dffcf1f795c9925bb81eac7e5d41a9d5a5b53ad1cf"
    );
}

#[test]
fn params_order_does_not_invalidate() {
    let fixture = Fixture::new();
    let [a, b] = [
        r#"{"x": {"p": 1, "q": 2}, "y": 3}"#,
        r#"{"y": 3, "x": {"q": 2, "p": 1}}"#,
    ]
    .map(|text| fixture.key_of(serde_json::from_str(text).unwrap()));
    assert_eq!(a, b);
}

#[test]
fn list_order_invalidates() {
    let fixture = Fixture::new();
    assert_ne!(
        fixture.key_of(json!({"x": [1, 2]})),
        fixture.key_of(json!({"x": [2, 1]}))
    );
}

#[test]
fn default_spelled_out_does_not_invalidate() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture.key_of(json!({})),
        fixture.key_of(json!({"rate": 0.5}))
    );
    assert_ne!(
        fixture.key_of(json!({})),
        fixture.key_of(json!({"rate": 0.25}))
    );
}

#[test]
fn name_and_resources_do_not_invalidate() {
    assert!(!invalidates(|stage| stage.name.stage = "other".into()));
    assert!(!invalidates(
        |stage| stage.name.axes = vec![("model".into(), "m1".into())]
    ));
    assert!(!invalidates(
        |stage| stage.resources = Resources { cpus: 8, gpus: 1 }
    ));
}

#[test]
fn position_does_not_invalidate() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    stages.add("other", json!({"x": 1}), &[]);
    let node = stages.add("stage", json!({"x": 2}), &[]);
    assert_eq!(fixture.key(&stages, node), fixture.key_of(json!({"x": 2})));
}

#[test]
fn params_invalidate() {
    assert!(invalidates(
        |stage| stage.stage = Box::new(Fake(json!({"epochs": 7})))
    ));
}

#[test]
fn number_type_invalidates() {
    let fixture = Fixture::new();
    assert_ne!(
        fixture.key_of(json!({"x": 1})),
        fixture.key_of(json!({"x": 1.0}))
    );
}

#[test]
fn seed_version_kind_and_device_invalidate() {
    assert!(invalidates(|stage| stage.seed = 43));
    assert!(invalidates(|stage| stage.kind = &ALPHA_4));
    assert!(invalidates(|stage| stage.kind = &BETA));
    assert!(invalidates(|stage| stage.device = DeviceClass::Cuda));
}

#[test]
fn role_port_and_input_order_invalidate() {
    let fixture = Fixture::new();
    let key = |roles: [&str; 2], swapped: bool, port: &str| {
        let mut stages = Stages::new();
        let a = stages.add("a", json!({"x": 1}), &[]);
        let b = stages.add("b", json!({"x": 2}), &[]);
        let [a, b] = if swapped { [b, a] } else { [a, b] };
        let node = stages.add("c", json!({}), &[(roles[0], a), (roles[1], b)]);
        let edge = stages.0.stages.find_edge(a, node).unwrap();
        stages.0.stages[edge].port = port.into();
        fixture.key(&stages, node)
    };
    let plain = key(["in", "in"], false, "out");
    assert_eq!(key(["in", "in"], false, "out"), plain);
    assert_ne!(key(["in", "in"], true, "out"), plain);
    assert_ne!(key(["in", "with"], false, "out"), plain);
    assert_ne!(key(["in", "in"], false, "test"), plain);
}

#[test]
fn equal_actions_have_one_key() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let keys = ["one", "two"].map(|name| {
        let first = stages.add(name, json!({"x": 1}), &[]);
        let second = stages.add(&format!("{name} below"), json!({"y": 1}), &[("in", first)]);
        [first, second].map(|node| fixture.key(&stages, node))
    });
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[0][0], keys[0][1]);
}

#[test]
fn action_and_content_keys_never_meet() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let node = stages.add("stage", json!({}), &[]);
    let plan = fixture.plan(&stages);
    let (content, fingerprint) = content_key(&stages.0, plan.action(node), &BTreeMap::new());
    assert_eq!(fingerprint, plan.action(node).fingerprint);
    assert_ne!(content, plan.action(node).action_key);
}

// Sources.

#[test]
fn source_byte_invalidates() {
    let fixture = Fixture::new();
    let before = fixture.source_key();
    fixture.write("train/NORMAL/a.jpeg", "A");
    assert_ne!(fixture.source_key(), before);
    fixture.write("train/NORMAL/a.jpeg", "a");
    assert_eq!(fixture.source_key(), before);
}

#[test]
fn source_byte_with_its_old_time_and_size_invalidates() {
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
fn a_source_that_cannot_be_read_is_the_parameters_fault() {
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
            .ends_with("is a link to a folder it is in")
    );
}

#[test]
fn a_source_that_changes_while_a_stage_runs_is_noticed() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let node = stages.add("xrays", fixture.source_params(), &[]);
    let plan = fixture.plan(&stages);
    let unchanged = || sources_unchanged(&stages.0, &fixture.store, plan.action(node)).unwrap();
    assert!(unchanged());
    fixture.write("train/NORMAL/a.jpeg", "A");
    assert!(!unchanged());
}

// What becomes of a stage, and why.

#[test]
fn a_stage_that_ran_is_cached_and_what_was_never_run_is_not() {
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
fn a_hit_needs_nothing_upstream() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let a = stages.add("a", json!({}), &[]);
    let b = stages.add("b", json!({}), &[("in", a)]);
    let record = fixture.run(&stages, a, "a");
    fixture.run(&stages, b, "b");
    let tree = fixture.store.tree(&record.outputs["out"]).unwrap();
    fs::remove_file(fixture.store.blob_path(&tree.files["file"].digest)).unwrap();
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

    fixture.run(&stages, a, "other");
    assert_eq!(reason(&fixture.plan(&stages), b), "input `in` changed");
}

#[test]
fn force_runs_what_is_cached() {
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
    assert_eq!(reasons(Force::Nodes(vec![a])), ["forced", "cached"]);
}

#[test]
fn until_leaves_out_what_is_not_needed() {
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
fn a_miss_tells_the_smallest_thing_that_changed() {
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
        reason_after(&|stage| stage.device = DeviceClass::Cuda),
        "device cpu → cuda"
    );
    assert_eq!(
        reason_after(&|stage| stage.kind = &ALPHA_4),
        "code: alpha version 3 → 4"
    );
    assert_eq!(
        reason_after(&|stage| stage.kind = &BETA),
        "kind alpha → beta"
    );
    assert_eq!(
        reason_after(&|stage| {
            stage.kind = &ALPHA_4;
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
fn a_miss_tells_which_source_files_changed() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let node = stages.add("xrays", fixture.source_params(), &[]);
    fixture.run(&stages, node, "a");
    let reason = || reason(&fixture.plan(&stages), node);
    assert_eq!(reason(), "cached");
    fixture.write("train/NORMAL/b.jpeg", "B");
    assert_eq!(
        reason(),
        "source: 1 file changed, first: train/NORMAL/b.jpeg"
    );
    fixture.write("train/NORMAL/a.jpeg", "A");
    assert_eq!(
        reason(),
        "source: 2 files changed, first: train/NORMAL/a.jpeg"
    );
    fixture.write("test/c.jpeg", "c");
    assert_eq!(
        reason(),
        "source: 2 files changed, 1 added, first: test/c.jpeg"
    );
    fs::remove_dir_all(fixture.source().join("train")).unwrap();
    assert_eq!(
        reason(),
        "source: 1 file added, 2 removed, first: test/c.jpeg"
    );
}

#[test]
fn a_miss_tells_a_lost_record_from_a_damaged_one() {
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
