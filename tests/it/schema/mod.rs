//! Checks that the schema of the pipeline file and the pages of the kinds match the program.

mod defaults;
mod documents;
mod kinds;
mod numbers;
mod ranges;
mod subjects;
mod visits;

use std::path::Path;
use std::sync::LazyLock;

use engine::graph::{Catalogue, Graph};
use engine::schema::document;
use engine::spec::{LoadOptions, parse};
use jsonschema::Validator;
use serde_json::Value;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| document(stages::kinds(), stages::params_schema));

static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(&SCHEMA).unwrap());

/// Returns the errors that validation by the schema finds in a document.
fn schema_errors(document: &Value) -> Vec<String> {
    let errors = VALIDATOR.iter_errors(document);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// Converts YAML text to JSON.
fn json(yaml: &str) -> Value {
    serde_yaml::from_str(yaml).unwrap()
}

/// Returns the errors that the program finds in a pipeline.
fn program_errors(yaml: &str) -> Vec<String> {
    let catalogue = Catalogue {
        kinds: stages::kinds(),
        parse: stages::parse,
        gpus: stages::gpus::survey,
        processor: stages::device::processor,
    };
    let graph = parse(Path::new("p.yaml"), yaml, &LoadOptions::default())
        .and_then(|pipeline| Graph::build(pipeline, &catalogue));
    match graph {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}
