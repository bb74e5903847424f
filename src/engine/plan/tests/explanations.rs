//! Explanations name the change that was made.

use std::fs;

use contract::{Device, Precision};
use serde_json::{Value, json};

use super::*;
use crate::explain::{Explanation, explain, explain_all};

/// The graph `xrays` → `augmented` → `cnn` → `score`, and `images` → `cnn`. All stages have run.
struct Chain {
    fixture: Fixture,
    stages: Stages,
    nodes: [NodeIndex; 5],
}

const NAMES: [&str; 5] = ["xrays", "images", "augmented", "cnn", "score"];

impl Chain {
    fn new() -> Self {
        let fixture = Fixture::new();
        let mut stages = Stages::new();
        let xrays = stages.add("xrays", fixture.source_params(), &[]);
        let images = stages.add("images", json!({"images": 5}), &[]);
        let augmented = stages.add("augmented", json!({"shear": 0.2}), &[("images", xrays)]);
        let model = json!([{"conv": {"filters": 64}}, "flatten"]);
        let inputs = [("train", augmented), ("validation", images)];
        let cnn = stages.add("cnn", json!({"epochs": 6, "model": model}), &inputs);
        let score = stages.add("score", json!({}), &[("model", cnn)]);
        fixture.run_all(&stages);
        Self {
            fixture,
            stages,
            nodes: [xrays, images, augmented, cnn, score],
        }
    }

    fn node(&self, name: &str) -> NodeIndex {
        let position = NAMES.iter().position(|known| *known == name);
        self.nodes[position.unwrap()]
    }

    fn set(&mut self, name: &str, params: Value) {
        let node = self.node(name);
        self.stages.edit(node).stage = Box::new(Fake(params));
    }

    fn name(&self, node: NodeIndex) -> String {
        self.stages.0.stages[node].name.to_string()
    }

    fn forced(&self, name: &str) -> Plan {
        let force = Force::Nodes([self.node(name)].into());
        let options = PlanOptions { force, until: None };
        plan(&self.stages.0, &self.fixture.store, &options).unwrap()
    }

    /// Returns `<way>: <cause>` for every cause of a stage, or `cached`.
    fn causes_in(&self, plan: &Plan, name: &str) -> Vec<String> {
        let graph = &self.stages.0;
        match explain(graph, &self.fixture.store, plan, self.node(name)) {
            Explanation::Hit(_) => vec!["cached".to_owned()],
            Explanation::Miss(causes) => causes
                .iter()
                .map(|cause| {
                    let way: Vec<String> = cause.path.iter().map(|&n| self.name(n)).collect();
                    format!("{}: {}", way.join(" < "), cause.why)
                })
                .collect(),
        }
    }

    fn causes(&self, name: &str) -> Vec<String> {
        self.causes_in(&self.fixture.plan(&self.stages), name)
    }

    fn all(&self) -> Vec<String> {
        let plan = self.fixture.plan(&self.stages);
        let causes = explain_all(&self.stages.0, &self.fixture.store, &plan);
        let text = |cause: &crate::explain::Cause| {
            let followers = cause.followers.iter().map(|&node| self.name(node));
            let followers: Vec<String> = followers.collect();
            let name = self.name(cause.node());
            format!("{name}: {} > {}", cause.why, followers.join(" "))
        };
        causes.iter().map(text).collect()
    }

    /// Returns the files of a stage's record, under its action key and its content key.
    fn records(&self, name: &str) -> [PathBuf; 2] {
        let key = self.fixture.key(&self.stages, self.node(name));
        let record = self.fixture.store.recall(&key).unwrap();
        let actions = self.fixture.store.root().join("v1/actions");
        [record.action_key, record.content_key].map(|key| actions.join(format!("{key}.json")))
    }

    fn remove_record(&self, name: &str) {
        for record in self.records(name) {
            fs::remove_file(record).unwrap();
        }
    }
}

