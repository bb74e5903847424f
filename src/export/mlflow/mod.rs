//! Runs on an MLflow tracking server, through its REST API.
//!
//! | content of a run | in MLflow |
//! | --- | --- |
//! | pipeline | experiment |
//! | run | run, with the parameters that all stages share and the most important metrics of all instances |
//! | stage instance | nested run: instances have metrics and histories of the same names, which one run cannot hold |
//! | parameters of a stage, and of everything that it was made from | parameters `STAGE.NAME` |
//! | metric | metric `NAME`, with `NAME.low` and `NAME.high` for its interval |
//! | column of a history | metric `epochs/COLUMN`, by epoch |
//! | file of an output | artifact `PORT/NAME` |
//!
//! A run has the tag `runner.export` with the value `complete` only when everything was sent. Runs of an export that
//! failed are deleted.

mod client;
mod entries;
mod files;
mod server;

use engine::error::Error;
use engine::event::RunState;
use engine::scheduler::Outcome;
use engine::wording;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::media_type::media_type;
use crate::record::{Instance, Record};
use client::{Client, Content, Problem};
use entries::{Entries, Tags};

pub use server::Server;

/// Tag with the state of an export.
const EXPORT: &str = "runner.export";
const COMPLETE: &str = "complete";
/// Runs that one request returns.
const PAGE: usize = 1000;
const LONGEST_EXPERIMENT: usize = 500;

/// Choices of the user.
pub struct Options {
    pub with_models: bool,
    /// Replace the run if the server has it.
    pub replace: bool,
}

/// Sends a run to a server. Returns a summary, and notes about what is left out.
///
/// # Errors
/// If the server cannot be reached, refuses something, or has the run already; if results are damaged.
pub fn send(
    record: &Record<'_>,
    server: Server,
    options: &Options,
) -> Result<(String, Vec<String>), Error> {
    let client = Client::new(server);
    let experiment = experiment(&client, &record.report.pipeline)?;
    let earlier = earlier(&client, &experiment, record)?;
    let page = |run: &str| format!("{}/#/experiments/{experiment}/runs/{run}", client.server);
    if let (Some(run), false) = (&earlier.complete, options.replace) {
        return Err(Error::Usage(format!(
            "the server has run `{}` already: {}; `--force` replaces it",
            record.report.run,
            page(run)
        )));
    }
    let mut sending = Sending {
        client: &client,
        experiment: &experiment,
        record,
        with_models: options.with_models,
        created: Vec::new(),
        files: 0,
        notes: Vec::new(),
    };
    let parent = match sending.all() {
        Ok(parent) => parent,
        Err(error) => {
            sending.undo();
            return Err(error);
        }
    };
    // Only now, so that there is always one complete export.
    for run in &earlier.runs {
        delete(&client, run)?;
    }
    let summary = format!(
        "{}, {}, at {}",
        wording::counted(sending.created.len(), "MLflow run"),
        wording::counted(sending.files, "file"),
        page(&parent)
    );
    Ok((summary, sending.notes))
}

/// Returns the id of the experiment of a pipeline, which is created if it does not exist.
fn experiment(client: &Client, pipeline: &str) -> Result<String, Error> {
    let name = crate::names::cut(pipeline, LONGEST_EXPERIMENT);
    let query = [("experiment_name", &*name)];
    let mut found = client.get("experiments/get-by-name", &query);
    if matches!(found, Err(Problem::Absent)) {
        match client.post("experiments/create", &json!({ "name": name })) {
            Ok(made) => return text(client, &made, "/experiment_id"),
            // Another process was faster.
            Err(Problem::Exists) => found = client.get("experiments/get-by-name", &query),
            Err(problem) => return Err(problem.into()),
        }
    }
    let found = found?;
    let stage = found.pointer("/experiment/lifecycle_stage");
    if stage.and_then(Value::as_str) == Some("deleted") {
        return Err(Error::System(format!(
            "the experiment `{name}` of {} is deleted; restore it there, or remove it for good (`mlflow gc`)",
            client.server
        )));
    }
    text(client, &found, "/experiment/experiment_id")
}

/// Runs of earlier exports of the same run.
#[derive(Default)]
struct Earlier {
    runs: Vec<String>,
    /// The run that holds the others, if that export was completed.
    complete: Option<String>,
}

