//! Pictures on pages: which there are, and where a page gets them from.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use contract::analysis::DatasetView;
use store::keys::Digest;

use crate::reader::Reader;

/// Largest picture of a figure output that pages show, in bytes.
const LARGEST: u64 = 4 << 20;
/// A picture, described so that it can be made when it is needed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Picture {
    /// Images of a dataset in rows.
    Sheet {
        dataset: Digest,
        images: Vec<usize>,
        columns: usize,
        side: u32,
    },
    /// One image of a dataset.
    Image {
        dataset: Digest,
        image: usize,
        side: u32,
    },
    /// A PNG in an output.
    File { output: Digest, name: String },
}

/// Address and size of a picture.
#[derive(Clone, Debug)]
pub struct Shown {
    pub src: String,
    /// Width and height in pixels, if known.
    pub size: Option<[u32; 2]>,
}

/// Places pictures on a page.
pub trait Pictures {
    /// Returns the address of a picture; `None` if it cannot be shown.
    fn place(&self, picture: &Picture) -> Option<Shown>;
}

/// Makes the PNG of a picture. Logs a warning and returns `None` if it cannot be made.
pub fn png(reader: Reader<'_>, datasets: &Datasets<'_>, picture: &Picture) -> Option<Vec<u8>> {
    let png = match picture {
        Picture::Sheet {
            dataset,
            images,
            columns,
            side,
        } => {
            let sheet = datasets.open(dataset)?.sheet(images, *columns, *side);
            sheet.map(|sheet| sheet.png)
        }
        Picture::Image {
            dataset,
            image,
            side,
        } => datasets.open(dataset)?.png(*image, *side),
        Picture::File { output, name } => {
            let tree = reader.tree(output)?;
            let is_small = tree.files.get(name).is_some_and(|b| b.bytes <= LARGEST);
            return is_small.then(|| reader.file(output, name))?;
        }
    };
    png.inspect_err(|error| tracing::warn!("failed to show images: {error}"))
        .ok()
}

/// Datasets that were opened, by their digests.
pub struct Datasets<'a> {
    reader: Reader<'a>,
    opened: RefCell<HashMap<Digest, Option<Arc<dyn DatasetView>>>>,
}

impl<'a> Datasets<'a> {
    pub fn new(reader: Reader<'a>) -> Self {
        Self {
            reader,
            opened: RefCell::default(),
        }
    }

    /// Opens a dataset. Logs a warning and returns `None` if that fails.
    pub fn open(&self, digest: &Digest) -> Option<Arc<dyn DatasetView>> {
        let mut opened = self.opened.borrow_mut();
        let open = || {
            let tree = self.reader.tree(digest)?;
            let files = self.reader.store.files_of(&tree);
            let dataset = self.reader.analysis.open_dataset(&files);
            let dataset = dataset
                .inspect_err(|error| tracing::warn!("{error}"))
                .ok()?;
            Some(Arc::from(dataset))
        };
        opened.entry(*digest).or_insert_with(open).clone()
    }
}

/// Place of a document's pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PicturesAre {
    /// In the document, as `data:` addresses.
    Inside {
        /// Most bytes that they may have in total. A document with more is slow to open and hard to send.
        limit: u64,
    },
    /// In files beside it, with addresses relative to it.
    Beside,
}

/// Pictures as files beside a document, or inside it.
pub struct Collected<'a> {
    reader: Reader<'a>,
    datasets: &'a Datasets<'a>,
    are: PicturesAre,
    placed: RefCell<Placed>,
}

#[derive(Default)]
struct Placed {
    /// Files by name.
    files: BTreeMap<String, Vec<u8>>,
    bytes: u64,
}

impl Placed {
    /// Adds a picture. Returns its address; `None` if the document has too many already.
    fn add(&mut self, png: Vec<u8>, are: PicturesAre) -> Option<String> {
        self.bytes += png.len() as u64;
        if let PicturesAre::Inside { .. } = are {
            // Do not fill the memory with a document that will be refused.
            let is_allowed = self.excess(are).is_none();
            return is_allowed.then(|| format!("data:image/png;base64,{}", base64(&png)));
        }
        let digest = Digest::derive("runner page picture v1", &png);
        let name = format!("images/{}.png", digest.short());
        self.files.insert(name.clone(), png);
        Some(name)
    }

    fn excess(&self, are: PicturesAre) -> Option<u64> {
        match are {
            PicturesAre::Inside { limit } => Some(self.bytes).filter(|&bytes| bytes > limit),
            PicturesAre::Beside => None,
        }
    }
}

impl<'a> Collected<'a> {
    pub fn new(reader: Reader<'a>, datasets: &'a Datasets<'a>, are: PicturesAre) -> Self {
        Self {
            reader,
            datasets,
            are,
            placed: RefCell::default(),
        }
    }

    /// Total size of the pictures if they are more than the document may contain. The document lacks some then.
    pub fn excess(&self) -> Option<u64> {
        self.placed.borrow().excess(self.are)
    }

    /// The files beside the document, by their paths relative to it.
    pub fn into_files(self) -> BTreeMap<String, Vec<u8>> {
        self.placed.into_inner().files
    }
}

impl Pictures for Collected<'_> {
    fn place(&self, picture: &Picture) -> Option<Shown> {
        let png = png(self.reader, self.datasets, picture)?;
        let size = dimensions(&png);
        let src = self.placed.borrow_mut().add(png, self.are)?;
        Some(Shown { src, size })
    }
}

/// Width and height of a PNG, from its header.
fn dimensions(png: &[u8]) -> Option<[u32; 2]> {
    let header = png.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(8..16)?;
    let number = |bytes: &[u8]| bytes.try_into().map(u32::from_be_bytes).ok();
    Some([number(&header[..4])?, number(&header[4..])?])
}

/// Base64 (RFC 4648, with padding).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > chunk.len() {
                '='
            } else {
                digit.into()
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_in_the_standard() {
        let cases = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(str::as_bytes);
        let encoded: Vec<String> = cases.into_iter().map(base64).collect();
        let expected = [
            "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy",
        ];
        assert_eq!(encoded, expected);
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn pictures_inside_a_document_have_a_limit() {
        let mut placed = Placed::default();
        let are = PicturesAre::Inside { limit: 5 };
        let mut add = |bytes: usize| placed.add(vec![0; bytes], are);
        assert!(add(3).unwrap().starts_with("data:image/png;base64,"));
        assert!(add(2).is_some());
        assert_eq!(add(4), None);
        assert_eq!(placed.excess(are), Some(9));
        assert_eq!(placed.excess(PicturesAre::Inside { limit: 9 }), None);

        let mut placed = Placed::default();
        let names = [1, 1, 2].map(|bytes| placed.add(vec![0; bytes], PicturesAre::Beside).unwrap());
        assert!(names[0].starts_with("images/") && names[0] == names[1]);
        assert_eq!(
            (placed.files.len(), placed.excess(PicturesAre::Beside)),
            (2, None)
        );
    }

    #[test]
    fn dimensions_are_read_from_the_header() {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        png.extend([0, 0, 1, 2, 0, 0, 0, 7, 8]);
        assert_eq!(dimensions(&png), Some([258, 7]));
        assert_eq!(dimensions(&png[..20]), None);
        assert_eq!(dimensions(b"GIF89a"), None);
    }
}
