//! [`RunNotes`]: what the runs of a pipeline, past and present, tell about a plan.

use std::collections::BTreeMap;

use engine::error::Error;
use engine::forecast::{ResumePoint, resume_points};
use engine::graph::Graph;
use engine::launch::{LeftJob, LeftJobs};
use engine::plan::{MissReason, Plan, PlannedAction, State};
use engine::run::failures::{Failure, Failures};
use engine::run::recorded::{self, Recorded};
use engine::spec::Executor;
use petgraph::graph::NodeIndex;
use serde_json::{Value, json};
use store::Store;

use super::quoted;
use super::record_text::when;

/// Checkpoints and failures of the stages of a plan, and the runs that go on.
pub(super) struct RunNotes {
    pub points: BTreeMap<NodeIndex, ResumePoint>,
    failures: Failures,
    running: Vec<Recorded>,
    /// Slurm jobs of earlier runs.
    left: BTreeMap<NodeIndex, LeftJob>,
}

impl RunNotes {
    /// Collects the notes about a plan.
    pub(super) fn of(graph: &Graph, plan: &Plan, store: &Store) -> Result<Self, Error> {
        let failures = match plan.misses().next() {
            Some(_) => Failures::recent(store, &graph.pipeline)?,
            None => Failures::default(),
        };
        let jobs = LeftJobs::of(store);
        let left = plan.misses().filter_map(|action| {
            let instance = &graph.stages[action.node];
            let job = jobs.describe(&action.action_key, Some(instance))?;
            Some((action.node, job))
        });
        Ok(Self {
            left: left.collect(),
            points: resume_points(graph, plan, store),
            failures,
            running: recorded::running(store, Some(&graph.pipeline)),
        })
    }

    /// The planned state of a stage, as text, with its last failure and the checkpoint from which it resumes: `will
    /// run: failed last time; resumes after epoch 6 of 20`.
    pub(super) fn state(&self, graph: &Graph, action: &PlannedAction) -> String {
        let state = match &action.state {
            State::Cached(_) => "cached".to_owned(),
            State::Runs(reason) => format!("will run: {}", self.reason(action, reason)),
            State::Waits(upstream) => format!("waits on {}", graph.stages[*upstream].name),
        };
        self.with_checkpoint(state, action)
    }

    fn reason(&self, action: &PlannedAction, reason: &MissReason) -> String {
        match self.failures.last(&action.action_key) {
            Some(_) => reason.after_failure(),
            None => reason.to_string(),
        }
    }

    fn with_checkpoint(&self, state: String, action: &PlannedAction) -> String {
        let Some(ResumePoint { position, epochs }) = self.points.get(&action.node) else {
            return state;
        };
        let of = match (epochs, position.batch) {
            (Some(epochs), 0) => format!(" of {epochs}"),
            (Some(epochs), _) => format!(" (of {epochs})"),
            (None, _) => String::new(),
        };
        format!("{state}; resumes after {position}{of}")
    }

    /// Lines about failures and about the runs that go on.
    pub(super) fn lines(&self, graph: &Graph, plan: &Plan) -> Vec<String> {
        let failed = plan.misses().filter_map(|action| {
            let Failure { error, run } = self.failures.last(&action.action_key)?;
            let name = graph.stages[action.node].name.to_string();
            let first = error.lines().next().unwrap_or_default();
            let log = quoted(&name);
            Some(format!(
                "{name}: failed in run {run}: {first}; `runner runs logs {run} {log}` prints its output"
            ))
        });
        let running = self.running.iter().map(|run| {
            let report = &run.report;
            let line = run.progress.as_ref().map(|now| now.progress.line(now.now));
            format!(
                "run {0} has been running since {1}: {2}; `runner attach {0}` follows it",
                report.run,
                when(&report.started),
                line.unwrap_or_else(|| "it has just started".to_owned())
            )
        });
        // A run that goes on follows its own jobs.
        let left = self.left.iter().filter(|_| self.running.is_empty());
        let left = left.map(|(node, job)| {
            let stage = &graph.stages[*node];
            let then = match stage.executor {
                Executor::Slurm if job.is_replaced => {
                    "the next run replaces it, because the stage asks for other resources now"
                }
                Executor::Slurm => "the next run takes it over",
                Executor::Local | Executor::Ssh(_) => {
                    "a run with `--executor slurm` would take it over"
                }
            };
            format!("{}: {}; {then}", stage.name, job.text)
        });
        failed.chain(left).chain(running).collect()
    }

    /// Adds the notes about stages to their objects, which are in the order of the plan.
    pub(super) fn add_to(&self, objects: &mut [Value], plan: &Plan) {
        for (object, action) in objects.iter_mut().zip(&plan.actions) {
            if let State::Runs(reason) = &action.state {
                object["reason"] = self.reason(action, reason).into();
            }
            let point = self.points.get(&action.node);
            object["resumes_after"] = match point {
                Some(ResumePoint { position, epochs }) => json!({
                    "epoch": position.epoch,
                    "batch": position.batch,
                    "epochs": epochs,
                }),
                None => Value::Null,
            };
            object["left_job"] = json!(self.left.get(&action.node).map(|job| &job.text));
            let failure = Some(action).filter(|action| action.is_miss());
            let failure = failure.and_then(|action| self.failures.last(&action.action_key));
            object["last_failure"] = match failure {
                Some(Failure { error, run }) => json!({ "run": run, "error": error }),
                None => Value::Null,
            };
        }
    }

    /// Objects of the runs that go on.
    pub(super) fn running(&self) -> Vec<Value> {
        let running = self.running.iter();
        running
            .map(|run| {
                json!({
                    "run": run.report.run,
                    "started": run.report.started,
                    "progress": run.progress.as_ref().map(progress_object),
                })
            })
            .collect()
    }
}

fn figures_object(figures: &[(String, f64)]) -> Value {
    let figures = figures.iter();
    let figures = figures.map(|(name, value)| (name.clone(), json!(value)));
    Value::Object(figures.collect())
}

/// The progress of a run as JSON.
pub(super) fn progress_object(now: &recorded::ProgressNow) -> Value {
    let recorded::ProgressNow { progress, now } = now;
    let running = progress.running.iter().map(|stage| {
        let reached = stage.progress.as_ref().map(|(progress, _)| {
            let measured = progress.measurement.as_ref();
            json!({
                "unit": progress.unit,
                "done": progress.done,
                "total": progress.total,
                "figures": figures_object(&progress.figures),
                "measured": measured.map(|measured| json!({
                    "done": measured.done,
                    "figures": figures_object(&measured.figures),
                })),
            })
        });
        json!({
            "name": stage.name,
            "seconds": (now - stage.started).max(0.0),
            "seconds_left": stage.left(*now),
            "progress": reached,
            "checkpoint": stage.resumes_after(),
        })
    });
    let waiting = progress.waiting.iter();
    let waiting = waiting.map(|stage| json!({ "name": stage.name, "runs": stage.runs }));
    let left = progress.left(*now);
    json!({
        "stages": progress.stages,
        "ended": progress.counts.total(),
        "running": running.collect::<Vec<Value>>(),
        "waiting": waiting.collect::<Vec<Value>>(),
        "round": progress.round,
        "seconds_left": left.seconds,
        "stages_of_unknown_time": left.unknown,
        "stopping": progress.signal.is_some(),
    })
}