#[test]
fn an_unchanged_stage_is_a_hit_of_its_own_action() {
    let chain = Chain::new();
    assert_eq!(chain.causes("score"), ["cached"]);
    assert!(chain.all().is_empty());
    let plan = chain.fixture.plan(&chain.stages);
    let node = chain.node("cnn");
    let Explanation::Hit(hit) = explain(&chain.stages.0, &chain.fixture.store, &plan, node) else {
        panic!("no hit");
    };
    assert_eq!(hit.made_as, plan.action(node).action_key);
}

#[test]
fn a_parameter_is_the_cause_here_and_below() {
    let mut chain = Chain::new();
    chain.set("augmented", json!({"shear": 0.3}));
    let change = "params.shear 0.2 → 0.3";
    assert_eq!(chain.causes("augmented"), [format!("augmented: {change}")]);
    let far = format!("score < cnn < augmented: {change}");
    assert_eq!(chain.causes("score"), [far]);
    assert_eq!(chain.causes("xrays"), ["cached"]);
    assert_eq!(chain.all(), [format!("augmented: {change} > cnn score")]);
}

#[test]
fn nested_parameters_and_layers_are_named_by_their_path() {
    let mut chain = Chain::new();
    let conv = |filters: u32| json!({"conv": {"filters": filters}});
    chain.set("cnn", json!({"epochs": 6, "model": [conv(32), "flatten"]}));
    let change = "params.model[0].conv.filters 64 → 32";
    assert_eq!(chain.causes("cnn"), [format!("cnn: {change}")]);
    chain.set(
        "cnn",
        json!({"epochs": 6, "model": [conv(64), {"dropout": 0.5}, "flatten"]}),
    );
    let added = "score < cnn: params.model[1] added: {\"dropout\":0.5}";
    assert_eq!(chain.causes("score"), [added]);
}

#[test]
fn seed_device_and_version_are_causes() {
    let explained = |edit: &dyn Fn(&mut Instance)| {
        let mut chain = Chain::new();
        let node = chain.node("cnn");
        edit(chain.stages.edit(node));
        chain.causes("score")
    };
    let seed = explained(&|stage| stage.seed = 1);
    assert_eq!(seed, ["score < cnn: seed 42 → 1"]);
    let device = explained(&|stage| {
        stage.device = Device::Cuda {
            precision: Precision::default(),
        }
    });
    assert_eq!(device, ["score < cnn: device cpu → cuda, tf32"]);
    let version = explained(&|stage| stage.kind = ALPHA_4);
    assert_eq!(version, ["score < cnn: code: alpha version 3 → 4"]);
}

#[test]
fn a_source_cause_names_the_path_and_the_first_file() {
    let expected = |chain: &Chain, what: &str| {
        let folder = chain.fixture.source();
        let way = "score < cnn < augmented < xrays";
        vec![format!(
            "{way}: source: {}",
            what.replace("DIR", folder.to_str().unwrap())
        )]
    };
    let chain = Chain::new();
    chain.fixture.write("train/NORMAL/b.jpeg", "B");
    chain.fixture.write("train/NORMAL/a.jpeg", "A");
    let changed = expected(&chain, "2 files changed in DIR, first: train/NORMAL/a.jpeg");
    assert_eq!(chain.causes("score"), changed);

    let chain = Chain::new();
    chain.fixture.write("train/NORMAL/c.jpeg", "c");
    let added = expected(&chain, "1 file added in DIR, first: train/NORMAL/c.jpeg");
    assert_eq!(chain.causes("score"), added);

    let chain = Chain::new();
    fs::remove_file(chain.fixture.source().join("train/NORMAL/b.jpeg")).unwrap();
    let removed = expected(&chain, "1 file removed in DIR, first: train/NORMAL/b.jpeg");
    assert_eq!(chain.causes("score"), removed);
}

