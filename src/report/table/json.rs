//! Tables as JSON.

use serde_json::{Value, json};

use super::{Cell, Filled, axes_of};
use crate::report::contrasts;

/// One JSON object: name, title, axes, and the rows with their cells in the table's order.
pub(super) fn object(filled: &Filled<'_>) -> Value {
    let rows: Vec<Value> = filled
        .rows
        .iter()
        .map(|(row, cells)| {
            let cells: Vec<Value> = filled
                .cells(row, cells)
                .map(|shown| {
                    let column = shown.column;
                    let mut object =
                        json!({ "title": column.title, "metric": row.metric_of(column).to_string() });
                    match shown.cell {
                        Cell::Value(summary) | Cell::Partial { summary, .. } => {
                            object["value"] = json!(summary.mean);
                            let axes = axes_of(column, summary);
                            let key = match axes.is_empty() {
                                true => "seeds",
                                false => "mean",
                            };
                            if let Some(sd) = summary.sd {
                                object[key] = json!({ "count": summary.n, "sd": sd });
                            }
                            if !axes.is_empty() && summary.sd.is_some() {
                                object[key]["over"] = json!(axes);
                            }
                            if let Some(folds) = summary.folds {
                                object["folds"] = json!(folds);
                            }
                            if let Cell::Partial { of, why, .. } = shown.cell {
                                object["partial"] =
                                    json!({ "count": summary.n, "of": of, "missing": why });
                            }
                            if let Some(interval) = summary.interval {
                                object["interval"] = json!(interval.ends);
                                object["interval_over"] = json!(interval.over);
                            }
                            if summary.resamples_agree {
                                object["resamples_agree"] = json!(true);
                            }
                            if let Some(positive) = &summary.positive {
                                object["positive"] = json!(positive);
                            }
                            if let Some(decision) = &summary.decision {
                                object["decision"] = json!(decision);
                            }
                        }
                        Cell::Missing(reason) => object["missing"] = json!(reason),
                    }
                    if let Some(value) = shown.reference {
                        object["reference"] =
                            json!({ "label": column.reference_label, "value": value });
                    }
                    if !shown.judgements.is_empty() {
                        let all = shown.judgements.iter();
                        let all: Vec<Value> = all
                            .map(|one| json!({ "expected": one.bounds, "verdict": one.verdict }))
                            .collect();
                        object["expectations"] = json!(all);
                    }
                    object
                })
                .collect();
            let values: serde_json::Map<String, Value> = (filled.table.axes.iter().cloned())
                .zip(row.values.iter().map(|value| json!(value)))
                .collect();
            json!({ "row": row.label(), "values": values, "cells": cells })
        })
        .collect();
    let table = filled.table;
    let mut object =
        json!({ "name": table.name, "title": table.title, "axes": table.axes, "rows": rows });
    if !filled.contrasts.is_empty() {
        let contrasts = filled.contrasts.iter().map(contrasts::object);
        object["comparisons"] = contrasts.collect();
    }
    object
}
