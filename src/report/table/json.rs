//! Tables for programs.

use serde_json::{Value, json};

use super::{Cell, Filled};
use crate::report::comparison;

/// One JSON object: name, title, axis, and the rows with their cells in the table's order.
pub(super) fn json(filled: &Filled<'_>) -> String {
    let rows: Vec<Value> = filled
        .rows
        .iter()
        .map(|(row, cells)| {
            let cells: Vec<Value> = filled
                .cells(row, cells)
                .map(|(column, cell, reference)| {
                    let mut object =
                        json!({ "title": column.title, "metric": column.metric.to_string() });
                    match cell {
                        Cell::Value { value, interval } => {
                            object["value"] = json!(value);
                            if let Some(interval) = interval {
                                object["interval"] = json!(interval);
                            }
                        }
                        Cell::Missing(reason) => object["missing"] = json!(reason),
                    }
                    if let Some(value) = reference {
                        object["reference"] =
                            json!({ "label": column.reference_label, "value": value });
                    }
                    object
                })
                .collect();
            json!({ "row": row, "cells": cells })
        })
        .collect();
    let table = filled.table;
    let mut object =
        json!({ "name": table.name, "title": table.title, "axis": table.rows, "rows": rows });
    if !filled.comparisons.is_empty() {
        let comparisons = filled.comparisons.iter().map(comparison::object);
        object["comparisons"] = comparisons.collect();
    }
    format!("{object:#}\n")
}
