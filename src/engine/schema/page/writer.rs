//! [`PageWriter`]: writes wrapped and indented text.

/// Layout of a page.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Number of columns to wrap at.
    pub width: usize,
    /// `true` if headings and names are bold.
    pub bold: bool,
}

/// Text of a page that is being written.
pub(super) struct PageWriter {
    layout: Layout,
    pub text: String,
}

impl PageWriter {
    pub(super) fn new(layout: Layout) -> Self {
        Self {
            layout,
            text: String::new(),
        }
    }

    /// Formats a name or heading, in bold if the layout says so.
    pub(super) fn strong(&self, text: &str) -> String {
        if self.layout.bold {
            console::style(text).bold().force_styling(true).to_string()
        } else {
            text.to_owned()
        }
    }

    /// Writes a paragraph. Lines after the first are indented by `hang` more columns.
    pub(super) fn write(&mut self, indent: usize, hang: usize, text: &str) {
        let (first, later) = (" ".repeat(indent), " ".repeat(indent + hang));
        let options = textwrap::Options::new(self.layout.width)
            .initial_indent(&first)
            .subsequent_indent(&later)
            .break_words(false);
        self.text.push_str(&textwrap::fill(text, options));
        self.text.push('\n');
    }

    /// Writes the paragraphs of `text`, which are separated by empty lines.
    pub(super) fn paragraphs(&mut self, indent: usize, text: &str) {
        for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
            self.write(indent, 0, paragraph);
        }
    }

    pub(super) fn heading(&mut self, heading: &str) {
        let heading = self.strong(heading);
        self.text.push_str(&format!("\n{heading}\n"));
    }
}
