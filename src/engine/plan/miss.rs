//! Finds the reason why a stage runs, such as the most telling change since its last run.

use std::fmt;
use std::mem;
use std::path::PathBuf;

use contract::{Device, IndexEntry, Segment, ShowPath, Source, one_line};
use serde_json::Value;

use super::source::{Listing, source_digest};
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

/// Returns all differences between two fingerprints, the most telling first: kind and versions,
/// parameters, seed and device, sources, programs, inputs. `sources` are those of the stage of `to`;
/// they give the paths to show.
pub fn changes(
    store: &Store,
    from: &Fingerprint,
    to: &Fingerprint,
    sources: &[Source],
) -> Vec<Change> {
    let mut found = Vec::new();
    if from.kind != to.kind {
        let (from, to) = (from.kind.clone(), to.kind.clone());
        found.push(Change::Kind { from, to });
    }
    if from.format != to.format {
        let (from, to) = (from.format, to.format);
        found.push(Change::Format { from, to });
    }
    if from.kind == to.kind && from.version != to.version {
        found.push(Change::Version {
            kind: to.kind.clone(),
            from: from.version,
            to: to.version,
        });
    }
    let mut params = Vec::new();
    compare("params", Some(&from.params), Some(&to.params), &mut params);
    let (of_sources, params): (Vec<_>, Vec<_>) = params.into_iter().partition(|change| {
        [&change.from, &change.to]
            .iter()
            .all(|v| v.as_ref().is_some_and(|v| source_digest(v).is_some()))
    });
    found.extend(params.into_iter().map(Change::Param));
    if from.seed != to.seed {
        let (from, to) = (from.seed, to.seed);
        found.push(Change::Seed { from, to });
    }
    if from.device != to.device {
        let (from, to) = (from.device, to.device);
        found.push(Change::Device { from, to });
    }
    found.extend(of_sources.iter().map(|change| {
        let source = sources.iter().find(|s| place(&s.param) == change.path);
        Change::Source {
            path: source.map(|source| source.path.clone()),
            changes: SourceChanges::recall(store, change),
        }
    }));
    let added = to.tools.keys().filter(|&t| !from.tools.contains_key(t));
    let tools = from.tools.keys().chain(added);
    let differ = tools.filter(|&name| from.tools.get(name) != to.tools.get(name));
    found.extend(differ.map(|name| Change::Tool {
        name: name.clone(),
        from: from.tools.get(name).cloned(),
        to: to.tools.get(name).cloned(),
    }));
    let added = to.inputs.keys().filter(|&r| !from.inputs.contains_key(r));
    let roles = from.inputs.keys().chain(added);
    let differ = roles.filter_map(|role| {
        if from.inputs.get(role) != to.inputs.get(role) {
            return Some(Change::Input { role: role.clone() });
        }
        index_change(role, from.index.get(role), to.index.get(role))
    });
    found.extend(differ);
    found
}

/// Returns the first difference between two indexes of the same artifacts.
fn index_change(
    role: &str,
    from: Option<&Vec<IndexEntry>>,
    to: Option<&Vec<IndexEntry>>,
) -> Option<Change> {
    let entry = |index: Option<&Vec<IndexEntry>>, at: usize| index?.get(at).cloned();
    let most = [from, to].into_iter().flatten().map(Vec::len).max()?;
    let mut pairs = (0..most).map(|at| (entry(from, at), entry(to, at)));
    let (from, to) = pairs.find(|(from, to)| from != to)?;
    let is_renamed = from.as_ref().map(|e| &e.path) == to.as_ref().map(|e| &e.path);
    let shown = |entry: Option<IndexEntry>| match entry {
        None => format!("{role}/"),
        Some(entry) if is_renamed => entry.instance,
        Some(entry) => format!("{role}/{}", entry.path),
    };
    Some(Change::Index {
        role: role.to_owned(),
        from: shown(from),
        to: shown(to),
    })
}

/// Returns the path of a parameter as in [`ParamChange`]: `params.source.folder.path`.
fn place(param: &[Segment]) -> String {
    let segments = param.iter().map(|segment| match segment {
        Segment::Key(key) => format!(".{key}"),
        Segment::Index(index) => format!("[{index}]"),
    });
    "params".to_owned() + &segments.collect::<String>()
}

