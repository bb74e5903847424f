//! [`PortMetric`]: a metric of a stage, as named in tables and expectations.

use std::fmt;

use contract::ArtifactType;

use super::ports::Stage;
use crate::spec::{Diagnostic, Place};

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
