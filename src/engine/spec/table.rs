//! The `tables` section of a pipeline, decoded but not resolved.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::node::Entry;
use super::{Diagnostic, Node, Place, decode, expect};

/// A table as declared in a pipeline file. The graph resolves its names.
pub(crate) struct TableSpec {
    pub name: String,
    pub place: Place,
    pub node: Node,
    pub fields: TableFields,
}

/// A table of metrics, with one row for every value of an axis.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Table")]
pub(crate) struct TableFields {
    /// Title above the table.
    pub title: Option<String>,
    /// The axis whose values are the rows.
    pub rows: String,
    /// Columns from left to right.
    #[schemars(length(min = 1))]
    pub columns: Vec<ColumnFields>,
}

/// A column: one metric of one stage.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Column")]
pub(crate) struct ColumnFields {
    /// Title of the column. Default: the metric.
    pub title: Option<String>,
    /// The metric as `STAGE.METRIC`, for example `evaluate.f1`.
    #[schemars(extend("pattern" = r"^[^.]+\..+$"))]
    pub metric: String,
    /// Reference values by row, for example from a paper.
    #[serde(default)]
    pub paper: BTreeMap<String, f64>,
    /// Largest distance from the reference value that is still as expected.
    #[serde(default, deserialize_with = "expect::tolerance")]
    #[schemars(range(min = 0))]
    pub within: Option<f64>,
}

/// Keys that take text. Numbers there keep their spelling.
const TEXTS: [&str; 2] = ["title", "columns.*.title"];

impl TableSpec {
    /// Reads a table. If it is invalid, adds its errors to `errors` and returns `None`.
    pub(crate) fn read(entry: &Entry, errors: &mut Vec<Diagnostic>) -> Option<Self> {
        match decode(&entry.value.with_texts(&TEXTS), &entry.key_place) {
            Ok(fields) => Some(Self {
                name: entry.key.clone(),
                place: entry.key_place.clone(),
                node: entry.value.clone(),
                fields,
            }),
            Err(found) => {
                errors.extend(found);
                None
            }
        }
    }
}
