//! Predictions as CSV and JSON, with a line or an object for each image.

use contract::json::shortest;
use engine::run::folds::Predicted;
use engine::spec::suggest::distinct;
use serde_json::{Map, Value, json};

use super::csv::line;

/// The images that are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    All,
    /// Those whose predicted class is not their label.
    Wrong,
}

/// A row: an image and what was predicted for it.
struct Row<'a> {
    predicted: &'a Predicted<'a>,
    image: usize,
}

/// The columns before those of the classes. Columns that tell nothing are left out: those about the stage, the seed and
/// the fold if there is only one, and the group if no image has one.
struct Columns {
    instance: bool,
    seed: bool,
    fold: bool,
    group: bool,
}

impl Columns {
    fn of(all: &[Predicted<'_>]) -> Self {
        let instances: Vec<String> = all.iter().map(|one| one.instance.to_string()).collect();
        Self {
            instance: distinct(instances.iter().map(String::as_str)).len() > 1,
            seed: all.iter().any(|one| one.seed.is_some()),
            fold: all.iter().any(|one| one.fold.is_some()),
            group: all.iter().any(|one| !one.evaluation.groups.is_empty()),
        }
    }

    /// The names and values of the columns for a row.
    fn fields(&self, row: &Row<'_>) -> Vec<(&'static str, String)> {
        let Row { predicted, image } = *row;
        let one = &predicted.evaluation;
        let class = |index: u32| one.classes[index as usize].clone();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let group = one.groups.get(image).map(String::as_str);
        [
            (self.instance, "instance", predicted.instance.to_string()),
            (self.seed, "seed", text(predicted.seed)),
            (true, "name", one.names[image].clone()),
            (self.group, "group", text(group)),
            (self.fold, "fold", text(predicted.fold)),
            (true, "label", class(one.labels[image])),
            (true, "predicted", class(one.predicted[image])),
        ]
        .into_iter()
        .filter(|(is_shown, ..)| *is_shown)
        .map(|(_, name, value)| (name, value))
        .collect()
    }
}

/// The rows by instance and seed, in the order of the graph, and then by the name of the image. So the images of all folds
/// are in one order, which is the same for every stage that was evaluated on them.
fn rows<'a>(all: &'a [Predicted<'a>], listed: Listed) -> Vec<Row<'a>> {
    let position = |predicted: &Predicted<'_>| {
        let is_same =
            |one: &Predicted<'_>| one.instance == predicted.instance && one.seed == predicted.seed;
        all.iter().position(is_same)
    };
    let rows = all.iter().flat_map(|predicted| {
        let images = 0..predicted.evaluation.names.len();
        let position = position(predicted);
        images.map(move |image| (position, Row { predicted, image }))
    });
    let mut rows: Vec<_> = rows.filter(|(_, row)| row.is_in(listed)).collect();
    rows.sort_by(|(first, a), (second, b)| {
        let name = |row: &Row<'a>| row.predicted.evaluation.names[row.image].as_str();
        first.cmp(second).then_with(|| name(a).cmp(name(b)))
    });
    rows.into_iter().map(|(_, row)| row).collect()
}

impl Row<'_> {
    fn is_in(&self, listed: Listed) -> bool {
        let one = &self.predicted.evaluation;
        match listed {
            Listed::All => true,
            Listed::Wrong => one.predicted[self.image] != one.labels[self.image],
        }
    }

    fn probabilities(&self) -> impl Iterator<Item = (&str, f32)> {
        let one = &self.predicted.evaluation;
        let classes = one.classes.len();
        let probabilities = &one.probabilities[self.image * classes..][..classes];
        let names = one.classes.iter().map(String::as_str);
        names.zip(probabilities.iter().copied())
    }
}

