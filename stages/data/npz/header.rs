//! Reads headers and integers of `.npy` arrays.
//!
//! The format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. A header is a Python
//! dictionary. Only headers of plain arrays are accepted: those with a type, an order and a tuple of sizes.

use std::io::{Error, Read, Result};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Size limit of an array's header, in bytes. A typical header has about 100.
const LONGEST_HEADER: usize = 4096;

/// Header of an array.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    /// Type of a value, such as `|u1` or `<i8`: byte order, kind and size in bytes.
    pub(super) descr: String,
    /// `true` if the first index varies fastest.
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<u64>,
}

/// Reads an array's header. The returned reader is at the first value.
pub(super) fn read_header<R: Read>(mut reader: R) -> Result<(Header, R)> {
    let mut start = [0; 12];
    reader.read_exact(&mut start[..10])?;
    if start[..6] != *MAGIC {
        return Err(Error::other("it is not a `.npy` array"));
    }
    let mut length = usize::from(u16::from_le_bytes([start[8], start[9]]));
    if start[6] != 1 {
        reader.read_exact(&mut start[10..])?;
        length |= usize::from(u16::from_le_bytes([start[10], start[11]])) << 16;
    }
    if length > LONGEST_HEADER {
        return Err(Error::other(format!(
            "its header claims to be {length} bytes long"
        )));
    }
    let mut text = vec![0; length];
    reader.read_exact(&mut text)?;
    let header = std::str::from_utf8(&text).ok().and_then(parse);
    let header = header.ok_or_else(|| Error::other("its header is not that of a plain array"))?;
    Ok((header, reader))
}

/// Parses the dictionary of a plain array; `None` for anything else.
fn parse(text: &str) -> Option<Header> {
    let mut rest = Rest(text);
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    rest.take("{")?;
    while rest.take("}").is_none() {
        let key = rest.string()?;
        rest.take(":")?;
        match key {
            "descr" => descr = Some(rest.string()?),
            "fortran_order" if rest.take("True").is_some() => fortran_order = Some(true),
            "fortran_order" => fortran_order = rest.take("False").map(|()| false),
            "shape" => shape = Some(rest.sizes()?),
            _ => return None,
        }
        if rest.take(",").is_none() {
            rest.take("}")?;
            break;
        }
    }
    rest.0.trim_start().is_empty().then_some(())?;
    Some(Header {
        descr: descr?.to_owned(),
        fortran_order: fortran_order?,
        shape: shape?,
    })
}

/// The text that is not parsed yet. White space before a token is skipped.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn take(&mut self, token: &str) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(token)?;
        Some(())
    }

    /// Takes a string in single or double quotes, without escapes.
    fn string(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start();
        let quote = text.chars().next().filter(|c| ['\'', '"'].contains(c))?;
        let (string, rest) = text[1..].split_once(quote)?;
        self.0 = rest;
        (!string.contains('\\')).then_some(string)
    }

    /// Takes a tuple of whole numbers.
    fn sizes(&mut self) -> Option<Vec<u64>> {
        let mut sizes = Vec::new();
        self.take("(")?;
        while self.take(")").is_none() {
            let text = self.0.trim_start();
            let end = text.find(|c: char| !c.is_ascii_digit())?;
            sizes.push(text[..end].parse().ok()?);
            self.0 = &text[end..];
            if self.take(",").is_none() {
                self.take(")")?;
                break;
            }
        }
        Some(sizes)
    }
}

/// Reads `count` values of an array of any integer type.
pub(super) fn integers<R: Read>(header: &Header, mut values: R, count: u64) -> Result<Vec<i64>> {
    let kind = header.descr.trim_start_matches(['<', '>', '|', '=']);
    let (is_signed, size) = match kind {
        "u1" => (false, 1),
        "i1" => (true, 1),
        "u2" => (false, 2),
        "i2" => (true, 2),
        "u4" => (false, 4),
        "i4" => (true, 4),
        "u8" => (false, 8),
        "i8" => (true, 8),
        _ => {
            return Err(Error::other(format!(
                "its type is `{}`, not an integer",
                header.descr
            )));
        }
    };
    let is_big_endian = header.descr.starts_with('>');
    let mut value = || {
        let mut bytes = [0; 8];
        values.read_exact(&mut bytes[..size])?;
        if is_big_endian {
            bytes[..size].reverse();
        }
        let bits = u64::from_le_bytes(bytes);
        if is_signed {
            // The shift to the left moves the sign to the highest bit, and the shift to the right extends it.
            let unused = 64 - 8 * size;
            return Ok((bits << unused).cast_signed() >> unused);
        }
        i64::try_from(bits).map_err(|_| Error::other("a value above 2⁶³"))
    };
    (0..count).map(|_| value()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Header, integers, parse};

    fn header(descr: &str) -> Header {
        Header {
            descr: descr.to_owned(),
            fortran_order: false,
            shape: vec![2],
        }
    }

    #[test]
    fn headers_of_numpy_and_other_writers_are_read() {
        let expected = |shape: &[u64], fortran_order| Header {
            descr: "|u1".to_owned(),
            fortran_order,
            shape: shape.to_vec(),
        };
        for (text, header) in [
            // As NumPy writes it: with a comma at the end, padding and a line break.
            (
                "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 28, 28), }      \n",
                expected(&[3, 28, 28], false),
            ),
            (
                "{'descr': '|u1', 'fortran_order': True, 'shape': (7,), }\n",
                expected(&[7], true),
            ),
            (
                "{\"shape\":(),\"descr\":\"|u1\",\"fortran_order\":False}",
                expected(&[], false),
            ),
        ] {
            assert_eq!(parse(text), Some(header), "{text}");
        }
    }

    #[test]
    fn headers_of_anything_but_plain_arrays_are_refused() {
        for text in [
            "",
            "{",
            "{}",
            "{'descr': '|u1', 'fortran_order': False}",
            "{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '|u1', 'fortran_order': 0, 'shape': (3,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': ((3,),)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (-3,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (3,)} x",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (3",
            "{'descr': '|u1' 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '\\x7cu1', 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), 'more': 1}",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn integers_of_all_types_keep_their_values() {
        for (descr, bytes, expected) in [
            ("|u1", vec![0, 255], [0, 255]),
            ("|i1", vec![1, 255], [1, -1]),
            ("<u2", vec![1, 2, 255, 255], [0x201, 0xffff]),
            (">i2", vec![1, 2, 255, 254], [0x102, -2]),
            ("<i4", vec![1, 0, 0, 0, 255, 255, 255, 255], [1, -1]),
            (
                ">u4",
                vec![0, 0, 0, 1, 255, 255, 255, 255],
                [1, 0xffff_ffff],
            ),
            (
                "<i8",
                [7i64.to_le_bytes(), i64::MIN.to_le_bytes()].concat(),
                [7, i64::MIN],
            ),
        ] {
            let values = integers(&header(descr), bytes.as_slice(), 2).unwrap();
            assert_eq!(values, expected, "{descr}");
        }
        let error =
            |descr, bytes: &[u8]| integers(&header(descr), bytes, 2).unwrap_err().to_string();
        assert_eq!(error("<u8", &[255; 16]), "a value above 2⁶³");
        assert_eq!(error("<f4", &[0; 8]), "its type is `<f4`, not an integer");
        assert!(integers(&header("<i4"), [0; 7].as_slice(), 2).is_err());
    }
}
