//! Finds the reason why a stage runs, such as the most telling change since its last run.

mod changes;
mod display;

use std::mem;
use std::path::PathBuf;

use contract::{Device, Source};
use serde_json::Value;

pub use changes::changes;
use store::keys::{Fingerprint, ToolId};
use store::{Lookup, Store};

/// Reason why a stage runs. `Display` describes it in a few words.
#[derive(Clone, Debug, PartialEq)]
pub enum MissReason {
    FirstRun,
    Forced,
    /// The stage's fingerprint has changed. `more` is the number of further changed parameters if `first` is a
    /// parameter, and 0 otherwise.
    Changed {
        first: Change,
        more: usize,
    },
    /// The version command of this program has not been run yet, so the key is unknown.
    UnknownTool(String),
    RecordMissing,
    RecordDamaged,
    OutputMissing {
        port: String,
    },
}

/// A difference between two fingerprints. `Display` describes it in a few words.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Kind {
        from: String,
        to: String,
    },
    Format {
        from: u32,
        to: u32,
    },
    /// The version of the kind's results.
    Version {
        kind: String,
        from: u32,
        to: u32,
    },
    Param(ParamChange),
    Seed {
        from: u64,
        to: u64,
    },
    Device {
        from: Device,
        to: Device,
    },
    /// Kind of processor; `None` if unknown, in records of older versions.
    Processor {
        from: Option<String>,
        to: Option<String>,
    },
    Source {
        /// Path of the source in the present pipeline, if known.
        path: Option<PathBuf>,
        /// Changed files, if both listings are still stored.
        changes: Option<SourceChanges>,
    },
    /// A program that the stage runs. `None` if that fingerprint does not have it.
    Tool {
        name: String,
        from: Option<ToolId>,
        to: Option<ToolId>,
    },
    /// The inputs of a role.
    Input {
        role: String,
    },
    /// The artifacts of a role are the same, but the program finds one in another folder, or under the name
    /// of another stage instance.
    Index {
        role: String,
        from: String,
        to: String,
    },
}

/// A parameter that differs. `None` if that fingerprint does not have it.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamChange {
    /// For example `params.model[3].conv.filters`.
    pub path: String,
    pub from: Option<Value>,
    pub to: Option<Value>,
}

/// Differences between the files of a source then and now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceChanges {
    pub changed: usize,
    pub added: usize,
    pub removed: usize,
    /// Path of the first changed file in the source; empty if the source is a file.
    pub first: String,
}

impl MissReason {
    /// Returns why an action is a miss, after `lookup` found no usable record under its key. `now` is the action's
    /// fingerprint and `last` the stage's last one; `sources` are the sources that the stage reads.
    pub(super) fn of(
        store: &Store,
        lookup: &Lookup,
        last: Option<&Fingerprint>,
        now: &Fingerprint,
        sources: &[Source],
    ) -> Self {
        let is_unknown = |(_, id): &(_, &ToolId)| **id == ToolId::Unknown;
        if let Some((name, _)) = now.tools.iter().find(is_unknown) {
            return Self::UnknownTool(name.clone());
        }
        match lookup {
            Lookup::Damaged => return Self::RecordDamaged,
            Lookup::OutputMissing { port } => return Self::OutputMissing { port: port.clone() },
            Lookup::Hit(_) | Lookup::Absent => {}
        }
        match last {
            None => Self::FirstRun,
            Some(last) => Self::between(store, last, now, sources).unwrap_or(Self::RecordMissing),
        }
    }

    /// Describes the reason for a stage that failed when it was last executed. The plan does not know failures, only
    /// results.
    pub fn after_failure(&self) -> String {
        match self {
            Self::FirstRun => "failed last time".to_owned(),
            _ => format!("{self}; failed last time"),
        }
    }

    /// Returns the first difference between `last` and `now`. `None` if they are equal.
    pub fn between(
        store: &Store,
        last: &Fingerprint,
        now: &Fingerprint,
        sources: &[Source],
    ) -> Option<Self> {
        let mut changes = changes(store, last, now, sources).into_iter();
        let first = changes.next()?;
        let alike = |other: &Change| mem::discriminant(other) == mem::discriminant(&first);
        let more = match first {
            Change::Param(_) => changes.take_while(alike).count(),
            _ => 0,
        };
        Some(Self::Changed { first, more })
    }
}
