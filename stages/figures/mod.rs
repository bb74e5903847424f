//! Draws charts and grids of images as PNG files.
//!
//! The same input gives the same bytes: the font is built in, and nothing depends on the machine.

mod axis;
mod canvas;
pub mod chart;
pub mod confusion;
pub mod grid;
pub mod learning_curves;
pub mod parallel_coordinates;
pub mod roc;
mod ruler;

#[cfg(test)]
mod sweep_tests;
#[cfg(test)]
mod tests;
