//! Objects on an S3 or HTTP server.

mod answer;
mod connection;
mod multipart;
mod names;
mod pace;
mod s3;
mod server;

pub use connection::encryption;
pub(super) use server::open;
