//! LaTeX, for the package booktabs.

/// A `table` with a caption, columns of `numbers` flush right. Header and cells are LaTeX already.
pub fn table(caption: &str, numbers: &[bool], header: &[String], rows: &[Vec<String>]) -> String {
    let columns = numbers
        .iter()
        .map(|&is_number| if is_number { 'r' } else { 'l' });
    let columns: String = columns.collect();
    let line = |cells: &[String]| format!("  {} \\\\\n", cells.join(" & "));
    let mut text = String::from("% \\usepackage{booktabs}\n\\begin{table}\n  \\centering\n");
    text += &format!("  \\caption{{{caption}}}\n  \\begin{{tabular}}{{{columns}}}\n  \\toprule\n");
    text += &line(header);
    text += "  \\midrule\n";
    for row in rows {
        text += &line(row);
    }
    text + "  \\bottomrule\n  \\end{tabular}\n\\end{table}\n"
}

/// A text as LaTeX shows it.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        match char {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', char]),
            '\\' => escaped += "\\textbackslash{}",
            '~' => escaped += "\\textasciitilde{}",
            '^' => escaped += "\\textasciicircum{}",
            '±' => escaped += "$\\pm$",
            '…' => escaped += "\\ldots{}",
            '<' | '>' => escaped.extend(['$', char, '$']),
            '|' => escaped += "\\textbar{}",
            _ => escaped.push(char),
        }
    }
    escaped
}
