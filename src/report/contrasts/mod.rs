//! Renders contrasts below a table or as part of it. Contrasts compare the rows of a column with a reference
//! row by statistical tests.

mod delimited;
mod json;
mod page;
mod text;

pub use delimited::{fields, header};
pub use json::object;
pub use page::views;
pub use text::{markdown, terminal};

#[cfg(test)]
mod tests;
