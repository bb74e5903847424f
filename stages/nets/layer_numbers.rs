//! [`LayerNumbers`]: layers of a network that a pipeline names by number.

use std::borrow::Cow;
use std::fmt;

use contract::Invalid;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Largest number that may be named. Networks have far fewer layers.
const MOST: u32 = 1 << 20;

/// Layers by number, from 1: `3`, `1-14`, or a list of such numbers and ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerNumbers {
    /// First and last number of each range, in order. There is at least one number between two ranges.
    ranges: Vec<(u32, u32)>,
}

impl LayerNumbers {
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Returns whether the layer at `index`, from 0, is among these.
    pub fn has(&self, index: usize) -> bool {
        let number = index as u64 + 1;
        let mut ranges = self.ranges.iter();
        ranges.any(|&(first, last)| (u64::from(first)..=u64::from(last)).contains(&number))
    }

    /// Checks that a network of so many layers has all of them.
    pub fn check(&self, layers: usize) -> Result<(), Invalid> {
        match self.ranges.last() {
            Some(&(_, last)) if last as usize > layers => Err(Invalid::new(format!(
                "there is no layer {last}: the network has {layers} layers"
            ))),
            _ => Ok(()),
        }
    }

    fn of(mut ranges: Vec<(u32, u32)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self { ranges: merged }
    }
}

fn number<E: de::Error>(number: u64) -> Result<u32, E> {
    match u32::try_from(number) {
        Ok(number @ 1..=MOST) => Ok(number),
        _ => Err(E::custom(format!(
            "the layer is {number}; it must be between 1 and {MOST}"
        ))),
    }
}

fn range<E: de::Error>(text: &str) -> Result<(u32, u32), E> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let parsed = first.trim().parse().ok().zip(last.trim().parse().ok());
    let (first, last): (u64, u64) = parsed.ok_or_else(|| {
        E::custom(format!(
            "`{text}` is no number of a layer and no range such as `1-14`"
        ))
    })?;
    if first > last {
        return Err(E::custom(format!(
            "the range `{text}` ends before it begins"
        )));
    }
    Ok((number(first)?, number(last)?))
}

/// A number or a range.
struct Item((u32, u32));

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemVisitor;

        impl Visitor<'_> for ItemVisitor {
            type Value = Item;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the number of a layer, or a range such as `1-14`")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Item, E> {
                let number = number(value)?;
                Ok(Item((number, number)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Item, E> {
                range(text).map(Item)
            }
        }

        deserializer.deserialize_any(ItemVisitor)
    }
}

impl<'de> Deserialize<'de> for LayerNumbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;

        impl<'de> Visitor<'de> for ListVisitor {
            type Value = LayerNumbers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the number of a layer, a range such as `1-14`, or a list of these")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<LayerNumbers, E> {
                let number = number(value)?;
                Ok(LayerNumbers::of(vec![(number, number)]))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<LayerNumbers, E> {
                Ok(LayerNumbers::of(vec![range(text)?]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<LayerNumbers, A::Error> {
                let mut ranges = Vec::new();
                while let Some(Item(range)) = items.next_element()? {
                    ranges.push(range);
                }
                Ok(LayerNumbers::of(ranges))
            }
        }

        deserializer.deserialize_any(ListVisitor)
    }
}

impl Serialize for LayerNumbers {
    /// Writes a list: equal layers always have the same form.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let texts = self.ranges.iter().map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        });
        serializer.collect_seq(texts)
    }
}

impl JsonSchema for LayerNumbers {
    fn schema_name() -> Cow<'static, str> {
        "LayerNumbers".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = json_schema!({
            "description": "The number of a layer, from 1.",
            "type": "integer",
            "minimum": 1
        });
        let range = json_schema!({
            "description": "The first and the last layer.",
            "type": "string",
            "pattern": "^[1-9][0-9]*(-[1-9][0-9]*)?$"
        });
        json_schema!({
            "description": "Layers by number, from 1: `3`, `1-14`, or a list of these.",
            "anyOf": [
                one,
                range,
                {
                    "description": "Several layers.",
                    "type": "array",
                    "items": { "anyOf": [one, range] }
                }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(value: Value) -> Result<LayerNumbers, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn equal_layers_have_one_form() {
        for written in [
            json!([1, 2, 3, 7]),
            json!(["1-2", 3, "7"]),
            json!([7, "2-3", "1-2"]),
        ] {
            let layers = parse(written).unwrap();
            assert_eq!(serde_json::to_value(&layers).unwrap(), json!(["1-3", "7"]));
            let has: Vec<usize> = (0..10).filter(|&index| layers.has(index)).collect();
            assert_eq!(has, [0, 1, 2, 6]);
        }
        assert_eq!(parse(json!(4)).unwrap(), parse(json!("4-4")).unwrap());
        assert!(parse(json!([])).unwrap().is_empty());
        assert!(parse(json!("1-3")).unwrap().check(3).is_ok());
        let message = parse(json!("2-4")).unwrap().check(3).unwrap_err().message;
        assert_eq!(message, "there is no layer 4: the network has 3 layers");
    }

    #[test]
    fn other_texts_are_refused() {
        for (written, part) in [
            (json!(0), "between 1 and"),
            (json!("0-3"), "between 1 and"),
            (json!("4-2"), "ends before it begins"),
            (json!("head"), "no number of a layer"),
            (json!(["1-"]), "no number of a layer"),
            (json!(99_999_999_999_u64), "between 1 and"),
            (json!(true), "a range such as `1-14`"),
        ] {
            let error = parse(written.clone()).unwrap_err();
            assert!(error.contains(part), "{written}: {error}");
        }
    }
}
