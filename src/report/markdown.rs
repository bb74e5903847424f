//! GitHub-flavoured Markdown.

/// A table; every row has as many cells as the header.
pub fn table(header: &[String], rows: &[Vec<String>]) -> String {
    let mut text = line(header);
    text += &line(&vec!["---".to_owned(); header.len()]);
    for row in rows {
        text += &line(row);
    }
    text
}

fn line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// A text that ends no cell.
pub fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}
