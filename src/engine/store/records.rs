//! All that is recorded, for estimates and explanations: also what is of no use as a hit.

use std::fs;
use std::path::Path;

use rayon::prelude::*;

use super::inventory::{Reading, read_record};
use super::{ActionRecord, Error, Store};
use crate::keys::Key;

impl Store {
    /// The record under an action key or a content key, whether or not its outputs are still there.
    /// Warns of one that the system refuses to read: it is left out of estimates and explanations.
    pub fn recall(&self, key: &Key) -> Option<ActionRecord> {
        match read_record(&self.record_path(key), key) {
            Reading::Sound(record) => Some(record),
            Reading::Damaged => None,
            Reading::Refused(unread) => {
                tracing::warn!("left out: `{}` {}", unread.path.display(), unread.why);
                None
            }
        }
    }

    /// Every sound record by its action key, in the order of the keys.
    pub fn records(&self) -> Result<Vec<ActionRecord>, Error> {
        let keys = self.record_keys()?;
        let records = keys.par_iter().filter_map(|key| {
            let record = self.recall(key)?;
            (record.action_key == *key).then_some(record)
        });
        Ok(records.collect())
    }

    /// The keys, action and content, that there is a record under, in order.
    pub fn record_keys(&self) -> Result<Vec<Key>, Error> {
        let folder = self.home.join("actions");
        let entries = fs::read_dir(&folder).map_err(Error::io("read", &folder))?;
        let key = |name: &Path| name.file_stem()?.to_str()?.parse::<Key>().ok();
        let mut keys = Vec::new();
        for entry in entries {
            let name = entry.map_err(Error::io("read", &folder))?.file_name();
            keys.extend(key(Path::new(&name)));
        }
        keys.sort_unstable();
        Ok(keys)
    }
}
