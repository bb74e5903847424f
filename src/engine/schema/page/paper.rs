//! Wrapped and indented text.

/// How a page is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Columns to wrap at.
    pub width: usize,
    /// Whether headings and names are bold.
    pub bold: bool,
}

/// What a page is written on.
pub struct Paper {
    layout: Layout,
    pub text: String,
}

impl Paper {
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            text: String::new(),
        }
    }

    /// A name or heading, bold where that is wanted.
    pub fn strong(&self, text: &str) -> String {
        if self.layout.bold {
            console::style(text).bold().force_styling(true).to_string()
        } else {
            text.to_owned()
        }
    }

    /// Writes a paragraph; its later lines stand `hang` columns further in.
    pub fn write(&mut self, indent: usize, hang: usize, text: &str) {
        let (first, later) = (" ".repeat(indent), " ".repeat(indent + hang));
        let options = textwrap::Options::new(self.layout.width)
            .initial_indent(&first)
            .subsequent_indent(&later)
            .break_words(false);
        self.text.push_str(&textwrap::fill(text, options));
        self.text.push('\n');
    }

    /// Writes paragraphs, which are apart by an empty line in `text`.
    pub fn paragraphs(&mut self, indent: usize, text: &str) {
        for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
            self.write(indent, 0, paragraph);
        }
    }

    pub fn heading(&mut self, heading: &str) {
        let heading = self.strong(heading);
        self.text.push_str(&format!("\n{heading}\n"));
    }
}
