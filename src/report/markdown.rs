//! Renders GitHub-flavoured Markdown.

use contract::one_line;

/// Renders a table. Every row must have as many cells as the header.
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

/// Escapes what Markdown, HTML or a formula would interpret, except for backticks, and puts the text on one
/// line.
pub fn escaped(text: &str) -> String {
    let text = one_line(text);
    let mut escaped = String::with_capacity(text.len());
    let mut before = ' ';
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let is_special = match character {
            '|' | '\\' | '<' | '>' | '&' | '$' | '~' => true,
            // Between spaces it is not markup.
            '*' => before != ' ' || characters.peek().is_some_and(|next| *next != ' '),
            // A bracket makes a link only before one of these. Brackets around an interval need no escape.
            ']' => matches!(characters.peek(), Some('(' | '[' | ':')),
            // Inside a word it is not markup.
            '_' => !(is_inside(Some(before)) && is_inside(characters.peek().copied())),
            _ => false,
        };
        if is_special {
            escaped.push('\\');
        }
        escaped.push(character);
        before = character;
    }
    escaped
}
