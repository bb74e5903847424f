//! `runner push` and `runner pull`: copy results between the local store and the shared cache.

mod chosen;
mod pull;
mod push;

use indicatif::{ProgressBar, ProgressStyle};

pub(super) use self::pull::Pull;
pub(super) use self::push::Push;
use crate::report::Console;

/// A bar that counts results.
fn bar(console: &Console, results: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:20.cyan} {pos} of {len} results, {eta} left");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(results as u64).with_style(style.progress_chars("━╸ "));
    console.bars().add(bar)
}
