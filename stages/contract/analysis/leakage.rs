//! Leakage that a stage found: copies and groups in sets that must be separate.

/// The results of a check for leakage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Leakage {
    /// Lowest similarity at which two images count as near copies.
    pub similarity: f64,
    pub comparisons: Vec<Comparison>,
}

/// A set of images, compared with another or with itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Name of the set: `test`, `xrays.test` or `generated`.
    pub set: String,
    /// Number of images in the set, if it was recorded.
    pub images: Option<u64>,
    /// Name of the set with the originals. The same as `set` for copies within one set, which leak nothing.
    pub original: String,
    pub copies: Vec<CopiedImage>,
    /// Groups, such as patients, with images in both sets.
    pub groups: Vec<SharedGroup>,
    /// How similar the images are to the nearest image of the other set, if that was measured.
    pub nearest: Option<Similarities>,
    /// How similar the images of the other set are to each other, if that was measured.
    pub nearest_among_originals: Option<Similarities>,
}

impl Comparison {
    /// Returns `true` if something leaks from one set to another.
    pub fn leaks(&self) -> bool {
        self.set != self.original && !(self.copies.is_empty() && self.groups.is_empty())
    }
}

/// An image that is a copy of another.
#[derive(Clone, Debug, PartialEq)]
pub struct CopiedImage {
    pub image: String,
    pub copy_of: String,
    pub likeness: Likeness,
    /// Correlation of the images' sketches; 1 if all pixels are the same.
    pub similarity: f64,
}

/// The respect in which two images agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// Their files have the same bytes.
    SameBytes,
    /// All their pixels are the same, once packed.
    SamePixels,
    /// The same picture, but resized, compressed, brightened or the like.
    Near,
}

/// A group with images in two sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedGroup {
    pub group: String,
    /// Names of its images in the set and in the other set.
    pub images: [Vec<String>; 2],
}

/// Quantiles of similarities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarities {
    pub median: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}
