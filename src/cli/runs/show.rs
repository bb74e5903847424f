//! `runner runs show`: shows one run and its stages.

use clap::Args;
use contract::{ShowPath, one_line};
use engine::error::Error;
use engine::event::RunState;
use engine::launch::LeftJobs;
use engine::run::recorded::{ProgressNow, Recorded, RecordedStage};
use engine::wording;
use serde_json::{Value, json};

use crate::cli::record_text::{options, when};
use crate::cli::run_filter::RunFilter;
use crate::cli::run_notes::progress_object;
use crate::cli::unwritten;
use crate::report::columns::dynamic;
use crate::report::{Console, Warnings};

/// Show the options of a run, how each of its stages ended and why it ran; for a run in progress, also its progress
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Run: an id, the beginning of an id, `latest`, or `latest~N` for the Nth run before the latest
    #[arg(value_name = "RUN", default_value = "latest")]
    run: String,
    #[command(flatten)]
    filter: RunFilter,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let store = self.filter.store.existing()?;
        let mut run = self.filter.find(&store, &self.run, console)?;
        run.recall_reasons();
        let text = if self.json {
            object(&run)?.to_string()
        } else {
            page(&run, &LeftJobs::of(&store))
        };
        console.result(&text).map_err(unwritten)
    }
}

/// Columns of the table of stages that are flush right.
const NUMBERS: [usize; 4] = [2, 3, 4, 5];

fn page(run: &Recorded, jobs: &LeftJobs<'_>) -> String {
    let report = &run.report;
    let mut lines = vec![
        ("run", format!("{}, {}", report.run, report.state)),
        ("pipeline", format!("{} ({})", report.pipeline, report.file)),
    ];
    let options = options(report);
    if !options.is_empty() {
        lines.push(("options", options));
    }
    let time = wording::duration(report.seconds);
    let took = match report.state {
        RunState::Running => format!("{time} so far"),
        RunState::Killed => format!("last seen after {time}"),
        _ => format!("took {time}"),
    };
    lines.push(("started", format!("{}, {took}", when(&report.started))));
    if let Some(now) = &run.progress {
        lines.push(("progress", now.progress.line(now.now)));
    }
    lines.push(("runner", report.runner.clone()));
    lines.push(("folder", run.folder.shown()));
    let mut text = String::new();
    for (what, value) in lines {
        text += &format!("{what:8}  {value}\n");
    }

    let head = ["stage", "outcome", "time", "cpu", "memory", "key", "why"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for stage in &run.stages {
        let end = stage.end.as_ref();
        let time = |seconds: Option<f64>| seconds.map(wording::duration);
        let memory = end.and_then(|end| end.peak_memory_mib);
        let cells = [
            time(end.and_then(|end| end.seconds)),
            time(end.and_then(|end| end.cpu_seconds)),
            memory.map(|mib| format!("{mib:.0} MiB")),
        ];
        let [time, cpu, memory] = cells.map(|cell| cell.unwrap_or_else(|| "-".to_owned()));
        let word = match (end, job_of(run, stage, jobs)) {
            (None, Some(_)) => "left".to_owned(),
            _ => stage.status(report.state),
        };
        let name = stage.planned.name.clone();
        let key = stage.planned.key.short();
        rows.push(vec![name, word, time, cpu, memory, key, why(stage)]);
    }
    text += &format!("\n{}", dynamic(&rows, &NUMBERS));
    if let Some(now) = &run.progress {
        text += &running(now);
    }
    let failed = run.stages.iter().filter_map(|stage| stage.end.as_ref());
    for failed in failed {
        if let Some(error) = &failed.error {
            text += &format!("\n{}: {error}", failed.name);
        }
    }
    text += &left(run, jobs);
    let ended = run.stages.iter().filter_map(|stage| stage.end.as_ref());
    let warnings = Warnings::of(ended.map(|end| (end.name.as_str(), end.warnings.as_slice())));
    for line in warnings.lines() {
        text += &format!("\n{line}");
    }
    text
}

/// Describes the Slurm job of a stage of a run that has ended, if no other run has collected it.
fn job_of(run: &Recorded, stage: &RecordedStage, jobs: &LeftJobs<'_>) -> Option<String> {
    match run.report.state {
        RunState::Running => None,
        _ => Some(jobs.describe(&stage.planned.key, None)?.text),
    }
}

/// A line for each Slurm job of a run that has ended, if no other run has collected it.
fn left(run: &Recorded, jobs: &LeftJobs<'_>) -> String {
    let jobs = run.stages.iter().filter_map(|stage| {
        let job = job_of(run, stage, jobs)?;
        Some(format!(
            "\n{}: {job}; the next run takes it over",
            stage.planned.name
        ))
    });
    jobs.collect()
}

/// Reason for the execution of a stage; `-` if it was not executed.
fn why(stage: &RecordedStage) -> String {
    match (&stage.reason, &stage.waits_for) {
        (Some(reason), _) => one_line(reason).into_owned(),
        (None, Some(runs)) => format!(
            "waits for {}, which makes the same result",
            wording::runs(runs)
        ),
        (None, None) => "-".to_owned(),
    }
}

/// A line for each running stage: `cnn: epoch 7/20, loss 0.3120, 412 images/s, 2 min 10 s left; checkpoint after epoch
/// 6`.
fn running(now: &ProgressNow) -> String {
    let stages = now.progress.running.iter().map(|stage| {
        let mut parts = vec![match &stage.progress {
            Some((progress, _)) => wording::progress(progress),
            None => format!(
                "runs for {}",
                wording::duration((now.now - stage.started).max(0.0))
            ),
        }];
        parts.extend(stage.place.as_ref().map(|place| place.text.clone()));
        parts.extend(
            stage
                .left(now.now)
                .map(|left| format!("{} left", wording::duration(left))),
        );
        let measured = stage.progress.as_ref().and_then(|(progress, _)| {
            let measured = progress.measurement.as_ref()?;
            Some(format!(
                "; {}",
                wording::measurement(&progress.unit, measured)
            ))
        });
        let checkpoint = stage.resumes_after();
        let checkpoint = checkpoint.map(|position| format!("; checkpoint after {position}"));
        format!(
            "\n{}: {}{}{}",
            stage.name,
            parts.join(", "),
            measured.unwrap_or_default(),
            checkpoint.unwrap_or_default()
        )
    });
    stages.collect()
}

/// The object that `run --json` prints, plus the stages that did not end and the run's folder.
fn object(run: &Recorded) -> Result<Value, Error> {
    let internal = |error: serde_json::Error| Error::Internal(error.to_string());
    let mut object = serde_json::to_value(&run.report).map_err(internal)?;
    let stages = run.stages.iter().map(|stage| match &stage.end {
        Some(end) => serde_json::to_value(end),
        None => Ok(json!({
            "name": stage.planned.name,
            "outcome": null,
            "state": stage.status(run.report.state),
            "key": stage.planned.key.to_string(),
            "reason": stage.reason,
            "waits_for": stage.waits_for,
        })),
    });
    object["stages"] = Value::Array(stages.collect::<Result<_, _>>().map_err(internal)?);
    object["folder"] = json!(run.folder);
    object["progress"] = json!(run.progress.as_ref().map(progress_object));
    Ok(object)
}
