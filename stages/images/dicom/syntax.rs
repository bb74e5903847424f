//! The transfer syntaxes of DICOM: how elements and pixels are written (DICOM PS3.5, section 10).

use super::reader::Encoding;

/// How the file writes elements and pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Syntax {
    pub encoding: Encoding,
    pub compression: Compression,
    /// `true` if decompressing also converts YBR to RGB.
    pub converts_colors: bool,
}

/// How the pixels are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Rle,
    /// With a discrete cosine transform, 8 bits per value.
    Jpeg,
    LosslessJpeg,
    Jpeg2000,
}

const LITTLE: Encoding = Encoding {
    big_endian: false,
    explicit: true,
};

impl Syntax {
    /// Returns the syntax with this identifier.
    ///
    /// # Errors
    /// If it is not read. The error is a fragment that follows the file's name.
    pub(super) fn of(identifier: &str) -> Result<Self, String> {
        let compressed = |compression| Self {
            encoding: LITTLE,
            compression,
            converts_colors: matches!(compression, Compression::Jpeg | Compression::Jpeg2000),
        };
        let plain = |encoding| Self {
            encoding,
            compression: Compression::None,
            converts_colors: false,
        };
        let number = identifier.strip_prefix("1.2.840.10008.1.2");
        let number =
            number.ok_or("has a transfer syntax of its manufacturer, which is not read")?;
        let name = match number {
            "" => {
                return Ok(plain(Encoding {
                    big_endian: false,
                    explicit: false,
                }));
            }
            ".1" => return Ok(plain(LITTLE)),
            ".2" => {
                return Ok(plain(Encoding {
                    big_endian: true,
                    explicit: true,
                }));
            }
            ".4.50" | ".4.51" => return Ok(compressed(Compression::Jpeg)),
            ".4.57" | ".4.70" => return Ok(compressed(Compression::LosslessJpeg)),
            ".4.90" | ".4.91" => return Ok(compressed(Compression::Jpeg2000)),
            ".5" => return Ok(compressed(Compression::Rle)),
            ".1.99" => "a deflated data set",
            ".4.80" | ".4.81" => "JPEG-LS",
            ".4.92" | ".4.93" => "JPEG 2000 with several components",
            ".4.110" | ".4.111" | ".4.112" => "JPEG XL",
            ".4.201" | ".4.202" | ".4.203" => "HTJ2K",
            ".4.100" | ".4.101" | ".4.102" | ".4.103" | ".4.104" | ".4.105" | ".4.106" => "a video",
            _ => "unknown",
        };
        Err(not_read(name))
    }
}

/// Returns the error for a transfer syntax that is not read, as a fragment that follows the file's name.
pub(super) fn not_read(name: &str) -> String {
    format!(
        "has a transfer syntax that is not read ({name}); decompress it, for example with `gdcmconv --raw`"
    )
}
