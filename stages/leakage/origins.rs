//! The groups (for example, patients) and the files that packed images come from, as the source lists them.

use std::collections::BTreeMap;
use std::path::Path;

use contract::{Failure, files};
use serde::Serialize;

use crate::data::source::Offer;

/// A group with images in two sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Shared {
    pub(super) group: String,
    /// Names of its images in each of the two sets.
    pub(super) images: [Vec<String>; 2],
}

/// The origin of each image of a source, by the image's name.
pub(super) struct Origins<'a>(BTreeMap<&'a str, Origin<'a>>);

struct Origin<'a> {
    group: Option<&'a str>,
    file: Option<&'a Path>,
}

impl<'a> Origins<'a> {
    pub(super) fn of(offer: &'a Offer) -> Self {
        let pools = [
            Some(&offer.train),
            offer.validation.as_ref(),
            Some(&offer.test),
        ];
        let origins = pools.into_iter().flatten().flat_map(|pool| {
            let examples = pool.examples().iter().enumerate();
            examples.map(|(i, example)| {
                let origin = Origin {
                    group: example.group.as_deref(),
                    file: pool.file(i),
                };
                (example.name.as_str(), origin)
            })
        });
        Self(origins.collect())
    }

    /// Returns whether two images come from files with the same bytes. False if one of them does not come from a file.
    ///
    /// # Errors
    /// If a file cannot be read any more. Any answer would be a guess, and the answer is stored.
    pub(super) fn same_bytes(&self, one: &str, other: &str) -> Result<bool, Failure> {
        let file = |name: &str| self.0.get(name)?.file;
        let (Some(one), Some(other)) = (file(one), file(other)) else {
            return Ok(false);
        };
        let bytes = |file: &Path| {
            files::read(file, files::MOST_IMAGE).map_err(|e| Failure::io("read", file, e))
        };
        Ok(bytes(one)? == bytes(other)?)
    }

    /// Returns the groups with images in both sets, sorted by name. The sets are given by the names of their
    /// images.
    pub(super) fn shared(&self, one: &[String], other: &[String]) -> Vec<Shared> {
        let mut other = self.members(other);
        let both = self.members(one).into_iter().filter_map(|(group, one)| {
            Some(Shared {
                group: group.to_owned(),
                images: [one, other.remove(group)?],
            })
        });
        both.collect()
    }

    fn members(&self, names: &[String]) -> BTreeMap<&'a str, Vec<String>> {
        let mut members: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for name in names {
            if let Some(group) = self.0.get(name.as_str()).and_then(|origin| origin.group) {
                members.entry(group).or_default().push(name.clone());
            }
        }
        members
    }
}
