//! Units of metrics, from their declarations.

use std::collections::BTreeMap;

use contract::{MetricInfo, Metrics};

/// Returns the units of the measured metrics that declare one, by name.
pub(super) fn units(
    declared: Option<&[MetricInfo]>,
    measured: &Metrics,
) -> BTreeMap<String, String> {
    let declared = declared.unwrap_or_default();
    let unit = |name: &String| {
        let unit = MetricInfo::find(declared, name)?.info.unit.as_ref()?;
        Some((name.clone(), unit.clone().into_owned()))
    };
    match declared.iter().any(|info| info.unit.is_some()) {
        true => measured.keys().filter_map(unit).collect(),
        false => BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use contract::{ANY, Metric, MetricInfo};

    use super::units;

    #[test]
    fn metrics_of_a_class_have_the_unit_of_the_metric() {
        let declared = [
            MetricInfo::new("support", "", ANY)
                .unit("images")
                .of_positive(),
            MetricInfo::new("f1", "", ANY).of_positive(),
        ];
        let names = ["support", "support[A]", "f1", "other"];
        let measured = names.map(|name| (name.to_owned(), Metric::new(1.0, None)));
        let found = units(Some(&declared), &measured.into());
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(n, u)| (n.as_str(), u.as_str()))
            .collect();
        assert_eq!(found, [("support", "images"), ("support[A]", "images")]);
    }
}
