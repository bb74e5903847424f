//! Draws figures of nothing, of extreme values and of a lot.

use contract::analysis::{Estimate, Figure, Group};
use roxmltree::Document;

use super::{Material, assert_harmless, texts, training};
use crate::figures::sweep_tests::{coordinates, curves, trials};
use crate::figures::tests::Folder;
use crate::figures::{draw, svg};

#[test]
fn figures_without_values_are_drawn() {
    let folder = Folder::new();
    let mut material = Material::named("nothing");
    material.roc.points = Vec::new();
    material.roc.operating = None;
    material.roc.area = Estimate {
        value: f64::NAN,
        interval: None,
    };
    material.precision_recall.points = vec![(0.5, f64::NAN)];
    material.confusion.classes = Vec::new();
    material.confusion.counts = Vec::new();
    material.reliability.curves = Vec::new();
    material.training.curves[0].points = vec![(1.0, f64::INFINITY)];
    material.training.curves[1].points = Vec::new();
    material.bars.groups = Vec::new();
    material.trials = Vec::new();
    material.curves = Vec::new();
    for (name, figure) in material.figures() {
        let element = svg(&figure, name).unwrap();
        assert_harmless(&element, name);
        assert!(!element.contains("NaN"), "{element}");
        draw(&figure, &folder.file(&format!("{name}.nothing.png"))).unwrap();
    }
}

#[test]
fn extreme_values_stay_on_the_page() {
    let mut material = Material::named("extreme");
    let values = [f64::MAX, f64::MIN, f64::NAN];
    material.bars.groups[0].values = values.to_vec();
    let points = values
        .iter()
        .zip(1..)
        .map(|(&v, epoch)| (f64::from(epoch), v));
    material.training.curves[0].points = points.clone().collect();
    material.curves[0].points = points.collect();
    material.trials[3].objective = 1e300;
    material.trials[4].objective = f64::NEG_INFINITY;
    material.training.epochs = Some(u64::MAX);
    material.training.best = Some(u64::MAX);
    for (name, figure) in material.figures() {
        let element = svg(&figure, name).unwrap();
        assert_harmless(&element, name);
        let document = Document::parse(&element).unwrap();
        for text in texts(&element) {
            assert!(
                !text.contains("NaN") && !text.contains("inf"),
                "{name}: {text}"
            );
        }
        let bounds = document.root_element().attribute("viewBox").unwrap();
        let size: Vec<f64> = bounds.split(' ').map(|n| n.parse().unwrap()).collect();
        for line in document.descendants().filter_map(|n| n.attribute("points")) {
            for point in line.split(' ') {
                let (x, y) = point.split_once(',').unwrap();
                let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
                assert!(
                    (0.0..=size[2]).contains(&x) && (0.0..=size[3]).contains(&y),
                    "{name}: {point}"
                );
            }
        }
    }
}

#[test]
fn one_point_is_a_dot() {
    let mut material = Material::named("one");
    material.training = training("one", 1);
    let element = svg(&Figure::Training(&material.training), "x").unwrap();
    assert!(element.contains("<circle"), "{element}");
}

/// Keeps figures that are hard to lay out, for inspection.
#[test]
fn large_figures_stay_small_files() {
    let folder = Folder::new();
    let mut material = Material::named("accuracy");
    let classes = [
        "airplane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    ];
    material.confusion.classes = classes.map(str::to_owned).to_vec();
    material.confusion.counts = (0..10)
        .map(|a| {
            (0..10)
                .map(|p| if a == p { 900 } else { (a * p) % 23 })
                .collect()
        })
        .collect();
    let mut many = material.confusion.clone();
    many.classes = (0..32).map(|i| format!("class {i}")).collect();
    many.counts = (0..32)
        .map(|a| {
            (0..32)
                .map(|p| if a == p { 900 } else { (a * p) % 23 })
                .collect()
        })
        .collect();
    let element = svg(&Figure::Confusion(&many), "x").unwrap();
    assert!(element.len() < 250_000, "{} bytes", element.len());
    std::fs::write(folder.file("confusion.many.svg"), element).unwrap();
    material.axes = coordinates(8);
    material.trials = trials(8, 500);
    material.curves = curves(500);
    material.training = training("validation accuracy", 300);
    material.training.epochs = Some(1000);
    material.bars.groups = (0..30)
        .map(|i| Group {
            name: format!("a class with a name of some length {i}"),
            values: vec![f64::from(i) * 0.01 - 0.1],
        })
        .collect();
    material.bars.series = Vec::new();
    for (name, figure) in material.figures() {
        let element = svg(&figure, name).unwrap();
        assert_harmless(&element, name);
        let most = match name {
            "parallel" | "curves" => 250_000,
            "confusion" => 40_000,
            _ => 20_000,
        };
        assert!(element.len() < most, "{name}: {} bytes", element.len());
        std::fs::write(folder.file(&format!("{name}.large.svg")), element).unwrap();
    }
}
