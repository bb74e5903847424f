//! The `expect` section of a pipeline: expected values of metrics.
//!
//! ```yaml
//! expect:
//!   evaluate.f1: { at_least: 0.8 }                        # every instance
//!   evaluate[model1].f1: { value: 0.93, within: 0.02 }    # one instance
//!   cnn.history.validation_loss: { at_most: 0.5 }         # metric on a named port
//! ```

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::node::Entry;
use super::{Bounds, Diagnostic, Place, decode};

/// An entry of `expect`. The graph resolves the metric's name.
pub(crate) struct ExpectSpec {
    /// Name of the metric: `evaluate[model1].f1`.
    pub metric: String,
    pub place: Place,
    pub bounds: Bounds,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectFields {
    value: Option<f64>,
    #[serde(default, deserialize_with = "tolerance")]
    within: Option<f64>,
    at_least: Option<f64>,
    at_most: Option<f64>,
}

/// Expected value or range of a metric.
#[derive(JsonSchema)]
#[schemars(untagged, rename = "Expectation")]
#[expect(dead_code, reason = "exists only for its schema")]
pub(super) enum ExpectForm {
    /// Near a value.
    #[schemars(extend("additionalProperties" = false))]
    Near {
        /// Expected value, for example from a paper.
        value: f64,
        /// Largest accepted distance from the value.
        #[schemars(range(min = 0))]
        within: f64,
    },
    /// In a range with one or two bounds.
    #[schemars(extend("additionalProperties" = false, "minProperties" = 1))]
    Range {
        /// Smallest accepted value.
        at_least: Option<f64>,
        /// Largest accepted value.
        at_most: Option<f64>,
    },
}

/// Schema of a map from metrics to `T`.
pub(super) struct OfMetrics<T>(PhantomData<T>);

impl<T: JsonSchema> JsonSchema for OfMetrics<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OfMetrics{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": r"^[^.\[]+(\.[^.\[]+)*(\[[^\[\]]+\])?\..+$" },
            "additionalProperties": generator.subschema_for::<T>(),
        })
    }
}

/// Deserializes a tolerance, which is a number of 0 or more.
pub(super) fn tolerance<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<f64>, D::Error> {
    let within = Option::<f64>::deserialize(deserializer)?;
    match within {
        Some(within) if within.is_nan() || within < 0.0 => Err(D::Error::custom(format!(
            "a tolerance must be 0 or more, found {within}"
        ))),
        within => Ok(within),
    }
}

impl ExpectSpec {
    /// Reads an entry. If it is invalid, adds its errors to `errors` and returns `None`.
    pub(crate) fn read(entry: &Entry, errors: &mut Vec<Diagnostic>) -> Option<Self> {
        let bounds = decode(&entry.value, &entry.key_place)
            .and_then(|fields| bounds(&fields, entry).map_err(|error| vec![error]));
        match bounds {
            Ok(bounds) => Some(Self {
                metric: entry.key.clone(),
                place: entry.key_place.clone(),
                bounds,
            }),
            Err(found) => {
                errors.extend(found);
                None
            }
        }
    }
}

fn bounds(fields: &ExpectFields, entry: &Entry) -> Result<Bounds, Diagnostic> {
    let place = |key: &str| {
        let written = entry.value.entry(key);
        written.map_or(&entry.key_place, |written| &written.key_place)
    };
    match *fields {
        ExpectFields {
            value: Some(value),
            within: Some(within),
            at_least: None,
            at_most: None,
        } => Ok(Bounds::Near { value, within }),
        ExpectFields {
            value: None,
            within: None,
            at_least: Some(at_least),
            at_most: Some(at_most),
        } if at_least > at_most => Err(Diagnostic::at(
            place("at_least"),
            format!("`at_least` ({at_least}) is above `at_most` ({at_most})"),
        )),
        ExpectFields {
            value: None,
            within: None,
            at_least,
            at_most,
        } => match (at_least, at_most) {
            (Some(at_least), Some(at_most)) => Ok(Bounds::Between { at_least, at_most }),
            (Some(at_least), None) => Ok(Bounds::AtLeast { at_least }),
            (None, Some(at_most)) => Ok(Bounds::AtMost { at_most }),
            (None, None) => Err(Diagnostic::at(
                &entry.key_place,
                format!("the expectation of `{}` is empty", entry.key),
            )
            .hint("for example `{ value: 0.93, within: 0.02 }` or `{ at_least: 0.9 }`".to_owned())),
        },
        ExpectFields { within: None, .. } => Err(Diagnostic::at(
            place("value"),
            "`value` needs a tolerance, `within`",
        )
        .hint("add `within`, or use `at_least` or `at_most` instead".to_owned())),
        ExpectFields { value: None, .. } => {
            let error = Diagnostic::at(place("within"), "`within` needs a `value`");
            Err(error.hint("add the expected `value`".to_owned()))
        }
        ExpectFields { at_least, .. } => {
            let key = at_least.map_or("at_most", |_| "at_least");
            Err(Diagnostic::at(
                place(key),
                format!("`{key}` cannot be combined with `value`"),
            )
            .hint("use either `value` and `within`, or `at_least` and `at_most`".to_owned()))
        }
    }
}
