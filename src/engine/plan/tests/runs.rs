//! The plan of a random graph matches what a run then does.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use store::keys::InputId;
use store::{Deadline, Lookup};

/// A randomly drawn stage: a parameter that changes the output, one that does not, and the
/// earlier stages that feed it.
#[derive(Clone, Debug)]
struct Drawn {
    relevant: u8,
    irrelevant: u8,
    inputs: Vec<prop::sample::Index>,
}

/// A change between two runs.
#[derive(Clone, Debug)]
enum Edit {
    Relevant(prop::sample::Index, u8),
    Irrelevant(prop::sample::Index, u8),
    Lose(prop::sample::Index),
    Force(prop::sample::Index),
}

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let inputs = prop::collection::vec(any::<prop::sample::Index>(), 0..3);
    let stage = (0..3_u8, 0..3_u8, inputs).prop_map(|(relevant, irrelevant, inputs)| Drawn {
        relevant,
        irrelevant,
        inputs,
    });
    prop::collection::vec(stage, 1..12)
}

fn edits() -> impl Strategy<Value = Vec<Vec<Edit>>> {
    let at = any::<prop::sample::Index>;
    let edit = prop_oneof![
        (at(), 0..3_u8).prop_map(|(index, value)| Edit::Relevant(index, value)),
        (at(), 0..3_u8).prop_map(|(index, value)| Edit::Irrelevant(index, value)),
        at().prop_map(Edit::Lose),
        at().prop_map(Edit::Force),
    ];
    prop::collection::vec(prop::collection::vec(edit, 0..3), 1..5)
}

fn build(drawn: &[Drawn]) -> Stages {
    let mut stages = Stages::new();
    let mut nodes: Vec<NodeIndex> = Vec::new();
    for (position, stage) in drawn.iter().enumerate() {
        let producers = stage.inputs.iter().filter(|_| position > 0);
        let producers: Vec<NodeIndex> = producers.map(|i| nodes[i.index(position)]).collect();
        let inputs: Vec<_> = producers.into_iter().map(|node| ("in", node)).collect();
        let params = json!({ "relevant": stage.relevant, "irrelevant": stage.irrelevant });
        nodes.push(stages.add(&format!("s{position}"), params, &inputs));
    }
    stages
}

/// Actions that were executed so far, by parameters and digests of inputs.
type Done = HashSet<(Value, Vec<Digest>)>;

/// Outcome of a stage in a run.
struct StageOutcome {
    executed: bool,
    /// `true` if the same action had been executed before, with the same content of inputs.
    was_done: bool,
}

/// Executes a plan as a run does.
fn run(
    fixture: &Fixture,
    stages: &Stages,
    plan: &Plan,
    done: &mut Done,
) -> BTreeMap<NodeIndex, StageOutcome> {
    let (graph, store) = (&stages.0, &fixture.store);
    let mut trees: BTreeMap<NodeIndex, Digest> = BTreeMap::new();
    let (mut outcomes, mut made) = (BTreeMap::new(), HashSet::new());
    for planned in &plan.actions {
        let node = planned.node;
        let inputs: Vec<Digest> = graph.inputs(node).iter().map(|(p, _)| trees[p]).collect();
        let by_role = match inputs.as_slice() {
            [] => BTreeMap::new(),
            some => BTreeMap::from([("in".to_owned(), some.to_vec())]),
        };
        let (content_key, _) = content_key(graph, planned, &by_role);
        let found = [planned.action_key, content_key]
            .into_iter()
            .find_map(|key| match store.examine(&key).unwrap() {
                Lookup::Hit(record) => Some(*record),
                _ => None,
            });
        let is_forced =
            planned.state == State::Runs(MissReason::Forced) && !made.contains(&planned.action_key);
        let found = found.filter(|_| !is_forced);
        let what = (planned.fingerprint.params.clone(), inputs.clone());
        let outcome = StageOutcome {
            executed: found.is_none(),
            was_done: !done.insert(what),
        };
        outcomes.insert(node, outcome);
        let record = match found {
            Some(record) => store
                .alias(&record, planned.action_key, &planned.fingerprint)
                .unwrap(),
            None => {
                let params = &planned.fingerprint.params;
                let content = format!("{} {inputs:?}", params["relevant"]);
                let staging = store.staging().unwrap();
                fs::write(staging.path().join("file"), content).unwrap();
                let tree = store
                    .ingest(staging.folder(), Path::new(""), &Deadline::NONE)
                    .unwrap();
                let record = record(planned, content_key, &tree);
                store.results().put(&[&record]).unwrap();
                record
            }
        };
        made.insert(planned.action_key);
        let name = graph.stages[node].name.to_string();
        store
            .set_last_fingerprint("p", &name, &planned.fingerprint)
            .unwrap();
        trees.insert(node, record.outputs["out"]);
    }
    outcomes
}

