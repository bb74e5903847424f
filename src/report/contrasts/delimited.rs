//! Contrasts as CSV: additional fields at the end of a table's lines.

use contract::analysis::CorrectedContrast;
use engine::run::contrasts::ColumnContrasts;

/// Names of the fields for one column.
const FIELDS: [&str; 9] = [
    "against",
    "difference",
    "difference low",
    "difference high",
    "p",
    "p holm",
    "pairs",
    "images",
    "over",
];

/// Names of the additional fields if McNemar's test was run.
const MCNEMAR_FIELDS: [&str; 2] = ["mcnemar p", "mcnemar p holm"];

/// Names of the additional fields if DeLong's test was run.
const DELONG_FIELDS: [&str; 2] = ["delong p", "delong p holm"];

/// Names of the fields that [`fields`] returns.
pub fn header(columns: &[ColumnContrasts]) -> Vec<String> {
    let names = |contrasts: &ColumnContrasts| {
        let mcnemar = contrasts.has_mcnemar().then_some(MCNEMAR_FIELDS);
        let delong = contrasts.has_delong().then_some(DELONG_FIELDS);
        let tests = [mcnemar, delong].into_iter().flatten().flatten();
        let names = FIELDS.into_iter().chain(tests);
        names
            .map(|name| format!("{} {name}", contrasts.column))
            .collect::<Vec<_>>()
    };
    columns.iter().flat_map(names).collect()
}

/// Values for `row` in full precision. Missing values are empty, and so are all fields of the reference
/// row.
pub fn fields(columns: &[ColumnContrasts], row: &str) -> Vec<String> {
    let fields = |contrasts: &ColumnContrasts| match contrasts.of(row) {
        Some(compared) => filled(contrasts, compared),
        None => {
            let tests = [contrasts.has_mcnemar(), contrasts.has_delong()];
            let more = tests.into_iter().filter(|was_run| *was_run).count() * 2;
            vec![String::new(); FIELDS.len() + more]
        }
    };
    columns.iter().flat_map(fields).collect()
}

fn filled(contrasts: &ColumnContrasts, compared: &CorrectedContrast) -> Vec<String> {
    let contrast = &compared.contrast;
    let [low, high] = contrast.difference.interval;
    let numbers = [
        contrast.difference.value,
        low,
        high,
        contrast.difference.p,
        compared.p_holm,
    ];
    let mut fields = vec![contrasts.against.clone()];
    fields.extend(numbers.map(|number| number.to_string()));
    fields.extend([contrasts.pairs, contrast.images].map(|count| count.to_string()));
    fields.push(contrast.over.to_string());
    let mcnemar = [contrast.mcnemar.map(|test| test.p), compared.mcnemar_p_holm];
    let delong = [contrast.delong.map(|test| test.p), compared.delong_p_holm];
    for (was_run, p_values) in [
        (contrasts.has_mcnemar(), mcnemar),
        (contrasts.has_delong(), delong),
    ] {
        let p_values = p_values.into_iter().filter(|_| was_run);
        fields.extend(p_values.map(|p| p.map_or(String::new(), |p| p.to_string())));
    }
    fields
}
