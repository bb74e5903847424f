//! Lets serde decode [`Node`]s. serde_yaml decodes the scalars and words the errors.
//!
//! Lists and maps are visited in place, and parts that a type ignores are not visited at all: a stage's parameters
//! are ignored each time that the document around them is decoded.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_yaml::{Error, Mapping, Sequence, Value as Yaml};

use super::Node;
use super::node::{Entry, Value};

impl Node {
    /// Returns a scalar. A list or map is empty, which suffices for an error about its type.
    fn shallow(&self) -> Yaml {
        match &self.value {
            Value::Null => Yaml::Null,
            Value::Bool(plain) => Yaml::Bool(plain.value),
            Value::Number(plain) => {
                let number = &plain.value;
                Yaml::Number(match (number.as_u64(), number.as_i64()) {
                    (Some(value), _) => value.into(),
                    (None, Some(value)) => value.into(),
                    (None, None) => number.as_f64().unwrap_or(f64::NAN).into(),
                })
            }
            Value::Text(text) => Yaml::String(text.clone()),
            Value::List(_) => Yaml::Sequence(Sequence::new()),
            Value::Map(_) => Yaml::Mapping(Mapping::new()),
        }
    }
}

fn visit_list<'de, V: Visitor<'de>>(items: &'de [Node], visitor: V) -> Result<V::Value, Error> {
    let mut items = SeqDeserializer::new(items.iter());
    let value = visitor.visit_seq(&mut items)?;
    items.end()?;
    Ok(value)
}

fn visit_map<'de, V: Visitor<'de>>(entries: &'de [Entry], visitor: V) -> Result<V::Value, Error> {
    let entries = entries
        .iter()
        .map(|entry| (entry.key.as_str(), &entry.value));
    let mut entries = MapDeserializer::new(entries);
    let value = visitor.visit_map(&mut entries)?;
    entries.end()?;
    Ok(value)
}

impl<'de> IntoDeserializer<'de, Error> for &'de Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::List(items) => visit_list(items, visitor),
            Value::Map(entries) => visit_map(entries, visitor),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            _ => self.shallow().deserialize_any(visitor),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::List(items) => visit_list(items, visitor),
            _ => self.shallow().deserialize_seq(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::Map(entries) => visit_map(entries, visitor),
            _ => self.shallow().deserialize_map(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.shallow().deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        tuple tuple_struct identifier
    }
}
