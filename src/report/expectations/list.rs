//! A list of expectations outside of tables.

use serde_json::{Value, json};

use super::Judgement;
use crate::report::format::Format;
use crate::report::grid::Grid;

/// Renders judgements in a table format, one per line. `width` is that of the terminal; `None` if there is none. The
/// text ends with a line feed.
pub fn list(judgements: &[&Judgement], format: Format, width: Option<usize>) -> String {
    match format {
        Format::Terminal => for_people(judgements).terminal(width),
        Format::Markdown => for_people(judgements).markdown(),
        Format::Latex => for_people(judgements).latex(),
        Format::Csv => for_spreadsheets(judgements).csv(),
        Format::Json => format!("{:#}\n", json!(objects(judgements))),
    }
}

/// One JSON object for each judgement.
pub fn objects(judgements: &[&Judgement]) -> Vec<Value> {
    judgements.iter().map(|one| json(one)).collect()
}

fn for_people(judgements: &[&Judgement]) -> Grid {
    let row = |judgement: &&Judgement| {
        let value = match &judgement.measured {
            Ok(value) => judgement.bounds.figure(*value),
            Err(reason) => reason.clone(),
        };
        let note = judgement.class_note();
        let value = format!("{value}{note} {}", judgement.verdict.sign());
        let bounds = judgement.bounds.to_string();
        vec![judgement.subject.to_string(), value, bounds]
    };
    Grid {
        name: "expectations".to_owned(),
        title: Some("Expectations".to_owned()),
        header: ["metric", "value", "expected"].map(str::to_owned).to_vec(),
        rows: judgements.iter().map(row).collect(),
        notes: Vec::new(),
    }
}

/// Values in full precision. Missing values are empty.
fn for_spreadsheets(judgements: &[&Judgement]) -> Grid {
    let row = |judgement: &&Judgement| {
        let value = judgement.measured.as_ref();
        vec![
            judgement.subject.to_string(),
            value.map_or(String::new(), f64::to_string),
            judgement.bounds.to_string(),
            judgement.verdict.to_string(),
            judgement.class.clone().unwrap_or_default(),
        ]
    };
    let header = ["metric", "value", "expected", "verdict", "class"];
    Grid {
        header: header.map(str::to_owned).to_vec(),
        rows: judgements.iter().map(row).collect(),
        ..for_people(&[])
    }
}

/// One judgement as JSON. The bounds have the same names as under `expect:`.
fn json(judgement: &Judgement) -> Value {
    let mut object = json!({ "metric": judgement.subject.to_string() });
    match &judgement.measured {
        Ok(value) => object["value"] = json!(value),
        Err(reason) => object["missing"] = json!(reason),
    }
    if let Some(class) = &judgement.class {
        object["class"] = json!(class);
    }
    object["expected"] = json!(judgement.bounds);
    object["verdict"] = json!(judgement.verdict);
    object
}
