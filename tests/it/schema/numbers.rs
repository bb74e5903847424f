//! Parameters keep the digits of the numbers that a pipeline gives, in keys, records and listings.

use serde_json::{Value, json};

use super::schema_errors;
use super::subjects::{Subject, subjects};
use super::visits::{Visit, at, everywhere};

/// Numbers that are no `f32`, with few digits. Widened from an `f32`, each has more than ten.
const NUMBERS: [f64; 5] = [0.3, 0.7, 1.3, 15.1, 0.05];

#[test]
fn parameters_keep_the_digits_that_a_pipeline_gives() {
    let mut seen = Vec::new();
    for subject in subjects() {
        let root = stages::params_schema(subject.kind.name).unwrap();
        everywhere(&root, &subject.params, &mut |visit| {
            let Some(number) = accepted(&subject, &visit) else {
                return;
            };
            let mut params = visit.with(json!(number));
            if visit.name().starts_with("split.") {
                // `split` has no effect beside `fold`.
                params.as_object_mut().unwrap().remove("fold");
            }
            let mut canonical = subject.canonical(&params);
            let kept = at(&mut canonical, &visit.path);
            let place = format!("`{}` of `{}`", visit.name(), subject.kind.name);
            match kept {
                // A fraction is kept as the range that it means.
                Value::Array(_) => few_digits(kept, &place),
                kept => assert_eq!(*kept, json!(number), "{place}"),
            }
            seen.push(visit.name());
        });
    }
    let layers = seen.iter().filter(|name| name.contains("dropout"));
    assert!(layers.count() > 2 && seen.len() > 50, "{seen:#?}");
}

#[test]
fn defaults_have_few_digits() {
    for subject in subjects() {
        let canonical = subject.canonical(&subject.params);
        few_digits(&canonical, subject.kind.name);
        let network = json!([
            { "conv": { "filters": 1 } }, { "batch_norm": {} }, "flatten", { "dense": { "units": 1 } }
        ]);
        if subject.params["model"].is_array() {
            let mut params = subject.params.clone();
            params["model"] = network;
            few_digits(&subject.canonical(&params), subject.kind.name);
        }
    }
}

/// Returns the first of [`NUMBERS`] that a place of the schema accepts.
fn accepted(subject: &Subject, visit: &Visit<'_>) -> Option<f64> {
    let is = |kind: &str| {
        let types = &visit.schema["type"];
        types == kind
            || types
                .as_array()
                .is_some_and(|all| all.contains(&json!(kind)))
    };
    // Parameters that take text keep the spelling anyway.
    if !is("number") || is("string") {
        return None;
    }
    let mut numbers = NUMBERS.into_iter();
    numbers.find(|number| {
        let params = visit.with(json!(number));
        schema_errors(&subject.document(&params)).is_empty()
            && stages::parse(subject.kind.name, params).is_ok()
    })
}

fn few_digits(value: &Value, place: &str) {
    match value {
        Value::Number(number) => assert!(number.to_string().len() <= 8, "{place}: {number}"),
        Value::Array(items) => items.iter().for_each(|item| few_digits(item, place)),
        Value::Object(map) => map
            .iter()
            .for_each(|(name, value)| few_digits(value, &format!("{place}: {name}"))),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
