//! Renders contrasts, which are statistical comparisons of the rows of a table's column with a reference row:
//! below the table or as part of it.

mod delimited;
mod json;
mod text;

pub use delimited::{fields, header};
pub use json::object;
pub use text::{markdown, terminal};

#[cfg(test)]
mod tests;
