//! [`ParamView`] and [`SourceView`]: what a stage was told to do, and what it read from outside the store.

use engine::plan::{chosen_params, source_digest};
use serde_json::Value;
use store::keys::{Digest, Fingerprint, ToolId};

use super::cut;
use crate::reader::Reader;

/// A parameter of a stage, with defaults filled in.
#[derive(Clone, Debug)]
pub struct ParamView {
    pub name: String,
    pub value: String,
    /// `true` if it differs from its default.
    pub is_chosen: bool,
}

/// A file or folder from outside the store that a stage read, or a program that it ran.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceView {
    /// The parameter that names it: `source.folder.path`.
    pub param: String,
    /// Digest of its content, or the version of a program.
    pub digest: String,
}

impl SourceView {
    /// The beginning of a digest; anything else in full.
    pub fn short(&self) -> String {
        match self.digest.parse::<Digest>() {
            Ok(digest) => digest.short(),
            Err(_) => self.digest.clone(),
        }
    }
}

/// All parameters, those that differ from their defaults first.
pub(super) fn params(reader: Reader<'_>, fingerprint: &Fingerprint) -> Vec<ParamView> {
    let chosen = chosen_params(reader.catalogue.parse, fingerprint);
    let is_chosen = |name: &str| chosen.iter().any(|(known, _)| known == name);
    let all = fingerprint.params.as_object().into_iter().flatten();
    let mut params: Vec<ParamView> = all
        .map(|(name, value)| ParamView {
            name: name.clone(),
            value: cut(&shown(value)),
            is_chosen: is_chosen(name),
        })
        .collect();
    params.sort_by_key(|param| !param.is_chosen);
    params
}

/// A parameter's value: text as it is, everything else as JSON, and sources by the beginnings of their digests.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        Value::Array(layers) if layers.iter().any(Value::is_object) => {
            let lines: Vec<String> = layers.iter().map(layer).collect();
            lines.join("\n")
        }
        other => in_line(other),
    }
}

/// An entry of a list of layers: `conv: { filters: 16 }`, or `flatten`.
fn layer(value: &Value) -> String {
    let entries: Vec<_> = value.as_object().into_iter().flatten().collect();
    match entries.as_slice() {
        [(name, Value::Object(settings))] if settings.is_empty() => (*name).clone(),
        [(name, settings)] => format!("{name}: {}", in_line(settings)),
        _ => in_line(value),
    }
}

fn in_line(value: &Value) -> String {
    if let Some(digest) = source_digest(value) {
        return format!("content {}", digest.short());
    }
    match value {
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let entries = map
                .iter()
                .map(|(key, value)| format!("{key}: {}", in_line(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Array(list) => {
            let items: Vec<String> = list.iter().map(in_line).collect();
            format!("[{}]", items.join(", "))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The sources in a stage's parameters, and its programs.
pub(super) fn sources(fingerprint: &Fingerprint) -> Vec<SourceView> {
    let mut found = Vec::new();
    collect_sources("", &fingerprint.params, &mut found);
    let tools = fingerprint.tools.iter();
    found.extend(tools.map(|(name, tool)| SourceView {
        param: format!("program {name}"),
        digest: match tool {
            ToolId::Content(digest) => digest.to_string(),
            other => other.to_string(),
        },
    }));
    found
}

fn collect_sources(name: &str, value: &Value, found: &mut Vec<SourceView>) {
    if let Some(digest) = source_digest(value) {
        found.push(SourceView {
            param: name.to_owned(),
            digest: digest.to_string(),
        });
        return;
    }
    let below = |key: &str| match name {
        "" => key.to_owned(),
        name => format!("{name}.{key}"),
    };
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                collect_sources(&below(key), value, found);
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                collect_sources(&format!("{name}[{at}]"), value, found);
            }
        }
        _ => {}
    }
}
