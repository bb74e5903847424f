//! Why a stage runs: the smallest thing that changed since it last did.

use std::fmt;

use serde_json::Value;
use stages::contract::DeviceClass;

use super::Fingerprint;
use super::source::{Listing, stands_for};
use crate::store::{Lookup, Store};

/// Why a stage runs; `Display` gives a few words.
#[derive(Clone, Debug, PartialEq)]
pub enum MissReason {
    FirstRun,
    Forced,
    Format {
        from: u32,
        to: u32,
    },
    Kind {
        from: String,
        to: String,
    },
    /// The kind's results changed.
    Version {
        kind: String,
        from: u32,
        to: u32,
    },
    /// The first parameter that differs, and how many more do.
    Params {
        first: ParamChange,
        more: usize,
    },
    Seed {
        from: u64,
        to: u64,
    },
    Device {
        from: DeviceClass,
        to: DeviceClass,
    },
    /// What changed in a source, where that is known.
    Source(Option<SourceChanges>),
    /// The first role whose input is another.
    Input {
        role: String,
    },
    RecordMissing,
    RecordDamaged,
    OutputMissing {
        port: String,
    },
}

/// One parameter that differs. `None` on one side: it is not there.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamChange {
    /// `params.model[3].conv.filters`
    pub path: String,
    pub from: Option<Value>,
    pub to: Option<Value>,
}

/// How a source's files differ from before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceChanges {
    pub changed: usize,
    pub added: usize,
    pub removed: usize,
    /// Path of the first of them in the source; empty if the source is a file.
    pub first: String,
}

impl MissReason {
    /// Why the action of `now` is no hit, after `lookup` of its key found none. `last` is what the
    /// stage was before.
    pub(super) fn of(
        store: &Store,
        lookup: &Lookup,
        last: Option<&Fingerprint>,
        now: &Fingerprint,
    ) -> Self {
        match lookup {
            Lookup::Damaged => return Self::RecordDamaged,
            Lookup::OutputMissing { port } => return Self::OutputMissing { port: port.clone() },
            Lookup::Hit(_) | Lookup::Absent => {}
        }
        match last {
            None => Self::FirstRun,
            Some(last) => Self::between(store, last, now).unwrap_or(Self::RecordMissing),
        }
    }

    /// The smallest thing in which `now` differs from `last`; nothing where they are equal.
    pub fn between(store: &Store, last: &Fingerprint, now: &Fingerprint) -> Option<Self> {
        if last.kind != now.kind {
            return Some(Self::Kind {
                from: last.kind.clone(),
                to: now.kind.clone(),
            });
        }
        if last.format != now.format {
            return Some(Self::Format {
                from: last.format,
                to: now.format,
            });
        }
        if last.version != now.version {
            return Some(Self::Version {
                kind: now.kind.clone(),
                from: last.version,
                to: now.version,
            });
        }
        let mut changes = Vec::new();
        compare(
            "params",
            Some(&last.params),
            Some(&now.params),
            &mut changes,
        );
        let (sources, params): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| {
            [&change.from, &change.to]
                .iter()
                .all(|v| v.as_ref().is_some_and(|v| stands_for(v).is_some()))
        });
        let more = params.len().saturating_sub(1);
        if let Some(first) = params.into_iter().next() {
            return Some(Self::Params { first, more });
        }
        if last.seed != now.seed {
            return Some(Self::Seed {
                from: last.seed,
                to: now.seed,
            });
        }
        if last.device != now.device {
            return Some(Self::Device {
                from: last.device,
                to: now.device,
            });
        }
        if let Some(change) = sources.first() {
            return Some(Self::Source(SourceChanges::recall(store, change)));
        }
        let roles = last.inputs.keys().chain(now.inputs.keys());
        let mut roles = roles.into_iter();
        let role = roles.find(|&role| last.inputs.get(role) != now.inputs.get(role))?;
        Some(Self::Input { role: role.clone() })
    }
}

/// Adds the places at which two values differ, outermost first, to `changes`.
fn compare(path: &str, from: Option<&Value>, to: Option<&Value>, changes: &mut Vec<ParamChange>) {
    match (from, to) {
        (Some(from), Some(to)) if from == to => {}
        (Some(from), Some(to)) if stands_for(from).is_some() || stands_for(to).is_some() => {
            changes.push(change(path, Some(from), Some(to)));
        }
        (Some(Value::Object(from)), Some(Value::Object(to))) => {
            let added = to.keys().filter(|key| !from.contains_key(*key));
            for key in from.keys().chain(added) {
                compare(
                    &format!("{path}.{key}"),
                    from.get(key),
                    to.get(key),
                    changes,
                );
            }
        }
        (Some(Value::Array(from)), Some(Value::Array(to))) => {
            compare_lists(path, from, to, changes);
        }
        _ => changes.push(change(path, from, to)),
    }
}

