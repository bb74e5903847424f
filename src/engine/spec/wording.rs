//! Rewords serde's error messages for users.

use super::suggest;

/// A reworded message with its hint, and the unknown key or name if that is the error.
pub(super) struct Reworded {
    pub message: String,
    pub hint: Option<String>,
    pub unknown: Option<String>,
}

/// Rewords a message from serde. Returns any other message unchanged. `noun` is what a key is called: `key` or
/// `parameter`.
pub(super) fn reword(message: &str, noun: &str) -> Reworded {
    let plain = |message: String| Reworded {
        message,
        hint: None,
        unknown: None,
    };
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let (name, known) = unknown(rest);
        let hint = suggest::hint(&format!("{noun}s"), name, known);
        return Reworded {
            message: format!("unknown {noun} `{name}`"),
            hint,
            unknown: Some(name.to_owned()),
        };
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let (name, known) = unknown(rest);
        let hint = suggest::hint("names", name, known);
        return Reworded {
            message: format!("unknown name `{name}`"),
            hint,
            unknown: Some(name.to_owned()),
        };
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return plain(format!("missing {noun} {name}"));
    }
    if let Some(name) = message.strip_prefix("duplicate field ") {
        return plain(format!("duplicate {noun} {name}"));
    }
    let mismatch = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix));
    // Split at the last separator: the found value may be any text, but the expectation never contains it.
    if let Some((got, wanted)) = mismatch.and_then(|rest| rest.rsplit_once(", expected ")) {
        return plain(format!(
            "expected {}, found {}",
            expected(wanted, got),
            found(got)
        ));
    }
    if let Some((length, wanted)) = message
        .strip_prefix("invalid length ")
        .and_then(|rest| rest.split_once(", expected "))
    {
        return plain(match wanted {
            "fewer elements in map" => format!("expected a map with one key, found {length} keys"),
            "fewer elements in array" | "fewer elements in sequence" => {
                format!("a list of {length} items is too long here")
            }
            _ => format!("expected {}, found {length}", expected(wanted, "")),
        });
    }
    plain(message.to_owned())
}

/// Returns the unknown name and the known names of `` `epoch`, expected one of `epochs`, `lr` ``.
fn unknown(rest: &str) -> (&str, Vec<&str>) {
    let (name, known) = rest
        .rsplit_once("`, expected ")
        .or_else(|| rest.rsplit_once("`, there are"))
        .unwrap_or((rest, ""));
    (
        name.trim_matches('`'),
        known.split('`').skip(1).step_by(2).collect(),
    )
}

fn expected(wanted: &str, got: &str) -> String {
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" if got.starts_with("integer `-") => {
            "a whole number of 0 or more".to_owned()
        }
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128"
        | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a nonzero u32" | "a nonzero u64" | "a nonzero usize" => {
            "a whole number of 1 or more".to_owned()
        }
        "a string" | "str" | "path string" | "a borrowed string" => "a text".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a sequence" | "sequence" => "a list".to_owned(),
        "a map" | "map" => "a map".to_owned(),
        "unit" | "null" | "unit value" => "no value".to_owned(),
        "string or map" => "a name, or a map with one key".to_owned(),
        _ => {
            let counted = ["a tuple of size ", "an array of length ", "tuple of "]
                .iter()
                .find_map(|prefix| wanted.strip_prefix(prefix));
            if let Some(length) = counted {
                return format!("a list of {}", length.trim_end_matches(" elements"));
            }
            if wanted.starts_with("struct ") || wanted.starts_with("internally tagged enum ") {
                return "a map".to_owned();
            }
            if wanted.starts_with("enum ") || wanted.starts_with("variant ") {
                return "a name, or a map with one key".to_owned();
            }
            wanted.to_owned()
        }
    }
}

fn found(got: &str) -> String {
    if let Some(quoted) = got.strip_prefix("string ") {
        // serde escapes the text as Rust does. Undo the most common escapes.
        let text = quoted
            .trim_matches('"')
            .replace("\\\"", "\"")
            .replace("\\\\", "\\");
        return format!("the text `{text}`");
    }
    if let Some(number) = got
        .strip_prefix("integer ")
        .or_else(|| got.strip_prefix("floating point "))
    {
        return format!("the number {number}");
    }
    if let Some(value) = got.strip_prefix("boolean ") {
        return value.to_owned();
    }
    match got {
        "unit value" | "null" | "Option value" => "an empty value".to_owned(),
        "sequence" => "a list".to_owned(),
        "map" => "a map".to_owned(),
        _ => got.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::reword;

    #[test]
    fn serde_messages_are_reworded() {
        let cases = [
            (
                "invalid type: string \"x\", expected usize",
                "expected a whole number, found the text `x`",
            ),
            (
                "invalid value: integer `-1`, expected usize",
                "expected a whole number of 0 or more, found the number `-1`",
            ),
            (
                "invalid type: floating point `0.5`, expected u64",
                "expected a whole number, found the number `0.5`",
            ),
            (
                "invalid type: null, expected f64",
                "expected a number, found an empty value",
            ),
            (
                "invalid type: map, expected a boolean",
                "expected `true` or `false`, found a map",
            ),
            (
                "invalid type: boolean `true`, expected a string",
                "expected a text, found `true`",
            ),
            (
                "invalid length 1, expected a tuple of size 2",
                "expected a list of 2, found 1",
            ),
            ("missing field `kind`", "missing parameter `kind`"),
            ("must lie between 0 and 1", "must lie between 0 and 1"),
        ];
        for (theirs, ours) in cases {
            assert_eq!(reword(theirs, "parameter").message, ours);
        }
    }

    #[test]
    fn an_unknown_name_suggests_the_nearest_one() {
        let reworded = reword(
            "unknown field `epoch`, expected one of `epochs`, `lr`",
            "parameter",
        );
        assert_eq!(reworded.message, "unknown parameter `epoch`");
        assert_eq!(reworded.hint.as_deref(), Some("did you mean `epochs`?"));
        assert_eq!(reworded.unknown.as_deref(), Some("epoch"));

        let reworded = reword("unknown field `x`, there are no fields", "parameter");
        assert_eq!(
            (reworded.message.as_str(), reworded.hint),
            ("unknown parameter `x`", None)
        );

        let reworded = reword(
            "unknown variant `convolution`, expected `conv` or `dense`",
            "parameter",
        );
        assert_eq!(reworded.message, "unknown name `convolution`");
        assert_eq!(
            reworded.hint.as_deref(),
            Some("known names: `conv`, `dense`")
        );
    }
}
