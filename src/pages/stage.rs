//! [`StageView`]: one stage of a run, with everything that its result was made from.

use std::collections::HashMap;

use contract::{ArtifactType, Metrics};
use engine::event::RunState;
use engine::executor::log_file;
use engine::plan::{chosen_params, source_digest};
use engine::run::metrics;
use engine::run::recorded::{Recorded, RecordedStage};
use engine::scheduler::Outcome;
use engine::wording;
use serde_json::Value;
use store::keys::{Digest, InputId, Key, ToolId};
use store::{ActionRecord, Found, Lookup, read_file};

use crate::links::Ids;
use crate::metric::MetricView;
use crate::reader::{Reader, type_name};

/// Most bytes of a failed stage's log that are shown.
const LOG_BYTES: usize = 8 << 10;
/// Most files of an output that are listed.
const FILES: usize = 20;
/// Longest text of a parameter or a note, in characters.
const LONGEST: usize = 2000;

/// State of a stage in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StageState {
    Failed,
    Running,
    Killed,
    Cancelled,
    Skipped,
    NotStarted,
    Succeeded,
    Cached,
}

impl StageState {
    fn of(stage: &RecordedStage, run: RunState) -> Self {
        match (&stage.end, stage.started, run) {
            (Some(end), ..) => match end.outcome {
                Outcome::Cached => Self::Cached,
                Outcome::Succeeded => Self::Succeeded,
                Outcome::Failed => Self::Failed,
                Outcome::Skipped => Self::Skipped,
                Outcome::Cancelled => Self::Cancelled,
            },
            (None, true, RunState::Running) => Self::Running,
            (None, true, _) => Self::Killed,
            (None, false, _) => Self::NotStarted,
        }
    }

    /// Whether the run has a result of the stage, or may have it at any time.
    fn has_result(self) -> bool {
        matches!(self, Self::Succeeded | Self::Cached | Self::Running)
    }

    /// Its name in a sentence: `succeeded`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Running => "running",
            Self::Killed => "killed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::NotStarted => "not started",
            Self::Succeeded => "succeeded",
            Self::Cached => "cached",
        }
    }

    /// Its CSS class.
    pub fn class(self) -> &'static str {
        match self {
            Self::NotStarted => "not-started",
            other => other.word(),
        }
    }

    /// A sign beside the word, so that states differ without color.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Failed => "✗",
            Self::Running => "▶",
            Self::Killed | Self::Cancelled => "■",
            Self::Skipped | Self::NotStarted => "–",
            Self::Succeeded => "✓",
            Self::Cached => "↺",
        }
    }
}

/// One stage of a run.
#[derive(Clone, Debug)]
pub struct StageView {
    /// Unique in the run, and safe in HTML and addresses.
    pub id: String,
    /// The instance: `cnn[model1]`.
    pub name: String,
    /// The stage: `cnn`.
    pub stage: String,
    pub kind: String,
    /// Its values on the axes of its matrix, and on those that tell apart copies of the pipeline.
    pub axes: Vec<(String, String)>,
    pub state: StageState,
    /// Whether its results are there although it did not end in this run: another run made them.
    pub is_of_other_run: bool,
    /// Times and memory of this run; `None` if it was not executed.
    pub seconds: Option<f64>,
    pub cpu_seconds: Option<f64>,
    pub peak_memory_mib: Option<f64>,
    /// Why it was executed; empty if it was not.
    pub reason: String,
    pub key: Key,
    pub error: Option<String>,
    /// The end of its log, if it failed.
    pub log: Option<String>,
    pub warnings: Vec<String>,
    pub notes: Vec<String>,
    /// Facts about its result: `seed`, `42`.
    pub facts: Vec<(&'static str, String)>,
    pub params: Vec<ParamView>,
    pub sources: Vec<SourceView>,
    pub inputs: Vec<InputView>,
    pub outputs: Vec<OutputView>,
    /// Metrics by port.
    pub metrics: Vec<(String, Vec<MetricView>)>,
}

/// A parameter of a stage, with defaults filled in.
#[derive(Clone, Debug)]
pub struct ParamView {
    pub name: String,
    pub value: String,
    /// Whether it differs from its default.
    pub is_chosen: bool,
}

/// A file or folder from outside the store that a stage read, or a program that it ran.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceView {
    /// The parameter that names it: `source.folder.path`.
    pub param: String,
    /// Digest of its content, or the version of a program.
    pub digest: String,
}

