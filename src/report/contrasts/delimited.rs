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

/// Names of the fields that [`fields`] returns.
pub fn header(columns: &[ColumnContrasts]) -> Vec<String> {
    let names = |contrasts: &ColumnContrasts| {
        let mcnemar = contrasts.has_mcnemar().then_some(MCNEMAR_FIELDS);
        let names = FIELDS.into_iter().chain(mcnemar.into_iter().flatten());
        names
            .map(|name| format!("{} {name}", contrasts.column))
            .collect::<Vec<_>>()
    };
    columns.iter().flat_map(names).collect()
}

/// Values for `row` in full precision. Missing values are empty, and so are all fields of the reference
/// row.
pub fn fields(columns: &[ColumnContrasts], row: &str) -> Vec<String> {
    let fields = |contrasts: &ColumnContrasts| {
        let mcnemar = contrasts.has_mcnemar();
        match contrasts.of(row) {
            Some(compared) => filled(contrasts, compared, mcnemar),
            None => {
                let more = if mcnemar { MCNEMAR_FIELDS.len() } else { 0 };
                vec![String::new(); FIELDS.len() + more]
            }
        }
    };
    columns.iter().flat_map(fields).collect()
}

fn filled(contrasts: &ColumnContrasts, compared: &CorrectedContrast, mcnemar: bool) -> Vec<String> {
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
    if mcnemar {
        let p = contrast.mcnemar.map(|test| test.p);
        let both = [p, compared.mcnemar_p_holm];
        fields.extend(both.map(|p| p.map_or(String::new(), |p| p.to_string())));
    }
    fields
}
