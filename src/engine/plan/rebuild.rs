//! Reconstructs stages from fingerprints.

use contract::{ArtifactType, Port, Stage};
use serde_json::Value;

use super::source::source_digest;
use crate::graph::{Catalogue, ParseStage};
use store::keys::Fingerprint;

/// Returns the stage that a fingerprint describes. A fingerprint has no paths of sources, so the stage cannot run;
/// only methods that read no files may be called. `None` if the kind can no longer parse the parameters.
pub fn rebuild(parse: ParseStage, fingerprint: &Fingerprint) -> Option<Box<dyn Stage>> {
    parse(&fingerprint.kind, with_paths(&fingerprint.params)).ok()
}

/// Returns the output ports of a fingerprint's stage that hold metrics.
pub fn metrics_ports(catalogue: &Catalogue, fingerprint: &Fingerprint) -> Vec<String> {
    let ports: Vec<Port> = match catalogue.kind(&fingerprint.kind) {
        Some(kind) if kind.declares_ports => rebuild(catalogue.parse, fingerprint)
            .map(|stage| stage.outputs())
            .unwrap_or_default(),
        Some(kind) => kind.outputs.iter().map(Port::from).collect(),
        None => Vec::new(),
    };
    let ports = ports.into_iter();
    let metrics = ports.filter(|port| port.yields == ArtifactType::Metrics);
    metrics.map(|port| port.name).collect()
}

/// Returns the parameters of a fingerprint that differ from their defaults, by name. Sources appear as in the
/// fingerprint. Returns all parameters if the kind can no longer parse them.
pub fn chosen_params(parse: ParseStage, fingerprint: &Fingerprint) -> Vec<(String, Value)> {
    let Some(params) = fingerprint.params.as_object() else {
        return Vec::new();
    };
    let given = with_paths(&fingerprint.params);
    let canonical = |params: Value| {
        let mut canonical = parse(&fingerprint.kind, params).ok()?.canonical();
        canonical.sort_all_objects();
        Some(canonical)
    };
    let whole = canonical(given.clone());
    let is_default = |name: &str| {
        let mut fewer = given.clone();
        let removed = fewer.as_object_mut().and_then(|map| map.shift_remove(name));
        removed.is_some() && whole.is_some() && canonical(fewer) == whole
    };
    let chosen = params.iter().filter(|(name, _)| !is_default(name));
    chosen
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Returns the parameters with a placeholder path for each source.
fn with_paths(params: &Value) -> Value {
    match params {
        source if source_digest(source).is_some() => Value::from("source"),
        // A source whose path is part of the key as well.
        Value::Object(map)
            if map.len() == 2
                && map
                    .get("content")
                    .is_some_and(|c| source_digest(c).is_some()) =>
        {
            map.get("path").cloned().unwrap_or_default()
        }
        Value::Object(map) => {
            let entries = map.iter();
            entries.map(|(k, v)| (k.clone(), with_paths(v))).collect()
        }
        Value::Array(list) => list.iter().map(with_paths).collect(),
        plain => plain.clone(),
    }
}
