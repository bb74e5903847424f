//! Reads the elements of a DICOM data set (DICOM PS3.5, section 7).
//!
//! Values are slices of the file, and sequences are passed over without recursion. So neither a length nor a nesting
//! that a damaged file claims can make the program allocate memory or overflow the stack.

/// Tag of an element: group and number.
pub(super) type Tag = (u16, u16);

const ITEM: Tag = (0xfffe, 0xe000);
const ITEM_END: Tag = (0xfffe, 0xe00d);
const SEQUENCE_END: Tag = (0xfffe, 0xe0dd);

/// A length that is not known: delimiters follow.
const UNDEFINED: u32 = u32::MAX;

/// The way in which elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    pub big_endian: bool,
    /// `true` if elements name the type of their value (VR).
    pub explicit: bool,
}

/// Elements of the file's own header are always written like this.
pub(super) const META: Encoding = Encoding {
    big_endian: false,
    explicit: true,
};

/// An element of the data set. Elements of sequences are not read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub tag: Tag,
    pub vr: [u8; 2],
    pub value: Value<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// The bytes of the value, up to the end of the file.
    Bytes(&'a [u8]),
    /// The rest of the file, from the first item of a value without a length.
    Items(&'a [u8]),
}

/// Reads elements one after another.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    encoding: Encoding,
}

/// The file ends within an element that has to be passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Truncated;

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], encoding: Encoding) -> Self {
        Self {
            rest: bytes,
            encoding,
        }
    }

    /// Returns the bytes after the elements that were read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Returns the next element without passing over it; `None` at the end.
    pub(super) fn peek(&self) -> Result<Option<Element<'a>>, Truncated> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let header = self.header(self.rest, self.encoding.explicit)?;
        let after = &self.rest[header.size..];
        let value = match header.length {
            UNDEFINED => Value::Items(after),
            length => Value::Bytes(&after[..after.len().min(length as usize)]),
        };
        Ok(Some(Element {
            tag: header.tag,
            vr: header.vr,
            value,
        }))
    }

    /// Passes over the next element, with everything in it.
    pub(super) fn pass(&mut self) -> Result<(), Truncated> {
        // Whether the elements around the current one are explicit, from the outermost; empty outside of sequences.
        let mut around = Vec::new();
        let mut explicit = self.encoding.explicit;
        loop {
            let header = self.header(self.rest, explicit)?;
            self.rest = &self.rest[header.size..];
            match (header.tag, header.length) {
                (ITEM_END | SEQUENCE_END, _) => {
                    explicit = around.pop().ok_or(Truncated)?;
                }
                (_, UNDEFINED) => {
                    around.push(explicit);
                    // The content of an unknown value without a length is implicit (PS3.5, section 6.2.2).
                    explicit = explicit && header.vr != *b"UN";
                }
                (_, length) => {
                    self.rest = self.rest.get(length as usize..).ok_or(Truncated)?;
                }
            }
            if around.is_empty() {
                return Ok(());
            }
        }
    }

    fn header(&self, bytes: &[u8], explicit: bool) -> Result<Header, Truncated> {
        let short = |at: usize| self.encoding.short(bytes, at).ok_or(Truncated);
        let tag = (short(0)?, short(2)?);
        let long = |at: usize| self.encoding.long(bytes, at).ok_or(Truncated);
        // Items have no VR.
        if !explicit || tag.0 == ITEM.0 {
            return Ok(Header {
                tag,
                vr: *b"  ",
                length: long(4)?,
                size: 8,
            });
        }
        let vr: [u8; 2] = bytes.get(4..6).ok_or(Truncated)?.try_into().expect("two");
        let is_long = matches!(
            &vr,
            b"OB"
                | b"OD"
                | b"OF"
                | b"OL"
                | b"OV"
                | b"OW"
                | b"SQ"
                | b"SV"
                | b"UC"
                | b"UN"
                | b"UR"
                | b"UT"
                | b"UV"
        );
        let (length, size) = match is_long {
            true => (long(8)?, 12),
            false => (u32::from(short(6)?), 8),
        };
        Ok(Header {
            tag,
            vr,
            length,
            size,
        })
    }
}

