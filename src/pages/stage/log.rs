//! The end of a stage's log.

use engine::executor::log_file;
use engine::run::recorded::Recorded;
use store::{Found, read_file};

/// Most bytes of a log that are shown.
const LOG_BYTES: usize = 8 << 10;

/// The end of what a stage wrote, without colors and with each state of a progress bar on a line of its own.
pub(super) fn end(run: &Recorded, name: &str) -> Option<String> {
    let Ok(Found::Bytes(bytes)) = read_file(&log_file(&run.folder, name)) else {
        return None;
    };
    let text = readable(&bytes);
    let start = text.len().saturating_sub(LOG_BYTES);
    let start = (start..text.len()).find(|&at| text.is_char_boundary(at))?;
    let end = &text[start..];
    // Begin with a whole line.
    let end = match (start, end.split_once('\n')) {
        (0, _) | (_, None) => end,
        (_, Some((_, rest))) => rest,
    };
    let end = end.trim_end();
    (!end.is_empty()).then(|| end.to_owned())
}

/// A log without escape sequences for colors.
fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("\u{1b}[") {
        plain.push_str(&rest[..at]);
        let sequence = &rest[at + 2..];
        // Parameters, then one letter.
        let end = sequence.find(|char: char| !matches!(char, '0'..='9' | ';' | '?'));
        rest = match end {
            Some(end) => {
                let letter = sequence[end..].chars().next().map_or(0, char::len_utf8);
                &sequence[end + letter..]
            }
            None => "",
        };
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_lose_their_colors() {
        let log = "\u{1b}[1;31mred\u{1b}[0m\r\n10 %\r20 %\u{1b}[";
        assert_eq!(readable(log.as_bytes()), "red\n10 %\n20 %");
    }
}
