//! Chooses the metrics that are shown first.

use contract::{MetricInfo, Metrics};

/// Returns the names of the metrics to show first, and whether they are shown only if nothing else was measured.
///
/// | stage | headline |
/// | --- | --- |
/// | declares headline metrics, such as `evaluate` | these, in the order declared |
/// | a program that declares none of its metrics as a headline | all its metrics, the declared ones first |
/// | another built-in kind, such as a training | its metrics with a direction; they are secondary |
pub(super) fn headline(
    is_program: bool,
    declared: Option<&[MetricInfo]>,
    metrics: &Metrics,
) -> (Vec<String>, bool) {
    let declared = declared.unwrap_or_default();
    let measured = |info: &&MetricInfo| metrics.contains_key(&*info.name);
    let names = |infos: &mut dyn Iterator<Item = &MetricInfo>| -> Vec<String> {
        infos.map(|info| info.name.to_string()).collect()
    };
    let headline = names(
        &mut declared
            .iter()
            .filter(measured)
            .filter(|info| info.headline),
    );
    if !headline.is_empty() {
        return (headline, false);
    }
    if is_program {
        let mut all = names(&mut declared.iter().filter(measured));
        let others = metrics.keys().filter(|name| !all.contains(name));
        let others: Vec<String> = others.cloned().collect();
        all.extend(others);
        return (all, false);
    }
    let directed = |info: &&MetricInfo| info.direction.is_some();
    let secondary = names(&mut declared.iter().filter(measured).filter(directed));
    (secondary, true)
}

#[cfg(test)]
mod tests {
    use contract::{ANY, Metric, MetricInfo, Metrics};

    use super::headline;

    fn metrics(names: &[&str]) -> Metrics {
        let names = names.iter();
        names
            .map(|name| ((*name).to_owned(), Metric::new(1.0, None)))
            .collect()
    }

    #[test]
    fn declared_headlines_come_first_and_all_metrics_of_a_program_are_headlines() {
        let declared = [
            MetricInfo::new("loss", "", ANY).minimized(),
            MetricInfo::new("f1", "", ANY).headline(),
            MetricInfo::new("absent", "", ANY).headline(),
        ];
        let measured = metrics(&["f1", "loss", "a"]);
        assert_eq!(
            headline(true, Some(&declared), &measured),
            (vec!["f1".to_owned()], false)
        );
        let all = ["loss", "a", "f1"].map(str::to_owned).to_vec();
        assert_eq!(
            headline(true, Some(&declared[..1]), &measured),
            (all, false)
        );
        assert_eq!(
            headline(false, Some(&declared[..1]), &measured),
            (vec!["loss".to_owned()], true)
        );
        assert_eq!(headline(false, None, &measured), (Vec::new(), true));
    }
}
