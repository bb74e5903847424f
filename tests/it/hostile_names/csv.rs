//! Checks that CSV is one table without formulas.

/// Checks that all lines have the same number of fields, and that a spreadsheet takes no field for a formula.
pub(super) fn check(args: &[&str], text: &str) {
    let rows = parsed(text);
    assert!(rows.len() > 1, "{args:?}: {text}");
    for row in &rows {
        assert_eq!(row.len(), rows[0].len(), "{args:?}: {row:?} in {text}");
        for field in row {
            let is_formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
            assert!(
                !is_formula || field.parse::<f64>().is_ok(),
                "{args:?}: {field:?}"
            );
        }
    }
}

/// Parses CSV as in RFC 4180.
pub(crate) fn parsed(text: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    let mut is_quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let row = rows.last_mut().unwrap();
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                row.last_mut().unwrap().push('"');
                characters.next();
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(String::new()),
            '\n' if !is_quoted => rows.push(vec![String::new()]),
            other => row.last_mut().unwrap().push(other),
        }
    }
    assert!(!is_quoted, "an open quote: {text}");
    // The last line ends with a line feed.
    assert_eq!(rows.pop(), Some(vec![String::new()]));
    rows
}
