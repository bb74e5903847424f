//! Plain columns: no frame, so that other programs may read them too.

use unicode_width::UnicodeWidthStr;

/// Lines of cells, each column as wide as its widest cell and two spaces apart. Numbers, which are
/// all but the first two columns, are flush right.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    aligned(rows, 2)
}

/// As [`columns`], where the first `words` columns are no numbers.
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
