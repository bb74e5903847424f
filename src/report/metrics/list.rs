//! All metrics, one per line.

use engine::run::run_metrics::Measured;
use engine::wording;
use serde_json::{Value, json};

use super::{figure, interval, name};
use crate::report::columns::fitted;
use crate::report::csv::line;

/// Lines with the name, value, unit, interval and class of each metric, for a terminal of `width` columns; `None` if
/// there is none.
pub fn text(all: &[&Measured<'_>], width: Option<usize>) -> String {
    let head = ["stage", "metric", "value", "unit", "95 % interval", "class"];
    let rows = all.iter().map(|one| {
        let seeds = match one.values.len() {
            0 | 1 => String::new(),
            all => {
                let count = match one.defined() {
                    defined if defined < all => format!("{defined} of {all}"),
                    _ => all.to_string(),
                };
                format!(" ({})", one.values_in_words(&count))
            }
        };
        [
            name(one.instance),
            name(&one.metric()),
            figure(one) + &seeds,
            one.unit.map_or(String::new(), name),
            one.interval().map_or(String::new(), interval),
            one.class().map_or(String::new(), name),
        ]
    });
    let rows: Vec<[String; 6]> = rows.collect();
    // Columns that are empty in all rows are left out.
    let is_used = |column: &usize| rows.iter().any(|row| !row[*column].is_empty());
    let used: Vec<usize> = (0..head.len()).filter(is_used).collect();
    let shown = |row: &[String; 6]| used.iter().map(|&at| row[at].clone()).collect();
    let shown: Vec<Vec<String>> = rows.iter().map(shown).collect();
    let head: Vec<String> = used.iter().map(|&at| head[at].to_owned()).collect();
    fitted(&head, &shown, &[], width)
}

/// Comma-separated values in full precision. Missing values are empty.
pub fn csv(all: &[&Measured<'_>]) -> String {
    let head = [
        "instance",
        "stage",
        "port",
        "metric",
        "value",
        "sd",
        "seeds",
        "low",
        "high",
        "class",
        "direction",
        "headline",
        "unit",
    ];
    let mut text = line(&head.map(str::to_owned));
    let number = |value: Option<f64>| value.map_or(String::new(), wording::exact);
    for one in all {
        let ends = one.interval();
        text += &line(&[
            one.instance.to_owned(),
            one.stage.to_owned(),
            one.port.to_owned(),
            one.name.to_owned(),
            number(one.mean()),
            number(one.deviation()),
            one.defined().to_string(),
            number(ends.map(|[low, _]| low)),
            number(ends.map(|[_, high]| high)),
            one.class().unwrap_or_default().to_owned(),
            json!(one.direction())
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            one.headline.is_some().to_string(),
            one.unit.unwrap_or_default().to_owned(),
        ]);
    }
    text
}

/// One JSON object for each metric. `values` has the value of every seed; `null` where it is undefined.
pub fn json(all: &[&Measured<'_>]) -> Vec<Value> {
    let object = |one: &&Measured<'_>| {
        let values = one
            .values
            .iter()
            .map(|(instance, metric)| json!({ "instance": instance, "value": metric.value }));
        json!({
            "instance": one.instance,
            "stage": one.stage,
            "port": one.port,
            "metric": one.name,
            "value": one.mean(),
            "sd": one.deviation(),
            "interval": one.interval(),
            "unit": one.unit,
            "of": one.class(),
            "direction": one.direction(),
            "headline": one.headline.is_some(),
            "values": values.collect::<Vec<_>>(),
        })
    };
    all.iter().map(object).collect()
}
