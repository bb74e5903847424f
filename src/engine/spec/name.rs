//! Rules for the names of a pipeline and its parts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::IgnoredAny;

use super::node::Entry;
use super::{Diagnostic, Place};

/// Maximum length of a name, and of a value of an axis, in bytes. Both become names of folders.
pub(crate) const LONGEST_NAME: usize = 64;

/// Regular expression for the names that [`check_name`] accepts.
const PATTERN: &str = "^[A-Za-z_][A-Za-z0-9_-]{0,63}$";

/// Returns the schema of a name.
pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": PATTERN })
}

/// Schema of a map from names to `T`.
pub(super) struct Named<T>(PhantomData<T>);

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

/// A map of which only the keys are decoded.
pub(super) type Names = BTreeMap<String, IgnoredAny>;

/// Reports an invalid name. `what` says what it is a name for, such as `a stage`.
pub(crate) fn check_name(name: &str, what: &str, place: &Place, errors: &mut Vec<Diagnostic>) {
    let first = |char: char| char.is_ascii_alphabetic() || char == '_';
    let rest = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '-';
    if !name.starts_with(first) || !name.chars().all(rest) || name.len() > LONGEST_NAME {
        let message = format!("`{name}` is not a valid name for {what}");
        errors.push(Diagnostic::at(place, message).hint(format!(
            "a name has at most {LONGEST_NAME} letters, digits, `_` and `-`, and starts with a letter or `_`"
        )));
    }
}

/// Reports keys that are not valid names.
pub(super) fn check_names(entries: &[Entry], what: &str, errors: &mut Vec<Diagnostic>) {
    for entry in entries {
        check_name(&entry.key, what, &entry.key_place, errors);
    }
}
