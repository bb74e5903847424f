//! Writes the tables for readers of medical studies.

use std::path::Path;

use contract::analysis::{Clinical, Figure, Subgroup};
use contract::{Failure, json};

use crate::figures;

/// Name of the file with all tables.
pub const CLINICAL_FILE: &str = "clinical.json";
const OPERATING_POINT_FILE: &str = "operating_point.csv";
const DECISION_CURVE_FILE: &str = "decision_curve.csv";
const SUBGROUPS_FILE: &str = "subgroups.csv";
const DECISION_CURVE_FIGURE: &str = "decision_curve.png";

type Line = Vec<String>;

/// Writes all tables to `folder`: [`CLINICAL_FILE`], and a CSV file for each table.
pub(in super::super) fn write(clinical: &Clinical, folder: &Path) -> Result<(), Failure> {
    json::write(&folder.join(CLINICAL_FILE), clinical)?;
    let write = |name: &str, lines: Vec<Line>| {
        let path = folder.join(name);
        table(&path, &lines).map_err(|e| Failure::io("write", &path, e))
    };
    write(OPERATING_POINT_FILE, operating_point(clinical))?;
    if let Some(curve) = &clinical.decision_curve {
        let header = ["threshold", "model", "treat_all", "treat_none"];
        let lines = curve.points.iter().map(|point| {
            let numbers = [point.threshold, point.model, point.all, 0.0];
            numbers.map(|number| number.to_string()).to_vec()
        });
        let header = header.map(str::to_owned).to_vec();
        write(
            DECISION_CURVE_FILE,
            std::iter::once(header).chain(lines).collect(),
        )?;
    }
    match clinical.subgroups.as_slice() {
        [] => Ok(()),
        _ => write(SUBGROUPS_FILE, subgroups(clinical)),
    }
}

/// Draws the decision curve, if there is one.
pub(in super::super) fn draw(clinical: &Clinical, folder: &Path) -> Result<(), Failure> {
    match &clinical.decision_curve {
        Some(curve) => figures::draw(
            &Figure::DecisionCurve(curve),
            &folder.join(DECISION_CURVE_FIGURE),
        ),
        None => Ok(()),
    }
}

fn table(path: &Path, lines: &[Line]) -> Result<(), csv::Error> {
    let mut table = csv::Writer::from_path(path)?;
    for line in lines {
        table.write_record(line)?;
    }
    table.flush()?;
    Ok(())
}

fn number(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// The ends of an interval, each empty if there is none.
fn ends(interval: Option<[f64; 2]>) -> [String; 2] {
    [0, 1].map(|end| number(interval.map(|ends| ends[end])))
}

fn operating_point(clinical: &Clinical) -> Vec<Line> {
    let header = [
        "measure",
        "value",
        "part",
        "whole",
        "bootstrap_low",
        "bootstrap_high",
        "wilson_low",
        "wilson_high",
    ];
    let line = |row: &contract::analysis::OperatingMeasure| {
        let count = |place: usize| {
            let counts = row.counts.map(|counts| counts[place].to_string());
            counts.unwrap_or_default()
        };
        let [bootstrap_low, bootstrap_high] = ends(row.bootstrap);
        let [wilson_low, wilson_high] = ends(row.wilson);
        vec![
            row.measure.clone(),
            number(row.value),
            count(0),
            count(1),
            bootstrap_low,
            bootstrap_high,
            wilson_low,
            wilson_high,
        ]
    };
    let header = header.map(str::to_owned).to_vec();
    let lines = clinical.operating_point.iter().map(line);
    std::iter::once(header).chain(lines).collect()
}

/// A line for each value of each division. P-values are those of the whole division.
fn subgroups(clinical: &Clinical) -> Vec<Line> {
    let mut header: Line = ["subgroups", "value", "images", "positives"]
        .map(str::to_owned)
        .to_vec();
    for measure in Subgroup::MEASURES {
        header.extend(["", "_low", "_high"].map(|end| format!("{measure}{end}")));
    }
    let tested = &Subgroup::MEASURES[..3];
    for measure in tested {
        header.extend(["p", "p_holm"].map(|what| format!("{measure}_{what}")));
    }
    let mut lines = vec![header];
    for division in &clinical.subgroups {
        for part in &division.parts {
            let mut line = vec![
                division.by.clone(),
                part.value.clone(),
                part.images.to_string(),
                part.positives.to_string(),
            ];
            for found in &part.measures {
                line.push(number(found.value));
                line.extend(ends(found.interval));
            }
            for measure in tested {
                let test = division.tests.iter().find(|test| test.measure == *measure);
                line.push(number(test.and_then(|test| test.p)));
                line.push(number(test.and_then(|test| test.p_holm)));
            }
            lines.push(line);
        }
    }
    lines
}
