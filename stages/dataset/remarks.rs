//! Warns about images that were read in a way that may not be meant.

use contract::Context;

use crate::data::source::Outcome;

/// Warns about files of which only the first image was read, and about images that use fewer than `bits` bits.
pub(super) fn report(outcome: &Outcome, bits: u8, context: &Context<'_>) {
    if let Some(first) = outcome.several.first() {
        let count = outcome.several.len();
        context.warn(match count {
            1 => format!("`{first}` has several pages or frames; only the first is used"),
            _ => format!(
                "{count} files have several pages or frames, such as `{first}`; only the first of each is used"
            ),
        });
    }
    let used = u16::BITS - outcome.brightest.leading_zeros();
    let used = used.max(u32::from(*images::BITS.start()));
    if outcome.deep > 0 && used < u32::from(bits) {
        context.warn(format!(
            "the images with 16 bits per value ({}) have no value above {}, so they are dark; if they have {used} bits, \
             set `bits: {used}` of the source",
            outcome.deep, outcome.brightest
        ));
    }
}
