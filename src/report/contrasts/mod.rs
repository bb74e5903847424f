//! Renders contrasts below a table, in LaTeX as tables of their own, and in CSV as fields of its rows. Contrasts
//! compare the rows of a column with a reference row by statistical tests.

mod delimited;
mod json;
mod page;
mod text;

pub use delimited::{fields, header};
pub use json::object;
pub use page::views;
pub use text::{latex, markdown, terminal};

#[cfg(test)]
mod tests;
