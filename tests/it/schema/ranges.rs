//! The ranges in the schema are those that the kinds check: both accept values at a bound and refuse values
//! outside.

use contract::Segment;
use serde_json::{Value, json};

use super::schema_errors;
use super::subjects::{Subject, subjects};
use super::visits::{Visit, everywhere};

/// Values just within and just outside a bound.
struct Bound {
    within: Value,
    outside: Value,
}

#[test]
fn ranges_in_the_schema_match_the_checks() {
    let mut bounds = 0;
    for subject in subjects() {
        let root = stages::params_schema(subject.kind.name).unwrap();
        assert!(
            subject.check(&subject.params).is_ok(),
            "{}",
            subject.kind.name
        );
        everywhere(&root, &subject.params, &mut |visit| {
            for bound in bounds_of(visit.schema) {
                bounds += 1;
                expect(&subject, &visit, bound.within, true);
                expect(&subject, &visit, bound.outside, false);
            }
        });
    }
    // Some fifty parameters have bounds. Fewer than a hundred bounds would mean that the walk missed some.
    assert!(bounds > 100, "{bounds}");
}

#[test]
fn every_number_has_a_lower_bound() {
    for subject in subjects() {
        let root = stages::params_schema(subject.kind.name).unwrap();
        everywhere(&root, &subject.params, &mut |visit| {
            let has = |keyword: &str| visit.schema.get(keyword).is_some();
            assert!(
                !is_number(visit.schema)
                    // A parameter that takes text, such as a program's argument, accepts any number.
                    || takes_text(visit.schema)
                    // The range of a program's metric may end at any number.
                    || visit.name().contains("range")
                    || has("minimum")
                    || has("exclusiveMinimum")
                    || has("enum"),
                "`{}` of `{}` has no range",
                visit.name(),
                subject.kind.name
            );
        });
    }
}

fn is_number(schema: &Value) -> bool {
    let is = |one: &Value| one == "integer" || one == "number";
    match &schema["type"] {
        Value::Array(types) => types.iter().any(is),
        one => is(one),
    }
}

fn takes_text(schema: &Value) -> bool {
    let mut types = schema["type"].as_array().into_iter().flatten();
    types.any(|one| one == "string")
}

fn bounds_of(schema: &Value) -> Vec<Bound> {
    if !is_number(schema) {
        return Vec::new();
    }
    let whole = schema["type"] == "integer" || schema["type"][0] == "integer";
    let bound = |keyword: &str, outward: f64| {
        let bound = schema[keyword].as_f64()?;
        let step = if whole {
            1.0
        } else {
            1e-6 * bound.abs().max(1.0)
        };
        let is_exclusive = keyword.starts_with("exclusive");
        let value = |steps: f64| {
            let value = bound + outward * steps * step;
            if whole {
                json!(value as i64)
            } else {
                json!(value)
            }
        };
        Some(if is_exclusive {
            Bound {
                within: value(-1.0),
                outside: value(0.0),
            }
        } else {
            Bound {
                within: value(0.0),
                outside: value(1.0),
            }
        })
    };
    let all = [
        bound("minimum", -1.0),
        bound("exclusiveMinimum", -1.0),
        bound("maximum", 1.0),
        bound("exclusiveMaximum", 1.0),
    ];
    all.into_iter().flatten().collect()
}

fn expect(subject: &Subject, visit: &Visit<'_>, value: Value, accepted: bool) {
    let params = visit.with(value.clone());
    let place = format!("`{}: {value}` of `{}`", visit.name(), subject.kind.name);

    let by_schema = schema_errors(&subject.document(&params));
    assert_eq!(by_schema.is_empty(), accepted, "{place}: {by_schema:?}");

    let by_kind = subject.check(&params);
    // A changed layer may not fit the images, so only errors about ranges count for layers.
    let in_layer = visit
        .path
        .iter()
        .any(|piece| matches!(piece, Segment::Index(_)))
        && visit.path.len() > 2;
    let refused = match &by_kind {
        Ok(()) => false,
        Err(invalid) if in_layer && stages::parse(subject.kind.name, params).is_ok() => {
            invalid.message.contains("must be ")
        }
        Err(_) => true,
    };
    assert_eq!(!refused, accepted, "{place}: {by_kind:?}");
}
