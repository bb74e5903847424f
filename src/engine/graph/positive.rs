//! Checks the positive class of stages that measure a classifier, as far as the names of the classes are known before
//! the run.

use contract::{Invalid, positive_not_chosen};

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
    let warning = positive_not_chosen(classes, param)?;
    let message = format!("`{}` {}", instance.name.stage, warning.message);
    Some(Diagnostic::at(&instance.params.stage, message).hint(warning.hint))
}
