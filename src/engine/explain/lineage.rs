//! [`Lineage`]: the actions that an artifact comes from, or those that used it, according to the records.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use serde_json::Value;

use crate::graph::ParseStage;
use crate::plan::{chosen_params, source_digest, source_len};
use store::keys::{Digest, Key};
use store::keys::{InputId, ToolId};
use store::{ActionRecord, Error, Store};

/// Actions and the links between them.
#[derive(Debug, Default)]
pub struct Lineage {
    /// The requested action first, then the others in the order in which they were found.
    pub actions: Vec<LineageAction>,
}

/// An action of a lineage.
#[derive(Clone, Debug)]
pub struct LineageAction {
    pub key: Key,
    /// `None` if the record does not exist any more.
    pub record: Option<ActionRecord>,
    /// Parameters that differ from their defaults. Sources are left out, unless they are inside lists.
    pub params: Vec<(String, Value)>,
    pub sources: Vec<SourceUse>,
    /// Links to further actions: upstream, the makers of its inputs; downstream, the consumers of its outputs.
    pub links: Vec<Link>,
}

impl LineageAction {
    /// Returns the programs that it ran.
    pub fn tools(&self) -> impl Iterator<Item = (&String, &ToolId)> {
        let record = self.record.iter();
        record.flat_map(|record| &record.fingerprint.tools)
    }
}

/// A source that an action read.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceUse {
    /// The parameter that names it: `source.folder.path`.
    pub param: String,
    pub digest: Digest,
    /// Number of files in it, if that was recorded.
    pub files: Option<usize>,
}

/// An artifact that one action made and another one used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The consumer's input.
    pub role: String,
    /// The producer's output.
    pub port: String,
    /// The action at the other end.
    pub key: Key,
}

/// Returns the actions upstream of `record`, starting with its own.
pub fn upstream(store: &Store, parse: ParseStage, record: &ActionRecord) -> Lineage {
    let mut lineage = Lineage::default();
    let mut seen = HashSet::from([record.action_key]);
    let mut open = VecDeque::from([(record.action_key, Some(record.clone()))]);
    while let Some((key, record)) = open.pop_front() {
        let mut action = action(store, parse, key, record);
        let fingerprint = action.record.as_ref().map(|record| &record.fingerprint);
        for (role, ids) in fingerprint.into_iter().flat_map(|f| &f.inputs) {
            for id in ids {
                let InputId::Action { key, port } = id else {
                    continue;
                };
                action.links.push(Link {
                    role: role.clone(),
                    port: port.clone(),
                    key: *key,
                });
                if seen.insert(*key) {
                    open.push_back((*key, store.recall(key)));
                }
            }
        }
        lineage.actions.push(action);
    }
    lineage
}

/// Returns the action of `record`, then those downstream of it: the actions that used its outputs (only its
/// output `port`, if given), those that used their outputs, and so on. An action counts if it read the same
/// content, even if a different action made that content.
pub fn downstream(
    store: &Store,
    parse: ParseStage,
    record: &ActionRecord,
    port: Option<&str>,
) -> Result<Lineage, Error> {
    let records: BTreeMap<Key, ActionRecord> = store
        .records()?
        .into_iter()
        .map(|record| (record.action_key, record))
        .collect();
    let mut uses: HashMap<Digest, Vec<(String, Key)>> = HashMap::new();
    for (key, record) in &records {
        for (role, ids) in &record.fingerprint.inputs {
            for tree in ids.iter().filter_map(|id| match id {
                InputId::Content { digest } => Some(*digest),
                InputId::Action { key, port } => records.get(key)?.outputs.get(port).copied(),
            }) {
                uses.entry(tree).or_default().push((role.clone(), *key));
            }
        }
    }
    // Oldest first.
    for consumers in uses.values_mut() {
        consumers.sort_by_key(|(role, key)| (&records[key].finished, role.clone(), *key));
    }
    let mut lineage = Lineage::default();
    let mut seen = HashSet::from([record.action_key]);
    let mut open = VecDeque::from([(record.action_key, Some(record.clone()), port)]);
    while let Some((key, record, port)) = open.pop_front() {
        let mut action = action(store, parse, key, record);
        let outputs = action.record.as_ref().map(|record| &record.outputs);
        for (of, tree) in outputs.into_iter().flatten() {
            if port.is_some_and(|port| port != of) {
                continue;
            }
            for (role, consumer) in uses.get(tree).into_iter().flatten() {
                action.links.push(Link {
                    role: role.clone(),
                    port: of.clone(),
                    key: *consumer,
                });
                if seen.insert(*consumer) {
                    open.push_back((*consumer, records.get(consumer).cloned(), None));
                }
            }
        }
        lineage.actions.push(action);
    }
    Ok(lineage)
}

fn action(
    store: &Store,
    parse: ParseStage,
    key: Key,
    record: Option<ActionRecord>,
) -> LineageAction {
    let mut params = Vec::new();
    let mut sources = Vec::new();
    if let Some(record) = &record {
        for (name, value) in chosen_params(parse, &record.fingerprint) {
            sources.extend(sources_in(store, &name, &value));
            params.extend(without_sources(value).map(|value| (name, value)));
        }
    }
    LineageAction {
        key,
        record,
        params,
        sources,
        links: Vec::new(),
    }
}

/// Returns the sources in a parameter.
fn sources_in(store: &Store, name: &str, value: &Value) -> Vec<SourceUse> {
    if let Some(digest) = source_digest(value) {
        return vec![SourceUse {
            param: name.to_owned(),
            digest,
            files: source_len(store, &digest),
        }];
    }
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| sources_in(store, &format!("{name}.{key}"), value))
            .collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .flat_map(|(index, value)| sources_in(store, &format!("{name}[{index}]"), value))
            .collect(),
        _ => Vec::new(),
    }
}

/// Removes the sources from a parameter, except for those inside lists. Returns `None` if nothing is left.
fn without_sources(value: Value) -> Option<Value> {
    match value {
        source if source_digest(&source).is_some() => None,
        Value::Object(map) => {
            let was_empty = map.is_empty();
            let entries = map.into_iter();
            let left = entries.filter_map(|(key, value)| Some((key, without_sources(value)?)));
            let left: serde_json::Map<String, Value> = left.collect();
            (was_empty || !left.is_empty()).then_some(Value::Object(left))
        }
        plain => Some(plain),
    }
}
