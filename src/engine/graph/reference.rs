//! Reads references to a stage or to one of its instances, and finds the port that they mean.

use contract::Port;

use super::ports::{self, Outputs};
use crate::spec::{Axis, Diagnostic, Pipeline, Place, StageSpec, suggest};

/// A reference, split into its parts.
pub(super) struct Referred<'a, 't> {
    pub(super) spec: &'a StageSpec,
    /// The stage's name as written.
    pub(super) name: &'t str,
    pub(super) port: Option<&'t str>,
    /// Axes and values of the instance that the reference names; `None` if it names the whole stage. The axes have these
    /// values.
    pub(super) axes: Option<Vec<(String, String)>>,
}

/// Splits a reference such as `cnn`, `cnn.model` or `cnn[model1].model`. `scope` is the scope of the file that contains
/// it.
///
/// # Errors
/// `None` if the stage has an error of its own.
pub(super) fn read<'a, 't>(
    pipeline: &'a Pipeline,
    scope: usize,
    text: &'t str,
    written: &Place,
) -> Result<Referred<'a, 't>, Option<Diagnostic>> {
    if let Some((spec, name, port)) = pipeline.refer(scope, text) {
        return Ok(Referred {
            spec,
            name,
            port,
            axes: None,
        });
    }
    let bracketed = text.split_once('[').and_then(|(name, after)| {
        let (spec, name, rest) = pipeline.refer(scope, name)?;
        rest.is_none().then_some((spec, name, after))
    });
    match bracketed {
        Some((spec, name, after)) => Ok(instance(spec, name, after, (text, written))?),
        None if pipeline.is_broken(scope, text) => Err(None),
        None => Err(Some(pipeline.unknown_stage(scope, text, written))),
    }
}

/// Reads a reference to one instance of a stage. `after` is the part after the opening bracket.
fn instance<'a, 't>(
    spec: &'a StageSpec,
    name: &'t str,
    after: &'t str,
    (text, written): (&str, &Place),
) -> Result<Referred<'a, 't>, Diagnostic> {
    let malformed = || {
        let message = format!("expected `STAGE[VALUES].PORT` or `STAGE[VALUES]`, found `{text}`");
        Diagnostic::at(written, message)
    };
    let (values, rest) = after.split_once(']').ok_or_else(malformed)?;
    let port = match rest.strip_prefix('.') {
        Some(port) if !port.is_empty() => Some(port),
        None if rest.is_empty() => None,
        _ => return Err(malformed()),
    };
    let axes = axes(spec, name, values, written)?;
    check_values(spec, &axes, written)?;
    Ok(Referred {
        spec,
        name,
        port,
        axes: Some(axes),
    })
}

/// Checks that the axes of a stage have these values.
fn check_values(
    stage: &StageSpec,
    axes: &[(String, String)],
    written: &Place,
) -> Result<(), Diagnostic> {
    let mut values = stage.matrix.iter().zip(axes);
    let unknown = values.find(|(axis, (_, value))| !has_value(axis, value));
    match unknown {
        None => Ok(()),
        Some((axis, (_, value))) => Err(unknown_value(axis, value, written)),
    }
}

/// Returns the error about a value that an axis does not have.
pub(super) fn unknown_value(axis: &Axis, value: &str, written: &Place) -> Diagnostic {
    let known = axis.values.iter().map(|(text, _)| text.as_str());
    let message = format!("the axis `{}` has no value `{value}`", axis.name);
    Diagnostic::at(&place(written, value), message).hint(suggest::hint("values", value, known))
}

/// Returns the axes of a stage with the values in brackets, `text`: in the order of the axes, or as `AXIS=VALUE`. `name` is
/// the stage's name as written.
pub(super) fn axes(
    stage: &StageSpec,
    name: &str,
    text: &str,
    written: &Place,
) -> Result<Vec<(String, String)>, Diagnostic> {
    let values: Vec<&str> = text.split(',').map(str::trim).collect();
    if values.len() != stage.matrix.len() {
        let axes: Vec<&str> = stage.matrix.iter().map(|axis| axis.name.as_str()).collect();
        let error = |message| Diagnostic::at(&place(written, text), message);
        return Err(match axes.as_slice() {
            [] => error(format!("`{name}` has no axes"))
                .hint(format!("write `{name}` without `[{text}]`")),
            axes => {
                let names = axes.join(",").to_uppercase();
                let message = format!(
                    "`{name}[{text}]` is not an instance: `{name}` has the axes {}",
                    suggest::quoted(axes)
                );
                error(message).hint(format!(
                    "write `{name}[{names}]` for one instance, or `{name}` for all"
                ))
            }
        });
    }
    let axes = stage.matrix.iter().zip(&values);
    let axes = axes.map(|(axis, value)| {
        let mut named = values.iter().filter_map(|value| value.split_once('='));
        // A value may itself contain `=`.
        let value = match named.find(|(name, _)| *name == axis.name) {
            Some((_, named)) if !has_value(axis, value) => named,
            _ => value,
        };
        (axis.name.clone(), value.to_owned())
    });
    Ok(axes.collect())
}

/// Returns `true` if an axis has a value.
pub(super) fn has_value(axis: &Axis, value: &str) -> bool {
    axis.values.iter().any(|(known, _)| known == value)
}

/// Returns the place of `text`, which is in brackets within a reference.
pub(super) fn place(written: &Place, text: &str) -> Place {
    let inside = written.text().find('[').map(|_| written.find("["));
    match inside {
        Some(bracket) => bracket.to(written).find(text),
        None => written.find(text),
    }
}

/// Returns the port that a reference means, which is the primary one if it names none. `name` is the stage's
/// name in the reference.
pub(super) fn output<'p>(
    stage: &ports::Stage<'_>,
    outputs: &'p Outputs,
    name: &str,
    port: Option<&str>,
    place: &Place,
) -> Result<&'p Port, Diagnostic> {
    match port {
        Some(port) => outputs.named(port).ok_or_else(|| {
            let known = outputs.iter().map(|output| output.name.as_str());
            Diagnostic::at(
                &place.find(port),
                format!("`{name}` has no output `{port}`"),
            )
            .hint(suggest::hint("outputs", port, known))
        }),
        None => stage.primary(outputs).ok_or_else(|| {
            if outputs.is_empty() {
                return Diagnostic::at(place, format!("`{name}` has no outputs"));
            }
            let outputs = outputs.iter();
            let full: Vec<String> = outputs.map(|p| format!("`{name}.{}`", p.name)).collect();
            Diagnostic::at(
                place,
                format!("`{name}` has several outputs, so the reference must name one of them"),
            )
            .hint(format!("write one of {}", full.join(", ")))
        }),
    }
}
