//! Pictures for people: grids of images and charts, as PNG.

mod axis;
mod canvas;
pub mod chart;
pub mod grid;
