//! What the shared cache contributes to a plan.

use std::collections::BTreeSet;

use engine::error::Error;
use engine::plan::{Plan, State};
use engine::wording;
use serde_json::{Value, json};
use store::Store;

use crate::cli::cache::size;

/// Stages whose results are in the shared cache, and not completely here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Share {
    stages: usize,
    /// Bytes that would be copied if everything were read.
    bytes: u64,
}

impl Share {
    /// Returns `None` if no shared cache is attached to the store.
    pub(in crate::cli) fn of(plan: &Plan, store: &Store) -> Result<Option<Self>, Error> {
        if store.remote().is_none() {
            return Ok(None);
        }
        let mut stages = 0;
        let mut outputs = BTreeSet::new();
        for action in &plan.actions {
            let State::Cached(record) = &action.state else {
                continue;
            };
            let mut is_elsewhere = false;
            for output in record.outputs.values() {
                if !store.is_here(output)? {
                    is_elsewhere = true;
                    outputs.insert(*output);
                }
            }
            stages += usize::from(is_elsewhere);
        }
        let bytes = store.bytes_elsewhere(&outputs)?;
        Ok(Some(Self { stages, bytes }))
    }

    /// `from the shared cache: 30 stages, 40.1 MiB if everything is read`. `None` if it contributes nothing.
    pub(in crate::cli) fn text(self) -> Option<String> {
        (self.stages > 0).then(|| {
            let (stages, bytes) = (wording::stages(self.stages), size(self.bytes));
            format!("from the shared cache: {stages}, {bytes} if everything is read")
        })
    }

    pub(in crate::cli) fn object(self) -> Value {
        json!({ "stages": self.stages, "bytes": self.bytes })
    }
}
