//! Pictures for people: grids of images and charts, as PNG.
//!
//! The same input gives the same bytes: the font is built in, and nothing is asked of the machine.

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
