//! Text in columns without a frame, so that other programs can read it as well.

use unicode_width::UnicodeWidthStr;

/// Formats rows as lines. Each column is as wide as its widest cell, with two spaces between columns. The
/// first two columns are text and flush left; the others are numbers and flush right.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    aligned(rows, 2)
}

/// Like [`columns`], with the first `words` columns as text.
pub fn aligned<const N: usize>(rows: &[[String; N]], words: usize) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.width().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
            let space = " ".repeat(width - cell.width());
            let gap = if index == 0 { "" } else { "  " };
            line += &match index {
                _ if index < words => format!("{gap}{cell}{space}"),
                _ => format!("{gap}{space}{cell}"),
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