/// What lists have in common at both ends is left aside, so that a layer put in between shows as
/// one that was added, not as all that follow it changing.
fn compare_lists(path: &str, from: &[Value], to: &[Value], changes: &mut Vec<ParamChange>) {
    let start = from.iter().zip(to).take_while(|(a, b)| a == b).count();
    let (from, to) = (&from[start..], &to[start..]);
    let end = from
        .iter()
        .rev()
        .zip(to.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (from, to) = (&from[..from.len() - end], &to[..to.len() - end]);
    for index in 0..from.len().max(to.len()) {
        let path = format!("{path}[{}]", start + index);
        compare(&path, from.get(index), to.get(index), changes);
    }
}

fn change(path: &str, from: Option<&Value>, to: Option<&Value>) -> ParamChange {
    ParamChange {
        path: path.to_owned(),
        from: from.cloned(),
        to: to.cloned(),
    }
}

impl SourceChanges {
    /// What differs between two sources whose listings were kept.
    fn recall(store: &Store, change: &ParamChange) -> Option<Self> {
        let listing = |value: &Option<Value>| Listing::recall(store, &stands_for(value.as_ref()?)?);
        Some(Self::between(
            &listing(&change.from)?,
            &listing(&change.to)?,
        ))
    }

    fn between(from: &Listing, to: &Listing) -> Self {
        let (from, to) = (from.files(), to.files());
        let mut changes = Self::default();
        let mut firsts = Vec::new();
        for (name, blob) in &from {
            match to.get(name) {
                Some(now) if now == blob => continue,
                Some(_) => changes.changed += 1,
                None => changes.removed += 1,
            }
            firsts.push(*name);
        }
        let added: Vec<_> = to.keys().filter(|name| !from.contains_key(*name)).collect();
        changes.added = added.len();
        firsts.extend(added);
        changes.first = firsts.into_iter().min().unwrap_or_default().to_owned();
        changes
    }
}

impl fmt::Display for MissReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstRun => f.write_str("first run"),
            Self::Forced => f.write_str("forced"),
            Self::Format { from, to } => write!(f, "format {from} → {to}"),
            Self::Kind { from, to } => write!(f, "kind {from} → {to}"),
            Self::Version { kind, from, to } => write!(f, "code: {kind} version {from} → {to}"),
            Self::Params { first, more: 0 } => write!(f, "{first}"),
            Self::Params { first, more } => write!(f, "{first}, {more} more"),
            Self::Seed { from, to } => write!(f, "seed {from} → {to}"),
            Self::Device { from, to } => write!(f, "device {} → {}", device(*from), device(*to)),
            Self::Source(None) => f.write_str("source changed"),
            Self::Source(Some(changes)) => write!(f, "source: {changes}"),
            Self::Input { role } => write!(f, "input `{role}` changed"),
            Self::RecordMissing => f.write_str("record missing"),
            Self::RecordDamaged => f.write_str("record damaged"),
            Self::OutputMissing { port } => write!(f, "output missing: {port}"),
        }
    }
}

fn device(device: DeviceClass) -> &'static str {
    match device {
        DeviceClass::Cpu => "cpu",
        DeviceClass::Cuda => "cuda",
    }
}

impl fmt::Display for ParamChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match (&self.from, &self.to) {
            (None, Some(to)) => write!(f, "{path} added: {}", shown(to)),
            (Some(_), None) => write!(f, "{path} removed"),
            (from, to) => {
                let text = |value: &Option<Value>| value.as_ref().map(shown).unwrap_or_default();
                write!(f, "{path} {} → {}", text(from), text(to))
            }
        }
    }
}

impl fmt::Display for SourceChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first.is_empty() {
            return f.write_str("file changed");
        }
        let counts = [
            (self.changed, "changed"),
            (self.added, "added"),
            (self.removed, "removed"),
        ];
        for (position, (count, what)) in counts.iter().filter(|(n, _)| *n > 0).enumerate() {
            match position {
                0 => write!(
                    f,
                    "{count} {} {what}",
                    if *count == 1 { "file" } else { "files" }
                )?,
                _ => write!(f, ", {count} {what}")?,
            }
        }
        write!(f, ", first: {}", self.first)
    }
}

/// Longest value shown, in characters.
const LONGEST: usize = 32;

/// A value for people: strings bare, sources by the start of their digest, long ones cut.
fn shown(value: &Value) -> String {
    let text = match (stands_for(value), value) {
        (Some(digest), _) => format!("source {}", digest.short()),
        (None, Value::String(text)) => text.clone(),
        (None, value) => value.to_string(),
    };
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}
