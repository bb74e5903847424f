//! [`StageView`]: one stage of a run, with everything that its result was made from.
//!
//! Most of it comes from the record of the stage's action. A stage without a result has none; its parameters come from
//! the fingerprint in the run's folder, and its inputs from the plan.

mod inputs;
mod log;
mod outputs;
mod params;
mod state;
mod why;

use std::collections::{HashMap, HashSet};

use engine::run::fingerprints;
use engine::run::recorded::{Recorded, RecordedStage};
use engine::wording;
use store::keys::{Fingerprint, Key};
use store::{ActionRecord, Lookup};

use crate::links::Ids;
use crate::metric::MetricView;
use crate::reader::Reader;
use inputs::Makers;
use why::Known;

pub use inputs::InputView;
pub use outputs::OutputView;
pub use params::{ParamView, SourceView};
pub use state::StageState;
pub use why::{Cause, Start, Why};

/// Longest text of a parameter or a note, in characters.
const LONGEST: usize = 2000;

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
    /// `true` if its results are there although it did not end in this run: another run made them.
    pub is_of_other_run: bool,
    /// `true` if this run had its results, but the store has them no longer.
    pub is_removed: bool,
    /// Times and memory of this run; `None` if it was not executed.
    pub seconds: Option<f64>,
    pub cpu_seconds: Option<f64>,
    pub peak_memory_mib: Option<f64>,
    pub start: Start,
    pub why: Why,
    pub key: Key,
    pub error: Option<String>,
    /// The end of its log, if it was executed and did not succeed.
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

impl StageView {
    /// Time in words, or an empty string.
    pub fn time(&self) -> String {
        self.seconds.map_or_else(String::new, wording::duration)
    }

    /// The reason why it failed. The lines of its output are left out if the end of its log is shown as well.
    pub fn failure(&self) -> Option<String> {
        let error = self.error.as_deref()?;
        Some(match self.log.is_some() {
            true => without_output(error),
            false => error.to_owned(),
        })
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

/// Reads all stages of a run. `starts` has the stages that were executed, by name.
pub(crate) fn stages(
    reader: Reader<'_>,
    run: &Recorded,
    starts: &HashMap<String, Start>,
) -> Vec<StageView> {
    let keys: Vec<Key> = run.stages.iter().map(|stage| stage.planned.key).collect();
    let found = reader.store.results().look_up(&keys);
    let found = found.inspect_err(|error| tracing::warn!("{error}"));
    let found = found.unwrap_or_default().into_iter();
    let records: HashMap<Key, ActionRecord> = found
        .zip(&keys)
        .filter_map(|(found, key)| match found {
            Lookup::Hit(record) => Some((*key, *record)),
            Lookup::Absent | Lookup::Damaged | Lookup::OutputMissing { .. } => None,
        })
        .collect();
    let without: HashSet<Key> = keys
        .iter()
        .filter(|key| !records.contains_key(*key))
        .copied()
        .collect();
    let source = Source {
        reader,
        run,
        starts,
        makers: Makers::new(run),
        fingerprints: fingerprints::read(&run.folder, &without),
    };
    let mut ids = Ids::default();
    let mut stages: Vec<StageView> = run
        .stages
        .iter()
        .map(|stage| {
            let id = ids.id("stage", &stage.planned.name);
            source.view(stage, records.get(&stage.planned.key), id)
        })
        .collect();
    explain(&mut stages);
    stages
}

/// Fills in why stages ran or did not run.
fn explain(stages: &mut [StageView]) {
    let known = stages.iter().map(|stage| Known {
        name: &stage.name,
        state: stage.state,
        reason: &stage.start.reason,
        makers: stage
            .inputs
            .iter()
            .filter_map(|input| input.maker)
            .collect(),
    });
    let known: Vec<Known<'_>> = known.collect();
    let whys = why::explained(&known);
    for (stage, why) in stages.iter_mut().zip(whys) {
        stage.why = why;
    }
}

/// Everything that stages of a run are read from.
struct Source<'a> {
    reader: Reader<'a>,
    run: &'a Recorded,
    starts: &'a HashMap<String, Start>,
    makers: Makers<'a>,
    /// Fingerprints of stages without a record.
    fingerprints: HashMap<Key, Fingerprint>,
}

impl Source<'_> {
    fn view(&self, stage: &RecordedStage, record: Option<&ActionRecord>, id: String) -> StageView {
        let Self { reader, run, .. } = *self;
        let planned = &stage.planned;
        let end = stage.end.as_ref();
        let state = StageState::of(stage, run.report.state);
        let fingerprint = match record {
            Some(record) => Some(&record.fingerprint),
            None => self.fingerprints.get(&planned.key),
        };
        let outputs = record.map_or_else(Vec::new, |record| outputs::outputs(reader, record));
        let warnings = match (end, record) {
            (Some(end), _) if !end.warnings.is_empty() => end.warnings.clone(),
            (_, Some(record)) => record.warnings.clone(),
            _ => Vec::new(),
        };
        let notes = record.map_or(&[][..], |record| &record.notes);
        StageView {
            id,
            name: planned.name.clone(),
            stage: planned.stage.clone(),
            kind: fingerprint.map_or_else(|| planned.kind.clone(), |known| known.kind.clone()),
            axes: planned.axes.clone(),
            state,
            is_of_other_run: record.is_some() && !state.has_result(),
            is_removed: record.is_none()
                && matches!(state, StageState::Succeeded | StageState::Cached),
            seconds: end.and_then(|end| end.seconds),
            cpu_seconds: end.and_then(|end| end.cpu_seconds),
            peak_memory_mib: end.and_then(|end| end.peak_memory_mib),
            start: self.starts.get(&planned.name).cloned().unwrap_or_default(),
            why: Why::default(),
            key: planned.key,
            error: end.and_then(|end| end.error.clone()),
            log: state
                .has_broken_off()
                .then(|| log::end(run, &planned.name))
                .flatten(),
            warnings,
            notes: notes.iter().map(|note| cut(note)).collect(),
            facts: facts(fingerprint, record),
            params: fingerprint.map_or_else(Vec::new, |known| params::params(reader, known)),
            sources: fingerprint.map_or_else(Vec::new, params::sources),
            inputs: self.makers.inputs(stage, fingerprint),
            metrics: outputs::measured(reader, &outputs),
            outputs,
        }
    }
}

