//! `runner artifacts show`: shows the files of an artifact and how it was made.

use std::collections::HashMap;

use clap::Args;
use contract::ShowPath;
use contract::analysis::{CalibrationReport, ClassReport, Clinical, three_decimals};
use engine::error::Error;
use engine::wording;
use serde_json::{Value, json};
use store::keys::InputId;
use store::keys::{Digest, Key};
use store::{ActionRecord, Store, Tree};

use super::lookup::{ArtifactArgs, FoundArtifact, key, recorded};
use crate::cli::cache::size;
use crate::cli::record_text::when;
use crate::cli::unwritten;
use crate::report::Console;
use crate::report::columns::{aligned, dynamic};

/// Show the files of an artifact and how it was made
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    artifact: ArtifactArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// An input of the action that made the artifact.
struct Source {
    role: String,
    /// `xrays.train`, if this is the newest artifact of that name.
    name: Option<String>,
    /// The action that made it, and its output port there.
    from: Option<(Key, String)>,
    digest: Option<Digest>,
}

impl Show {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let store = self.artifact.store.existing()?;
        let artifact = self.artifact.find(&store)?;
        let tree = store.peek_tree(&artifact.digest)?;
        let sources = match &artifact.record {
            Some(record) => sources(&store, record)?,
            None => Vec::new(),
        };
        let report = class_report(&store, &artifact.digest);
        let clinical = clinical(&store, &artifact.digest);
        let calibration = calibration(&store, &artifact.digest);
        let text = if self.json {
            let mut object = object(&artifact, &tree, &sources);
            object["class_report"] = json!(report);
            object["clinical"] = json!(clinical);
            object["calibration"] = json!(calibration);
            object.to_string()
        } else {
            let report = report.map(|report| of_classes(&report));
            let clinical = clinical.map(|clinical| of_clinical(&clinical));
            let calibration = calibration.map(|report| of_calibration(&report));
            let tables = [report, clinical, calibration].into_iter().flatten();
            let tables: String = tables.map(|table| format!("\n{table}")).collect();
            page(&artifact, &tree, &sources) + &tables
        };
        console.result(&text).map_err(unwritten)
    }
}

/// Returns the results of each class if the artifact is an evaluation.
fn class_report(store: &Store, digest: &Digest) -> Option<ClassReport> {
    let analysis = stages::analysis::RESULTS;
    let read = store.read_files(digest, analysis.evaluation_files());
    let files = read
        .inspect_err(|error| tracing::warn!("{error}"))
        .ok()
        .flatten()?;
    let evaluation = analysis
        .read_evaluation(&files)
        .inspect_err(|error| tracing::debug!("not an evaluation: {error}"))
        .ok()?;
    Some(analysis.class_report(&evaluation))
}

/// Formats the results of each class as aligned columns, with the accuracy below them.
fn of_classes(report: &ClassReport) -> String {
    let mut rows = vec![ClassReport::HEADER.map(str::to_owned)];
    rows.extend(report.rows(three_decimals, " (positive)"));
    let accuracy = three_decimals(report.accuracy);
    let images = wording::counted(report.images as usize, "image");
    format!("{}accuracy {accuracy} on {images}\n", aligned(&rows, 1))
}

/// Returns the report on calibration if the artifact has one.
fn calibration(store: &Store, digest: &Digest) -> Option<CalibrationReport> {
    let analysis = stages::analysis::RESULTS;
    let read = store.read_files(digest, &[analysis.calibration_file()]);
    let files = read.inspect_err(|error| tracing::warn!("{error}")).ok()?;
    let report = analysis.read_calibration(files?.first()?);
    report.inspect_err(|error| tracing::warn!("{error}")).ok()
}

/// Formats the measures of calibration as aligned columns, with the calibration below them.
fn of_calibration(report: &CalibrationReport) -> String {
    let mut rows = vec![report.header().into_iter().map(str::to_owned).collect()];
    rows.extend(report.rows());
    let fitted = match &report.calibration {
        Some(fitted) => format!("calibrated: {}", fitted.text()),
        None => "not calibrated".to_owned(),
    };
    let over = report.over();
    let over = over.map_or_else(String::new, |over| format!("; 95 % intervals over {over}"));
    let class = &report.class;
    format!(
        "{}probabilities of {class}, {fitted}{over}\n",
        dynamic(&rows, &[1, 3])
    )
}

/// Returns the tables for readers of medical studies if the artifact is an evaluation.
fn clinical(store: &Store, digest: &Digest) -> Option<Clinical> {
    let analysis = stages::analysis::RESULTS;
    let read = store.read_files(digest, &[analysis.clinical_file()]);
    let files = read
        .inspect_err(|error| tracing::warn!("{error}"))
        .ok()
        .flatten()?;
    analysis
        .read_clinical(files.first()?)
        .inspect_err(|error| tracing::warn!("{digest}: {error}"))
        .ok()
}

/// Formats the operating point and the subgroups as aligned columns, with remarks below each table.
fn of_clinical(clinical: &Clinical) -> String {
    let notes = clinical.area_line().into_iter().chain(clinical.notes());
    let mut text = format!("operating point: {}\n", clinical.heading());
    text += &block(&clinical.operating_rows(), notes);
    let tests = clinical.subgroup_tests();
    for division in &clinical.subgroups {
        text += "\n";
        text += &block(&division.rows(), division.notes(tests).into_iter());
    }
    text
}

/// Formats a table with remarks below it.
fn block(rows: &[Vec<String>], notes: impl Iterator<Item = String>) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let numbers: Vec<usize> = (1..columns).collect();
    let notes: String = notes.map(|note| format!("{note}\n")).collect();
    dynamic(rows, &numbers) + &notes
}