/// An artifact that a stage read.
#[derive(Clone, Debug)]
pub struct InputView {
    pub role: String,
    /// `xrays.train`, or a digest if its maker is not in this run.
    pub artifact: String,
    /// Position of its maker among the stages of the run.
    pub maker: Option<usize>,
    pub port: String,
}

/// An artifact that a stage made.
#[derive(Clone, Debug)]
pub struct OutputView {
    pub port: String,
    /// `dataset`; empty if its kind is no longer known.
    pub kind: &'static str,
    pub artifact: Option<ArtifactType>,
    pub digest: Digest,
    /// Names and sizes of its first files.
    pub files: Vec<(String, String)>,
    /// Number of files that are not listed.
    pub more: usize,
    pub bytes: String,
}

impl StageView {
    /// Time in words, or an empty string.
    pub fn time(&self) -> String {
        self.seconds.map_or_else(String::new, wording::duration)
    }

    /// Why it failed. The lines of its output are left out if the end of its log is shown as well.
    pub fn failure(&self) -> Option<String> {
        let error = self.error.as_deref()?;
        if self.log.is_none() {
            return Some(error.to_owned());
        }
        let is_own = |line: &&str| {
            let line = line.trim_start();
            !(line.starts_with('|') || line.starts_with("full log:"))
        };
        let own: Vec<&str> = error.lines().filter(is_own).collect();
        Some(own.join("\n").trim_end_matches(':').to_owned())
    }

    pub fn cpu_time(&self) -> String {
        self.cpu_seconds.map_or_else(String::new, wording::duration)
    }

    pub fn memory(&self) -> String {
        let mib = self.peak_memory_mib;
        mib.map_or_else(String::new, |mib| format!("{mib:.0} MiB"))
    }

    /// Seconds for sorting.
    pub fn seconds_key(&self) -> String {
        self.seconds.map_or_else(String::new, |s| s.to_string())
    }

    pub fn memory_key(&self) -> String {
        self.peak_memory_mib
            .map_or_else(String::new, |mib| mib.to_string())
    }

    pub fn short_key(&self) -> String {
        self.key.short()
    }

    /// The output on a port.
    pub fn output(&self, port: &str) -> Option<&OutputView> {
        self.outputs.iter().find(|output| output.port == port)
    }

    /// The maker of its input `role`, as a position among the stages of the run.
    pub(crate) fn maker(&self, role: &str) -> Option<usize> {
        let mut inputs = self.inputs.iter();
        inputs.find(|input| input.role == role)?.maker
    }
}

/// Reads all stages of a run. `reasons` says why stages were executed, by name.
pub(crate) fn stages(
    reader: Reader<'_>,
    run: &Recorded,
    reasons: &HashMap<String, String>,
) -> Vec<StageView> {
    let keys: Vec<Key> = run.stages.iter().map(|stage| stage.planned.key).collect();
    let found = reader.store.results().look_up(&keys);
    let found = found.inspect_err(|error| tracing::warn!("{error}"));
    let mut found = found.unwrap_or_default().into_iter();
    let mut ids = Ids::default();
    let makers = Makers::new(run);
    let stages = run.stages.iter().map(|stage| {
        let record = match found.next() {
            Some(Lookup::Hit(record)) => Some(*record),
            _ => None,
        };
        let id = ids.id("stage", &stage.planned.name);
        of(reader, run, stage, record.as_ref(), &makers, id, reasons)
    });
    stages.collect()
}

