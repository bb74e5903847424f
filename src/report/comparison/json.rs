//! Comparisons as JSON.

use serde_json::{Value, json};

use super::Comparison;

/// One comparison as a JSON object, in full precision.
pub fn object(comparison: &Comparison) -> Value {
    let rows = comparison.rows.iter().map(|(row, found)| {
        let mut object = json!({ "row": row });
        match found {
            Ok(compared) => {
                let contrast = &compared.contrast;
                object["images"] = json!(contrast.images);
                object["seeds"] = json!(contrast.seeds);
                object["difference"] = json!(contrast.difference.value);
                object["interval"] = json!(contrast.difference.interval);
                object["p"] = json!(contrast.difference.p);
                object["p_holm"] = json!(compared.p_holm);
                if let Some(mistakes) = &contrast.mcnemar {
                    object["mcnemar"] = json!({
                        "p": mistakes.p,
                        "p_holm": compared.mcnemar_p_holm,
                        "tests": mistakes.tests,
                    });
                }
            }
            Err(why) => object["missing"] = json!(why),
        }
        object
    });
    json!({
        "column": comparison.column,
        "metric": comparison.metric,
        "direction": comparison.direction,
        "against": comparison.against,
        "best": comparison.is_best,
        "resamples": comparison.resamples,
        "rows": rows.collect::<Vec<_>>(),
    })
}
