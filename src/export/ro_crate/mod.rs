//! RO-Crates: folders with results and a description of what they were made from.
//!
//! The description follows RO-Crate 1.1 and the profiles Process Run Crate 0.5, Workflow Run Crate 0.5, Provenance Run
//! Crate 0.5 and Workflow RO-Crate 1.0:
//!
//! | content of a run | entity |
//! | --- | --- |
//! | pipeline file, or the recorded stages if it has changed | main workflow (`ComputationalWorkflow`) |
//! | stage | `HowToStep` |
//! | stage kind | `SoftwareApplication` with its parameters (`FormalParameter`) |
//! | run | `CreateAction` of the workflow |
//! | stage instance | `CreateAction` of its kind: parameters and inputs as `object`, outputs as `result` |
//! | output | folder with files and digests, or `CreativeWork` if it is not included |
//!
//! No person is named, because a run does not record who started it. Neither is a license; the crate says so.

mod actions;
mod files;
mod graph;

use engine::error::Error;
use engine::wording;
use serde_json::{Value, json};

use crate::folder::NewFolder;
use crate::record::{Instance, Record};
use actions::{Actions, run_status};
use files::Contents;
use graph::{Graph, local_id, reference, time};

/// Name of the file with the description.
const METADATA: &str = "ro-crate-metadata.json";
const SPECIFICATION: &str = "https://w3id.org/ro/crate/1.1";
const WORKFLOW_CRATE: &str = "https://w3id.org/workflowhub/workflow-ro-crate/1.0";
/// Profile of main workflows.
const WORKFLOW_PROFILE: &str = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE";
/// The profiles, with their names and versions.
const PROFILES: [(&str, &str, &str); 4] = [
    (
        "https://w3id.org/ro/wfrun/process/0.5",
        "Process Run Crate",
        "0.5",
    ),
    (
        "https://w3id.org/ro/wfrun/workflow/0.5",
        "Workflow Run Crate",
        "0.5",
    ),
    (
        "https://w3id.org/ro/wfrun/provenance/0.5",
        "Provenance Run Crate",
        "0.5",
    ),
    (WORKFLOW_CRATE, "Workflow RO-Crate", "1.0"),
];
const PIPELINE: &str = "pipeline.yaml";
const STAGES: &str = "stages.json";
const RUN: &str = "run.json";
/// The program that executes pipelines, and the language of pipelines.
const ENGINE: &str = "#runner";
const LANGUAGE: &str = "#runner-pipeline";

/// Writes a crate. `pipeline` is the content of the pipeline file, or a sentence that says why there is none. Returns a
/// summary, and notes about what is left out.
///
/// # Errors
/// If results are damaged, or files cannot be written.
pub fn write(
    record: &Record<'_>,
    folder: &NewFolder,
    pipeline: Result<Vec<u8>, String>,
    with_models: bool,
) -> Result<(String, Vec<String>), Error> {
    let mut contents = Contents {
        record,
        folder,
        graph: Graph::default(),
        parts: Vec::new(),
        files: 0,
        bytes: 0,
        with_models,
    };
    let notes: Vec<String> = pipeline.as_ref().err().cloned().into_iter().collect();
    let actions = actions::add(&mut contents)?;
    let run = json_file(record.report)?;
    let fields = json!({ "name": "record of the run", "description": "outcome, time and memory of each stage" });
    contents.write(RUN, &run, json!("File"), fields)?;
    let workflow = workflow(&mut contents, pipeline.ok(), &actions)?;
    let run = run_action(&mut contents, &workflow, &actions);
    let organize = organize(&mut contents, &run, &actions);
    let mentions = [vec![run, organize], actions.actions, actions.controls].concat();
    root(&mut contents, &workflow, mentions);
    let summary = format!(
        "{}, {}",
        wording::counted(contents.files, "file"),
        pages::size(contents.bytes)
    );
    let description = json!({
        "@context": "https://w3id.org/ro/crate/1.1/context",
        "@graph": contents.graph.into_entities(),
    });
    folder.write(METADATA, &json_file(&description)?)?;
    Ok((summary, notes))
}

