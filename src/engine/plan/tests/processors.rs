//! Results of other kinds of processors.

use serde_json::json;
use store::Matching;

use super::*;

/// Two stages that compute, and one between them that does not.
struct Chain {
    stages: Stages,
    nodes: [NodeIndex; 3],
}

/// Kind that does not compute.
static GAMMA: KindInfo = KindInfo {
    computes: false,
    ..kind("gamma", 1)
};

impl Chain {
    fn new() -> Self {
        let mut stages = Stages::new();
        let train = stages.add("train", json!({}), &[]);
        let copy = stages.add("copy", json!({}), &[("in", train)]);
        let measure = stages.add("measure", json!({}), &[("in", copy)]);
        stages.edit(copy).kind = &GAMMA;
        let mut chain = Self {
            stages,
            nodes: [train, copy, measure],
        };
        chain.move_to("x86-avx512");
        chain
    }

    /// The same pipeline on a machine with another processor.
    fn move_to(&mut self, processor: &str) {
        let [train, copy, measure] = self.nodes;
        for node in [train, measure] {
            self.stages.edit(node).processor = Some(processor.to_owned());
        }
        self.stages.edit(copy).processor = None;
    }

    fn states(&self, fixture: &Fixture) -> [String; 3] {
        let plan = fixture.plan(&self.stages);
        self.nodes.map(|node| reason(&plan, node))
    }

    /// Runs all stages; their outputs contain `content`.
    fn run(&self, fixture: &Fixture, content: &str) -> [ActionRecord; 3] {
        self.nodes.map(|node| {
            let content = format!("{content} {}", node.index());
            fixture.run(&self.stages, node, &content)
        })
    }
}

fn outputs(plan: &Plan, node: NodeIndex) -> BTreeMap<String, Digest> {
    match &plan.action(node).state {
        State::Cached(record) => record.outputs.clone(),
        state => panic!("{state:?}"),
    }
}

#[test]
fn results_of_another_processor_are_misses_with_a_reason() {
    let fixture = Fixture::new();
    let mut chain = Chain::new();
    chain.run(&fixture, "512");
    assert_eq!(chain.states(&fixture), ["cached"; 3]);
    chain.move_to("x86-avx2");
    let reason = "processor x86-avx512 → x86-avx2";
    assert_eq!(chain.states(&fixture), [reason, "waits on 0", "waits on 0"]);
}

#[test]
fn results_of_any_processor_are_hits_if_the_store_allows_it() {
    let mut fixture = Fixture::new();
    let mut chain = Chain::new();
    let made = chain.run(&fixture, "512");
    chain.move_to("x86-avx2");
    fixture.store.set_matching(Matching::Any);
    let plan = fixture.plan(&chain.stages);
    for (node, record) in chain.nodes.into_iter().zip(&made) {
        assert_eq!(outputs(&plan, node), record.outputs);
        assert_eq!(plan.action(node).action_key, record.action_key);
    }
    // Nothing was recorded as if it had been computed here.
    fixture.store.set_matching(Matching::Same);
    assert_eq!(chain.states(&fixture)[1..], ["waits on 0", "waits on 0"]);
}

#[test]
fn own_results_come_first() {
    let mut fixture = Fixture::new();
    let mut chain = Chain::new();
    chain.run(&fixture, "512");
    chain.move_to("x86-avx2");
    let own = chain.run(&fixture, "2");
    fixture.store.set_matching(Matching::Any);
    let plan = fixture.plan(&chain.stages);
    for (node, record) in chain.nodes.into_iter().zip(&own) {
        assert_eq!(outputs(&plan, node), record.outputs);
    }
}

#[test]
fn a_stage_after_a_result_of_another_processor_gets_a_key_that_tells_so() {
    let mut fixture = Fixture::new();
    let mut chain = Chain::new();
    let [train, copy, measure] = chain.nodes;
    let there = fixture.run(&chain.stages, train, "512");
    chain.move_to("x86-avx2");
    let plain = fixture.key(&chain.stages, copy);
    fixture.store.set_matching(Matching::Any);
    let plan = fixture.plan(&chain.stages);
    assert_eq!(outputs(&plan, train), there.outputs);
    assert_eq!(
        [copy, measure].map(|node| reason(&plan, node)),
        ["first run", "waits on 1"]
    );
    assert_ne!(plan.action(copy).action_key, plain);
    // The rest runs here, from the results of the other processor, and is a hit from then on.
    fixture.run(&chain.stages, copy, "copy");
    let mixed = fixture.run(&chain.stages, measure, "mixed");
    assert_eq!(chain.states(&fixture), ["cached"; 3]);
    // With `--match same`, it is not a hit, because training on this processor gives other bits.
    fixture.store.set_matching(Matching::Same);
    fixture.run(&chain.stages, train, "2");
    let states = chain.states(&fixture);
    assert_eq!([&*states[0], &states[2]], ["cached", "waits on 1"]);
    assert_ne!(fixture.key(&chain.stages, measure), mixed.action_key);
}

#[test]
fn a_mixed_result_is_found_by_the_content_of_its_inputs() {
    let mut fixture = Fixture::new();
    let mut chain = Chain::new();
    let [train, copy, measure] = chain.nodes;
    let there = fixture.run(&chain.stages, train, "same");
    fixture.run(&chain.stages, copy, "same");
    let made = fixture.run(&chain.stages, measure, "measured on 512");
    // Another processor gives the same weights, but has not measured them.
    chain.move_to("x86-avx2");
    let here = fixture.run(&chain.stages, train, "same");
    assert_eq!(here.outputs, there.outputs);
    fixture.store.set_matching(Matching::Any);
    let plan = fixture.plan(&chain.stages);
    assert_eq!(outputs(&plan, train), here.outputs);
    assert_eq!(outputs(&plan, measure), made.outputs);
}

#[test]
fn a_machine_without_a_gpu_finds_what_gpus_computed() {
    let fixture = Fixture::new();
    let mut chain = Chain::new();
    chain.move_to("gpu-nvidia-h200");
    let made = chain.run(&fixture, "h200");
    chain.move_to("gpu");
    let plan = fixture.plan(&chain.stages);
    for (node, record) in chain.nodes.into_iter().zip(&made) {
        assert_eq!(outputs(&plan, node), record.outputs);
    }
    // A machine with another GPU does not.
    chain.move_to("gpu-nvidia-t4");
    assert_eq!(chain.states(&fixture)[1..], ["waits on 0", "waits on 0"]);
}

#[test]
fn a_forced_stage_runs_here() {
    let mut fixture = Fixture::new();
    let mut chain = Chain::new();
    chain.run(&fixture, "512");
    chain.move_to("x86-avx2");
    fixture.store.set_matching(Matching::Any);
    let options = PlanOptions {
        force: Force::Nodes([chain.nodes[0]].into()),
        ..PlanOptions::default()
    };
    let plan = plan(&chain.stages.0, &fixture.store, &options).unwrap();
    let states = chain.nodes.map(|node| reason(&plan, node));
    assert_eq!(states, ["forced", "waits on 0", "waits on 0"]);
}