/// Positions of the stages of a run.
struct Makers<'a> {
    by_key: HashMap<Key, usize>,
    by_name: HashMap<&'a str, usize>,
    names: Vec<&'a str>,
}

impl<'a> Makers<'a> {
    fn new(run: &'a Recorded) -> Self {
        let planned = || run.stages.iter().map(|stage| &stage.planned).enumerate();
        Self {
            // The first of several equal stages represents all of them.
            by_key: planned().rev().map(|(at, stage)| (stage.key, at)).collect(),
            by_name: planned().map(|(at, stage)| (&*stage.name, at)).collect(),
            names: planned().map(|(_, stage)| &*stage.name).collect(),
        }
    }

    /// The inputs of a stage: as planned, or else from the record of its action.
    fn inputs(&self, stage: &RecordedStage, record: Option<&ActionRecord>) -> Vec<InputView> {
        let planned = stage.planned.inputs.iter().map(|input| InputView {
            role: input.role.clone(),
            artifact: format!("{}.{}", input.from, input.port),
            maker: self.by_name.get(&*input.from).copied(),
            port: input.port.clone(),
        });
        let planned: Vec<InputView> = planned.collect();
        let record = match (planned.is_empty(), record) {
            (true, Some(record)) => record,
            _ => return planned,
        };
        let inputs = record.fingerprint.inputs.iter();
        let inputs = inputs.flat_map(|(role, ids)| ids.iter().map(move |id| (role, id)));
        let input = |(role, id): (&String, &InputId)| {
            let (maker, port, digest) = match id {
                InputId::Action { key, port } => {
                    (self.by_key.get(key).copied(), port.clone(), key.short())
                }
                InputId::Content { digest } => (None, String::new(), digest.short().to_string()),
            };
            InputView {
                role: role.clone(),
                artifact: match maker {
                    Some(at) => format!("{}.{port}", self.names[at]),
                    None => digest,
                },
                maker,
                port,
            }
        };
        inputs.map(input).collect()
    }
}

fn of(
    reader: Reader<'_>,
    run: &Recorded,
    stage: &RecordedStage,
    record: Option<&ActionRecord>,
    makers: &Makers<'_>,
    id: String,
    reasons: &HashMap<String, String>,
) -> StageView {
    let planned = &stage.planned;
    let end = stage.end.as_ref();
    let state = StageState::of(stage, run.report.state);
    let outputs = record.map_or_else(Vec::new, |record| outputs(reader, record));
    let warnings = match (end, record) {
        (Some(end), _) if !end.warnings.is_empty() => end.warnings.clone(),
        (_, Some(record)) => record.warnings.clone(),
        _ => Vec::new(),
    };
    let kind = match record {
        Some(record) => record.fingerprint.kind.clone(),
        None => planned.kind.clone(),
    };
    let notes = record.map_or(&[][..], |record| &record.notes);
    StageView {
        id,
        name: planned.name.clone(),
        stage: planned.stage.clone(),
        kind,
        axes: planned.axes.clone(),
        state,
        is_of_other_run: record.is_some() && !state.has_result(),
        seconds: end.and_then(|end| end.seconds),
        cpu_seconds: end.and_then(|end| end.cpu_seconds),
        peak_memory_mib: end.and_then(|end| end.peak_memory_mib),
        reason: reasons.get(&planned.name).cloned().unwrap_or_default(),
        key: planned.key,
        error: end.and_then(|end| end.error.clone()),
        log: (state == StageState::Failed)
            .then(|| log_end(run, &planned.name))
            .flatten(),
        warnings,
        notes: notes.iter().map(|note| cut(note)).collect(),
        facts: record.map_or_else(Vec::new, facts),
        params: record.map_or_else(Vec::new, |record| params(reader, record)),
        sources: record.map_or_else(Vec::new, sources),
        inputs: makers.inputs(stage, record),
        metrics: measured(reader, &outputs),
        outputs,
    }
}

