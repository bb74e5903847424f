//! Checks that the folds of a cross-validation have an effect.

use super::Catalogue;
use super::expand::Draft;
use crate::spec::{Diagnostic, Pipeline, suggest};

/// Returns `true` if the stage gets the fold of its copy of the pipeline: it can be divided, and does not set the
/// parameter itself.
pub(super) fn is_divided(draft: &Draft<'_>) -> bool {
    let written = |param| {
        let params = draft.params.as_ref()?;
        params.value.get(param)
    };
    let param = draft.kind.fold_param;
    param.is_some_and(|param| written(param).is_none())
}

/// Returns an error if `folds` is set, but no stage is divided.
pub(super) fn check(
    pipeline: &Pipeline,
    drafts: &[Draft<'_>],
    catalogue: &Catalogue,
) -> Option<Diagnostic> {
    let folds = pipeline.folds.as_ref()?;
    if drafts.iter().any(is_divided) {
        return None;
    }
    let message = "`folds` has no effect, because no stage divides images into folds";
    let own = drafts.iter().find_map(|draft| {
        let param = draft.kind.fold_param?;
        Some(format!(
            "remove `{param}` from the `params` of `{}`",
            draft.spec.name
        ))
    });
    let kinds = || {
        let kinds = catalogue.kinds.iter();
        let kinds = kinds.filter(|kind| kind.fold_param.is_some());
        let kinds: Vec<&str> = kinds.map(|kind| kind.name).collect();
        format!(
            "only stages of these kinds can: {}",
            suggest::quoted(&kinds)
        )
    };
    Some(Diagnostic::at(&folds.place, message).hint(own.unwrap_or_else(kinds)))
}
