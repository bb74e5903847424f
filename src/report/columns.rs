//! Text in columns without a frame, so that other programs can read it as well.

use unicode_width::UnicodeWidthStr;

/// Formats rows as lines. Each column is as wide as its widest cell, with two spaces between columns. The
/// first two columns are text and flush left; the others are numbers and flush right.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    aligned(rows, 2)
}

/// Like [`columns`], with the first `words` columns as text.
pub fn aligned<const N: usize>(rows: &[[String; N]], words: usize) -> String {
    let numbers: Vec<usize> = (words..N).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.to_vec()).collect();
    dynamic(&rows, &numbers)
}

/// Formats rows with any number of columns. The columns in `numbers` are flush right, the others flush left.
pub fn dynamic(rows: &[Vec<String>], numbers: &[usize]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths = vec![0; count];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.width().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let space = " ".repeat(width - cell.width());
            let gap = if index == 0 { "" } else { "  " };
            line += &match numbers.contains(&index) {
                true => format!("{gap}{space}{cell}"),
                false => format!("{gap}{cell}{space}"),
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
