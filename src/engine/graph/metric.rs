//! [`PortMetric`]: a metric of a stage, as named in tables and expectations. Names and expected values are checked
//! against the metrics that the stage declares.

use std::fmt;

use contract::{ArtifactType, Declared, MetricInfo, class_of, name_of_class};

use super::empty_input::EmptyInput;
use super::ports::Stage;
use crate::spec::{Bounds, Diagnostic, Place, suggest};

/// A metric on a port of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PortMetric {
    /// `None` for the first port with metrics, which tables show.
    pub port: Option<String>,
    pub name: String,
}

/// Writes `f1`, or `history.loss`.
impl fmt::Display for PortMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.port {
            Some(port) => write!(f, "{port}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Fails if a stage has no output with metrics, or with `Err(None)` if its outputs are not known. `name` is
/// the stage's name at `place`.
pub(super) fn measures(
    declared: &Stage<'_>,
    name: &str,
    place: &Place,
) -> Result<(), Option<Diagnostic>> {
    if declared.yields(ArtifactType::Metrics).ok_or(None)? {
        return Ok(());
    }
    let kind = declared.kind;
    let why = if kind.declares_ports {
        "it does not declare any".to_owned()
    } else {
        format!("a stage of kind `{}` does not measure any", kind.name)
    };
    Err(Some(Diagnostic::at(
        &place.find(name),
        format!("`{name}` has no metrics: {why}"),
    )))
}

/// Resolves the name of a metric: `f1`, or `history.loss` with the name of its port.
pub(super) fn named(
    declared: &Stage<'_>,
    text: &str,
    place: &Place,
) -> Result<PortMetric, Option<Diagnostic>> {
    let outputs = declared.outputs.as_deref().unwrap_or_default();
    let named = text.split_once('.').and_then(|(port, name)| {
        let port = declared.outputs.as_ref()?.named(port)?;
        (!name.is_empty()).then_some((port, name))
    });
    match named {
        Some((port, name)) if port.yields == ArtifactType::Metrics => {
            let mut metrics = outputs.iter();
            let first = metrics.find(|output| output.yields == ArtifactType::Metrics);
            let is_first = first.is_some_and(|first| first.name == port.name);
            Ok(PortMetric {
                port: (!is_first).then(|| port.name.clone()),
                name: name.to_owned(),
            })
        }
        // The names of a program's metrics may contain dots.
        Some((port, _)) if !declared.kind.declares_ports => {
            let port = &port.name;
            let message = format!("the output `{port}` of `{}` has no metrics", declared.name);
            Err(Some(Diagnostic::at(&place.find(port), message)))
        }
        _ => Ok(PortMetric {
            port: None,
            name: text.to_owned(),
        }),
    }
}

/// Finds the declaration of a metric; `None` if the stage does not declare its metrics.
pub(super) fn declared<'a>(
    stage: &'a Stage<'_>,
    metric: &'a PortMetric,
    place: &Place,
) -> Result<Option<Declared<'a>>, Diagnostic> {
    let declared = stage.metrics(metric.port.as_deref());
    let Some(declared) = declared else {
        return Ok(None);
    };
    let found = find(declared, stage.name, &metric.name, place)?;
    check(
        &found,
        stage.name,
        stage.classes.as_deref(),
        &stage.empty_inputs,
        place,
    )?;
    Ok(Some(found))
}

/// Returns an error if a declared metric of `stage` will certainly not exist: its class is not one of `classes`, or it
/// needs an input without images.
pub(crate) fn check(
    found: &Declared<'_>,
    stage: &str,
    classes: Option<&[String]>,
    empty_inputs: &[EmptyInput],
    place: &Place,
) -> Result<(), Diagnostic> {
    check_class(found, classes, place)?;
    let name = &found.info.name;
    let mut empty = empty_inputs.iter();
    let Some(needed) = empty.find(|input| Some(input.role) == found.info.needs) else {
        return Ok(());
    };
    let message = format!("`{stage}` will not measure `{name}`: {}", needed.why);
    Err(Diagnostic::at(&place.find(name), message).hint(needed.hint.clone()))
}

