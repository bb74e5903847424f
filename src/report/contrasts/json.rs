//! Contrasts as JSON.

use engine::run::contrasts::ColumnContrasts;
use serde_json::{Value, json};

/// The contrasts of a column as a JSON object, in full precision.
pub fn object(contrasts: &ColumnContrasts) -> Value {
    let rows = contrasts.rows.iter().map(|(row, found)| {
        let mut object = json!({ "row": row });
        match found {
            Ok(compared) => {
                let contrast = &compared.contrast;
                object["images"] = json!(contrast.images);
                object["seeds"] = json!(contrast.seeds);
                object["over"] = json!(contrast.over);
                object["difference"] = json!(contrast.difference.value);
                object["interval"] = json!(contrast.difference.interval);
                object["p"] = json!(contrast.difference.p);
                object["p_holm"] = json!(compared.p_holm);
                if let Some(test) = &contrast.mcnemar {
                    object["mcnemar"] = json!(test);
                    object["mcnemar"]["p_holm"] = json!(compared.mcnemar_p_holm);
                }
                if let Some(test) = &contrast.delong {
                    object["delong"] = json!(test);
                    object["delong"]["p_holm"] = json!(compared.delong_p_holm);
                }
            }
            Err(why) => object["missing"] = json!(why),
        }
        object
    });
    json!({
        "column": contrasts.column,
        "metric": contrasts.metric,
        "direction": contrasts.direction,
        "against": contrasts.against,
        "best": contrasts.is_best,
        "resamples": contrasts.resamples,
        "pairs": contrasts.pairs,
        "rows": rows.collect::<Vec<_>>(),
    })
}
