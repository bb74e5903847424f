//! A table as it is written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::node::Entry;
use super::{Diagnostic, Node, Place, decode, expect};

/// A table as it is written; the graph says what its names mean.
pub(crate) struct TableSpec {
    pub name: String,
    pub place: Place,
    pub node: Node,
    pub fields: TableFields,
}

/// A table of metrics, a row for every value of an axis.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Table")]
pub(crate) struct TableFields {
    /// Stands above it.
    pub title: Option<String>,
    /// The axis whose values are the rows.
    pub rows: String,
    /// From left to right.
    #[schemars(length(min = 1))]
    pub columns: Vec<ColumnFields>,
}

/// A column: one metric of one stage.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Column")]
pub(crate) struct ColumnFields {
    /// Stands above it; the metric unless given.
    pub title: Option<String>,
    /// `STAGE.METRIC`, as `evaluate.f1`.
    #[schemars(extend("pattern" = r"^[^.]+\..+$"))]
    pub metric: String,
    /// A reference's figures, by row.
    #[serde(default)]
    pub paper: BTreeMap<String, f64>,
    /// How far from the reference's figure a row's value is expected to be at most.
    #[serde(default, deserialize_with = "expect::tolerance")]
    #[schemars(range(min = 0))]
    pub within: Option<f64>,
}

/// Keys that take text, in which a number keeps its spelling.
const TEXTS: [&str; 2] = ["title", "columns.*.title"];

impl TableSpec {
    /// Reads a table; what is wrong with it is reported.
    pub fn read(entry: &Entry, errors: &mut Vec<Diagnostic>) -> Option<Self> {
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