#[test]
fn missing_and_damaged_results_are_causes() {
    let chain = Chain::new();
    // The record under one of its two keys is enough for a hit.
    let records = chain.records("cnn");
    fs::write(&records[0], "{}").unwrap();
    assert_eq!(chain.causes("cnn"), ["cached"]);
    for record in &records {
        fs::write(record, "{}").unwrap();
    }
    assert_eq!(chain.causes("cnn"), ["cnn: record damaged"]);
    // The stage after it still has its own record.
    assert_eq!(chain.causes("score"), ["cached"]);

    let chain = Chain::new();
    chain.remove_record("cnn");
    chain.remove_record("score");
    assert_eq!(chain.causes("cnn"), ["cnn: record missing"]);
    assert_eq!(chain.causes("score"), ["score < cnn: record missing"]);

    let chain = Chain::new();
    let plan = chain.fixture.plan(&chain.stages);
    let State::Cached(record) = &plan.action(chain.node("cnn")).state else {
        panic!("not cached");
    };
    let tree = chain.fixture.store.tree(&record.outputs["out"]).unwrap();
    fs::remove_file(&chain.fixture.store.files_of(&tree)["file"]).unwrap();
    assert_eq!(chain.causes("cnn"), ["cnn: output missing: out"]);
}

#[test]
fn force_is_a_cause_at_the_forced_stage() {
    let chain = Chain::new();
    let plan = chain.forced("augmented");
    let causes = chain.causes_in(&plan, "augmented");
    assert_eq!(causes, ["augmented: forced"]);
    assert_eq!(chain.causes_in(&plan, "cnn"), ["cnn < augmented: forced"]);
}

#[test]
fn a_first_run_is_its_own_cause() {
    let mut chain = Chain::new();
    let xrays = chain.node("xrays");
    let new = chain.stages.add("new", json!({}), &[("images", xrays)]);
    let plan = chain.fixture.plan(&chain.stages);
    let Explanation::Miss(causes) = explain(&chain.stages.0, &chain.fixture.store, &plan, new)
    else {
        panic!("a hit");
    };
    assert_eq!(causes.len(), 1);
    assert_eq!(causes[0].why.to_string(), "first run");
    assert_eq!(chain.all(), ["new: first run > "]);
}

#[test]
fn all_causes_are_listed_nearest_first() {
    let mut chain = Chain::new();
    chain.fixture.write("train/NORMAL/c.jpeg", "c");
    chain.set("images", json!({"images": 6}));
    chain.set("score", json!({"threshold": 0.4}));
    let causes = chain.causes("score");
    assert_eq!(causes[0], "score: params.threshold added: 0.4");
    assert_eq!(causes[1], "score < cnn < images: params.images 5 → 6");
    let source = "score < cnn < augmented < xrays: source: 1 file added";
    assert!(causes[2].starts_with(source), "{causes:?}");
    assert_eq!(causes.len(), 3, "{causes:?}");
    let all: Vec<String> = chain.all();
    let stages: Vec<_> = all.iter().map(|c| c.split(':').next().unwrap()).collect();
    assert_eq!(stages, ["xrays", "images", "score"], "{all:?}");
}

#[test]
fn a_change_that_ran_already_upstream_is_still_the_cause_below() {
    let mut chain = Chain::new();
    chain.set("augmented", json!({"shear": 0.3}));
    let node = chain.node("augmented");
    chain.fixture.run(&chain.stages, node, "sheared more");
    assert_eq!(chain.causes("augmented"), ["cached"]);
    let causes = chain.causes("cnn");
    assert_eq!(causes, ["cnn < augmented: params.shear 0.2 → 0.3"]);
}

#[test]
fn a_hit_by_content_names_the_original_action() {
    let mut chain = Chain::new();
    let cnn = chain.node("cnn");
    let before = chain.fixture.key(&chain.stages, cnn);
    chain.set("augmented", json!({"shear": 0.3}));
    let node = chain.node("augmented");
    // The output is the same as before.
    chain
        .fixture
        .run(&chain.stages, node, &format!("output of {}", node.index()));
    let plan = chain.fixture.plan(&chain.stages);
    let Explanation::Hit(hit) = explain(&chain.stages.0, &chain.fixture.store, &plan, cnn) else {
        panic!("no hit");
    };
    assert_eq!(hit.made_as, before);
    assert_ne!(plan.action(cnn).action_key, before);
}