/// Returns an error if a metric is that of a class that the images do not have.
fn check_class(
    Declared { info, class }: &Declared<'_>,
    classes: Option<&[String]>,
    place: &Place,
) -> Result<(), Diagnostic> {
    let (Some(class), Some(classes)) = (class, classes) else {
        return Ok(());
    };
    if classes.iter().any(|known| known == class) {
        return Ok(());
    }
    let known = classes.iter().map(String::as_str);
    let message = format!("`{class}` is not a class of the images");
    let name = name_of_class(&info.name, class);
    let error = Diagnostic::at(&place.find(&name), message);
    Err(error.hint(suggest::hint("classes", class, known)))
}

/// Finds the declaration of the metric `name` among those of a stage.
///
/// # Errors
/// If there is none.
pub(crate) fn find<'a>(
    declared: &'a [MetricInfo],
    stage: &str,
    name: &'a str,
    place: &Place,
) -> Result<Declared<'a>, Diagnostic> {
    if let Some(found) = MetricInfo::find(declared, name) {
        return Ok(found);
    }
    let at = |message: String| Diagnostic::at(&place.find(name), message);
    let names = |infos: &mut dyn Iterator<Item = &MetricInfo>| -> Vec<String> {
        infos.map(|info| info.name.clone().into_owned()).collect()
    };
    let Some((base, class)) = class_of(name) else {
        let known = names(&mut declared.iter());
        let hint = suggest::hint("metrics", name, known.iter().map(String::as_str));
        return Err(at(format!("`{stage}` has no metric `{name}`")).hint(hint));
    };
    let per_class = names(&mut declared.iter().filter(|info| info.per_class));
    if let Some(nearest) = suggest::nearest(base, per_class.iter().map(String::as_str)) {
        let meant = name_of_class(nearest, class);
        let error = at(format!("`{stage}` has no metric `{name}`"));
        return Err(error.hint(format!("did you mean `{meant}`?")));
    }
    let of_class: Vec<String> = per_class
        .iter()
        .map(|metric| name_of_class(metric, class))
        .collect();
    let hint = suggest::hint(
        "metrics of one class",
        name,
        of_class.iter().map(String::as_str),
    );
    Err(at(format!("`{stage}` has no metric `{base}` of one class")).hint(hint))
}

/// Returns an error if no value in the range of a metric can be as expected.
pub(super) fn check_bounds(
    Declared { info, .. }: &Declared<'_>,
    bounds: &Bounds,
    place: &Place,
) -> Result<(), Diagnostic> {
    let [least, most] = info.range;
    let wanted = match *bounds {
        Bounds::Near { value, .. } => value,
        // A bound on the other side of the range is always met.
        Bounds::AtLeast { at_least } => at_least.max(least),
        Bounds::AtMost { at_most } => at_most.min(most),
        Bounds::Between { at_least, .. } if at_least > most => at_least,
        Bounds::Between { at_most, .. } => at_most.min(most),
    };
    let why = match bounds {
        Bounds::Near { value, .. } => format!("{value} cannot be its value"),
        Bounds::Between { .. } | Bounds::AtLeast { .. } | Bounds::AtMost { .. } => {
            "the expectation can never be met".to_owned()
        }
    };
    check_value(info, wanted, &why, place)
}

/// Returns an error if a reference value is not in the range of a metric.
pub(super) fn check_value(
    info: &MetricInfo,
    value: f64,
    why: &str,
    place: &Place,
) -> Result<(), Diagnostic> {
    if info.admits(value) {
        return Ok(());
    }
    let name = &info.name;
    let message = format!("`{name}` is {}, so {why}", range(info.range));
    let is_percentage = info.range == contract::SHARE && (1.0..=100.0).contains(&value);
    let hint = is_percentage.then(|| format!("write a share, such as {}", value / 100.0));
    Err(Diagnostic::at(place, message).hint(hint))
}

/// Formats a range as `between 0 and 1` or `at least 0`.
pub(crate) fn range([least, most]: [f64; 2]) -> String {
    match (least.is_finite(), most.is_finite()) {
        (true, true) => format!("between {least} and {most}"),
        (true, false) => format!("at least {least}"),
        (false, true) => format!("at most {most}"),
        (false, false) => "any number".to_owned(),
    }
}
