//! [`SweepView`]: the trials of a sweep, and which axes matter.

use std::path::Path;

use contract::analysis::Figure;
use contract::{Direction, files};
use engine::sweep::ranked;
use engine::sweep::record::{SweepReport, Trial, TrialState};
use engine::wording;
use serde_json::Value;

use crate::figure::FigureView;
use crate::reader::Reader;
use crate::shortened;
use crate::sweep_figures::{learning_curves, parallel_coordinates};

/// Name of the file in a run's folder with the trials of a sweep.
const RECORD: &str = "sweep.json";
/// Longest value of an axis in a cell, in characters.
const LONGEST: usize = 40;
/// Most values of a trial that its description names.
const NAMED: usize = 4;

/// A sweep.
#[derive(Clone, Debug)]
pub struct SweepView {
    /// `40 trials by tpe: 12 finished, 28 stopped early`.
    pub summary: String,
    /// `evaluate.f1`, and whether more of it is better; `None` if trials are not ranked.
    pub objective: Option<(String, &'static str)>,
    /// Labels of the axes.
    pub axes: Vec<String>,
    pub has_epochs: bool,
    /// Best first.
    pub trials: Vec<TrialView>,
    pub figures: Vec<FigureView>,
    /// Description of what the importance measures; `None` if it is not known.
    pub importance_of: Option<String>,
    pub importance: Vec<ImportanceView>,
}

/// A trial.
#[derive(Clone, Debug)]
pub struct TrialView {
    pub number: usize,
    /// `Highest` or `Lowest`, if no other trial has as good an objective.
    pub best: Option<&'static str>,
    /// Texts and sort keys, one for each axis.
    pub values: Vec<(String, String)>,
    pub objective: String,
    pub objective_key: String,
    pub epochs: String,
    pub time: String,
    pub seconds: f64,
    pub state: String,
    pub state_class: &'static str,
    pub error: String,
}

/// The importance of an axis.
#[derive(Clone, Debug)]
pub struct ImportanceView {
    pub axis: String,
    /// `62 %`, or an empty string.
    pub share: String,
    /// Width of its bar, in percent.
    pub percent: u32,
    /// `more is worse (−0.71)`.
    pub trend: String,
}

impl SweepView {
    /// The first values of a trial: `learning_rate 0.001, epochs 8`.
    pub fn described(&self, trial: &TrialView) -> String {
        let values = self.axes.iter().zip(&trial.values).take(NAMED);
        let values: Vec<String> = values
            .map(|(axis, (text, _))| format!("{axis} {text}"))
            .collect();
        let more = if self.axes.len() > NAMED { ", …" } else { "" };
        values.join(", ") + more
    }

