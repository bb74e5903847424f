//! A table as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::node::Entry;
use super::{Diagnostic, Node, Place, decode};

/// A table as it is written; the graph says what its names mean.
pub(crate) struct TableSpec {
    pub name: String,
    pub place: Place,
    pub node: Node,
    pub fields: TableFields,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableFields {
    pub title: Option<String>,
    pub rows: String,
    pub columns: Vec<ColumnFields>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColumnFields {
    pub title: Option<String>,
    pub metric: String,
    #[serde(default)]
    pub paper: BTreeMap<String, f64>,
}

impl TableSpec {
    /// Reads a table; what is wrong with it is reported.
    pub fn read(entry: &Entry, errors: &mut Vec<Diagnostic>) -> Option<Self> {
        match decode(&entry.value, &entry.key_place) {
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
