//! The results of a check: the content of `leakage.json`, and sentences for messages.

use std::collections::BTreeMap;

use serde::Serialize;

use super::copies::{Copy, Likeness, Set};
use super::origins::Shared;
use super::scan::bounds;

/// Number of pairs and groups that a sentence names.
const NAMED: usize = 3;

/// Content of `leakage.json`.
#[derive(Debug, Serialize)]
pub(super) struct Record {
    pub(super) method: Method,
    /// Number of images in each set.
    pub(super) sets: BTreeMap<String, usize>,
    /// Copies of images of one set in another.
    pub(super) between: Vec<Between>,
    /// Copies within a set, which leak nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) within: Vec<Within>,
}

/// Settings of the comparison.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Method {
    /// Number of frequencies along each side of an image that enter its sketch.
    pub(super) frequencies: usize,
    /// Lowest similarity at which images count as near copies.
    pub(super) similarity: f64,
}

impl Method {
    pub(super) fn with(frequencies: usize) -> Self {
        let [_, similarity] = bounds(frequencies);
        Self {
            frequencies,
            similarity: rounded(similarity),
        }
    }
}

/// Overlap of two sets.
#[derive(Debug, Serialize)]
pub(super) struct Between {
    /// Names of two sets. The first must not contain copies of images of the second.
    pub(super) sets: [String; 2],
    pub(super) copies: Vec<Pair>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) groups: Vec<Shared>,
}

/// The copies within a set.
#[derive(Debug, Serialize)]
pub(super) struct Within {
    pub(super) set: String,
    /// Images that are copies of each other.
    pub(super) groups: Vec<Vec<String>>,
    pub(super) copies: Vec<Pair>,
}

/// An image, the image that it is a copy of, and the respect in which they agree.
#[derive(Debug, Serialize)]
pub(super) struct Pair {
    pub(super) image: String,
    pub(super) copy_of: String,
    pub(super) likeness: Likeness,
    pub(super) similarity: f64,
}

impl Pair {
    pub(super) fn of(copy: &Copy, set: &Set<'_>, original: &Set<'_>) -> Self {
        Self {
            image: set.images.names()[copy.image].clone(),
            copy_of: original.images.names()[copy.of].clone(),
            likeness: copy.likeness,
            similarity: rounded(copy.similarity),
        }
    }

    /// Formats `` `a.jpeg` is `b.jpeg`, byte for byte``.
    fn sentence(&self) -> String {
        let Self { image, copy_of, .. } = self;
        match self.likeness {
            Likeness::SameBytes => format!("`{image}` is `{copy_of}`, byte for byte"),
            Likeness::SamePixels => format!("`{image}` has the same pixels as `{copy_of}`"),
            Likeness::Near => format!("`{image}` resembles `{copy_of}` ({:.3})", self.similarity),
        }
    }
}

/// Formats a sentence about the copies of images of `original` among `images` images; `None` if there are
/// none. `what` names these images (``images of `test` ``).
pub(super) fn copied(what: &str, images: usize, original: &str, copies: &[Pair]) -> Option<String> {
    if copies.is_empty() {
        return None;
    }
    let count = copies.len();
    let are = if count == 1 {
        "is a copy"
    } else {
        "are copies"
    };
    let named = listed(copies.iter().take(NAMED).map(Pair::sentence), count);
    Some(format!(
        "{count} of {images} {what} {are} of images of {original}: {named}"
    ))
}

impl Between {
    /// Returns a sentence for each kind of leak; empty if nothing leaks.
    pub(super) fn sentences(&self, images: usize) -> Vec<String> {
        let [set, original] = self.sets.each_ref().map(|name| format!("`{name}`"));
        let copied = copied(&format!("images of {set}"), images, &original, &self.copies);
        let shared = (!self.groups.is_empty()).then(|| {
            let count = self.groups.len();
            let s = if count == 1 { "" } else { "s" };
            let named = self.groups.iter().take(NAMED).map(|shared| {
                let [one, other] = shared.images.each_ref().map(|images| &images[0]);
                format!("`{}` (`{one}`, `{other}`)", shared.group)
            });
            let named = listed(named, count);
            format!("{set} and {original} share {count} group{s} of `group_by`: {named}")
        });
        copied.into_iter().chain(shared).collect()
    }
}

impl Within {
    /// Formats ``62 of 5216 images of `train` …``; `None` if no image is a copy.
    pub(super) fn sentence(&self, images: usize) -> Option<String> {
        if self.copies.is_empty() {
            return None;
        }
        let near = |pair: &&Pair| pair.likeness == Likeness::Near;
        let near = self.copies.iter().filter(near).count();
        let groups = self.groups.len();
        let involved: usize = self.groups.iter().map(Vec::len).sum();
        let s = if groups == 1 { "" } else { "s" };
        let nearly = match near {
            0 => String::new(),
            near => format!(", {near} of them near copies"),
        };
        let named = self.copies.iter().take(NAMED).map(Pair::sentence);
        Some(format!(
            "{involved} of {images} images of `{}` form {groups} group{s} of copies: {} repeat an earlier \
             image{nearly}: {}",
            self.set,
            self.copies.len(),
            listed(named, self.copies.len())
        ))
    }
}

/// Joins `named`, the first few of `count` things, and indicates whether there are more.
fn listed(named: impl Iterator<Item = String>, count: usize) -> String {
    let listed = named.collect::<Vec<_>>().join(", ");
    if count > NAMED {
        format!("{listed}, …")
    } else {
        listed
    }
}

/// Rounds to four decimal places. Further digits are not significant.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
