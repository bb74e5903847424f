//! The `tables` section of a pipeline, decoded but not resolved.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::node::Entry;
use super::{Diagnostic, Node, Place, decode, expect};

/// A table as declared in a pipeline file. The graph resolves its names.
pub(crate) struct TableSpec {
    pub name: String,
    pub place: Place,
    pub node: Node,
    pub fields: TableFields,
}

/// A table of metrics: one row for every value of an axis, or a single row.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Table")]
pub(crate) struct TableFields {
    /// Title above the table.
    pub title: Option<String>,
    /// The axis whose values are the rows, or a list of axes. `seed` means the seeds of the pipeline, and `fold`
    /// its folds. Default: a single row.
    #[serde(default)]
    #[schemars(with = "Option<AxisNamesForm>")]
    pub rows: AxisNames,
    /// Axes, one or a list, over which cells show the mean. Always includes the seeds and the folds of the pipeline,
    /// unless they are the rows.
    #[serde(default)]
    #[schemars(with = "Option<AxisNamesForm>")]
    pub mean: AxisNames,
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
    /// Reference values by row, for example from a paper, or one value for all rows. With several axes, rows are
    /// named like instances: `model1,real`.
    #[serde(default)]
    #[schemars(with = "Option<PaperForm>")]
    pub paper: Paper,
    /// Largest distance from the reference value that is still as expected.
    #[serde(default, deserialize_with = "expect::tolerance")]
    #[schemars(range(min = 0))]
    pub within: Option<f64>,
}

/// Names of axes, written as one name or as a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AxisNames(pub Vec<String>);

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(
    dead_code,
    reason = "exists only for its schema: serde's untagged enums lose the places of errors"
)]
enum AxisNamesForm {
    One(String),
    Several(Vec<String>),
}

impl<'de> Deserialize<'de> for AxisNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = AxisNames;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an axis, or a list of names")
            }

            fn visit_unit<E: Error>(self) -> Result<AxisNames, E> {
                Ok(AxisNames::default())
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<AxisNames, E> {
                Ok(AxisNames(vec![name.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<AxisNames, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(names)).map(AxisNames)
            }
        }
        deserializer.deserialize_any(Names)
    }
}

/// Reference values of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Paper {
    /// One value for all rows.
    All(f64),
    /// Values by row; empty if there are none.
    ByRow(BTreeMap<String, f64>),
}

impl Default for Paper {
    fn default() -> Self {
        Self::ByRow(BTreeMap::new())
    }
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(
    dead_code,
    reason = "exists only for its schema: serde's untagged enums lose the places of errors"
)]
enum PaperForm {
    All(f64),
    ByRow(BTreeMap<String, f64>),
}

impl<'de> Deserialize<'de> for Paper {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;
        impl<'de> Visitor<'de> for Values {
            type Value = Paper;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a map from rows to numbers")
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Paper, E> {
                Ok(Paper::All(value))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Paper, E> {
                Ok(Paper::All(value as f64))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Paper, E> {
                Ok(Paper::All(value as f64))
            }

            fn visit_map<A: MapAccess<'de>>(self, rows: A) -> Result<Paper, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(rows)).map(Paper::ByRow)
            }
        }
        deserializer.deserialize_any(Values)
    }
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
