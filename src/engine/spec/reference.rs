//! Resolves references to stages by name, relative to the file that contains the reference.

use super::stage::StageSpec;
use super::{Diagnostic, Pipeline, Place, suggest};

impl Pipeline {
    /// Resolves the stage at the start of a reference. Returns the stage, its name as written, and what
    /// follows the name: `base.xrays.train` gives the stage `base.xrays` and the port `train`. `scope` is the
    /// scope of the file that contains the reference.
    pub(crate) fn refer<'a>(
        &self,
        scope: usize,
        reference: &'a str,
    ) -> Option<(&StageSpec, &'a str, Option<&'a str>)> {
        let prefix = self.scopes[scope].prefix.as_str();
        // Try the longest name first. A stage's name contains dots only after names of included files.
        let dots = reference.rmatch_indices('.').map(|(dot, _)| dot);
        [reference.len()].into_iter().chain(dots).find_map(|end| {
            let name = &reference[..end];
            let stage = match prefix {
                "" => self.positions.get(name)?,
                prefix => self.positions.get(&format!("{prefix}{name}"))?,
            };
            Some((&self.stages[*stage], name, reference.get(end + 1..)))
        })
    }

    /// Splits a reference that begins with the name of an instance: `evaluate[0.1].f1` gives the stage, its name as
    /// written, `evaluate`, and the name of the instance, `evaluate[0.1]`.
    pub(crate) fn instance<'a>(
        &self,
        scope: usize,
        reference: &'a str,
    ) -> Option<(&StageSpec, &'a str, &'a str)> {
        let (name, after) = reference.split_once('[')?;
        let end = name.len() + 1 + after.find(']')?;
        match self.refer(scope, name)? {
            (stage, name, None) => Some((stage, name, &reference[..=end])),
            // The brackets belong to the name of a metric.
            (_, _, Some(_)) => None,
        }
    }

    /// `true` if a reference begins with the name of a stage or an included file that could not be read. That
    /// error has been reported already.
    pub(crate) fn is_broken(&self, scope: usize, reference: &str) -> bool {
        let prefix = &self.scopes[scope].prefix;
        let whole = format!("{prefix}{reference}");
        self.broken.iter().any(|broken| {
            let rest = whole.strip_prefix(broken.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    /// Returns the error for a reference that does not begin with the name of a stage.
    pub(crate) fn unknown_stage(&self, scope: usize, reference: &str, place: &Place) -> Diagnostic {
        // Values in brackets may contain dots.
        let reference = reference.split('[').next().unwrap_or(reference);
        let prefix = self.scopes[scope].prefix.as_str();
        let stages = self.stages.iter();
        let known = || {
            stages
                .clone()
                .filter_map(|stage| stage.name.strip_prefix(prefix))
        };
        // The unknown name ends with the first part that is not the name of an included file.
        let dots = reference.match_indices('.').map(|(dot, _)| dot);
        let mut ends = dots.chain([reference.len()]);
        let unknown = ends.find(|&end| {
            let within = |name: &str| {
                let rest = name.strip_prefix(&reference[..end]);
                rest.is_some_and(|rest| rest.starts_with('.'))
            };
            !known().any(within)
        });
        let name = &reference[..unknown.unwrap_or(reference.len())];
        Diagnostic::at(&place.find(name), format!("there is no stage `{name}`"))
            .hint(suggest::hint("stages", name, known()))
    }
}
