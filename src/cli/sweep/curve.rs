//! Reads the learning curves that trainings write.

use contract::{HISTORY_FILE, files};

use engine::keys::Digest;
use engine::store::Store;

/// Reads a figure after each epoch, from the table next to the metrics of a training; empty if there is
/// none.
pub fn read(store: &Store, output: &Digest, figure: &str) -> Vec<(u64, Option<f64>)> {
    let read = || {
        let tree = store.tree(output).map_err(left_out).ok()?;
        let blob = tree.files.get(HISTORY_FILE)?;
        let text = files::read_text(&store.blob_path(&blob.digest), files::MOST_TEXT);
        let text = text.map_err(left_out).ok()?;
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let header = lines.next()?;
        let column = |name: &str| header.iter().position(|known| *known == name);
        let (epoch, figure) = (column("epoch")?, column(figure)?);
        let point = |line: Vec<&str>| {
            let value = line.get(figure)?.parse().ok();
            let value = value.filter(|value: &f64| value.is_finite());
            Some((line.get(epoch)?.parse().ok()?, value))
        };
        lines.map(point).collect::<Option<Vec<_>>>()
    };
    read().unwrap_or_default()
}

fn left_out(error: impl std::fmt::Display) {
    tracing::warn!("a learning curve is left out: {error}");
}
