//! Decodes a choice that is written as a bare name (`adam`) or as a map from the name to its parameters
//! (`sgd: { momentum: 0.9 }`).
//!
//! Serde's externally tagged enums accept only the second form, or only the first one for variants that
//! cannot have parameters. An untagged wrapper would lose the path to an error.

use std::fmt;
use std::marker::PhantomData;

use schemars::Schema;
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{self, Deserialize, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde_json::{Value, json};

/// Adds the bare names that [`deserialize`] accepts to the schema of an externally tagged enum: the names of
/// variants whose parameters all have defaults. (The schema of these parameters must be inlined, not a reference.)
pub fn allow(schema: &mut Schema) {
    let Some(variants) = schema.get_mut("oneOf").and_then(Value::as_array_mut) else {
        return;
    };
    let names: Vec<Value> = variants.iter().filter_map(name_alone).collect();
    variants.extend(names);
}

/// Returns the schema of a variant's bare name, if the variant needs no parameters.
fn name_alone(variant: &Value) -> Option<Value> {
    let (name, parameters) = variant["properties"].as_object()?.iter().next()?;
    let needs_none = parameters["type"] == "object" && parameters.get("required").is_none();
    needs_none.then(|| json!({ "const": name, "description": variant["description"] }))
}

/// Deserializes an externally tagged `T`. A bare name stands for the variant of that name with default parameters.
pub fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    deserializer.deserialize_any(NameOrMap(PhantomData))
}

struct NameOrMap<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NameOrMap<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name, or a map from a name to its parameters")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<T, E> {
        let map = MapDeserializer::new(std::iter::once((name, NoParameters)));
        T::deserialize(MapAccessDeserializer::new(map))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// Deserializes as an empty map.
struct NoParameters;

impl<'de, E: de::Error> IntoDeserializer<'de, E> for NoParameters {
    type Deserializer = MapDeserializer<'de, std::iter::Empty<(&'de str, &'de str)>, E>;

    fn into_deserializer(self) -> Self::Deserializer {
        MapDeserializer::new(std::iter::empty())
    }
}
