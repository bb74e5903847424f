//! Reads what the checks recorded, for display.

use std::collections::BTreeMap;

use contract::analysis::{Comparison, CopiedImage, Leakage, Likeness, SharedGroup, Similarities};
use serde::Deserialize;

use super::copies;

/// Content of `leakage.json`: `between` and `within` of sets, or generated images and their training images.
#[derive(Deserialize)]
struct Record {
    method: Method,
    #[serde(default)]
    sets: BTreeMap<String, u64>,
    #[serde(default)]
    between: Vec<Between>,
    #[serde(default)]
    within: Vec<Within>,
    #[serde(default)]
    train: Vec<Compared>,
}

#[derive(Deserialize)]
struct Method {
    similarity: f64,
}

#[derive(Deserialize)]
struct Between {
    sets: [String; 2],
    copies: Vec<Pair>,
    #[serde(default)]
    groups: Vec<Shared>,
}

#[derive(Deserialize)]
struct Within {
    set: String,
    copies: Vec<Pair>,
}

#[derive(Deserialize)]
struct Compared {
    set: String,
    generated: u64,
    nearest: Option<Distribution>,
    nearest_among_training: Option<Distribution>,
    copies: Vec<Pair>,
}

#[derive(Deserialize)]
struct Pair {
    image: String,
    copy_of: String,
    likeness: copies::Likeness,
    similarity: f64,
}

#[derive(Deserialize)]
struct Shared {
    group: String,
    images: [Vec<String>; 2],
}

#[derive(Deserialize)]
struct Distribution {
    median: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

/// Reads the content of [`RECORD_FILE`](super::RECORD_FILE).
pub fn read(content: &[u8]) -> Result<Leakage, serde_json::Error> {
    let record: Record = serde_json::from_slice(content)?;
    let sets = &record.sets;
    let between = record.between.into_iter().map(|between| {
        let [set, original] = between.sets;
        let groups = between.groups.into_iter();
        Comparison {
            images: sets.get(&set).copied(),
            copies: copied(between.copies),
            groups: groups.map(SharedGroup::from).collect(),
            ..empty(set, original)
        }
    });
    let within = record.within.into_iter().map(|within| Comparison {
        images: sets.get(&within.set).copied(),
        copies: copied(within.copies),
        ..empty(within.set.clone(), within.set)
    });
    let generated = record.train.into_iter().map(|compared| Comparison {
        images: Some(compared.generated),
        copies: copied(compared.copies),
        nearest: compared.nearest.map(Similarities::from),
        nearest_among_originals: compared.nearest_among_training.map(Similarities::from),
        ..empty("generated".to_owned(), compared.set)
    });
    Ok(Leakage {
        similarity: record.method.similarity,
        comparisons: between.chain(within).chain(generated).collect(),
    })
}

/// Returns a comparison that found nothing.
fn empty(set: String, original: String) -> Comparison {
    Comparison {
        set,
        images: None,
        original,
        copies: Vec::new(),
        groups: Vec::new(),
        nearest: None,
        nearest_among_originals: None,
    }
}

fn copied(pairs: Vec<Pair>) -> Vec<CopiedImage> {
    let copied = |pair: Pair| CopiedImage {
        image: pair.image,
        copy_of: pair.copy_of,
        likeness: match pair.likeness {
            copies::Likeness::SameBytes => Likeness::SameBytes,
            copies::Likeness::SamePixels => Likeness::SamePixels,
            copies::Likeness::Near => Likeness::Near,
        },
        similarity: pair.similarity,
    };
    pairs.into_iter().map(copied).collect()
}

impl From<Shared> for SharedGroup {
    fn from(Shared { group, images }: Shared) -> Self {
        Self { group, images }
    }
}

impl From<Distribution> for Similarities {
    fn from(distribution: Distribution) -> Self {
        let Distribution {
            median,
            p90,
            p99,
            max,
        } = distribution;
        Self {
            median,
            p90,
            p99,
            max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn damaged_records_are_errors() {
        for text in [
            "",
            "{",
            "[]",
            "{\"method\":{}}",
            "{\"method\":{\"similarity\":\"high\"}}",
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        let wrong = r#"{"method":{"similarity":0.9},"between":[{"sets":["a"],"copies":[]}]}"#;
        assert!(read(wrong.as_bytes()).is_err());
        let nothing = read(br#"{"method":{"similarity":0.9,"frequencies":24}}"#).unwrap();
        assert!(nothing.comparisons.is_empty());
    }
}
