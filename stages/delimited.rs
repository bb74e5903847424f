//! [`Table`]: a file with comma-separated values that a user or another program wrote.

use std::path::Path;

use contract::files;

/// Largest file that is read, in bytes.
const MOST_BYTES: u64 = 256 << 20;
/// Number of names that a message lists.
const LISTED: usize = 12;

/// A table with a header.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// A row with as many fields as there are columns.
#[derive(Debug)]
pub(crate) struct Row {
    /// Line of the file, from 1.
    pub(crate) line: u64,
    pub(crate) fields: Vec<String>,
}

impl Table {
    /// Reads a file. Fields may be quoted as in RFC 4180. The separator is `,`, `;` or a tab, whichever the header has;
    /// a byte order mark and any line ends are accepted.
    ///
    /// # Errors
    /// A message, if the file cannot be read or is not such a table. It begins with `shown`.
    pub(crate) fn read(path: &Path, shown: &str) -> Result<Self, String> {
        let bytes =
            files::read(path, MOST_BYTES).map_err(|e| format!("{shown} cannot be read: {e}"))?;
        Self::parse(&bytes).map_err(|why| format!("{shown}{why}"))
    }

    /// Parses a file. An error continues a sentence that begins with its name.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| " is not text in UTF-8; export it again as `CSV UTF-8`".to_owned())?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let separator = separator(text);
        if let Some(line) = unclosed_quote(text, separator) {
            return Err(format!(
                ", line {line}: a field begins with a quote that is not closed"
            ));
        }
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .from_reader(text.as_bytes());
        let wrong = |e: csv::Error| match e.kind() {
            csv::ErrorKind::UnequalLengths {
                pos: Some(pos),
                expected_len,
                len,
            } => format!(
                ", line {}: it has {len} fields, but the header has {expected_len}",
                pos.line()
            ),
            _ => format!(" is not a table of comma-separated values: {e}"),
        };
        let header = reader.headers().map_err(wrong)?;
        let columns: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        if columns.iter().all(String::is_empty) {
            return Err(" is empty; it needs a header with the names of its columns".to_owned());
        }
        for (place, name) in columns.iter().enumerate() {
            if !name.is_empty() && columns[..place].contains(name) {
                return Err(format!(" has the column `{name}` twice"));
            }
        }
        let mut rows = Vec::new();
        for row in reader.records() {
            let row = row.map_err(wrong)?;
            rows.push(Row {
                line: row.position().map_or(0, csv::Position::line),
                fields: row.iter().map(str::to_owned).collect(),
            });
        }
        Ok(Self { columns, rows })
    }

    /// Returns the place of a column.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// Formats the names of the columns for a message.
    pub(crate) fn listed_columns(&self) -> String {
        listed(self.columns.iter().map(String::as_str))
    }
}

/// Formats names as `` `a`, `b` ``, at most a dozen of them.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.get(..LISTED) {
        Some(first) if names.len() > LISTED => format!("{}, …", first.join(", ")),
        _ => names.join(", "),
    }
}

/// Returns the most frequent separator of the header, outside of quotes.
fn separator(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or_default();
    let count = |wanted: u8| {
        let mut is_quoted = false;
        header
            .bytes()
            .filter(|&byte| {
                is_quoted ^= byte == b'"';
                byte == wanted && !is_quoted
            })
            .count()
    };
    // Of equally frequent ones, the last: commas also occur in names of columns.
    let all = [b',', b';', b'\t'];
    all.into_iter()
        .max_by_key(|&separator| count(separator))
        .unwrap_or(b',')
}

/// Returns the line, from 1, of a quote that begins a field and is not closed: the file ends first, or the next quote is
/// on a later line and does not end its field, because it begins another one.
fn unclosed_quote(text: &str, separator: u8) -> Option<u64> {
    let ends_field = |byte: &u8| [separator, b'\n', b'\r'].contains(byte);
    let mut bytes = text.bytes().peekable();
    let mut line = 1;
    let mut opened = None;
    let mut begins_field = true;
    while let Some(byte) = bytes.next() {
        match (opened, byte) {
            (None, b'"') if begins_field => opened = Some(line),
            (None, _) => begins_field = ends_field(&byte),
            // Two quotes in a quoted field stand for one.
            (Some(_), b'"') if bytes.next_if_eq(&b'"').is_some() => {}
            (Some(from), b'"') => {
                let is_end = bytes.peek().is_none_or(ends_field);
                if !is_end && line > from {
                    return opened;
                }
                (opened, begins_field) = (None, false);
            }
            (Some(_), _) => {}
        }
        line += u64::from(byte == b'\n');
    }
    opened
}

#[cfg(test)]
mod tests {
    use super::Table;

    fn fields(text: &str) -> Vec<Vec<String>> {
        let table = Table::parse(text.as_bytes()).unwrap();
        let rows = table.rows.into_iter().map(|row| row.fields);
        std::iter::once(table.columns).chain(rows).collect()
    }

    #[test]
    fn separators_line_ends_and_byte_order_marks_are_accepted() {
        let expected = [["name", "p, a"], ["x;y", "0.5"]];
        for text in [
            "name,\"p, a\"\nx;y,0.5\n",
            "\u{feff}name;\"p, a\"\r\n\"x;y\";0.5\r\n",
            "name\tp, a\nx;y\t0.5",
            " name ;\"p, a\"\n\"x;y\";0.5\n\n",
        ] {
            assert_eq!(fields(text), expected, "{text:?}");
        }
        for (text, field) in [
            ("a,b\n1,\"x\ny\"\n", "x\ny"),
            ("a,b\n1,\"\"\"x\"\"\"", "\"x\""),
            ("a,b\n1,x\"y\n", "x\"y"),
            ("a,b\n1,\"\"\n", ""),
        ] {
            assert_eq!(fields(text)[1][1], field, "{text:?}");
        }
        // With one column, there is no separator.
        assert_eq!(fields("name\na\n"), [["name"], ["a"]]);
    }

    #[test]
    fn other_files_are_errors_with_a_line() {
        let error = |bytes: &[u8]| Table::parse(bytes).unwrap_err();
        assert!(error(b"").starts_with(" is empty; it needs a header"));
        assert!(error(b"\xff\xfen\0").starts_with(" is not text in UTF-8"));
        assert_eq!(error(b"a,b,a\n"), " has the column `a` twice");
        assert_eq!(
            error(b"a,b\n1,2\n1,2,3\n"),
            ", line 3: it has 3 fields, but the header has 2"
        );
        for (bytes, line) in [
            (b"a,b\n1,2\n\"x,2\n3,4\n".as_slice(), 3),
            (b"a,\"b\n1,2\n", 1),
            (b"a,b\n\"x\ny\",1\n\"z,2\n\"q\",3\n", 4),
            (b"a;b\n1;\"x\n2;\"y, z\"\n", 2),
            (b"a,b\n1,\"x\"\"\n", 2),
        ] {
            let expected = format!(", line {line}: a field begins with a quote that is not closed");
            assert_eq!(error(bytes), expected);
        }
        // The column of an index that pandas writes has no name.
        assert_eq!(Table::parse(b",b\n0,2\n").unwrap().columns, ["", "b"]);
    }
}
