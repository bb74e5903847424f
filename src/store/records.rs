//! Reads records for estimates and explanations, including records that cannot be used as hits.

use std::fs;
use std::path::Path;

use contract::ShowPath;
use rayon::prelude::*;

use super::inventory::{Reading, read_record};
use super::{ActionRecord, Error, Store};
use crate::keys::Key;

impl Store {
    /// Returns the record under an action key or a content key, whether or not its outputs still exist. Logs
    /// a warning if the system refuses to read it; estimates and explanations then do without it.
    pub fn recall(&self, key: &Key) -> Option<ActionRecord> {
        match read_record(&self.record_path(key), key) {
            Reading::Sound(record) => Some(record),
            Reading::Damaged => None,
            Reading::Refused(unread) => {
                tracing::warn!("`{}` {}; it is ignored", unread.path.shown(), unread.why);
                None
            }
        }
    }

    /// Returns every sound record that is stored under its action key, sorted by key.
    pub fn records(&self) -> Result<Vec<ActionRecord>, Error> {
        let keys = self.record_keys()?;
        let records = keys.par_iter().filter_map(|key| {
            let record = self.recall(key)?;
            (record.action_key == *key).then_some(record)
        });
        Ok(records.collect())
    }

    /// Returns the action keys and content keys under which there are records, sorted.
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