fn json_file(value: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|error| Error::Internal(error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Adds the workflow: the pipeline file, or else the recorded stages.
fn workflow(
    contents: &mut Contents<'_>,
    pipeline: Option<Vec<u8>>,
    actions: &Actions,
) -> Result<Value, Error> {
    let record = contents.record;
    let report = record.report;
    let version = &report.runner;
    let language = json!({ "name": "runner pipeline", "version": version });
    contents.graph.add(LANGUAGE, "ComputerLanguage", language);
    let main = |name: String, description: String| {
        json!({
            "name": name,
            "description": description,
            "programmingLanguage": reference(LANGUAGE),
            "version": report.commit,
            "hasPart": actions.tools,
            "step": actions.steps,
            "conformsTo": reference(WORKFLOW_PROFILE),
        })
    };
    let types = json!([
        "File",
        "SoftwareSourceCode",
        "ComputationalWorkflow",
        "HowTo"
    ]);
    let stages = json_file(&stages(record))?;
    let about = "stages of the run with their parameters, seeds, inputs and keys, as recorded";
    let Some(content) = pipeline else {
        let fields = main(
            format!("stages of pipeline {}", report.pipeline),
            about.to_owned(),
        );
        return contents.write(STAGES, &stages, types, fields);
    };
    let fields = json!({ "name": "recorded stages", "description": about });
    contents.write(STAGES, &stages, json!("File"), fields)?;
    let fields = main(report.file.clone(), format!("pipeline {}", report.pipeline));
    contents.write(PIPELINE, &content, types, fields)
}

/// The stages of a run as they were recorded.
fn stages(record: &Record<'_>) -> Value {
    let stage = |instance: &Instance| {
        let inputs = instance.inputs.iter().map(|input| {
            let from = &record.instances[input.maker].name;
            json!({ "role": input.role, "from": from, "port": input.port })
        });
        json!({
            "name": instance.name,
            "stage": instance.stage,
            "kind": instance.kind,
            "axes": instance.axes.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "key": instance.key.to_string(),
            "state": instance.status,
            "inputs": inputs.collect::<Vec<_>>(),
            "fingerprint": instance.fingerprint,
        })
    };
    let stages: Vec<Value> = record.instances.iter().map(stage).collect();
    let report = record.report;
    json!({
        "pipeline": report.pipeline,
        "file": report.file,
        "profile": report.profile,
        "sets": report.sets,
        "stages": stages,
    })
}

/// Adds the action that stands for the whole run.
fn run_action(contents: &mut Contents<'_>, workflow: &Value, actions: &Actions) -> Value {
    let record = contents.record;
    let report = record.report;
    let mut objects = Vec::new();
    let profile = report.profile.iter().map(|name| format!("profile={name}"));
    for (number, set) in profile.chain(report.sets.iter().cloned()).enumerate() {
        let (name, value) = set.split_once('=').unwrap_or((&set, ""));
        let id = local_id("setting", &(number + 1).to_string());
        let fields = json!({ "name": name, "value": value });
        objects.push(contents.graph.add(&id, "PropertyValue", fields));
    }
    let mut results = actions.results.clone();
    for &at in &record.shown {
        let instance = &record.instances[at];
        for name in instance.headline.iter().filter(|_| instance.is_result) {
            if let Some(metric) = instance.metrics.get(name) {
                let name = format!("{}.{name}", instance.name);
                let fields = json!({
                    "name": name,
                    "value": metric.value,
                    "minValue": metric.interval.map(|[low, _]| low),
                    "maxValue": metric.interval.map(|[_, high]| high),
                });
                let id = local_id("metric", &name);
                results.push(contents.graph.add(&id, "PropertyValue", fields));
            }
        }
    }
    let (status, error) = run_status(record);
    let mut description = vec![wording::summary(&report.counts, report.seconds)];
    description.extend(
        report
            .device
            .iter()
            .map(|device| format!("device: {device}")),
    );
    description.extend(
        report
            .machine
            .iter()
            .map(|machine| format!("machine: {machine}")),
    );
    let fields = json!({
        "name": format!("run {} of pipeline {}", report.run, report.pipeline),
        "description": description.join("; "),
        "instrument": workflow,
        "object": objects,
        "result": results,
        "startTime": time(record.started),
        "endTime": record.finished.map(time),
        "actionStatus": status,
        "error": error,
    });
    contents
        .graph
        .add(&local_id("run", &report.run), "CreateAction", fields)
}

/// Adds the program that executed the workflow, and what it did.
fn organize(contents: &mut Contents<'_>, run: &Value, actions: &Actions) -> Value {
    let record = contents.record;
    let version = &record.report.runner;
    let fields = json!({
        "name": "runner",
        "description": "declarative experiment pipeline runner",
        "softwareVersion": version,
    });
    let engine = contents.graph.add(ENGINE, "SoftwareApplication", fields);
    let (status, error) = run_status(record);
    let fields = json!({
        "name": format!("execution of run {}", record.report.run),
        "instrument": engine,
        "object": actions.controls,
        "result": run,
        "startTime": time(record.started),
        "endTime": record.finished.map(time),
        "actionStatus": status,
        "error": error,
    });
    contents.graph.add("#organize", "OrganizeAction", fields)
}

fn root(contents: &mut Contents<'_>, workflow: &Value, mentions: Vec<Value>) {
    let record = contents.record;
    let report = record.report;
    let profiles = PROFILES.map(|(id, name, version)| {
        let fields = json!({ "name": name, "version": version });
        contents.graph.add(id, "CreativeWork", fields)
    });
    let mut description = format!(
        "Results of run {} of pipeline {}, made by runner {}.",
        report.run, report.pipeline, report.runner
    );
    for note in &record.notes {
        description += &format!(" Note: {note}.");
    }
    let date = time(record.finished.unwrap_or(record.started));
    let fields = json!({
        "name": format!("{}: run {}", report.pipeline, report.run),
        "description": description,
        "datePublished": date,
        "license": "Not known: a run does not record a license.",
        "conformsTo": profiles,
        "mainEntity": workflow,
        "hasPart": contents.parts,
        "mentions": mentions,
    });
    contents.graph.add("./", "Dataset", fields);
    let fields = json!({
        "about": reference("./"),
        "conformsTo": [reference(SPECIFICATION), reference(WORKFLOW_CRATE)],
    });
    contents.graph.add(METADATA, "CreativeWork", fields);
}
