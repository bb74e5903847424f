use clap::Args;
use serde_json::json;
use stages::contract::Direction;

use super::comparison::{Change, Comparison, MetricPair, StagePair};
use super::{Among, when};
use crate::cli::unwritten;
use crate::error::Error;
use crate::report::columns::{aligned, columns};
use crate::report::runs::Recorded;
use crate::report::{Console, wording};

/// Compare two runs: how they were asked for, which stages differ and why, times, metrics
#[derive(Debug, Args)]
pub struct Diff {
    /// A run: an id, the beginning of one, `latest`, or `latest~N` for the Nth before it
    #[arg(value_name = "RUN_A")]
    a: String,
    /// Another run
    #[arg(value_name = "RUN_B")]
    b: String,
    #[command(flatten)]
    among: Among,
    /// Print one JSON object, with what is equal too
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub fn execute(self, console: &Console) -> Result<(), Error> {
        let store = self.among.store.existing()?;
        let a = self.among.find(&store, &self.a)?;
        let b = self.among.find(&store, &self.b)?;
        let comparison = Comparison::of(&store, &a, &b);
        let text = if self.json {
            let head = |run: &Recorded| {
                let report = &run.report;
                json!({
                    "run": report.run,
                    "state": report.state,
                    "seconds": report.seconds,
                    "profile": report.profile,
                    "sets": report.sets,
                })
            };
            json!({
                "a": head(&a),
                "b": head(&b),
                "asked": comparison.asked,
                "stages": comparison.stages,
            })
            .to_string()
        } else {
            page(&a, &b, &comparison)
        };
        console.result(&text).map_err(unwritten)
    }
}

fn page(a: &Recorded, b: &Recorded, comparison: &Comparison) -> String {
    let head = |letter: &str, run: &Recorded| {
        let report = &run.report;
        let time = wording::duration(report.seconds);
        [
            letter.to_owned(),
            report.run.clone(),
            when(&report.started),
            report.state.to_string(),
            time,
        ]
    };
    let mut text = aligned(&[head("A", a), head("B", b)], 4);
    if !comparison.asked.is_empty() {
        text.push('\n');
        let shown = |value: &str| if value.is_empty() { "none" } else { value }.to_owned();
        let rows: Vec<[String; 2]> = comparison
            .asked
            .iter()
            .map(|d| {
                [
                    d.what.to_owned(),
                    format!("{} → {}", shown(&d.a), shown(&d.b)),
                ]
            })
            .collect();
        text += &columns(&rows);
    }
    text.push('\n');
    text += &stages(&comparison.stages);
    let metrics = metrics(&comparison.stages);
    if !metrics.is_empty() {
        text += &format!("\n{metrics}");
    }
    text
}

/// The stages that differ, or that both runs executed, and how many are the same.
fn stages(pairs: &[StagePair]) -> String {
    let executed = |pair: &StagePair| {
        let seconds = |side: &Option<super::comparison::Side>| side.as_ref()?.seconds;
        [seconds(&pair.a), seconds(&pair.b)]
    };
    let mut rows = vec![["stage", "what differs", "time A", "time B"].map(str::to_owned)];
    let mut same = 0;
    for pair in pairs {
        let [a, b] = executed(pair);
        let what = match pair.change {
            Change::Same if a.is_none() || b.is_none() => {
                same += 1;
                continue;
            }
            Change::Same => "nothing".to_owned(),
            Change::Changed => pair.reason.clone().unwrap_or_default(),
            Change::OnlyInA => "only in A".to_owned(),
            Change::OnlyInB => "only in B".to_owned(),
        };
        let time = |seconds: Option<f64>| seconds.map_or("-".to_owned(), wording::duration);
        rows.push([pair.name.clone(), what, time(a), time(b)]);
    }
    let mut text = String::new();
    if rows.len() > 1 {
        text += &columns(&rows);
    }
    match same {
        0 => {}
        1 => text += "1 stage is the same\n",
        _ => text += &format!("{} are the same\n", wording::stages(same)),
    }
    text
}

/// All metrics of the stages of both runs that differ in some.
fn metrics(pairs: &[StagePair]) -> String {
    let mut rows = vec![["stage", "metric", "A", "B", "difference", ""].map(str::to_owned)];
    let differ = |pair: &MetricPair| pair.a != pair.b;
    let in_both = pairs
        .iter()
        .filter(|pair| pair.a.is_some() && pair.b.is_some());
    for pair in in_both.filter(|pair| pair.metrics.iter().any(differ)) {
        rows.extend(pair.metrics.iter().map(|metric| {
            let figure = |value: Option<f64>| value.map_or("-".to_owned(), figure);
            let [difference, verdict] = verdict(metric);
            [
                pair.name.clone(),
                metric.metric.clone(),
                figure(metric.a),
                figure(metric.b),
                difference,
                verdict,
            ]
        }));
    }
    if rows.len() == 1 {
        return String::new();
    }
    columns(&rows)
}

/// `12`, `0.8993`.
fn figure(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e9 {
        return format!("{value:.0}");
    }
    wording::figure(value)
}

/// `+0.0120`, `better`.
fn verdict(metric: &MetricPair) -> [String; 2] {
    let Some(difference) = metric.difference else {
        return ["-".to_owned(), String::new()];
    };
    let better = match metric.direction {
        Direction::Maximize => difference > 0.0,
        Direction::Minimize => difference < 0.0,
    };
    let (sign, word) = match (difference == 0.0, better) {
        (true, _) => ("", ""),
        (_, true) => (if difference > 0.0 { "+" } else { "" }, "better"),
        (_, false) => (if difference > 0.0 { "+" } else { "" }, "worse"),
    };
    [format!("{sign}{}", figure(difference)), word.to_owned()]
}
