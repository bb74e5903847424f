//! DICOM files for tests, and frames that the Python package imagecodecs compressed from values known to the tests.

/// A DICOM file that is built element by element.
pub(crate) struct File {
    syntax: &'static str,
    elements: Vec<u8>,
}

pub(crate) const IMPLICIT: &str = "1.2.840.10008.1.2";
pub(crate) const LITTLE: &str = "1.2.840.10008.1.2.1";
pub(crate) const BIG: &str = "1.2.840.10008.1.2.2";
pub(crate) const RLE: &str = "1.2.840.10008.1.2.5";
pub(crate) const JPEG: &str = "1.2.840.10008.1.2.4.50";
pub(crate) const LOSSLESS_JPEG: &str = "1.2.840.10008.1.2.4.70";
pub(crate) const JPEG_2000: &str = "1.2.840.10008.1.2.4.90";

/// Shape of the pixels of a file.
#[derive(Clone, Copy)]
pub(crate) struct Pixels {
    pub photometric: &'static str,
    pub samples: u16,
    pub columns: u16,
    pub rows: u16,
    pub allocated: u16,
    pub stored: u16,
    pub signed: bool,
}

pub(crate) const GRAY: Pixels = Pixels {
    photometric: "MONOCHROME2",
    samples: 1,
    columns: 8,
    rows: 6,
    allocated: 16,
    stored: 12,
    signed: false,
};

pub(crate) const RGB: Pixels = Pixels {
    photometric: "RGB",
    samples: 3,
    allocated: 8,
    stored: 8,
    ..GRAY
};

impl File {
    /// Starts a file with the name of a patient, a nested sequence and the description of its pixels.
    pub(crate) fn new(syntax: &'static str, pixels: Pixels) -> Self {
        let mut file = Self {
            syntax,
            elements: Vec::new(),
        };
        file.element((0x0010, 0x0010), b"PN", b"Secret^Patient");
        let file = file
            .short(0x0002, pixels.samples)
            .text(0x0004, b"CS", pixels.photometric)
            .short(0x0010, pixels.rows)
            .short(0x0011, pixels.columns)
            .short(0x0100, pixels.allocated)
            .short(0x0101, pixels.stored)
            .short(0x0102, pixels.stored.wrapping_sub(1));
        file.short(0x0103, pixels.signed.into())
    }

    fn is_big(&self) -> bool {
        self.syntax == BIG
    }

    fn push_short(&mut self, value: u16) {
        self.elements.extend(match self.is_big() {
            true => value.to_be_bytes(),
            false => value.to_le_bytes(),
        });
    }

    fn push_long(&mut self, value: u32) {
        self.elements.extend(match self.is_big() {
            true => value.to_be_bytes(),
            false => value.to_le_bytes(),
        });
    }

    fn header(&mut self, (group, number): (u16, u16), vr: &[u8; 2], length: u32) {
        self.push_short(group);
        self.push_short(number);
        if self.syntax == IMPLICIT {
            self.push_long(length);
            return;
        }
        self.elements.extend(vr);
        if matches!(vr, b"OB" | b"OW" | b"SQ" | b"UN") {
            self.push_short(0);
            self.push_long(length);
        } else {
            self.push_short(length as u16);
        }
    }

    pub(crate) fn element(&mut self, tag: (u16, u16), vr: &[u8; 2], value: &[u8]) {
        self.header(tag, vr, value.len().next_multiple_of(2) as u32);
        self.elements.extend(value);
        if value.len() % 2 == 1 {
            self.elements.push(b' ');
        }
    }

    /// Adds a number about the image.
    pub(crate) fn short(mut self, number: u16, value: u16) -> Self {
        self.header((0x0028, number), b"US", 2);
        self.push_short(value);
        self
    }

    /// Adds a text about the image.
    pub(crate) fn text(mut self, number: u16, vr: &[u8; 2], value: &str) -> Self {
        self.element((0x0028, number), vr, value.as_bytes());
        self
    }

    /// Adds a window, of a function if it is not empty.
    pub(crate) fn window(self, center: &str, width: &str, function: &str) -> Self {
        let file = self.text(0x1050, b"DS", center).text(0x1051, b"DS", width);
        match function {
            "" => file,
            name => file.text(0x1056, b"CS", name),
        }
    }

    pub(crate) fn rescale(self, slope: &str, intercept: &str) -> Self {
        self.text(0x1052, b"DS", intercept)
            .text(0x1053, b"DS", slope)
    }

    /// Completes a file of bytes.
    pub(crate) fn bytes(mut self, vr: &[u8; 2], pixels: &[u8]) -> Vec<u8> {
        self.element((0x7fe0, 0x0010), vr, pixels);
        self.complete()
    }

    /// Completes a file of words.
    pub(crate) fn words(mut self, values: impl IntoIterator<Item = u16>) -> Vec<u8> {
        let values: Vec<u16> = values.into_iter().collect();
        self.header((0x7fe0, 0x0010), b"OW", 2 * values.len() as u32);
        values.into_iter().for_each(|value| self.push_short(value));
        self.complete()
    }