/// The beginning of an element.
struct Header {
    tag: Tag,
    vr: [u8; 2],
    length: u32,
    /// Number of bytes of the header itself.
    size: usize,
}

impl Encoding {
    pub(super) fn short(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = bytes.get(at..at + 2)?.try_into().ok()?;
        Some(match self.big_endian {
            true => u16::from_be_bytes(bytes),
            false => u16::from_le_bytes(bytes),
        })
    }

    fn long(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(match self.big_endian {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        })
    }
}

/// Returns the contents of the items at the start of `bytes`, up to the end of the sequence. The first one of compressed
/// pixels is a table of offsets. An item that the file cuts off is left out.
pub(super) fn items(bytes: &[u8]) -> Vec<&[u8]> {
    let reader = Reader::new(&[], META);
    let mut items = Vec::new();
    let mut rest = bytes;
    while let Ok(Header {
        tag: ITEM, length, ..
    }) = reader.header(rest, false)
    {
        let end = 8 + length as usize;
        let Some(item) = rest.get(8..end) else {
            break;
        };
        items.push(item);
        rest = &rest[end..];
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMPLICIT: Encoding = Encoding {
        big_endian: false,
        explicit: false,
    };

    fn tag(group: u16, element: u16) -> Vec<u8> {
        [group.to_le_bytes(), element.to_le_bytes()].concat()
    }

    #[test]
    fn sequences_are_passed_over_at_any_depth() {
        // An item that ends, in a sequence that ends, in an item that ends, and so on.
        let depth = 100_000;
        let mut bytes = Vec::new();
        for _ in 0..depth {
            bytes.extend(tag(8, 0x1140));
            bytes.extend(UNDEFINED.to_le_bytes());
            bytes.extend(tag(0xfffe, 0xe000));
            bytes.extend(UNDEFINED.to_le_bytes());
        }
        let open = bytes.clone();
        for _ in 0..depth {
            for end in [ITEM_END, SEQUENCE_END] {
                bytes.extend(tag(end.0, end.1));
                bytes.extend([0; 4]);
            }
        }
        bytes.extend(tag(0x28, 0x10));
        bytes.extend([2, 0, 0, 0, 7, 0]);
        let mut reader = Reader::new(&bytes, IMPLICIT);
        reader.pass().unwrap();
        let next = reader.peek().unwrap().unwrap();
        assert_eq!(next.tag, (0x28, 0x10));
        assert!(matches!(next.value, Value::Bytes([7, 0])));
        assert_eq!(Reader::new(&open, IMPLICIT).pass(), Err(Truncated));
    }

    #[test]
    fn the_content_of_an_unknown_sequence_is_implicit() {
        let mut bytes = tag(9, 0x1010);
        bytes.extend(b"UN\0\0\xff\xff\xff\xff");
        bytes.extend(tag(0xfffe, 0xe000));
        bytes.extend(UNDEFINED.to_le_bytes());
        // Implicit: a length of four bytes follows the tag.
        bytes.extend(tag(9, 1));
        bytes.extend([2, 0, 0, 0, b'S', b'H']);
        for end in [ITEM_END, SEQUENCE_END] {
            bytes.extend(tag(end.0, end.1));
            bytes.extend([0; 4]);
        }
        let mut reader = Reader::new(&bytes, META);
        reader.pass().unwrap();
        assert!(reader.rest().is_empty());
    }

    #[test]
    fn a_length_beyond_the_end_is_found() {
        let mut bytes = tag(0x10, 0x10);
        bytes.extend([0xf0, 0xff, 0xff, 0xff, b'x']);
        let mut reader = Reader::new(&bytes, IMPLICIT);
        let Some(Element { value, .. }) = reader.peek().unwrap() else {
            panic!("an element");
        };
        assert!(matches!(value, Value::Bytes(b"x")));
        assert_eq!(reader.pass(), Err(Truncated));
    }
}
