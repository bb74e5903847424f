//! Reports the files of a source that a dataset does not use, by reason.

use contract::Context;

use super::SKIPPED_FILE;
use crate::data::source::{Offer, Omitted, Skipped};

/// Largest share of a class's files that may be left out without a warning.
const SHARE: f64 = 0.01;

/// Warns about each class of which more than [`SHARE`] is left out, including the images `unread`, which could
/// not be decoded. Then reports the files of the source that `offer` does not include: as a warning if images
/// may be missing, otherwise as a note.
pub(super) fn report(offer: &Offer, unread: &[Skipped], context: &Context<'_>) {
    let Omitted { files, hidden } = &offer.omitted;
    if *hidden > 0 {
        let entries = if *hidden == 1 {
            "file or folder"
        } else {
            "files or folders"
        };
        context.note(format!("{hidden} hidden {entries} left out"));
    }
    for (class, name) in offer.classes.iter().enumerate() {
        let of_class = |label: u32| label as usize == class;
        let pools = [
            Some(&offer.train),
            offer.validation.as_ref(),
            Some(&offer.test),
        ];
        let offered = pools.into_iter().flatten();
        let offered: usize = offered
            .map(|pool| pool.examples().iter().filter(|e| of_class(e.label)).count())
            .sum();
        let count = |skipped: &[Skipped]| {
            let of_class = skipped.iter().filter(|s| s.class.is_some_and(of_class));
            of_class.count()
        };
        let not_offered = count(&offer.skipped) + count(files);
        let all = offered + not_offered;
        let skipped = not_offered + count(unread);
        if skipped as f64 > SHARE * all as f64 {
            let verb = if skipped == 1 { "is" } else { "are" };
            context.warn(format!(
                "{skipped} of {all} files of class `{name}` {verb} left out"
            ));
        }
    }
    if files.is_empty() {
        return;
    }
    let message = by_reason(&offer.omitted);
    if files
        .iter()
        .any(|file| images::is_probably_image(&file.image))
    {
        context.warn(message);
    } else {
        context.note(message);
    }
}

/// Formats ``17 files left out (see skipped.json): `a.bmp` is … (6 such files); …``, in the order in which the
/// reasons first occur.
fn by_reason(omitted: &Omitted) -> String {
    let mut reasons: Vec<(&str, &str, usize)> = Vec::new();
    for file in &omitted.files {
        match reasons
            .iter_mut()
            .find(|(reason, ..)| *reason == file.reason)
        {
            Some((.., count)) => *count += 1,
            None => reasons.push((&file.reason, &file.image, 1)),
        }
    }
    let listed: Vec<String> = reasons
        .iter()
        .map(|&(reason, first, count)| match count {
            1 => format!("`{first}` {reason}"),
            _ => format!("`{first}` {reason} ({count} such files)"),
        })
        .collect();
    let count = omitted.files.len();
    let files = if count == 1 { "file" } else { "files" };
    format!(
        "{count} {files} left out (see {SKIPPED_FILE}): {}",
        listed.join("; ")
    )
}

/// Says how many images have no group, although the source has a pattern for groups.
pub(super) fn report_groups(offer: &Offer, context: &Context<'_>) {
    let pools = [
        Some(&offer.train),
        offer.validation.as_ref(),
        Some(&offer.test),
    ];
    let examples = pools.into_iter().flatten().flat_map(|pool| pool.examples());
    let (with, without): (Vec<_>, Vec<_>) = examples.partition(|example| example.group.is_some());
    let all = with.len() + without.len();
    match (with.len(), without.len()) {
        (_, 0) => {}
        (0, _) => context.warn(format!(
            "`group_by` matches none of the {all} file names, so every image is a group of its own"
        )),
        (_, missing) => context.note(format!(
            "images whose file names `group_by` does not match are groups of their own: {missing} of {all}"
        )),
    }
}

/// Formats ``3 unreadable images left out (see skipped.json): `a.jpeg` is …; …``.
pub(super) fn summary(skipped: &[&Skipped]) -> String {
    const LISTED: usize = 3;
    let listed: Vec<String> = skipped
        .iter()
        .take(LISTED)
        .map(|s| format!("`{}` {}", s.image, s.reason))
        .collect();
    let rest = if skipped.len() > LISTED { "; …" } else { "" };
    format!(
        "{} unreadable image{} left out (see {SKIPPED_FILE}): {}{rest}",
        skipped.len(),
        if skipped.len() == 1 { "" } else { "s" },
        listed.join("; ")
    )
}