/// If the inputs of a key's action are still known, removes its record and forgets the action in `done`.
fn lose(fixture: &Fixture, key: Key, done: &mut Done) {
    let store = &fixture.store;
    let Some(record) = store.recall(&key) else {
        return;
    };
    let inputs = record.fingerprint.inputs.values().flatten();
    let trees = inputs.map(|id| match id {
        InputId::Action { key, port } => store.recall(key)?.outputs.get(port).copied(),
        InputId::Content { digest } => Some(*digest),
    });
    let Some(trees) = trees.collect::<Option<Vec<Digest>>>() else {
        return;
    };
    for key in [record.action_key, record.content_key] {
        fs::remove_file(store.root().join(format!("v1/actions/{key}.json"))).ok();
    }
    done.remove(&(record.fingerprint.params, trees));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn a_run_does_what_the_plan_predicts(mut drawn in drawn(), rounds in edits()) {
        let fixture = Fixture::new();
        let mut done = Done::new();
        for round in [Vec::new()].into_iter().chain(rounds) {
            let mut force = Vec::new();
            for edit in round {
                match edit {
                    Edit::Relevant(at, value) => at.get_mut(&mut drawn).relevant = value,
                    Edit::Irrelevant(at, value) => at.get_mut(&mut drawn).irrelevant = value,
                    Edit::Force(at) => force.push(NodeIndex::new(at.index(drawn.len()))),
                    Edit::Lose(at) => {
                        let key = fixture.key(&build(&drawn), NodeIndex::new(at.index(drawn.len())));
                        lose(&fixture, key, &mut done);
                    }
                }
            }
            let stages = build(&drawn);
            let graph = &stages.0;
            let force = if force.is_empty() { Force::None } else { Force::Nodes(force.into_iter().collect()) };
            let options = PlanOptions { force, until: None };
            let planned = plan(graph, &fixture.store, &options).unwrap();
            let outcomes = run(&fixture, &stages, &planned, &mut done);

            let mut first = HashSet::new();
            for action in &planned.actions {
                let StageOutcome { executed, was_done } = outcomes[&action.node];
                let is_first = first.insert(action.action_key);
                match &action.state {
                    State::Cached(_) => prop_assert!(!executed, "cached: {action:?}"),
                    State::Runs(_) => prop_assert_eq!(executed, is_first, "runs: {:?}", action),
                    // It is a hit exactly if the stages upstream give the same results as in an earlier run.
                    State::Waits(upstream) => {
                        let state = &planned.action(*upstream).state;
                        prop_assert!(matches!(state, State::Runs(_)), "waits on {state:?}");
                        prop_assert_eq!(executed, !was_done, "waits: {:?}", action);
                    }
                }
            }
            // Whatever its state was, every action is cached now.
            let again = fixture.plan(&stages);
            prop_assert!(again.actions.iter().all(|a| matches!(a.state, State::Cached(_))));
        }
    }
}
