//! The end of the log of a running program, on its card.

use askama::Template;
use engine::executor::log_file;
use pages::shortened;

use super::log::LogTail;
use super::rendered;
use crate::live::{LiveRun, LiveStage, Running};

/// Number of lines that are shown.
const LINES: usize = 5;
/// Longest line, in characters.
const LONGEST: usize = 200;

#[derive(Template)]
#[template(path = "card_log.html")]
struct CardLogTemplate<'a> {
    id: String,
    name: &'a str,
    text: String,
}

/// The id of the element with the log of a stage.
pub(super) fn element(stage: &LiveStage) -> String {
    format!("log-{}", stage.id)
}

/// The end of the log of a running stage as HTML. The element has no text, and is not visible, if nothing was written
/// yet. It is left out for a stage that reports progress, which says more.
pub(super) fn card_log(run: &LiveRun, stage: &LiveStage, running: &Running) -> Option<String> {
    if running.progress.is_some() {
        return None;
    }
    let log = log_file(&run.folder, &stage.planned.name);
    let tail = LogTail::read(&log, 0, false).unwrap_or_default();
    Some(rendered(&CardLogTemplate {
        id: element(stage),
        name: &stage.planned.name,
        text: last_lines(&tail.text),
    }))
}

/// The last lines of a text that are not empty. The rest of long lines is cut off.
fn last_lines(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let last = lines.rev().take(LINES);
    let mut last: Vec<String> = last.map(|line| shortened::cut(line, LONGEST)).collect();
    last.reverse();
    last.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_shown_and_long_ones_are_cut() {
        assert_eq!(last_lines(""), "");
        assert_eq!(last_lines("a\n\nb\n"), "a\nb");
        assert_eq!(last_lines("1\n2\n3\n4\n5\n6\n7\n"), "3\n4\n5\n6\n7");
        let long = "ü".repeat(LONGEST);
        assert_eq!(last_lines(&long), long);
        let longer = "ü".repeat(LONGEST + 1);
        let expected = format!("{}…", "ü".repeat(LONGEST - 1));
        assert_eq!(last_lines(&longer), expected);
    }
}
