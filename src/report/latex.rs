//! Renders LaTeX tables with the rules of the package `booktabs`.

use contract::one_line;

/// A table whose parts are already LaTeX.
pub struct Tabular<'a> {
    /// Name in the table's label: `tab:NAME`. A table without a caption has no label: it has no number that a reference
    /// could print, and `\label` would mean the section.
    pub name: &'a str,
    pub caption: Option<String>,
    /// The argument of `tabular`: a letter for each column.
    pub columns: String,
    /// The lines between the first two rules.
    pub header: String,
    pub rows: Vec<Vec<String>>,
    /// Sentences below the table.
    pub notes: Vec<String>,
}

impl Tabular<'_> {
    pub fn render(&self) -> String {
        let caption = self.caption.as_ref();
        let name = self.name;
        let caption = caption.map_or(String::new(), |text| {
            format!("  \\caption{{{text}}}\n  \\label{{tab:{name}}}\n")
        });
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        let note = |note: &String| format!("  \\par\\footnotesize {note}\n");
        let notes: String = self.notes.iter().map(note).collect();
        format!(
            "% in the preamble: \\usepackage{{booktabs}}\n\
             \\begin{{table}}\n  \\centering\n{caption}  \
             \\begin{{tabular}}{{{}}}\n    \\toprule\n{}    \\midrule\n{rows}    \\bottomrule\n  \
             \\end{{tabular}}\n{notes}\\end{{table}}\n",
            self.columns, self.header
        )
    }
}

/// Formats a row of cells.
pub fn line(cells: &[String]) -> String {
    // After the end of a row and after a rule, LaTeX would read a bracket or an asterisk as an argument.
    let is_argument = |cell: &String| cell.starts_with(['[', '*']);
    let guard = if cells.first().is_some_and(is_argument) {
        "{}"
    } else {
        ""
    };
    format!("    {guard}{} \\\\\n", cells.join(" & "))
}

/// Replaces hyphens in numbers with minus signs.
pub fn number(text: &str) -> String {
    text.replace('-', "$-$")
}

/// Escapes text so that LaTeX prints it literally, on one line. Control characters are written as `\u001b`.
pub fn escaped(text: &str) -> String {
    // A line break is a space here: an empty line would end the paragraph, which is not allowed in a cell.
    let text = text.replace(['\n', '\r', '\t'], " ");
    let text = one_line(&text);
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '|' => escaped.push_str("\\textbar{}"),
            '…' => escaped.push_str("\\ldots{}"),
            // Some languages of babel treat a plain quote as the beginning of a shorthand.
            '"' => escaped.push_str("\\char34{}"),
            '±' => escaped.push_str("$\\pm$"),
            '✓' => escaped.push_str("$\\surd$"),
            '✗' => escaped.push_str("$\\times$"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', character]),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{Tabular, escaped, line};

    #[test]
    fn names_are_never_commands_or_arguments() {
        assert_eq!(
            escaped("\\input{x}\u{1b}[2J\n\n\u{202e}$x^2$ a&b%c#_~"),
            "\\textbackslash{}input\\{x\\}\\textbackslash{}u001b[2J  \\textbackslash{}u202e\\$x\\textasciicircum{}2\\$ \
             a\\&b\\%c\\#\\_\\textasciitilde{}"
        );
        let cells = |cells: [&str; 2]| cells.map(str::to_owned);
        assert_eq!(line(&cells(["[2pt]", "[x]"])), "    {}[2pt] & [x] \\\\\n");
        assert_eq!(line(&cells(["*", "*"])), "    {}* & * \\\\\n");
        assert_eq!(line(&cells(["a", "*"])), "    a & * \\\\\n");
    }

    #[test]
    fn only_a_table_with_a_caption_has_a_label() {
        let table = |caption: Option<&str>| Tabular {
            name: "t",
            caption: caption.map(str::to_owned),
            columns: "l".to_owned(),
            header: line(&["x".to_owned()]),
            rows: Vec::new(),
            notes: Vec::new(),
        };
        assert!(!table(None).render().contains("\\label"));
        let text = table(Some("T")).render();
        assert!(
            text.contains("  \\caption{T}\n  \\label{tab:t}\n"),
            "{text}"
        );
    }
}