fn facts(record: &ActionRecord) -> Vec<(&'static str, String)> {
    let fingerprint = &record.fingerprint;
    let mut facts = vec![
        ("made", when(&record.finished)),
        ("took", wording::duration(record.seconds)),
    ];
    if fingerprint.seed != 0 {
        facts.push(("seed", fingerprint.seed.to_string()));
    }
    let version = format!("{} version {}", fingerprint.kind, fingerprint.version);
    facts.push(("kind", version));
    facts.push(("device", fingerprint.device.to_string()));
    facts.push(("runner", record.runner.clone()));
    facts
}

/// All parameters, those that differ from their defaults first.
fn params(reader: Reader<'_>, record: &ActionRecord) -> Vec<ParamView> {
    let fingerprint = &record.fingerprint;
    let chosen = chosen_params(reader.catalogue.parse, fingerprint);
    let is_chosen = |name: &str| chosen.iter().any(|(known, _)| known == name);
    let all = fingerprint.params.as_object().into_iter().flatten();
    let mut params: Vec<ParamView> = all
        .map(|(name, value)| ParamView {
            name: name.clone(),
            value: cut(&shown(value)),
            is_chosen: is_chosen(name),
        })
        .collect();
    params.sort_by_key(|param| !param.is_chosen);
    params
}

/// A parameter's value: text as it is, everything else as JSON, and sources by the beginnings of their digests.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        Value::Array(layers) if layers.iter().any(Value::is_object) => {
            let lines: Vec<String> = layers.iter().map(layer).collect();
            lines.join("\n")
        }
        other => in_line(other),
    }
}

/// An entry of a list of layers: `conv: { filters: 16 }`, or `flatten`.
fn layer(value: &Value) -> String {
    let entries: Vec<_> = value.as_object().into_iter().flatten().collect();
    match entries.as_slice() {
        [(name, Value::Object(settings))] if settings.is_empty() => (*name).clone(),
        [(name, settings)] => format!("{name}: {}", in_line(settings)),
        _ => in_line(value),
    }
}