fn earlier(client: &Client, experiment: &str, record: &Record<'_>) -> Result<Earlier, Error> {
    // The ids of runs of different stores may be equal. Two runs do not start in the same nanosecond.
    let started = record.report.started.replace(['\'', '"', '\\'], "");
    let filter = format!("tags.`runner.started` = '{started}'");
    let mut earlier = Earlier::default();
    let mut token = String::new();
    loop {
        let mut request = json!({
            "experiment_ids": [experiment], "filter": filter, "run_view_type": "ACTIVE_ONLY", "max_results": PAGE,
        });
        if !token.is_empty() {
            request["page_token"] = json!(token);
        }
        let answer = client.post("runs/search", &request)?;
        let runs = answer.get("runs").and_then(Value::as_array);
        for run in runs.into_iter().flatten() {
            let id = text(client, run, "/info/run_id")?;
            let tags = run.pointer("/data/tags").and_then(Value::as_array);
            let mut tags = tags.into_iter().flatten();
            if tags.any(|tag| tag["key"] == EXPORT && tag["value"] == COMPLETE) {
                earlier.complete = Some(id.clone());
            }
            earlier.runs.push(id);
        }
        match answer.get("next_page_token").and_then(Value::as_str) {
            Some(next) if !next.is_empty() && next != token => token = next.to_owned(),
            _ => return Ok(earlier),
        }
    }
}

fn delete(client: &Client, run: &str) -> Result<(), Error> {
    client.post("runs/delete", &json!({ "run_id": run }))?;
    Ok(())
}

/// The text at a place in an answer.
fn text(client: &Client, answer: &Value, pointer: &str) -> Result<String, Error> {
    let found = answer.pointer(pointer).and_then(Value::as_str);
    let found = found.map(str::to_owned);
    found.ok_or_else(|| {
        Error::System(format!(
            "an answer of the MLflow server {} has no `{pointer}`",
            client.server
        ))
    })
}

/// An export in progress.
struct Sending<'a> {
    client: &'a Client,
    experiment: &'a str,
    record: &'a Record<'a>,
    with_models: bool,
    /// Ids of the runs that were created.
    created: Vec<String>,
    files: usize,
    notes: Vec<String>,
}

/// A run on the server.
struct Created {
    id: String,
    /// Location of its artifacts.
    location: String,
}

