//! Expands stages into instances: one for every combination of matrix values, with its own parameters.

use contract::KindInfo;

use super::{Catalogue, InstanceName};
use crate::spec::{
    Diagnostic, Entry, Executor, Expansion, Node, Pipeline, Scope, StageSpec, Value, suggest,
};

/// Maximum number of instances in a pipeline.
const MAX_INSTANCES: usize = 10_000;

/// An instance whose references and parameters are not resolved yet.
pub(super) struct Draft<'a> {
    pub spec: &'a StageSpec,
    pub kind: &'static KindInfo,
    pub name: InstanceName,
    /// Interpolated parameters, in which models replace their names; a map, if there are any.
    pub params: Option<Entry>,
    /// Interpolated references; a map, if there are any.
    pub inputs: Option<Entry>,
}

impl Draft<'_> {
    /// Returns its executor: that of its stage, or the pipeline's.
    pub(super) fn executor(&self, pipeline: &Pipeline) -> Executor {
        let own = self.spec.executor.as_ref();
        own.unwrap_or(&pipeline.executor).clone()
    }
}

/// Returns all instances: stages in the order of the document, with the last axis of a matrix changing
/// fastest.
///
/// Errors are reported. A stage with errors has fewer instances, or none.
pub(super) fn expand<'a>(
    pipeline: &'a Pipeline,
    catalogue: &Catalogue,
    errors: &mut Vec<Diagnostic>,
) -> Vec<Draft<'a>> {
    let mut drafts = Vec::new();
    let mut expansion = Expansion::new();
    for spec in &pipeline.stages {
        let Some(kind) = catalogue.kind(&spec.kind) else {
            let known = catalogue.kinds.iter().map(|kind| kind.name);
            errors.push(
                Diagnostic::at(
                    &spec.kind_place,
                    format!("there is no stage kind `{}`", spec.kind),
                )
                .hint(suggest::hint("kinds", &spec.kind, known)),
            );
            continue;
        };
        let count = spec.matrix.iter().fold(1_usize, |count, axis| {
            count.saturating_mul(axis.values.len())
        });
        if drafts.len().saturating_add(count) > MAX_INSTANCES {
            errors.push(
                Diagnostic::at(
                    &spec.place,
                    format!("the pipeline has more than {MAX_INSTANCES} instances of stages"),
                )
                .note(format!("the matrix of this stage alone makes {count}")),
            );
            break;
        }
        let scope = &pipeline.scopes[spec.scope];
        for combination in 0..count {
            let axes = axes(spec, combination);
            let params = field(spec.params.as_ref(), scope, &axes, &mut expansion)
                .and_then(|params| with_models(params, kind, scope, &mut expansion));
            let inputs = field(spec.inputs.as_ref(), scope, &axes, &mut expansion);
            if let (Some(params), Some(inputs)) = (params, inputs) {
                let axes = axes.into_iter().map(|(axis, value)| {
                    let text = value.scalar_text().unwrap_or_default();
                    (axis, text)
                });
                let name = InstanceName {
                    stage: spec.name.clone(),
                    axes: axes.collect(),
                    copy: Vec::new(),
                };
                drafts.push(Draft {
                    spec,
                    kind,
                    name,
                    params,
                    inputs,
                });
            }
        }
    }
    errors.append(&mut expansion.errors);
    drafts
}

/// Returns the axes and values of one combination of a matrix.
fn axes(spec: &StageSpec, combination: usize) -> Vec<(String, Node)> {
    let mut rest = combination;
    let mut axes: Vec<_> = spec
        .matrix
        .iter()
        .rev()
        .map(|axis| {
            let (_, value) = &axis.values[rest % axis.values.len()];
            rest /= axis.values.len();
            (axis.name.clone(), value.clone())
        })
        .collect();
    axes.reverse();
    axes
}

/// Interpolates a stage's `params` or `inputs` for one instance. Returns `Some(None)` if there are none, and
/// `None` after an error.
fn field(
    field: Option<&Entry>,
    scope: &Scope,
    axes: &[(String, Node)],
    expansion: &mut Expansion,
) -> Option<Option<Entry>> {
    let Some(field) = field else {
        return Some(None);
    };
    expansion.charge(field.value.weight(), &field.key_place)?;
    let value = scope
        .vars
        .interpolate(&field.value, Some(axes), expansion)?;
    match value.value {
        Value::Null => Some(None),
        Value::Map(_) => Some(Some(Entry {
            value,
            ..field.clone()
        })),
        _ => {
            let message = format!("expected a map, found {}", value.describe());
            expansion.report(Diagnostic::at(&value.place, message))
        }
    }
}

/// Replaces the names of models with their layers. Returns `None` after an error.
fn with_models(
    mut params: Option<Entry>,
    kind: &KindInfo,
    scope: &Scope,
    expansion: &mut Expansion,
) -> Option<Option<Entry>> {
    let Some(Entry {
        value: Node {
            value: Value::Map(entries),
            ..
        },
        ..
    }) = &mut params
    else {
        return Some(params);
    };
    for entry in entries
        .iter_mut()
        .filter(|entry| kind.model_params.contains(&entry.key.as_str()))
    {
        let Some(name) = entry.value.as_text() else {
            continue;
        };
        let Some(model) = scope.models.iter().find(|model| model.key == name) else {
            let known = scope.models.iter().map(|model| model.key.as_str());
            let hint = suggest::hint("models", name, known)
                .unwrap_or("declare it under `models:`".to_owned());
            let error = Diagnostic::at(&entry.value.place, format!("there is no model `{name}`"));
            return expansion.report(error.hint(hint));
        };
        expansion.charge(model.value.weight(), &entry.value.place)?;
        let layers = splice(&model.value);
        let replaced_at = entry
            .value
            .replaced_at
            .take()
            .unwrap_or_else(|| entry.value.place.clone());
        entry.value = Node {
            replaced_at: Some(replaced_at),
            ..layers
        };
    }
    Some(params)
}

/// Flattens nested lists of layers, so that a var may contain several layers or none.
fn splice(model: &Node) -> Node {
    let Value::List(items) = &model.value else {
        return model.clone();
    };
    let items = items.iter().flat_map(|item| match &item.value {
        Value::List(_) => match splice(item).value {
            Value::List(items) => items,
            _ => Vec::new(),
        },
        _ => vec![item.clone()],
    });
    Node {
        value: Value::List(items.collect()),
        ..model.clone()
    }
}
