//! Checks that LaTeX contains only the commands that a table needs.

/// Commands that tables may contain.
const COMMANDS: [&str; 24] = [
    "usepackage",
    "begin",
    "end",
    "centering",
    "caption",
    "label",
    "toprule",
    "midrule",
    "bottomrule",
    "cmidrule",
    "multicolumn",
    "par",
    "footnotesize",
    "textbf",
    "textbackslash",
    "textasciitilde",
    "textasciicircum",
    "textless",
    "textgreater",
    "textbar",
    "ldots",
    "char",
    "pm",
    "surd",
];

/// Checks every command, the braces, and the number of cells in each row of each table.
pub(super) fn check(args: &[&str], text: &str) {
    assert!(text.contains("\\begin{tabular}"), "{args:?}: {text}");
    let mut columns = 0;
    for line in text.lines() {
        if let Some(rest) = line.trim_start().strip_prefix("\\begin{tabular}{") {
            columns = rest.trim_end_matches('}').len();
        }
        check_line(args, line);
        if line.ends_with("\\\\") {
            assert_eq!(cells(line), columns, "{args:?}: {line}");
        }
    }
}

fn check_line(args: &[&str], line: &str) {
    if line.starts_with("% in the preamble") || line.trim_start().starts_with("\\label{tab:") {
        return;
    }
    let (mut depth, mut dollars) = (0_i32, 0);
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                let mut command = String::new();
                while let Some(letter) = characters.next_if(char::is_ascii_alphabetic) {
                    command.push(letter);
                }
                let is_known = match command.as_str() {
                    "" => characters.next_if(|c| "&%$#_{}\\,".contains(*c)).is_some(),
                    "times" => true,
                    command => COMMANDS.contains(&command),
                };
                assert!(is_known, "{args:?}: the command `{command}` in {line}");
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            '$' => dollars += 1,
            '%' | '#' | '^' | '~' | '_' => panic!("{args:?}: an active `{character}` in {line}"),
            other => assert!(!other.is_control(), "{args:?}: {line:?}"),
        }
        assert!(depth >= 0, "{args:?}: {line}");
    }
    assert_eq!((depth, dollars % 2), (0, 0), "{args:?}: {line}");
    let start = line.trim_start();
    assert!(
        !start.starts_with(['[', '*']),
        "an argument of `\\\\`: {line}"
    );
}

/// Number of cells in a row.
fn cells(line: &str) -> usize {
    let separators = line.matches('&').count() - line.matches("\\&").count();
    separators + 1 + line.matches("\\multicolumn{2}").count()
}
