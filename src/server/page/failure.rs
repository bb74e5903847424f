//! Parts the error of a stage into its own words and the output that it quotes.

use pages::without_output;

/// Number of quoted lines that are shown.
const QUOTED: usize = 6;

/// The error of a stage.
pub(super) struct Failure {
    /// Description of the failure, without the quoted lines and the place of the log.
    pub(super) text: String,
    /// The last lines that the stage printed; empty if the error quotes none.
    pub(super) quoted: String,
}

impl Failure {
    /// Parts an error as `runner run` prints it. Quoted lines begin with a bar.
    pub(super) fn new(error: &str) -> Self {
        let lines = error.lines();
        let quoted = lines.filter_map(|line| line.trim_start().strip_prefix('|'));
        let quoted: Vec<&str> = quoted
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect();
        let shown = quoted.len().saturating_sub(QUOTED);
        Self {
            text: without_output(error),
            quoted: quoted[shown..].join("\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_output_is_parted_from_the_error() {
        let lines: String = (0..20).map(|line| format!("\n  | line {line}")).collect();
        let error = format!(
            "the program ended with exit code 3:{lines}\n  |\n  full log: a.log\n  its output is kept: m.json"
        );
        let failure = Failure::new(&error);
        assert_eq!(
            failure.text,
            "the program ended with exit code 3\n  its output is kept: m.json"
        );
        assert_eq!(
            failure.quoted,
            "line 15\nline 16\nline 17\nline 18\nline 19\n"
        );
        let plain = Failure::new("the loss is NaN: lower `learning_rate`");
        assert_eq!(plain.text, "the loss is NaN: lower `learning_rate`");
        assert_eq!(plain.quoted, "");
    }
}