    /// `true` if anything is known about the importance of an axis.
    pub fn has_importance(&self) -> bool {
        let is_known = |axis: &ImportanceView| !(axis.share.is_empty() && axis.trend.is_empty());
        self.importance.iter().any(is_known)
    }
}

/// Reads the sweep of a run; `None` if the run is none, or has not recorded a trial.
pub(crate) fn sweep(reader: Reader<'_>, folder: &Path) -> Option<SweepView> {
    let path = folder.join(RECORD);
    if !files::exists(&path).unwrap_or(false) {
        return None;
    }
    let text = files::read_text(&path, files::MOST_TEXT);
    let text = text.inspect_err(|error| tracing::warn!("failed to read `{RECORD}`: {error}"));
    let report = serde_json::from_str::<SweepReport>(&text.ok()?);
    let report = report.inspect_err(|error| tracing::warn!("`{RECORD}`: {error}"));
    Some(view(reader, &report.ok()?))
}

fn view(reader: Reader<'_>, report: &SweepReport) -> SweepView {
    let trials = ranked(report).into_iter();
    let objective = report.objective.as_ref().map(|objective| {
        let better = match objective.direction {
            Direction::Maximize => "higher is better",
            Direction::Minimize => "lower is better",
        };
        (objective.metric.clone(), better)
    });
    let mut trials: Vec<TrialView> = trials.map(|trial| trial_view(report, trial)).collect();
    mark_best(report, &mut trials);
    SweepView {
        summary: report.summary(),
        objective,
        axes: report.axes.iter().map(|axis| axis.label.clone()).collect(),
        has_epochs: report.trials.iter().any(|trial| trial.epochs.is_some()),
        trials,
        figures: figures(reader, report),
        importance_of: importance_of(report),
        importance: importance(report),
    }
}

/// Marks the best trial, unless another one looks as good.
fn mark_best(report: &SweepReport, trials: &mut [TrialView]) {
    let (Some(best), Some(objective)) = (report.best(), &report.objective) else {
        return;
    };
    let value = |trial: &Trial| trial.objective.map(|value| format!("{value:.4}"));
    let is_rival = |trial: &&Trial| {
        trial.state == TrialState::Finished
            && trial.number != best.number
            && value(trial) == value(best)
    };
    if report.trials.iter().any(|trial| is_rival(&trial)) {
        return;
    }
    let mut trials = trials.iter_mut();
    if let Some(trial) = trials.find(|trial| trial.number == best.number) {
        trial.best = Some(match objective.direction {
            Direction::Maximize => "Highest",
            Direction::Minimize => "Lowest",
        });
    }
}

fn trial_view(report: &SweepReport, trial: &Trial) -> TrialView {
    let values = report.axes.iter().map(|axis| {
        let value = trial.values.get(&axis.label);
        let key = match value {
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let text = match (trial.spellings.get(&axis.label), value) {
            (Some(spelling), _) => spelling.clone(),
            (None, Some(value)) => shortened::value(value, LONGEST),
            (None, None) => "–".to_owned(),
        };
        (shortened::cut(&text, LONGEST), key)
    });
    let finite = trial.objective.filter(|value| value.is_finite());
    let mut objective = finite.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"));
    if let Some(deviation) = trial.deviation {
        objective += &format!(" ± {deviation:.4}");
    }
    if let Some([low, high]) = trial.interval {
        objective += &format!(" [{low:.3}, {high:.3}]");
    }
    TrialView {
        number: trial.number,
        best: None,
        values: values.collect(),
        objective,
        objective_key: finite.map_or_else(String::new, |value| value.to_string()),
        epochs: match (trial.epochs, trial.max_epochs) {
            (Some(epochs), Some(most)) if epochs != most => format!("{epochs} of {most}"),
            (Some(epochs), _) => epochs.to_string(),
            (None, _) => String::new(),
        },
        time: match trial.state {
            TrialState::NotRun => String::new(),
            _ => wording::duration(trial.seconds),
        },
        seconds: trial.seconds,
        state: trial.state.to_string(),
        state_class: match trial.state {
            TrialState::Finished => "succeeded",
            TrialState::StoppedEarly => "cancelled",
            TrialState::Waiting => "running",
            TrialState::Undefined | TrialState::Failed => "failed",
            TrialState::NotRun => "not-started",
        },
        error: trial.error.clone().unwrap_or_default(),
    }
}

fn figures(reader: Reader<'_>, report: &SweepReport) -> Vec<FigureView> {
    let draw = |id: &str, caption: &str, figure: &Figure<'_>| {
        FigureView::new(reader, id.to_owned(), caption.to_owned(), figure)
    };
    let results = report
        .trials
        .iter()
        .filter(|trial| trial.objective.is_some());
    // A single line shows nothing that the table does not.
    let axes = (results.count() > 1).then(|| {
        parallel_coordinates(report, |figure| {
            let caption = "Each line is a trial; its color shows the objective.";
            draw("parallel-coordinates", caption, figure)
        })
    });
    let curves = learning_curves(report, |figure| {
        draw("learning-curves", "Each line is a trial.", figure)
    });
    [axes, curves].into_iter().flatten().flatten().collect()
}

/// `shares of the variance of evaluate.f1 over the declared space (fANOVA, 40 trials)`.
fn importance_of(report: &SweepReport) -> Option<String> {
    let of = report.importance_of.as_ref()?;
    let at = of.epochs.map_or(String::new(), |epochs| {
        format!(" after {}", wording::counted(epochs as usize, "epoch"))
    });
    let trials = wording::counted(of.trials, "trial");
    let mut text = match &*of.note {
        "" => format!(
            "Shares of the variance of {}{at} over the declared space ({}, {trials}).",
            of.metric, of.estimator
        ),
        note => format!("Importance for {}{at} is not known: {note}.", of.metric),
    };
    if let Some(jointly) = of.jointly.filter(|&share| share >= 0.005) {
        text += &format!(
            " The other {:.0} % depend on several axes together.",
            100.0 * jointly
        );
    }
    Some(text)
}

fn importance(report: &SweepReport) -> Vec<ImportanceView> {
    let Some(of) = &report.importance_of else {
        return Vec::new();
    };
    // Fewer than 5 % of as many random trials have as large a correlation by chance.
    let chance = 1.96 / (of.trials.max(2) as f64 - 1.0).sqrt();
    let known = report.importance.iter();
    known
        .map(|known| {
            let correlation = known.correlation.filter(|c| c.is_finite());
            let trend = correlation.map_or_else(String::new, |correlation| {
                let is_better = match of.direction {
                    Direction::Maximize => correlation > 0.0,
                    Direction::Minimize => correlation < 0.0,
                };
                let word = match is_better {
                    _ if correlation.abs() < chance => "no clear trend",
                    true => "more is better",
                    false => "more is worse",
                };
                format!("{word} ({})", crate::metric::change(correlation))
            });
            let percent = known.share.map(|share| 100.0 * share.clamp(0.0, 1.0));
            ImportanceView {
                axis: known.axis.clone(),
                share: percent.map_or_else(String::new, |percent| format!("{percent:.0} %")),
                percent: percent.map_or(0, |percent| percent.round() as u32),
                trend: match (&*trend, &*known.note) {
                    (trend, "") => trend.to_owned(),
                    ("", note) => note.to_owned(),
                    (trend, note) => format!("{trend}, {note}"),
                },
            }
        })
        .collect()
}
