//! The formats of image files: their names, extensions and marks, and which files of a folder are images.

use std::io::Read;
use std::path::Path;

use contract::files;

use crate::dicom;

/// A format that [`Decoder`](crate::Decoder) reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Jpeg,
    Png,
    Tiff,
    Bmp,
    WebP,
    Dicom,
}

/// Extensions of the files in a folder that are read as images, compared without regard to case.
const EXTENSIONS: [&str; 9] = [
    "jpg", "jpeg", "png", "tif", "tiff", "bmp", "webp", "dcm", "dicom",
];

/// Further extensions of files that are probably images. They are not read.
const OTHER_EXTENSIONS: [&str; 9] = [
    "gif", "jp2", "j2k", "jxl", "heic", "avif", "npy", "nii", "nrrd",
];

/// The formats that are read, for messages.
pub const FORMATS: &str = "JPEG, PNG, TIFF, BMP, WebP or DICOM";

/// Index of the DICOM files on a medium. It has the mark of a DICOM file, but no pixels.
const DICOM_INDEX: &str = "DICOMDIR";

impl Format {
    /// Recognizes a file by its first bytes.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let starts_with = |mark: &[u8]| bytes.starts_with(mark);
        if starts_with(&[0xff, 0xd8, 0xff]) {
            Some(Self::Jpeg)
        } else if starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if dicom::has_mark(bytes) {
            // Before TIFF: a file may be both, with the header of the TIFF file before the mark.
            Some(Self::Dicom)
        } else if starts_with(b"II*\0") || starts_with(b"MM\0*") {
            Some(Self::Tiff)
        } else if starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Some(Self::WebP)
        } else if starts_with(b"BM") {
            Some(Self::Bmp)
        } else {
            None
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Tiff => "TIFF",
            Self::Bmp => "BMP",
            Self::WebP => "WebP",
            Self::Dicom => "DICOM",
        }
    }
}

/// Returns the reason why a file in a folder is not read as an image, as a fragment that follows its name; `None` if it is
/// read. The extension decides. DICOM files often have none, or are named after an identifier such as `1.2.840.10008`,
/// so a file without an extension, or with one of digits only, is read if it has the mark of a DICOM file.
pub fn not_read(path: &Path) -> Option<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.eq_ignore_ascii_case(DICOM_INDEX) {
        return Some("is an index of DICOM files, not an image".to_owned());
    }
    match extension(path) {
        Some(extension) if is_one_of(&EXTENSIONS, &extension) => None,
        Some(extension) if !extension.bytes().all(|byte| byte.is_ascii_digit()) => Some(format!(
            "is of the format `{}`, which is not read",
            extension.to_lowercase()
        )),
        Some(_) | None => match has_dicom_mark(path) {
            Ok(true) => None,
            Ok(false) => Some("has no extension, and is no DICOM file".to_owned()),
            Err(error) => Some(format!("has no extension, and cannot be read: {error}")),
        },
    }
}

/// Returns whether a file of this name is probably an image, although it may be of a format that is not read.
pub fn is_probably_image(name: &str) -> bool {
    let extension = extension(Path::new(name)).unwrap_or_default();
    is_one_of(&EXTENSIONS, &extension) || is_one_of(&OTHER_EXTENSIONS, &extension)
}

/// Returns the extensions for a message: `` `jpg`, `jpeg`, … or `dicom` ``.
pub fn extensions() -> String {
    let quoted = EXTENSIONS.map(|extension| format!("`{extension}`"));
    let [rest @ .., last] = &quoted;
    format!("{} or {last}", rest.join(", "))
}

fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_string_lossy().into_owned())
}

fn is_one_of(known: &[&str], extension: &str) -> bool {
    known.iter().any(|k| extension.eq_ignore_ascii_case(k))
}

fn has_dicom_mark(path: &Path) -> std::io::Result<bool> {
    let mut start = Vec::new();
    files::open(path)?
        .take(dicom::MARK_END as u64)
        .read_to_end(&mut start)?;
    Ok(dicom::has_mark(&start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dicom_files_need_no_extension() {
        let folder = tempfile::tempdir().unwrap();
        let mut marked = vec![0; 128];
        marked.extend(b"DICM");
        let not_read = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            not_read(&path)
        };
        for name in ["IM0001", "1.2.840.113619", "a.dcm", "b.DICOM"] {
            assert_eq!(not_read(name, &marked), None, "{name}");
        }
        let says = |name: &str, bytes: &[u8]| not_read(name, bytes).unwrap();
        assert_eq!(
            says("IM0002", b"text"),
            "has no extension, and is no DICOM file"
        );
        assert_eq!(
            says("1.2.841", b""),
            "has no extension, and is no DICOM file"
        );
        assert!(says("DICOMDIR", &marked).contains("index"));
        assert_eq!(
            says("a.GIF", &marked),
            "is of the format `gif`, which is not read"
        );
        // The extension alone decides, so that a damaged image is not overlooked.
        assert_eq!(not_read("damaged.png", b""), None);
        assert!(
            super::not_read(&folder.path().join("missing"))
                .unwrap()
                .contains("cannot be read")
        );
    }
}