/// Adds the differences between two values to `changes`. Descends into objects and lists, so that each path is as
/// long as possible.
fn compare(path: &str, from: Option<&Value>, to: Option<&Value>, changes: &mut Vec<ParamChange>) {
    match (from, to) {
        (Some(from), Some(to)) if from == to => {}
        (Some(from), Some(to)) if source_digest(from).is_some() || source_digest(to).is_some() => {
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

/// Compares two lists without their common beginning and end, so that an inserted layer shows as added, and
/// not as a change of all layers after it.
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
    /// Compares two sources, if the listings of both are still stored.
    fn recall(store: &Store, change: &ParamChange) -> Option<Self> {
        let listing =
            |value: &Option<Value>| Listing::recall(store, &source_digest(value.as_ref()?)?);
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
            Self::Changed { first, more: 0 } => write!(f, "{first}"),
            Self::Changed { first, more } => write!(f, "{first}, {more} more"),
            Self::UnknownTool(name) => {
                write!(f, "version of `{name}` unknown until run")
            }
            Self::RecordMissing => f.write_str("record missing"),
            Self::RecordDamaged => f.write_str("record damaged"),
            Self::OutputMissing { port } => write!(f, "output missing: {port}"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind { from, to } => write!(f, "kind {from} → {to}"),
            Self::Format { from, to } => write!(f, "format {from} → {to}"),
            Self::Version { kind, from, to } => write!(f, "code: {kind} version {from} → {to}"),
            Self::Param(change) => write!(f, "{change}"),
            Self::Seed { from, to } => write!(f, "seed {from} → {to}"),
            Self::Device { from, to } => write!(f, "device {from} → {to}"),
            Self::Source { path, changes } => {
                let place = path.as_ref().map(|path| format!(" in {}", path.shown()));
                let place = place.unwrap_or_default();
                match changes {
                    None => write!(f, "source changed{place}"),
                    Some(changes) if changes.first.is_empty() => {
                        let name = path.as_ref().map(|path| format!("{} ", path.shown()));
                        let name = name.unwrap_or_else(|| "file ".to_owned());
                        write!(f, "source: {name}changed")
                    }
                    Some(changes) => {
                        write!(
                            f,
                            "source: {changes}{place}, first: {}",
                            one_line(&changes.first)
                        )
                    }
                }
            }
            Self::Tool { name, from, to } => match (from, to) {
                (Some(ToolId::Content(_)), Some(ToolId::Content(_))) => {
                    write!(f, "program `{name}` changed")
                }
                (Some(from), Some(to)) => write!(f, "program `{name}` {from} → {to}"),
                (None, Some(to)) => write!(f, "program `{name}` added: {to}"),
                (_, None) => write!(f, "program `{name}` removed"),
            },
            Self::Input { role } => write!(f, "input `{role}` changed"),
            Self::Index { role, from, to } => {
                write!(f, "the index of input `{role}` changed: {from} → {to}")
            }
        }
    }
}

impl fmt::Display for ParamChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match (&self.from, &self.to) {
            (None, Some(to)) => write!(f, "{path} added: {}", shown(to)),
            (Some(_), None) => write!(f, "{path} removed"),
            (from, to) => {
                let text = |value: &Option<Value>| value.as_ref().map(text).unwrap_or_default();
                let (from, to) = (text(from), text(to));
                let skipped = skipped(&from, &to);
                let (from, to) = (cut(&from, skipped), cut(&to, skipped));
                write!(f, "{path} {from} → {to}")
            }
        }
    }
}

/// Formatted as `2 files changed, 1 added`.
impl fmt::Display for SourceChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.changed, "changed"),
            (self.added, "added"),
            (self.removed, "removed"),
        ];
        for (position, (count, what)) in counts.iter().filter(|(n, _)| *n > 0).enumerate() {
            let files = if *count == 1 { "file" } else { "files" };
            match position {
                0 => write!(f, "{count} {files} {what}")?,
                _ => write!(f, ", {count} {what}")?,
            }
        }
        Ok(())
    }
}

/// Longest value to show, in characters.
const LONGEST: usize = 32;

/// Equal characters to show before the first difference of two long values.
const CONTEXT: usize = 8;

/// Formats a value: strings without quotes, sources by the start of their digest, long values truncated.
fn shown(value: &Value) -> String {
    cut(&text(value), 0)
}

/// Formats a value in full: strings without quotes, sources by the start of their digest.
fn text(value: &Value) -> String {
    match (source_digest(value), value) {
        (Some(digest), _) => format!("source {}", digest.short()),
        (None, Value::String(text)) => text.clone(),
        (None, value) => value.to_string(),
    }
}

/// Returns the number of leading characters to leave out of both texts, so that their first difference is shown even
/// if they are truncated.
fn skipped(a: &str, b: &str) -> usize {
    let is_same = |(a, b): &(char, char)| a == b;
    let same = a.chars().zip(b.chars()).take_while(is_same).count();
    if same < LONGEST - 1 {
        0
    } else {
        same - CONTEXT
    }
}

/// Leaves out the first `skipped` characters of a text, and truncates the rest. `…` marks each.
fn cut(text: &str, skipped: usize) -> String {
    let rest: Vec<char> = text.chars().skip(skipped).collect();
    let start = if skipped > 0 { "…" } else { "" };
    let (kept, end) = match rest.len() > LONGEST {
        true => (&rest[..LONGEST - 1], "…"),
        false => (rest.as_slice(), ""),
    };
    format!("{start}{}{end}", kept.iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::ParamChange;

    #[test]
    fn the_first_difference_of_long_values_is_shown() {
        let change = |from: &str, to: &str| {
            ParamChange {
                path: "argv".to_owned(),
                from: Some(from.into()),
                to: Some(to.into()),
            }
            .to_string()
        };
        assert_eq!(change("a", "b"), "argv a → b");
        let long = "x".repeat(40);
        assert_eq!(
            change(&format!("a{long}"), &format!("b{long}")),
            format!("argv a{0}… → b{0}…", "x".repeat(30))
        );
        assert_eq!(
            change(&format!("{long}1 end"), &format!("{long}é end")),
            "argv …xxxxxxxx1 end → …xxxxxxxxé end"
        );
        assert_eq!(
            change(&long, &format!("{long}{long}")),
            format!("argv …xxxxxxxx → …{}…", "x".repeat(31))
        );
    }
}
