//! [`Format`]: the formats of tables.

/// Format of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Ruled lines for a terminal
    #[default]
    Terminal,
    /// GitHub-flavoured Markdown table
    #[value(name = "md")]
    Markdown,
    /// Comma-separated values in full precision
    Csv,
    /// One JSON object with everything, in full precision
    Json,
    /// LaTeX table with the rules of `booktabs`
    Latex,
}
