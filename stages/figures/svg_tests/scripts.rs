//! Reads figures as the script of a page does.

use roxmltree::Document;

use super::Material;
use crate::figures::svg;
use crate::figures::sweep_tests::best;

/// Returns the attribute of every element of a class.
fn attributes(svg: &str, class: &str, attribute: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let of_class = document.descendants().filter(|n| {
        n.attribute("class")
            .is_some_and(|c| c.split(' ').any(|c| c == class))
    });
    of_class
        .map(|n| n.attribute(attribute).unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn a_script_finds_trials_and_axes() {
    let mut material = Material::named("learning_rate");
    for (at, trial) in material.trials.iter_mut().enumerate() {
        trial.trial = 100 + at;
    }
    material.trials[1].values[3] = None;
    let best = 100 + best(&material.trials);
    let figures = material.figures();
    let (_, figure) = figures
        .iter()
        .find(|(name, _)| *name == "parallel")
        .unwrap();
    let element = svg(figure, "x").unwrap();

    let numbers = attributes(&element, "trial", "data-trial");
    assert_eq!(numbers.len(), 24);
    assert_eq!(
        attributes(&element, "best", "data-trial"),
        [best.to_string()]
    );
    let at = numbers.iter().position(|number| number == "101").unwrap();
    let values: Vec<Option<f64>> =
        serde_json::from_str(&attributes(&element, "trial", "data-values")[at]).unwrap();
    let mut expected = material.trials[1].values.clone();
    expected.push(Some(material.trials[1].objective));
    assert_eq!(values, expected);
    assert!(values[3].is_none());

    let axes = [
        "learning_rate",
        "dropout",
        "model",
        "zoom",
        "batch_size",
        "evaluate.f1",
    ];
    assert_eq!(attributes(&element, "axis", "data-axis"), axes);
    let scales = ["log", "linear", "choice", "linear", "linear", "linear"];
    assert_eq!(attributes(&element, "axis", "data-scale"), scales);

    // A trial's line meets each axis at the place that the axis states.
    let points = &attributes(&element, "trial", "points")[at];
    let x: Vec<&str> = points
        .split(' ')
        .map(|p| p.split_once(',').unwrap().0)
        .collect();
    assert_eq!(attributes(&element, "axis", "data-x"), x);
    let number = |attribute: &str| -> Vec<f64> {
        let all = attributes(&element, "axis", attribute);
        all.iter().map(|text| text.parse().unwrap()).collect()
    };
    let [top, bottom, low, high] = ["data-top", "data-bottom", "data-low", "data-high"].map(number);
    let value = material.trials[1].values[0].unwrap().ln();
    let share = (value - low[0].ln()) / (high[0].ln() - low[0].ln());
    let y: f64 = points
        .split(' ')
        .next()
        .unwrap()
        .split_once(',')
        .unwrap()
        .1
        .parse()
        .unwrap();
    assert!((bottom[0] - share * (bottom[0] - top[0]) - y).abs() < 0.2);
}
