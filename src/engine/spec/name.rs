//! Rules for the names of a pipeline and its parts.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::node::Entry;
use super::{Diagnostic, Place};

/// Maximum length of a name, and of a value of an axis, in bytes. Both become names of folders.
pub const LONGEST_NAME: usize = 64;

/// Regular expression for the names that [`check_name`] accepts.
const PATTERN: &str = "^[A-Za-z_][A-Za-z0-9_-]{0,63}$";

/// Returns the schema of a name.
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": PATTERN })
}

/// Schema of a map from names to `T`.
pub struct Named<T>(PhantomData<T>);

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Named{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": PATTERN },
            "additionalProperties": generator.subschema_for::<T>(),
        })
    }
}

/// Reports an invalid name. `what` says what it is a name for, such as `a stage`.
pub fn check_name(name: &str, what: &str, place: &Place, errors: &mut Vec<Diagnostic>) {
    let first = |char: char| char.is_ascii_alphabetic() || char == '_';
    let rest = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '-';
    if !name.starts_with(first) || !name.chars().all(rest) || name.len() > LONGEST_NAME {
        errors.push(Diagnostic::at(place, format!("`{name}` is no name for {what}")).hint(format!(
            "a name has letters, digits, `_` and `-`, starts with a letter or `_`, and is at most {LONGEST_NAME} long"
        )));
    }
}

/// Reports keys that are not valid names.
pub fn check_names(entries: &[Entry], what: &str, errors: &mut Vec<Diagnostic>) {
    for entry in entries {
        check_name(&entry.key, what, &entry.key_place, errors);
    }
}