fn sources(store: &Store, record: &ActionRecord) -> Result<Vec<Source>, Error> {
    let mut names: HashMap<Key, String> = HashMap::new();
    for shown in store.shown()? {
        if let Some(key) = key(store, &shown) {
            names.entry(key).or_insert(shown.instance);
        }
    }
    let mut made: HashMap<Key, Option<ActionRecord>> = HashMap::new();
    let inputs = record.fingerprint.inputs.iter();
    let inputs = inputs.flat_map(|(role, ids)| ids.iter().map(move |id| (role, id)));
    let sources = inputs.map(|(role, id)| match id {
        InputId::Action { key, port } => Source {
            role: role.clone(),
            name: names.get(key).map(|instance| format!("{instance}.{port}")),
            from: Some((*key, port.clone())),
            digest: made
                .entry(*key)
                .or_insert_with(|| recorded(store, key))
                .as_ref()
                .and_then(|record| record.outputs.get(port).copied()),
        },
        InputId::Content { digest } => Source {
            role: role.clone(),
            name: None,
            from: None,
            digest: Some(*digest),
        },
    });
    Ok(sources.collect())
}

fn page(artifact: &FoundArtifact, tree: &Tree, sources: &[Source]) -> String {
    let bytes: u64 = tree.files.values().map(|blob| blob.bytes).sum();
    let files = wording::counted(tree.files.len(), "file");
    let mut lines = Vec::new();
    if let Some((shown, port)) = &artifact.shown {
        let name = format!("{} of pipeline {}", artifact.name(), shown.pipeline);
        lines.push(("artifact", name));
        lines.push(("path", shown.port_folder(port).shown()));
    }
    lines.push(("digest", artifact.digest.to_string()));
    lines.push(("content", format!("{files}, {}", size(bytes))));
    match &artifact.record {
        None => lines.push((
            "made",
            "not known: its record is not in the store".to_owned(),
        )),
        Some(record) => made(record, sources, &mut lines),
    }
    let mut text = String::new();
    for (what, value) in lines {
        text += &format!("{what:8}  {value}\n");
    }
    let mut rows = vec![["file", "digest", "size"].map(str::to_owned)];
    rows.extend(
        tree.files
            .iter()
            .map(|(name, blob)| [name.clone(), blob.digest.to_string(), size(blob.bytes)]),
    );
    text + "\n" + &aligned(&rows, 2)
}

/// Adds lines about how the artifact was made.
fn made(record: &ActionRecord, sources: &[Source], lines: &mut Vec<(&'static str, String)>) {
    let by = &record.fingerprint;
    let device = match &by.processor {
        Some(kind) => format!("{} ({kind})", by.device),
        None => by.device.to_string(),
    };
    let memory = record.peak_memory_mib;
    let took = wording::duration(record.seconds);
    lines.push((
        "made",
        format!("{}, in {took}, {memory:.0} MiB", when(&record.finished)),
    ));
    let kind = format!(
        "{} version {}, seed {}, on {device}; runner {}",
        by.kind, by.version, by.seed, record.runner
    );
    lines.push(("by", kind));
    lines.push(("key", record.action_key.to_string()));
    let params = by.params.as_object().into_iter().flatten();
    for (index, (name, value)) in params.enumerate() {
        let what = if index == 0 { "params" } else { "" };
        lines.push((what, format!("{name}: {value}")));
    }
    for (index, source) in sources.iter().enumerate() {
        let what = if index == 0 { "inputs" } else { "" };
        let from = source.name.clone().or_else(|| {
            let (key, port) = source.from.as_ref()?;
            Some(format!("`{port}` of action {}", key.short()))
        });
        let digest = source.digest.map(|digest| digest.short());
        let parts: Vec<String> = [from, digest].into_iter().flatten().collect();
        lines.push((what, format!("{}: {}", source.role, parts.join(", "))));
    }
    for (index, note) in record.notes.iter().enumerate() {
        lines.push((if index == 0 { "notes" } else { "" }, note.clone()));
    }
}

fn object(artifact: &FoundArtifact, tree: &Tree, sources: &[Source]) -> Value {
    let files = tree.files.iter();
    let files = files
        .map(|(name, blob)| json!({ "name": name, "digest": blob.digest, "bytes": blob.bytes }));
    let sources = sources.iter().map(|source| {
        json!({
            "role": source.role,
            "artifact": source.name,
            "key": source.from.as_ref().map(|(key, _)| key),
            "port": source.from.as_ref().map(|(_, port)| port),
            "digest": source.digest,
        })
    });
    let made = artifact.record.as_ref().map(|record| {
        let by = &record.fingerprint;
        json!({
            "kind": by.kind,
            "version": by.version,
            "seed": by.seed,
            "device": by.device,
            "processor": by.processor,
            "params": by.params,
            "inputs": sources.collect::<Vec<Value>>(),
            "key": record.action_key,
            "finished": record.finished,
            "seconds": record.seconds,
            "cpu_seconds": record.cpu_seconds,
            "peak_memory_mib": record.peak_memory_mib,
            "notes": record.notes,
            "runner": record.runner,
        })
    });
    let shown = artifact.shown.as_ref();
    json!({
        "pipeline": shown.map(|(shown, _)| &shown.pipeline),
        "stage": shown.map(|(shown, _)| &shown.instance),
        "port": shown.map(|(_, port)| port),
        "path": shown.map(|(shown, port)| shown.port_folder(port)),
        "digest": artifact.digest,
        "files": files.collect::<Vec<Value>>(),
        "made": made,
    })
}
