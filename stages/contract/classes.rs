//! Names of classes: the positive class that follows from them, and names that do not exist.

use crate::Invalid;

/// Names of a class that is negative: the absence of what a classifier looks for.
const NEGATIVE: [&str; 17] = [
    "0",
    "absent",
    "background",
    "benign",
    "clean",
    "control",
    "controls",
    "false",
    "healthy",
    "neg",
    "negative",
    "no",
    "none",
    "normal",
    "other",
    "others",
    "unaffected",
];

/// Beginnings of such names: `no_finding`, `non-smoker`.
const PREFIXES: [&str; 4] = ["no", "non", "not", "without"];

/// Returns the index of the positive class if the names imply it: of two classes, exactly one has a well-known
/// negative name (`NORMAL`, `healthy`, `no_finding`, `0`). Case does not matter.
fn implied_positive(classes: &[String]) -> Option<usize> {
    match classes {
        [first, second] => match (is_negative(first), is_negative(second)) {
            (true, false) => Some(1),
            (false, true) => Some(0),
            (true, true) | (false, false) => None,
        },
        _ => None,
    }
}

/// Returns the warning about a positive class that is the last of `classes` only because none was chosen; `None` if the
/// names imply that class. The message continues a sentence that begins with the name of a stage; `param` is the parameter
/// that chooses the class.
pub fn positive_not_chosen(classes: &[String], param: &str) -> Option<Invalid> {
    let last = classes.len().checked_sub(1)?;
    let implied = implied_positive(classes);
    if implied == Some(last) {
        return None;
    }
    let class = &classes[last];
    let why = match implied {
        Some(implied) => format!(", although `{}` is probably meant", classes[implied]),
        None => String::new(),
    };
    let message = format!(
        "measures `f1`, `recall` and similar metrics of `{class}`, because it is the last class{why}"
    );
    let example = implied.map_or(class, |implied| &classes[implied]);
    Some(Invalid::new(message).hint(format!(
        "set `{param}: {example}` (or another class) at the top of the pipeline or in the stage's `params`"
    )))
}

fn is_negative(class: &str) -> bool {
    let name = class.trim().to_lowercase();
    let first = name.split(['_', '-', ' ']).next().unwrap_or_default();
    NEGATIVE.contains(&name.as_str()) || (first != name && PREFIXES.contains(&first))
}

/// Returns the error about the name of a class that the images do not have.
pub fn unknown_class(name: &str, classes: &[String]) -> Invalid {
    let known: Vec<String> = classes.iter().map(|class| format!("`{class}`")).collect();
    let error = Invalid::new(format!("`{name}` is not a class of the images"));
    error.hint(format!("the classes are {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::{implied_positive, positive_not_chosen};

    #[test]
    fn one_negative_name_of_two_implies_the_other_class() {
        let implied = |classes: &[&str]| {
            let classes: Vec<String> = classes.iter().map(|&class| class.to_owned()).collect();
            implied_positive(&classes)
        };
        for (classes, positive) in [
            (["NORMAL", "PNEUMONIA"], Some(1)),
            (["Malignant", "benign"], Some(0)),
            (["0", "1"], Some(1)),
            (["no_finding", "nodule"], Some(1)),
            (["Without mask", "mask"], Some(1)),
            (["cat", "dog"], None),
            (["negative", "normal"], None),
            (["nodule", "notch"], None),
            (["bacteria", "virus"], None),
        ] {
            assert_eq!(implied(&classes), positive, "{classes:?}");
        }
        assert_eq!(implied(&["NORMAL", "BACTERIA", "VIRUS"]), None);
        assert_eq!(implied(&["NORMAL"]), None);
    }

    #[test]
    fn a_last_class_that_the_names_do_not_imply_is_a_warning() {
        let of = |classes: &[&str]| {
            let classes: Vec<String> = classes.iter().map(|&class| class.to_owned()).collect();
            let warning = positive_not_chosen(&classes, "positive")?;
            Some((warning.message, warning.hint.unwrap()))
        };
        assert_eq!(of(&["NORMAL", "PNEUMONIA"]), None);
        assert_eq!(of(&[]), None);
        let (message, hint) = of(&["PNEUMONIA", "NORMAL"]).unwrap();
        assert_eq!(
            message,
            "measures `f1`, `recall` and similar metrics of `NORMAL`, because it is the last class, although \
             `PNEUMONIA` is probably meant"
        );
        assert!(hint.starts_with("set `positive: PNEUMONIA` "), "{hint}");
        let (message, _) = of(&["A", "B", "C"]).unwrap();
        assert!(
            message.ends_with("of `C`, because it is the last class"),
            "{message}"
        );
    }
}
