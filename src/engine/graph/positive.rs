//! Checks the positive class of stages that measure a classifier, as far as the names of the classes are known before
//! the run.

use contract::{Invalid, implied_positive};

use super::Instance;
use super::instance::Params;
use crate::spec::{Diagnostic, suggest};

/// Reports positive classes that do not exist as errors, and those that were not chosen and do not follow from the
/// names of the classes as warnings.
pub(super) fn check(
    instances: &[Option<Instance>],
    errors: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
) {
    for instance in instances.iter().flatten() {
        let (Some(param), Some(classes)) = (instance.kind.positive_param, &instance.classes) else {
            continue;
        };
        let params = &instance.params;
        match instance.stage.canonical()[param].as_str() {
            Some(chosen) => errors.extend(unknown(params, param, chosen, classes)),
            None => warnings.extend(not_chosen(instance, param, classes)),
        }
    }
}

fn unknown(params: &Params, param: &str, chosen: &str, classes: &[String]) -> Option<Diagnostic> {
    if classes.iter().any(|class| class == chosen) {
        return None;
    }
    let message = format!("`{param}` is `{chosen}`, which is not a class of the images");
    let error = params.diagnose(&Invalid::new(message).under(param));
    let known = classes.iter().map(String::as_str);
    Some(error.hint(suggest::hint("classes", chosen, known)))
}

fn not_chosen(instance: &Instance, param: &str, classes: &[String]) -> Option<Diagnostic> {
    let last = classes.len().checked_sub(1)?;
    let implied = implied_positive(classes);
    if implied == Some(last) {
        return None;
    }
    let (name, class) = (&instance.name.stage, &classes[last]);
    let why = match implied {
        Some(implied) => format!(", although `{}` is probably meant", classes[implied]),
        None => String::new(),
    };
    let message = format!(
        "`{name}` measures `f1`, `recall` and similar metrics of `{class}`, because it is the last class{why}"
    );
    let example = implied.map_or(class, |implied| &classes[implied]);
    let hint = format!(
        "set `{param}: {example}` (or another class) at the top of the pipeline or in the stage's `params`"
    );
    Some(Diagnostic::at(&instance.params.stage, message).hint(hint))
}
