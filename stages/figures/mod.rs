//! Pictures for people: grids of images and charts, as PNG.

pub mod grid;