fn in_line(value: &Value) -> String {
    if let Some(digest) = source_digest(value) {
        return format!("content {}", digest.short());
    }
    match value {
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let entries = map
                .iter()
                .map(|(key, value)| format!("{key}: {}", in_line(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Array(list) => {
            let items: Vec<String> = list.iter().map(in_line).collect();
            format!("[{}]", items.join(", "))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The sources in a stage's parameters, and its programs.
fn sources(record: &ActionRecord) -> Vec<SourceView> {
    let mut found = Vec::new();
    collect_sources("", &record.fingerprint.params, &mut found);
    let tools = record.fingerprint.tools.iter();
    found.extend(tools.map(|(name, tool)| SourceView {
        param: format!("program {name}"),
        digest: match tool {
            ToolId::Content(digest) => digest.to_string(),
            other => other.to_string(),
        },
    }));
    found
}

fn collect_sources(name: &str, value: &Value, found: &mut Vec<SourceView>) {
    if let Some(digest) = source_digest(value) {
        found.push(SourceView {
            param: name.to_owned(),
            digest: digest.to_string(),
        });
        return;
    }
    let below = |key: &str| match name {
        "" => key.to_owned(),
        name => format!("{name}.{key}"),
    };
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                collect_sources(&below(key), value, found);
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                collect_sources(&format!("{name}[{at}]"), value, found);
            }
        }
        _ => {}
    }
}

fn outputs(reader: Reader<'_>, record: &ActionRecord) -> Vec<OutputView> {
    let ports = reader.ports(&record.fingerprint);
    let order = |port: &str| ports.iter().position(|known| known.name == port);
    let mut outputs: Vec<OutputView> = record
        .outputs
        .iter()
        .map(|(port, digest)| {
            let artifact = order(port).map(|at| ports[at].yields);
            let tree = reader.tree(digest);
            let files = tree.iter().flat_map(|tree| &tree.files);
            let bytes = files.clone().map(|(_, blob)| blob.bytes).sum();
            let count = files.clone().count();
            OutputView {
                port: port.clone(),
                kind: artifact.map_or("", type_name),
                artifact,
                digest: *digest,
                files: files
                    .take(FILES)
                    .map(|(name, blob)| (name.clone(), size(blob.bytes)))
                    .collect(),
                more: count.saturating_sub(FILES),
                bytes: size(bytes),
            }
        })
        .collect();
    outputs.sort_by_key(|output| order(&output.port).unwrap_or(usize::MAX));
    outputs
}

/// The metrics on the ports that hold metrics.
fn measured(reader: Reader<'_>, outputs: &[OutputView]) -> Vec<(String, Vec<MetricView>)> {
    let ports = outputs.iter();
    let ports = ports.filter(|output| output.artifact == Some(ArtifactType::Metrics));
    let read = |output: &OutputView| {
        let found = metrics::read(reader.store, &output.digest);
        let found: Metrics = found
            .inspect_err(|error| tracing::warn!("{error}"))
            .ok()??;
        let views = found.iter().map(|(name, m)| MetricView::new(name, m));
        Some((output.port.clone(), views.collect::<Vec<_>>()))
    };
    ports.filter_map(read).collect()
}

/// The end of what a stage wrote, without colors and with each state of a progress bar on a line of its own.
fn log_end(run: &Recorded, name: &str) -> Option<String> {
    let Ok(Found::Bytes(bytes)) = read_file(&log_file(&run.folder, name)) else {
        return None;
    };
    let text = readable(&bytes);
    let start = text.len().saturating_sub(LOG_BYTES);
    let start = (start..text.len()).find(|&at| text.is_char_boundary(at))?;
    let end = &text[start..];
    // Begin with a whole line.
    let end = match (start, end.split_once('\n')) {
        (0, _) | (_, None) => end,
        (_, Some((_, rest))) => rest,
    };
    let end = end.trim_end();
    (!end.is_empty()).then(|| end.to_owned())
}

/// A log without escape sequences for colors.
fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("\u{1b}[") {
        plain.push_str(&rest[..at]);
        let sequence = &rest[at + 2..];
        // Parameters, then one letter.
        let end = sequence.find(|char: char| !matches!(char, '0'..='9' | ';' | '?'));
        rest = match end {
            Some(end) => {
                let letter = sequence[end..].chars().next().map_or(0, char::len_utf8);
                &sequence[end + letter..]
            }
            None => "",
        };
    }
    plain + rest
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `2026-11-24 09:13:58 UTC`, for a time from a record.
pub(crate) fn when(time: &str) -> String {
    let parsed: Result<jiff::Timestamp, _> = time.parse();
    parsed.map_or_else(
        |_| time.to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// A size in bytes: `812 B`, `1.4 MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if size < 999.5 {
            break;
        }
        size /= 1000.0;
        unit = next;
    }
    match size < 9.95 {
        true => format!("{size:.1} {unit}"),
        false => format!("{size:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let sizes = [0, 999, 1000, 9_960, 1_421_108, 999_600, 3_000_000_000];
        let sizes: Vec<String> = sizes.into_iter().map(size).collect();
        let expected = [
            "0 B", "999 B", "1.0 kB", "10 kB", "1.4 MB", "1.0 MB", "3.0 GB",
        ];
        assert_eq!(sizes, expected);
    }

    #[test]
    fn logs_lose_their_colors() {
        let log = "\u{1b}[1;31mred\u{1b}[0m\r\n10 %\r20 %\u{1b}[";
        assert_eq!(readable(log.as_bytes()), "red\n10 %\n20 %");
    }
}