/// Comma-separated values: `name`, `group`, `fold`, `label`, `predicted`, and the probability of each class in
/// `p_CLASS`; before them `instance` and `seed` if there are several.
pub fn csv(all: &[Predicted<'_>], listed: Listed) -> String {
    let columns = Columns::of(all);
    // The header is that of the first image, also if that one is not listed.
    let every = rows(all, Listed::All);
    let Some(first) = every.first() else {
        return String::new();
    };
    let names = columns
        .fields(first)
        .into_iter()
        .map(|(name, _)| name.to_owned());
    let classes = first.probabilities().map(|(class, _)| format!("p_{class}"));
    let mut text = line(&names.chain(classes).collect::<Vec<_>>());
    for row in every.iter().filter(|row| row.is_in(listed)) {
        let values = columns.fields(row).into_iter().map(|(_, value)| value);
        let probabilities = row.probabilities().map(|(_, p)| p.to_string());
        text += &line(&values.chain(probabilities).collect::<Vec<_>>());
    }
    text
}

/// One JSON object with a list of images. Each has the fields of [`csv`], with its probabilities by class.
pub fn json(all: &[Predicted<'_>], listed: Listed) -> String {
    let columns = Columns::of(all);
    let object = |row: &Row<'_>| {
        let fields = columns.fields(row).into_iter();
        let mut object: Map<String, Value> = fields
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        let probabilities: Map<String, Value> = row
            .probabilities()
            .map(|(class, p)| (class.to_owned(), json!(shortest(p))))
            .collect();
        object.insert("probabilities".to_owned(), json!(probabilities));
        Value::Object(object)
    };
    let images: Vec<Value> = rows(all, listed).iter().map(object).collect();
    format!("{}\n", json!({ "images": images }))
}

#[cfg(test)]
mod tests {
    use contract::analysis::Evaluation;
    use engine::graph::InstanceName;
    use engine::run::folds::Predicted;

    use super::{Listed, csv, json};

    fn predicted<'a>(
        stage: &str,
        [seed, fold]: [Option<&'a str>; 2],
        images: &[&str],
        groups: &[&str],
    ) -> Predicted<'a> {
        let count = images.len();
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Predicted {
            instance: InstanceName {
                stage: stage.to_owned(),
                axes: Vec::new(),
                copy: Vec::new(),
            },
            seed,
            fold,
            evaluation: Evaluation {
                names: owned(images),
                pixels: None,
                groups: owned(groups),
                folds: Vec::new(),
                labels: vec![0; count],
                predicted: vec![1; count],
                probabilities: [0.1, 0.9].repeat(count),
                classes: owned(&["a", "b"]),
                positive: 1,
                threshold: None,
                threshold_rule: None,
            },
        }
    }

    #[test]
    fn folds_are_merged_in_the_order_of_names() {
        let all = [
            predicted("evaluate", [None, Some("1")], &["b", "d"], &["p", "q"]),
            predicted("evaluate", [None, Some("2")], &["a", "=c,"], &["r", "r"]),
        ];
        assert_eq!(
            csv(&all, Listed::All),
            "name,group,fold,label,predicted,p_a,p_b\n\"'=c,\",r,2,a,b,0.1,0.9\na,r,2,a,b,0.1,0.9\nb,p,1,a,b,0.1,0.9\n\
             d,q,1,a,b,0.1,0.9\n"
        );
        let object: serde_json::Value = serde_json::from_str(&json(&all, Listed::All)).unwrap();
        let first = serde_json::json!({
            "name": "=c,", "group": "r", "fold": "2", "label": "a", "predicted": "b",
            "probabilities": { "a": 0.1, "b": 0.9 },
        });
        assert_eq!(object["images"][0], first);
        assert_eq!(object["images"].as_array().map(Vec::len), Some(4));
    }

    #[test]
    fn several_stages_and_seeds_have_columns() {
        let all = [
            predicted("one", [Some("7"), None], &["x"], &[]),
            predicted("two", [Some("7"), None], &["x"], &[]),
            predicted("one", [Some("8"), None], &["w"], &[]),
        ];
        assert_eq!(
            csv(&all, Listed::All),
            "instance,seed,name,label,predicted,p_a,p_b\none,7,x,a,b,0.1,0.9\ntwo,7,x,a,b,0.1,0.9\n\
             one,8,w,a,b,0.1,0.9\n"
        );
        assert_eq!(csv(&[], Listed::All), "");
    }

    #[test]
    fn only_misclassified_images_are_wrong() {
        let mut all = [
            predicted("evaluate", [None, Some("1")], &["b", "d"], &[]),
            predicted("evaluate", [None, Some("2")], &["a", "c"], &[]),
        ];
        all[0].evaluation.predicted = vec![0, 1];
        all[1].evaluation.predicted = vec![0, 1];
        assert_eq!(
            csv(&all, Listed::Wrong),
            "name,fold,label,predicted,p_a,p_b\nc,2,a,b,0.1,0.9\nd,1,a,b,0.1,0.9\n"
        );
        let object: serde_json::Value = serde_json::from_str(&json(&all, Listed::Wrong)).unwrap();
        let names = object["images"].as_array().unwrap().iter();
        let names: Vec<&str> = names.filter_map(|image| image["name"].as_str()).collect();
        assert_eq!(names, ["c", "d"]);
        for evaluation in all.iter_mut().map(|one| &mut one.evaluation) {
            evaluation.predicted = vec![0, 0];
        }
        assert_eq!(
            csv(&all, Listed::Wrong),
            "name,fold,label,predicted,p_a,p_b\n"
        );
        assert_eq!(json(&all, Listed::Wrong), "{\"images\":[]}\n");
    }
}
