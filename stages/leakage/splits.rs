//! The check of `dataset`: finds copies between its splits, and groups that they share.

use std::collections::HashMap;
use std::path::Path;

use contract::{Context, Failure, json};

use super::copies::{Copy, Likeness, Set};
use super::origins::Origins;
use super::record::{Between, Method, Pair, Record, Within};
use super::sheet::{Strip, sheet};
use super::{Guard, RECORD_FILE, SHEET_FILE};
use crate::data::Dataset;
use crate::data::source::Offer;
use crate::data::split::DisjointSets;

/// The splits of a dataset.
pub struct Splits<'a> {
    pub train: &'a Dataset,
    pub validation: &'a Dataset,
    pub test: &'a Dataset,
}

impl Splits<'_> {
    /// Compares the splits with each other, and the images of each among themselves, and writes the results
    /// to `folder`. Copies within a split leak nothing and are only noted.
    ///
    /// # Errors
    /// `Failure::Data` if something leaks and the guard is `Fail`.
    pub fn guard(
        &self,
        guard: Guard,
        offer: &Offer,
        context: &Context<'_>,
        folder: &Path,
    ) -> Result<(), Failure> {
        if guard == Guard::Off {
            return Ok(());
        }
        let stop = || context.check_cancelled();
        let train = Set::new("train", self.train);
        let validation = Set::new("validation", self.validation);
        let test = Set::new("test", self.test);
        let origins = Origins::of(offer);
        let mut record = Record {
            method: Method::with(train.sketches.side()),
            sets: [&train, &validation, &test]
                .map(|set| (set.name.to_owned(), set.images.len()))
                .into(),
            between: Vec::new(),
            within: Vec::new(),
        };

        let mut leaks = Vec::new();
        let mut strips = Vec::new();
        for (set, original) in [(&validation, &train), (&test, &train), (&test, &validation)] {
            set.warn_of_size(original, context);
            let copies = with_files(set.copies_of(original, &stop)?, &origins, set, original)?;
            let between = Between {
                sets: [set, original].map(|set| set.name.to_owned()),
                copies: copies
                    .iter()
                    .map(|copy| Pair::of(copy, set, original))
                    .collect(),
                groups: origins.shared(set.images.names(), original.images.names()),
            };
            leaks.extend(between.sentences(set.images.len()));
            record.between.push(between);
            strips.push((set, original, copies));
        }
        for set in [&train, &validation, &test] {
            set.warn_of_size(set, context);
            let repeats = with_files(set.repeats(&stop)?, &origins, set, set)?;
            let within = within(set, &repeats);
            if let Some(noted) = within.sentence(set.images.len()) {
                context.note(noted);
            }
            record.within.push(within);
            strips.push((set, set, repeats));
        }

        json::write(&folder.join(RECORD_FILE), &record)?;
        let strips: Vec<Strip<'_>> = strips
            .iter()
            .map(|(set, original, copies)| Strip {
                set,
                original,
                copies,
            })
            .collect();
        sheet(&strips, &folder.join(SHEET_FILE))?;
        guard.report(&leaks, context)
    }
}

/// Finds out for copies with the same pixels whether their files are the same too.
fn with_files(
    mut copies: Vec<Copy>,
    origins: &Origins<'_>,
    set: &Set<'_>,
    original: &Set<'_>,
) -> Result<Vec<Copy>, Failure> {
    for copy in &mut copies {
        let (image, of) = (
            &set.images.names()[copy.image],
            &original.images.names()[copy.of],
        );
        if copy.likeness == Likeness::SamePixels && origins.same_bytes(image, of)? {
            copy.likeness = Likeness::SameBytes;
        }
    }
    Ok(copies)
}

/// Returns the copies within a set, and the groups that they form.
fn within(set: &Set<'_>, repeats: &[Copy]) -> Within {
    let mut sets = DisjointSets::new(set.images.len());
    for copy in repeats {
        sets.join(copy.image, copy.of);
    }
    let mut groups: Vec<Vec<String>> = Vec::new();
    let mut group_of = HashMap::new();
    let mut members: Vec<usize> = repeats
        .iter()
        .flat_map(|copy| [copy.of, copy.image])
        .collect();
    members.sort_unstable();
    members.dedup();
    for i in members {
        let group = *group_of.entry(sets.root(i)).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[group].push(set.images.names()[i].clone());
    }
    Within {
        set: set.name.to_owned(),
        groups,
        copies: repeats
            .iter()
            .map(|copy| Pair::of(copy, set, set))
            .collect(),
    }
}
