//! The actions of a crate: the run, and the execution of each stage instance with its tool, parameters, inputs and
//! results.

use std::collections::{BTreeMap, HashMap};

use engine::error::Error;
use engine::event::RunState;
use engine::scheduler::Outcome;
use serde_json::{Value, json};

use super::files::Contents;
use super::graph::{local_id, reference, time};
use crate::params::text;
use crate::record::{Instance, Record};

const COMPLETED: &str = "http://schema.org/CompletedActionStatus";
const FAILED: &str = "http://schema.org/FailedActionStatus";

/// References to the entities that describe the execution of a run.
#[derive(Default)]
pub(super) struct Actions {
    /// The tools: one for each stage kind.
    pub(super) tools: Vec<Value>,
    /// The steps of the workflow: one for each stage.
    pub(super) steps: Vec<Value>,
    /// Actions of instances.
    pub(super) actions: Vec<Value>,
    /// Entities that say which step an action belongs to.
    pub(super) controls: Vec<Value>,
    /// Results of all instances.
    pub(super) results: Vec<Value>,
}

/// Values of parameters, each with the formal parameter that it is an example of.
#[derive(Default)]
struct Values {
    /// Formal parameters by kind and name, with the ids of their values.
    formal: BTreeMap<(String, String), Formal>,
    /// Ids by kind, name and value.
    ids: HashMap<(String, String, String), String>,
}

#[derive(Default)]
struct Formal {
    data_type: &'static str,
    values: Vec<Value>,
}

/// Adds the actions of all instances that were executed, or whose results another run made.
pub(super) fn add(contents: &mut Contents<'_>) -> Result<Actions, Error> {
    let record = contents.record;
    let mut actions = Actions::default();
    let mut values = Values::default();
    let ran: Vec<&Instance> = record
        .instances
        .iter()
        .filter(|one| one.has_run())
        .collect();
    // Results first: an action refers to the results of others.
    let mut results: HashMap<(&str, &str), Value> = HashMap::new();
    for instance in &ran {
        for output in &instance.outputs {
            let result = contents.output(instance, output)?;
            results.insert((&instance.name, &output.port), result);
        }
    }
    for instance in ran {
        let mut objects = values.of(contents, instance);
        for input in &instance.inputs {
            let maker = &record.instances[input.maker].name;
            objects.extend(results.get(&(&**maker, &*input.port)).cloned());
        }
        let made: Vec<Value> = instance
            .outputs
            .iter()
            .filter_map(|output| results.get(&(&*instance.name, &*output.port)).cloned())
            .collect();
        actions.results.extend(made.iter().cloned());
        let tool = tool_id(&instance.kind);
        let id = local_id("action", &instance.name);
        let action = contents.graph.add(
            &id,
            "CreateAction",
            json!({
                "name": instance.name,
                "description": description(instance),
                "instrument": reference(&tool),
                "object": distinct(objects),
                "result": made,
                "startTime": instance.started.map(time),
                "endTime": instance.finished.map(time),
                "actionStatus": status(instance),
                "error": error(instance),
            }),
        );
        actions.actions.push(action.clone());
        let step = local_id("step", &instance.stage);
        if !contents.graph.contains(&step) {
            let fields = json!({
                "name": instance.stage,
                "position": (actions.steps.len() + 1).to_string(),
                "workExample": reference(&tool),
            });
            actions
                .steps
                .push(contents.graph.add(&step, "HowToStep", fields));
        }
        let control = json!({
            "name": format!("execution of {}", instance.name),
            "instrument": reference(&step),
            "object": action,
        });
        let id = local_id("control", &instance.name);
        actions
            .controls
            .push(contents.graph.add(&id, "ControlAction", control));
    }
    actions.tools = values.finish(contents);
    Ok(actions)
}

fn tool_id(kind: &str) -> String {
    local_id("kind", kind)
}

