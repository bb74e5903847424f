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
    let widths = widths(rows);
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

/// Formats a header and rows for a terminal of `width` columns; `None` for other output, which has no limit. If the
/// lines would be longer, formats [`blocks`].
pub fn fitted(
    header: &[String],
    rows: &[Vec<String>],
    numbers: &[usize],
    width: Option<usize>,
) -> String {
    let mut all = vec![header.to_vec()];
    all.extend_from_slice(rows);
    match width {
        Some(width) if total(&widths(&all)) > width => blocks(header, rows, width),
        _ => dynamic(&all, numbers),
    }
}

/// Formats each row as a block with a line for each cell, and an empty line between blocks. If a line would be longer
/// than `width` columns, all names and cells are on lines of their own. Empty cells are left out.
pub fn blocks(header: &[String], rows: &[Vec<String>], width: usize) -> String {
    let widest = |cells: &mut dyn Iterator<Item = &String>| {
        let widths = cells.map(|cell| cell.width());
        widths.max().unwrap_or(0)
    };
    let names = widest(&mut header.iter());
    let is_beside = names + 2 + widest(&mut rows.iter().flatten()) <= width;
    let block = |row: &Vec<String>| -> String {
        let cells = header.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
        let lines = cells.map(|(name, cell)| match (name.as_str(), is_beside) {
            ("", _) => format!("{cell}\n"),
            (name, true) => format!("{name}{}  {cell}\n", " ".repeat(names - name.width())),
            (name, false) => format!("{name}\n  {cell}\n"),
        });
        lines.collect()
    };
    let blocks: Vec<String> = rows.iter().map(block).collect();
    blocks.join("\n")
}

/// Formats a sentence as lines of at most `width` columns, broken between words. Lines after the first are indented.
/// `None` means one line.
pub fn sentence(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else {
        return format!("{text}\n");
    };
    let options = textwrap::Options::new(width)
        .subsequent_indent("  ")
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::fill(text, options) + "\n"
}

/// Width of each column.
pub fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths = vec![0; count];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.width().max(*width);
        }
    }
    widths
}

/// Length of a line with columns of these widths.
pub fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::{fitted, sentence};

    #[test]
    fn rows_that_do_not_fit_become_blocks_that_lose_nothing() {
        let texts = |texts: [&str; 3]| texts.map(str::to_owned).to_vec();
        let header = texts(["stage", "value", "class"]);
        let rows = [
            texts(["evaluate[model1]", "0.9", "SICK"]),
            texts(["cnn", "10.5", ""]),
        ];
        let line = "stage             value  class\nevaluate[model1]    0.9  SICK\ncnn                10.5\n";
        for width in [None, Some(30)] {
            assert_eq!(fitted(&header, &rows, &[1], width), line);
        }
        assert_eq!(
            fitted(&header, &rows, &[1], Some(29)),
            "stage  evaluate[model1]\nvalue  0.9\nclass  SICK\n\nstage  cnn\nvalue  10.5\n"
        );
        assert_eq!(
            fitted(&header, &rows[..1], &[1], Some(20)),
            "stage\n  evaluate[model1]\nvalue\n  0.9\nclass\n  SICK\n"
        );
    }

    #[test]
    fn sentences_are_broken_between_words() {
        let text = "95 % intervals over test-images";
        assert_eq!(
            sentence(text, Some(25)),
            "95 % intervals over\n  test-images\n"
        );
        for width in [None, Some(31)] {
            assert_eq!(sentence(text, width), format!("{text}\n"));
        }
        // A word that is too long is not broken.
        assert_eq!(
            sentence("see evaluate[model1]", Some(9)),
            "see\n  evaluate[model1]\n"
        );
    }
}