/// Leaves out the lines of an error that quote the output of a program, and the colon before them.
pub fn without_output(error: &str) -> String {
    let mut own: Vec<&str> = Vec::new();
    for line in error.lines() {
        let start = line.trim_start();
        if !(start.starts_with('|') || start.starts_with("full log:")) {
            own.push(line);
        } else if let Some(last) = own.last_mut() {
            *last = last.trim_end_matches(':');
        }
    }
    own.join("\n")
}

/// Facts about a result, or about what would have been made.
fn facts(
    fingerprint: Option<&Fingerprint>,
    record: Option<&ActionRecord>,
) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(record) = record {
        facts.push(("made", when(&record.finished)));
        facts.push(("took", wording::duration(record.seconds)));
    }
    if let Some(known) = fingerprint {
        if known.seed != 0 {
            facts.push(("seed", known.seed.to_string()));
        }
        facts.push(("kind", format!("{} version {}", known.kind, known.version)));
        facts.push(("device", known.device.to_string()));
        facts.extend(known.processor.clone().map(|kind| ("processor", kind)));
    }
    facts.extend(record.map(|record| ("runner", record.runner.clone())));
    facts
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

#[cfg(test)]
mod tests {
    use super::without_output;

    #[test]
    fn an_error_without_the_quoted_output_has_no_colon_that_introduces_it() {
        let quoted = "the program ended with exit code 1:\n  | a\n  |\n  full log: it.log";
        assert_eq!(without_output(quoted), "the program ended with exit code 1");
        assert_eq!(
            without_output(&format!("{quoted}\n  its output is kept: m.json")),
            "the program ended with exit code 1\n  its output is kept: m.json"
        );
        let plain = "the loss is NaN:\n  lower `learning_rate`";
        assert_eq!(without_output(plain), plain);
    }
}
