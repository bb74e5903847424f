//! Reads the learning curves that trainings write.

use contract::{HISTORY_FILE, files};

use store::Store;
use store::keys::Digest;

/// Returns the value of the column `figure` after each epoch, from the history file of a training's output. Empty if
/// there is no such file or column.
pub(super) fn read(store: &Store, output: &Digest, figure: &str) -> Vec<(u64, Option<f64>)> {
    let read = || {
        let tree = store.results().get(output).map_err(warn).ok()?;
        let path = store.files_of(&tree).remove(HISTORY_FILE)?;
        let text = files::read_text(&path, files::MOST_TEXT);
        let text = text.map_err(warn).ok()?;
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

fn warn(error: impl std::fmt::Display) {
    tracing::warn!("failed to read a learning curve: {error}");
}
