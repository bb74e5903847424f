//! Renders LaTeX tables with the rules of the package `booktabs`.

/// A table whose parts are already LaTeX.
pub struct Tabular<'a> {
    /// Name in the table's label: `tab:NAME`.
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
        let caption = caption.map_or(String::new(), |text| format!("  \\caption{{{text}}}\n"));
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        let note = |note: &String| format!("  \\par\\footnotesize {note}\n");
        let notes: String = self.notes.iter().map(note).collect();
        format!(
            "% in the preamble: \\usepackage{{booktabs}}\n\
             \\begin{{table}}\n  \\centering\n{caption}  \\label{{tab:{}}}\n  \
             \\begin{{tabular}}{{{}}}\n    \\toprule\n{}    \\midrule\n{rows}    \\bottomrule\n  \
             \\end{{tabular}}\n{notes}\\end{{table}}\n",
            self.name, self.columns, self.header
        )
    }
}

/// Formats a row of cells.
pub fn line(cells: &[String]) -> String {
    format!("    {} \\\\\n", cells.join(" & "))
}

/// Replaces hyphens in numbers with minus signs.
pub fn number(text: &str) -> String {
    text.replace('-', "$-$")
}

/// Escapes text so that LaTeX prints it literally.
pub fn escaped(text: &str) -> String {
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
            // An empty line would end the paragraph, which is not allowed in a cell.
            '\n' | '\r' => escaped.push(' '),
            _ => escaped.push(character),
        }
    }
    escaped
}
