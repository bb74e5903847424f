//! Values of profiles in the spelling in which [`promote`](super::promote) writes them, so that they can be compared.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::{Diagnostic, Node, Source, yaml};
use super::{SECTION, written};

/// Returns values as they are written to a profile, by key.
pub fn as_written(values: &[(String, Node)]) -> BTreeMap<String, String> {
    let values = values.iter();
    values
        .map(|(key, value)| (key.clone(), written::value(&written::spelled(value))))
        .collect()
}

/// Returns the values of a profile as they would be written, by key; empty if there is no such profile.
///
/// # Errors
/// If the text is not valid YAML.
pub fn profile_values(
    file: &Path,
    text: &str,
    profile: &str,
) -> Result<BTreeMap<String, String>, Diagnostic> {
    let source = Source::file(file, text);
    let document = yaml::parse(&source, source.given())?;
    let profiles = document.get(SECTION);
    let values = profiles.and_then(|profiles| profiles.get(profile));
    let entries = values.map(Node::entries).unwrap_or_default().iter();
    let values: Vec<(String, Node)> = entries
        .map(|entry| (entry.key.clone(), entry.value.clone()))
        .collect();
    Ok(as_written(&values))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::profile_values;

    #[test]
    fn equal_values_are_equal_in_any_layout() {
        let values = |text: &str| profile_values(Path::new("p.yaml"), text, "best").unwrap();
        let block = values("profiles:\n  best:\n    a: [1, x]\n    b: 1e-5\n    sweep: null\n");
        let flow = values("profiles: { best: { sweep: ~, b: 1e-5, a: [ 1, 'x' ] } }\n");
        assert_eq!(block, flow);
        assert_eq!(
            (block["a"].as_str(), block["b"].as_str()),
            ("[1, x]", "1e-5")
        );
        assert!(values("profiles: { other: { a: 1 } }\n").is_empty());
        assert!(values("version: 1\n").is_empty());
    }
}
