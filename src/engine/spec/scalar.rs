//! Types of plain (unquoted) scalars, following YAML 1.2's core schema as serde_yaml reads it.

use serde_json::Number;

use super::node::{Plain, Value};

/// The reason why a plain scalar cannot be represented as a [`Value`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unrepresentable {
    /// `.inf` or `.nan`: parameters and fingerprints, which are JSON, cannot represent them.
    NotFinite,
    /// A whole number that does not fit into 64 bits.
    TooLarge,
}

/// Returns the value of a scalar written without quotes.
pub(super) fn resolve(text: &str) -> Result<Value, Unrepresentable> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(Plain::spelled(true, text)),
        "false" | "False" | "FALSE" => Value::Bool(Plain::spelled(false, text)),
        _ => match number(text)? {
            Some(number) => Value::Number(Plain::spelled(number, text)),
            None => Value::Text(text.to_owned()),
        },
    })
}

fn number(text: &str) -> Result<Option<Number>, Unrepresentable> {
    let (negative, digits) = match text.as_bytes()[0] {
        b'+' => (false, &text[1..]),
        b'-' => (true, &text[1..]),
        _ => (false, text),
    };
    if digits.starts_with(['+', '-']) {
        return Ok(None);
    }
    if let Some(number) = integer(negative, digits)? {
        return Ok(Some(number));
    }
    // `007` is text, as in serde_yaml: YAML 1.1 reads a leading zero as octal, YAML 1.2 does not.
    if digits.len() > 1
        && digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Ok(None);
    }
    if matches!(digits, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err(Unrepresentable::NotFinite);
    }
    // `from_f64` returns `None` for texts that Rust reads as numbers, but serde_yaml does not: `inf`, `nan`, `1e999`.
    let float = digits
        .parse::<f64>()
        .ok()
        .map(|value| if negative { -value } else { value });
    Ok(float.and_then(Number::from_f64))
}

fn integer(negative: bool, digits: &str) -> Result<Option<Number>, Unrepresentable> {
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x', ..] => (16, &digits[2..]),
        [b'0', b'o', ..] => (8, &digits[2..]),
        [b'0', b'b', ..] => (2, &digits[2..]),
        [b'0', _, ..] => return Ok(None),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Ok(None);
    }
    let magnitude = u64::from_str_radix(digits, radix).map_err(|_| Unrepresentable::TooLarge)?;
    if negative {
        0_i64
            .checked_sub_unsigned(magnitude)
            .map(|value| Some(value.into()))
            .ok_or(Unrepresentable::TooLarge)
    } else {
        Ok(Some(magnitude.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::{Unrepresentable, resolve};
    use crate::spec::{Node, Source};

    fn as_yaml(text: &str) -> Result<serde_yaml::Value, Unrepresentable> {
        let source = Source::set("x");
        let node = Node::new(resolve(text)?, source.place(0..0));
        Ok(serde_yaml::Value::deserialize(&node).unwrap())
    }

    #[test]
    fn plain_scalars_have_the_types_that_serde_yaml_gives_them() {
        let scalars = [
            "1",
            "-1",
            "+1",
            "0",
            "-0",
            "007",
            "0x1F",
            "-0x1F",
            "0o17",
            "0b101",
            "0xg",
            "1.5",
            "-1.5e3",
            "1e3",
            ".5",
            "5.",
            "1_000",
            "+-1",
            "--1",
            "inf",
            "nan",
            "1e999",
            "18446744073709551615",
            "-9223372036854775808",
            "true",
            "False",
            "yes",
            "on",
            "null",
            "~",
            "none",
            "Infinity",
            "0.1",
            "00.5",
            "1e-7",
            "e5",
            ".",
            "+",
            "_",
        ];
        for scalar in scalars {
            assert_eq!(
                as_yaml(scalar),
                Ok(serde_yaml::from_str(scalar).unwrap()),
                "{scalar}"
            );
        }
    }

    #[test]
    fn unrepresentable_numbers_are_errors() {
        assert_eq!(resolve(".inf"), Err(Unrepresentable::NotFinite));
        assert_eq!(resolve("-.INF"), Err(Unrepresentable::NotFinite));
        assert_eq!(resolve(".nan"), Err(Unrepresentable::NotFinite));
        assert_eq!(
            resolve("18446744073709551616"),
            Err(Unrepresentable::TooLarge)
        );
        assert_eq!(
            resolve("-9223372036854775809"),
            Err(Unrepresentable::TooLarge)
        );
    }

    proptest! {
        #[test]
        fn numbers_parse_as_in_serde_yaml(text in "[-+]?[0-9.xobaef]{1,8}") {
            let (Ok(ours), Ok(theirs)) = (as_yaml(&text), serde_yaml::from_str::<serde_yaml::Value>(&text)) else {
                return Ok(());
            };
            prop_assert_eq!(ours, theirs);
        }
    }
}
