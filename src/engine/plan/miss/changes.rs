//! Compares two fingerprints.

use contract::{IndexEntry, Segment, Source};
use serde_json::Value;

use super::{Change, ParamChange, SourceChanges};
use crate::plan::source::{Listing, source_digest};
use store::Store;
use store::keys::Fingerprint;

/// Returns all differences between two fingerprints, the most telling first: kind and versions,
/// parameters, seed, device and processor, sources, programs, inputs. `sources` are those of the stage of `to`;
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
    } else if from.processor != to.processor {
        let (from, to) = (from.processor.clone(), to.processor.clone());
        found.push(Change::Processor { from, to });
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
