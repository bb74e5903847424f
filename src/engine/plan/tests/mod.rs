//! The planner's properties, on graphs of fake stages.

mod explanations;
mod keys;
mod processors;
mod racing;
mod runs;
mod sources;
mod states;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use contract::{Context, Failure, KindInfo, Segment, Signature, Source, Stage};
use petgraph::graph::DiGraph;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::graph::{Catalogue, Link, Resources};
use crate::spec::{self, LoadOptions};
use store::keys::Digest;
use store::{Deadline, InputsCheck};

static KINDS: [KindInfo; 3] = [kind("alpha", 3), kind("alpha", 4), kind("beta", 3)];
static ALPHA_4: &KindInfo = &KINDS[1];
static BETA: &KindInfo = &KINDS[2];

const fn kind(name: &'static str, version: u32) -> KindInfo {
    KindInfo {
        name,
        version,
        doc: "",
        inputs: &[],
        outputs: &[],
        has_primary: true,
        model_params: &[],
        text_params: &[],
        positive_param: None,
        fold_param: None,
        declares_ports: false,
        computes: true,
    }
}

/// A stage of which only the parameters matter. `rate` is 0.5 by default, and `path` is a source.
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
        path.map(|path| Source::new(param(), Path::new(path)))
            .into_iter()
            .collect()
    }

    fn run(&self, _: &Context<'_>) -> Result<(), Failure> {
        Ok(())
    }
}

fn catalogue() -> Catalogue {
    Catalogue {
        kinds: &KINDS,
        parse: |_, params| Ok(Box::new(Fake(params))),
        gpus: crate::devices::fake::none,
        processor: || "test",
    }
}

/// Returns a plain instance of kind `alpha`.
fn instance(name: &str, params: Value) -> Instance {
    let mut graph = graph(
        "version: 1\nname: p\nstages: { stage: { kind: alpha } }",
        &catalogue(),
    );
    let mut instance = graph.stages.remove_node(NodeIndex::new(0)).unwrap();
    instance.name.stage = name.into();
    instance.stage = Box::new(Fake(params));
    instance.seed = 42;
    instance
}

fn graph(text: &str, catalogue: &Catalogue) -> Graph {
    let file = Path::new("p.yaml");
    let built = spec::parse(file, text, &LoadOptions::default())
        .and_then(|pipeline| Graph::build(pipeline, catalogue));
    built.unwrap_or_else(|errors| panic!("{}", errors[0]))
}

/// Returns the record of an action that made `tree` on its port `out`.
fn record(planned: &PlannedAction, content_key: Key, tree: &store::Tree) -> ActionRecord {
    ActionRecord {
        action_key: planned.action_key,
        content_key,
        fingerprint: planned.fingerprint.clone(),
        outputs: BTreeMap::from([("out".into(), tree.digest)]),
        seconds: 0.0,
        cpu_seconds: 0.0,
        peak_memory_mib: 0.0,
        notes: Vec::new(),
        warnings: Vec::new(),
        resumed: None,
        finished: "2025-11-23T08:00:00Z".into(),
        runner: "0.1.0".into(),
        inputs: InputsCheck::Sure,
    }
}

/// A graph that is built stage by stage.
struct Stages(Graph);

impl Stages {
    fn new() -> Self {
        let mut empty = graph(
            "version: 1\nname: p\nstages: { stage: { kind: alpha } }",
            &catalogue(),
        );
        empty.stages = DiGraph::new();
        empty.order.clear();
        Self(empty)
    }

    fn add(&mut self, name: &str, params: Value, inputs: &[(&str, NodeIndex)]) -> NodeIndex {
        let node = self.0.stages.add_node(instance(name, params));
        for (position, &(role, producer)) in inputs.iter().enumerate() {
            let link = Link {
                role: role.into(),
                position,
                port: "out".into(),
                entry: None,
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

/// A store, and next to it a folder for sources.
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

    /// Does for one stage what a run does; its output is `content`.
    fn run(&self, stages: &Stages, node: NodeIndex, content: &str) -> ActionRecord {
        let plan = self.plan(stages);
        let planned = plan.action(node);
        let mut inputs: BTreeMap<String, Vec<Digest>> = BTreeMap::new();
        for (producer, link) in stages.0.inputs(node) {
            let record = self
                .store
                .lookup(&plan.action(producer).action_key)
                .unwrap();
            let tree = record.expect("the producer has run").outputs[&link.port];
            inputs.entry(link.role.clone()).or_default().push(tree);
        }
        let (content_key, _) = content_key(&stages.0, planned, &inputs);
        let staging = self.store.staging().unwrap();
        fs::write(staging.path().join("file"), content).unwrap();
        let tree = self
            .store
            .ingest(staging.folder(), Path::new(""), &Deadline::NONE)
            .unwrap();
        let record = record(planned, content_key, &tree);
        self.store.results().put(&[&record]).unwrap();
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

    /// Returns the key of a single stage.
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

/// Returns whether `edit` changes the key of a stage. Checks that the key of a stage after it then changes too.
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
        "a change must affect a stage and the stage after it alike"
    );
    here
}

/// Returns the state of a stage as text, with the reason if it runs.
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