impl Sending<'_> {
    /// Sends everything. Returns the id of the run that holds the others.
    fn all(&mut self) -> Result<String, Error> {
        let report = self.record.report;
        let mut tags = self.tags();
        tags.add("mlflow.source.name", &report.file);
        tags.add_known("runner.sets", some_text(&report.sets.join("\n")));
        tags.add("runner.state", report.state.to_string());
        tags.add_known(
            "mlflow.note.content",
            some_text(&self.record.notes.join("\n\n")),
        );
        let parent = self.create(&report.run, self.record.started, tags)?;
        self.summary().send(self.client, &parent.id)?;
        self.upload_report(&parent)?;
        for at in 0..self.record.instances.len() {
            if self.record.instances[at].has_run() {
                self.child(&parent.id, at)?;
            }
        }
        let done = json!({ "run_id": parent.id, "key": EXPORT, "value": COMPLETE });
        self.client.post("runs/set-tag", &done)?;
        let status = match report.state {
            RunState::Succeeded => "FINISHED",
            RunState::Failed => "FAILED",
            RunState::Cancelled | RunState::Killed => "KILLED",
            RunState::Running => "RUNNING",
        };
        self.end(&parent.id, status, self.record.finished)?;
        Ok(parent.id)
    }

    /// Parameters that all instances of a stage share, and the most important metrics of instances that stand for the
    /// run.
    fn summary(&self) -> Entries {
        let record = self.record;
        let mut entries = Entries::default();
        let all: Vec<usize> = (0..record.instances.len()).collect();
        let mut params = record.params_of(&all);
        params.retain(|name, _| {
            let mut stages = record.instances.iter().map(|one| one.stage.as_str());
            stages.any(|stage| {
                let rest = name.strip_prefix(stage);
                rest.is_some_and(|rest| rest.starts_with('.'))
            })
        });
        entries.add_params(&params);
        for &at in &record.shown {
            let instance = &record.instances[at];
            for name in instance.headline.iter().filter(|_| instance.is_result) {
                if let Some(metric) = instance.metrics.get(name) {
                    let name = format!("{}.{name}", instance.name);
                    entries.add_metric(&name, metric.value, record.time_of(instance));
                }
            }
        }
        entries
    }

    fn child(&mut self, parent: &str, at: usize) -> Result<(), Error> {
        let record = self.record;
        let instance = &record.instances[at];
        let mut tags = self.tags();
        tags.add("mlflow.parentRunId", parent);
        tags.add("mlflow.source.name", &record.report.file);
        tags.add("runner.instance", &instance.name);
        tags.add("runner.stage", &instance.stage);
        tags.add("runner.kind", &instance.kind);
        tags.add("runner.key", instance.key.to_string());
        tags.add("runner.outcome", &instance.status);
        let trials: Vec<String> = instance.trials.iter().map(usize::to_string).collect();
        tags.add_known("runner.trial", some_text(&trials.join(", ")));
        tags.add_known("runner.seed", instance.seed());
        tags.add_known("runner.made_by", instance.made_by.as_ref());
        tags.add_known("runner.error", instance.error.as_ref());
        tags.add_known("runner.warnings", some_text(&instance.warnings.join("\n")));
        let started = instance.started.unwrap_or(record.started);
        let run = self.create(&instance.name, started, tags)?;
        let mut entries = Entries::default();
        let lineage = record.lineage(at);
        entries.add_params(&record.params_of(&lineage));
        for (axis, value) in record.axes_of(&lineage) {
            entries.add_param(&axis, &Value::String(value));
        }
        entries.add_measured(instance, record.time_of(instance));
        if !entries.is_empty() {
            entries.send(self.client, &run.id)?;
        }
        self.upload(&run, instance)?;
        let status = match instance.outcome {
            Some(outcome) if outcome.has_outputs() => "FINISHED",
            Some(Outcome::Cancelled) => "KILLED",
            Some(_) => "FAILED",
            None if record.report.state == RunState::Running => "RUNNING",
            None => "KILLED",
        };
        self.end(&run.id, status, instance.finished)
    }

    /// Tags of all runs of this export.
    fn tags(&self) -> Tags {
        let report = self.record.report;
        let mut tags = Tags::default();
        tags.add("mlflow.source.type", "LOCAL");
        tags.add_known("mlflow.source.git.commit", report.commit.as_ref());
        tags.add("runner.run", &report.run);
        tags.add("runner.started", &report.started);
        tags.add("runner.version", &report.runner);
        tags.add("runner.pipeline", &report.pipeline);
        tags.add_known("runner.profile", report.profile.as_ref());
        tags.add_known("runner.device", report.device.as_ref());
        tags.add_known("runner.machine", report.machine.as_ref());
        tags
    }

    fn create(&mut self, name: &str, started: Timestamp, mut tags: Tags) -> Result<Created, Error> {
        tags.add("mlflow.runName", name);
        let request = json!({
            "experiment_id": self.experiment,
            "run_name": name,
            "start_time": started.as_millisecond(),
            "tags": tags.into_value(),
        });
        let answer = self.client.post("runs/create", &request)?;
        let id = text(self.client, &answer, "/run/info/run_id")?;
        self.created.push(id.clone());
        let location = text(self.client, &answer, "/run/info/artifact_uri")?;
        Ok(Created { id, location })
    }

    fn end(&self, run: &str, status: &str, finished: Option<Timestamp>) -> Result<(), Error> {
        let mut request = json!({ "run_id": run, "status": status });
        if let Some(finished) = finished {
            request["end_time"] = json!(finished.as_millisecond());
        }
        self.client.post("runs/update", &request)?;
        Ok(())
    }

    /// Uploads the record of the run.
    fn upload_report(&mut self, run: &Created) -> Result<(), Error> {
        let Some(place) = files::place(self.client, &run.location) else {
            self.notes.push(format!(
                "files are not uploaded, because {} does not take them: it has them at `{}`. `mlflow server` without \
                 `--no-serve-artifacts` and `--default-artifact-root` takes files",
                self.client.server, run.location
            ));
            return Ok(());
        };
        let report = serde_json::to_vec_pretty(self.record.report);
        let report = report.map_err(|error| Error::Internal(error.to_string()))?;
        let path = format!("{place}/run.json");
        self.client
            .upload(&path, Content::Bytes(report), media_type(&path))?;
        self.files += 1;
        Ok(())
    }

    fn upload(&mut self, run: &Created, instance: &Instance) -> Result<(), Error> {
        if let Some(place) = files::place(self.client, &run.location) {
            self.files +=
                files::upload(self.client, place, self.record, instance, self.with_models)?;
        }
        Ok(())
    }

    /// Deletes the runs that were created. If that fails as well, the next export deletes them.
    fn undo(&self) {
        for run in self.created.iter().rev() {
            if let Err(error) = delete(self.client, run) {
                tracing::warn!("{error}");
                return;
            }
        }
    }
}

/// `None` for an empty text.
fn some_text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