impl Values {
    /// Adds the parameters of an instance. Returns references to their values.
    fn of(&mut self, contents: &mut Contents<'_>, instance: &Instance) -> Vec<Value> {
        // A tool exists if it has been used, also without parameters.
        let kind = &instance.kind;
        self.formal
            .entry((kind.clone(), String::new()))
            .or_default();
        let seed = instance.seed().map(|seed| ("seed", json!(seed)));
        let seed = seed.iter().map(|(name, value)| (*name, value));
        let params = instance.params.iter();
        let params = params
            .map(|(name, value)| (name.as_str(), value))
            .chain(seed);
        let mut references = Vec::new();
        for (name, value) in params {
            let formal = self
                .formal
                .entry((kind.clone(), name.to_owned()))
                .or_default();
            formal.data_type = match value {
                Value::Number(_) => "Number",
                Value::Bool(_) => "Boolean",
                _ => "Text",
            };
            let known = (kind.clone(), name.to_owned(), value.to_string());
            let number = formal.values.len() + 1;
            let of = formal_id(kind, name);
            let id = self.ids.entry(known).or_insert_with(|| {
                let id = local_id("value", &format!("{kind}/{name}/{number}"));
                let fields = json!({
                    "name": name,
                    "value": text(value),
                    "exampleOfWork": reference(&of),
                });
                let added = contents.graph.add(&id, "PropertyValue", fields);
                formal.values.push(added);
                id
            });
            references.push(reference(id));
        }
        references
    }

    /// Adds the tools with their formal parameters. Returns references to the tools.
    fn finish(self, contents: &mut Contents<'_>) -> Vec<Value> {
        let mut inputs: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for ((kind, name), formal) in self.formal {
            let of_kind = inputs.entry(kind.clone()).or_default();
            if name.is_empty() {
                continue;
            }
            let fields = json!({
                "name": name,
                "additionalType": formal.data_type,
                "workExample": formal.values,
            });
            let id = formal_id(&kind, &name);
            of_kind.push(contents.graph.add(&id, "FormalParameter", fields));
        }
        let record = contents.record;
        let tools = inputs.into_iter().map(|(kind, inputs)| {
            let fields = json!({
                "name": kind,
                "description": kind_description(record, &kind),
                "softwareVersion": version(record, &kind),
                "input": inputs,
            });
            contents
                .graph
                .add(&tool_id(&kind), "SoftwareApplication", fields)
        });
        tools.collect()
    }
}

fn formal_id(kind: &str, name: &str) -> String {
    local_id("parameter", &format!("{kind}/{name}"))
}

/// The first sentence of a kind's documentation.
fn kind_description(record: &Record<'_>, kind: &str) -> Option<String> {
    let doc = record.reader.catalogue.kind(kind)?.doc;
    let first = doc.split("\n\n").next().unwrap_or(doc);
    Some(first.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// `version 5 (runner 0.1.0)`
fn version(record: &Record<'_>, kind: &str) -> Option<String> {
    let mut instances = record.instances.iter().filter(|one| one.kind == kind);
    let known =
        instances.find_map(|one| Some((one.fingerprint.as_ref()?, one.made_by.as_ref())))?;
    let by = known.1.unwrap_or(&record.report.runner);
    Some(format!("{} (runner {by})", known.0.version))
}

fn description(instance: &Instance) -> String {
    let mut text = format!(
        "stage {} of kind {}: {}; key {}",
        instance.stage, instance.kind, instance.status, instance.key
    );
    if let Some(known) = &instance.fingerprint {
        text += &format!("; device {}", known.device);
    }
    if instance.outcome == Some(Outcome::Cached) {
        text += "; the times are those of the earlier execution that made the result";
    }
    if instance.is_removed() {
        text += "; the result is no longer in the store";
    }
    for warning in &instance.warnings {
        text += &format!("; warning: {warning}");
    }
    text
}

fn status(instance: &Instance) -> Option<&'static str> {
    match instance.outcome {
        Some(outcome) if outcome.has_outputs() => Some(COMPLETED),
        Some(_) => Some(FAILED),
        None if instance.status == "running" => None,
        None => Some(FAILED),
    }
}

fn error(instance: &Instance) -> Option<String> {
    let failed = status(instance) == Some(FAILED);
    let error = instance.error.clone();
    failed.then(|| error.unwrap_or_else(|| instance.status.clone()))
}

/// Status and error of the run itself.
pub(super) fn run_status(record: &Record<'_>) -> (Option<&'static str>, Option<String>) {
    match record.report.state {
        RunState::Succeeded => (Some(COMPLETED), None),
        RunState::Running => (None, None),
        state @ (RunState::Failed | RunState::Cancelled | RunState::Killed) => {
            (Some(FAILED), Some(format!("the run is {state}")))
        }
    }
}

fn distinct(references: Vec<Value>) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for reference in references {
        if !found.contains(&reference) {
            found.push(reference);
        }
    }
    found
}
