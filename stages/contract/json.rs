//! Reads and writes JSON files, and converts data to JSON values. Errors name the file.
//!
//! serde_json writes an `f32` with the fewest digits that are read as it (0.3), but `serde_json::to_value` and `json!`
//! widen it first, and show digits that nobody wrote (0.30000001192092896). [`value`] and [`shortest`] do not.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Failure, files};

/// Reads the file at `path`, of at most `files::MOST_TEXT` bytes.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let bytes = files::read(path, files::MOST_TEXT).map_err(|e| Failure::io("read", path, e))?;
    serde_json::from_slice(&bytes).map_err(|e| Failure::io("read", path, e))
}

/// Writes `value` to `path`, indented for human readers.
pub fn write<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<(), Failure> {
    let text = text(value).map_err(|e| Failure::io("write", path, e))?;
    std::fs::write(path, text).map_err(|e| Failure::io("write", path, e))
}

/// Returns the text that [`write`] writes.
pub fn text<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(text)
}

/// Returns the JSON value that the JSON text of `data` holds.
///
/// # Panics
/// If `data` has no JSON text: maps with keys that are no text, for example.
pub fn value<T: Serialize + ?Sized>(data: &T) -> Value {
    let text = serde_json::to_string(data).expect("the data has a JSON form");
    serde_json::from_str(&text).expect("serde_json reads what it writes")
}

/// Returns the number with the fewest digits that is read as `value`, for values that become JSON or text as `f64`.
pub fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::json;

    use super::{shortest, value};

    #[derive(Serialize)]
    struct Numbers {
        single: f32,
        many: Vec<Option<f32>>,
        double: f64,
        whole: u64,
    }

    #[test]
    fn singles_keep_the_digits_that_were_written() {
        let numbers = Numbers {
            single: 0.3,
            many: vec![Some(1e-7), None, Some(f32::MAX)],
            double: 0.1 + 0.2,
            whole: u64::MAX,
        };
        let expected = json!({
            "single": 0.3, "many": [1e-7, null, 3.402_823_5e38], "double": 0.300_000_000_000_000_04, "whole": u64::MAX,
        });
        assert_eq!(value(&numbers), expected);
        assert_eq!(shortest(0.1), 0.1);
        assert!(shortest(f32::NAN).is_nan());
    }

    /// Checks every 10,007th `f32`: its shortest number is read as the same `f32`.
    #[test]
    fn the_shortest_number_is_read_as_the_same_single() {
        for bits in (0..=u32::MAX).step_by(10_007) {
            let single = f32::from_bits(bits);
            if single.is_finite() {
                assert_eq!(shortest(single) as f32, single);
                let read: f32 = serde_json::from_value(value(&single)).unwrap();
                assert_eq!(read.to_bits(), bits);
            }
        }
    }
}