    /// Completes a file of compressed fragments, with a table of the offsets of its frames.
    pub(crate) fn fragments(mut self, table: &[u32], fragments: &[&[u8]]) -> Vec<u8> {
        self.header((0x7fe0, 0x0010), b"OB", u32::MAX);
        let table: Vec<u8> = table
            .iter()
            .flat_map(|offset| offset.to_le_bytes())
            .collect();
        let all = std::iter::once(table.as_slice()).chain(fragments.iter().copied());
        for item in all {
            self.push_short(0xfffe);
            self.push_short(0xe000);
            self.push_long(item.len().next_multiple_of(2) as u32);
            self.elements.extend(item);
            if item.len() % 2 == 1 {
                self.elements.push(0);
            }
        }
        self.push_short(0xfffe);
        self.push_short(0xe0dd);
        self.push_long(0);
        self.complete()
    }

    /// Completes a file without pixels.
    pub(crate) fn complete(self) -> Vec<u8> {
        let mut bytes = vec![0; 128];
        bytes.extend(b"DICM");
        let mut identifier = self.syntax.as_bytes().to_vec();
        if identifier.len() % 2 == 1 {
            identifier.push(0);
        }
        bytes.extend([2, 0, 0x10, 0]);
        bytes.extend(b"UI");
        bytes.extend((identifier.len() as u16).to_le_bytes());
        bytes.extend(identifier);
        bytes.extend(self.elements);
        bytes
    }
}

/// The values of [`GRAY`] images that the compressed frames contain.
pub(crate) fn gray_value(x: u32, y: u32) -> u16 {
    ((x * 37 + y * 53) * 7 % 4096) as u16
}

/// The color of a pixel that the compressed frames contain.
pub(crate) fn rgb_value(x: u32, y: u32) -> [u8; 3] {
    [x * 30, y * 40, (x + y) * 15].map(|value| value as u8)
}

/// Returns the pixels of an image of 8×6 pixels, row by row.
pub(crate) fn places() -> impl Iterator<Item = (u32, u32)> {
    (0..6).flat_map(|y| (0..8).map(move |x| (x, y)))
}

/// Decodes hexadecimal digits.
pub(crate) fn bytes_of(hexadecimal: &str) -> Vec<u8> {
    let digits = hexadecimal.as_bytes().as_chunks::<2>().0.iter();
    let byte = |two: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

/// The gray values, as lossless JPEG of 12 bits.
pub(crate) const LOSSLESS: &str = "\
    ffd8ffe000104a46494600010100000100010000ffc3000b0c0006000801011100ffc4001500010100000000000000000000\
    00000000090cffda00080101000100009ffd0340d0340d0340d035cd0340d0340d0340d035cd0340d0340d0340d035cd0340\
    d0340d0340d035cd0340d0340d0340d035cd0340d0340d0340d03fffd9";

/// The gray values, as JPEG 2000 of 12 bits.
pub(crate) const J2K_GRAY: &str = "\
    ff4fff5100290000000000080000000600000000000000000000000800000006000000000000000000010b0101ff52000c00\
    000001000004040001ff5c00044060ff640025000143726561746564206279204f70656e4a5045472076657273696f6e2032\
    2e352e34ff90000a0000000000570001ff93dfe118122755d72b5aa531bf759bda291eda090c333a103f4d5ea90cacd90e59\
    db6098f535abe107676d33a839b06436842719fcbf17d7dd358a1742818e402e2de6f31952baab0443ffd9";

/// The gray values less 2048, as JPEG 2000 of 16 bits with a sign.
pub(crate) const J2K_SIGNED: &str = "\
    ff4fff5100290000000000080000000600000000000000000000000800000006000000000000000000018f0101ff52000c00\
    000001000004040001ff5c00044080ff640025000143726561746564206279204f70656e4a5045472076657273696f6e2032\
    2e352e34ff90000a0000000000580001ff93c1fe1180122755d72b5aa531bf759bda291eda090c333a103f4d5ea90cacd90e\
    59db6098f535abe107676d33a839b06436842719fcbf17d7dd358a1742818e402e2de6f31952baab0443ffd9";

/// The colors, as JPEG 2000.
pub(crate) const J2K_RGB: &str = "\
    ff4fff51002f0000000000080000000600000000000000000000000800000006000000000000000000030701010701010701\
    01ff52000c00000001010004040001ff5c00044040ff640025000143726561746564206279204f70656e4a50454720766572\
    73696f6e20322e352e34ff90000a00000000009e0001ff93df8168122755d98ebd0c57274063eab358646af3b8cc4b50c373\
    9a739c18dd866a7fa46ca72deb027d118163f56b8b97cfb4b0012085a690c5f54bd11720ac2dd41837e4f9cd5aecc69a77d3\
    ce271f5033e203efc0b1b3cd221bba2a5c3422df81702c96619b3d0b4e6d826b2765b20528dbc1510d0ad56594fce0b1dc37\
    03865fa39023356c822798bdff505030fb91ffd9";
