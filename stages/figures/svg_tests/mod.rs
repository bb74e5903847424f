//! Draws every figure as SVG, with hostile names and with awkward values. `RUNNER_TEST_FIGURES=FOLDER` keeps the files
//! for inspection.

mod extremes;
mod material;
mod scripts;
mod theme;

use contract::analysis::Figure;
use material::{Material, training};
use roxmltree::{Document, Node};

use crate::figures::tests::Folder;
use crate::figures::{draw, svg, theme};

const SVG: &str = "http://www.w3.org/2000/svg";

/// Text that must be shown as text.
const HOSTILE: [&str; 7] = [
    "<script>alert(1)</script>",
    "\" onload=\"alert(1)",
    "' onload='alert(1)",
    "]]>--><!--",
    "&lt;&#x0;&",
    "\u{1b}[31m\u{0}\r\n\u{202e}\u{ffff}",
    "=\"var(--figure-ink,#000)\"",
];

/// Asserts that an SVG has only elements, attributes and values that are harmless in a page.
fn assert_harmless(svg: &str, prefix: &str) {
    const ELEMENTS: [&str; 9] = [
        "svg", "title", "desc", "g", "text", "polyline", "circle", "rect", "path",
    ];
    let document = Document::parse(svg).unwrap_or_else(|e| panic!("{e}: {svg}"));
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    for node in document.descendants().filter(Node::is_element) {
        let name = node.tag_name();
        assert_eq!(name.namespace(), Some(SVG));
        assert!(ELEMENTS.contains(&name.name()), "{name:?}");
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(
                !name.starts_with("on") && !matches!(name, "href" | "style" | "src"),
                "{name}"
            );
            assert!(!value.contains("url("), "{name}={value}");
            assert!(
                !value.contains("NaN") && !value.contains("inf"),
                "{name}={value}"
            );
        }
        if let Some(id) = node.attribute("id") {
            assert!(id.starts_with(prefix), "{id}");
        }
    }
    let labels = root.attribute("aria-labelledby").unwrap();
    for label in labels.split(' ') {
        let described = document
            .descendants()
            .find(|n| n.attribute("id") == Some(label));
        assert!(!described.unwrap().text().unwrap().is_empty());
    }
}

/// All text that is drawn.
fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let texts = document
        .descendants()
        .filter(|n| n.has_tag_name((SVG, "text")));
    texts.filter_map(|n| n.text().map(str::to_owned)).collect()
}

#[test]
fn a_decision_curve_shows_or_tells_the_threshold_in_use() {
    let shown = |threshold: Option<f64>| {
        let mut material = Material::named("PNEUMONIA");
        material.decision_curve.threshold = threshold;
        let figures = material.figures();
        let curve = figures
            .iter()
            .find(|(_, figure)| matches!(figure, Figure::DecisionCurve(_)));
        texts(&svg(&curve.unwrap().1, "curve").unwrap()).join("\n")
    };
    assert!(shown(Some(0.62)).contains("\nthreshold 0.620\n"));
    let outside = shown(Some(0.995));
    assert!(!outside.contains("\nthreshold 0.995"), "{outside}");
    assert!(
        outside.contains("threshold (prevalence 0.625; in use: 0.995)"),
        "{outside}"
    );
    assert!(!shown(None).contains("in use"));
}

#[test]
fn a_reliability_diagram_without_intervals_says_why() {
    let mut material = Material::named("PNEUMONIA");
    for curve in &mut material.reliability.curves {
        curve.bins.iter_mut().for_each(|bin| bin.interval = None);
    }
    let drawn =
        |material: &Material| svg(&Figure::Reliability(&material.reliability), "r").unwrap();
    let (without, with) = (drawn(&material), drawn(&Material::named("PNEUMONIA")));
    let note = "predicted probability (no intervals: images are in groups)".to_owned();
    assert!(texts(&without).contains(&note), "{:?}", texts(&without));
    assert!(!texts(&with).contains(&note));
    // Each of the bins has a bar with two ends.
    assert!(without.len() < with.len());
}

#[test]
fn every_figure_is_a_harmless_element_with_a_description() {
    let folder = Folder::new();
    let material = Material::named("PNEUMONIA");
    let dark = theme()
        .into_iter()
        .map(|color| format!("{}: {};\n", color.variable, color.dark));
    std::fs::write(folder.file("dark.css"), dark.collect::<String>()).unwrap();
    for (name, figure) in material.figures() {
        let element = svg(&figure, name).unwrap();
        assert_harmless(&element, name);
        assert_eq!(svg(&figure, name).unwrap(), element);
        let document = Document::parse(&element).unwrap();
        assert_eq!(document.root_element().attribute("width"), None);
        assert!(document.root_element().has_attribute("viewBox"));
        std::fs::write(folder.file(&format!("{name}.element.svg")), &element).unwrap();

        let path = folder.file(&format!("{name}.svg"));
        draw(&figure, &path).unwrap();
        let file = std::fs::read_to_string(&path).unwrap();
        assert_harmless(&file, "figure");
        assert!(!file.contains("var("), "{file}");
        draw(&figure, &folder.file(&format!("{name}.figure.png"))).unwrap();
    }
}

#[test]
fn hostile_names_are_shown_as_text() {
    let long = "long & <b>".repeat(1000);
    for name in HOSTILE.into_iter().chain([long.as_str(), ""]) {
        let material = Material::named(name);
        for (kind, figure) in material.figures() {
            let start: String = name.chars().take(30).collect();
            let element = svg(&figure, &start).unwrap();
            let prefix: String = start
                .chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() || "-_".contains(c) {
                        c
                    } else {
                        '_'
                    }
                })
                .collect();
            assert_harmless(&element, &prefix);
            assert!(!element.contains('\u{1b}') && !element.contains('\u{202e}'));
            assert!(element.len() < 100_000, "{kind}: {} bytes", element.len());
        }
    }
    let material = Material::named("a<b> & \"c\"");
    let shown = texts(&svg(&Figure::Confusion(&material.confusion), "x").unwrap());
    assert!(shown.contains(&"a<b> & \"c\"".to_owned()), "{shown:?}");
}

#[test]
fn a_file_keeps_text_that_looks_like_a_variable() {
    let folder = Folder::new();
    let material = Material::named("=\"var(--figure-ink,#000)\"");
    let path = folder.file("variable.svg");
    draw(&Figure::Confusion(&material.confusion), &path).unwrap();
    let shown = texts(&std::fs::read_to_string(path).unwrap());
    assert!(shown.contains(&material.name), "{shown:?}");
}

#[test]
fn descriptions_state_the_values() {
    let material = Material::named("PNEUMONIA");
    let description = |figure: &Figure<'_>| {
        let element = svg(figure, "x").unwrap();
        let document = Document::parse(&element).unwrap();
        let desc = document
            .descendants()
            .find(|n| n.has_tag_name((SVG, "desc")));
        desc.unwrap().text().unwrap().to_owned()
    };
    assert_eq!(
        description(&Figure::Roc(&material.roc)),
        "True positive rate against false positive rate of PNEUMONIA. Area under the curve: 0.959, 95 % interval 0.939 \
         to 0.974 over groups of test images. At PNEUMONIA, the false positive rate is 0.100 and the recall 0.920."
    );
    assert_eq!(
        description(&Figure::Confusion(&material.confusion)),
        "210 of actual class NORMAL predicted as NORMAL; 24 of actual class NORMAL predicted as PNEUMONIA; 13 of actual \
         class PNEUMONIA predicted as NORMAL; 377 of actual class PNEUMONIA predicted as PNEUMONIA."
    );
    assert_eq!(
        description(&Figure::Training(&material.training)),
        "PNEUMONIA over the epochs of a training. training: 0.5 after epoch 1, 0.186 after epoch 12; validation: 0.562 \
         after epoch 1, 0.23 after epoch 12. Weights are kept from epoch 6."
    );
    let curve = description(&Figure::DecisionCurve(&material.decision_curve));
    for part in [
        "on the probability of PNEUMONIA, for a prevalence of 0.625. Treat none has the net benefit 0. At the threshold \
         in use, 0.620, that of the model is 0.485. threshold 0.1, model: 0.597, treat all: 0.583; ",
        "; threshold 0.9, model: 0.357, treat all: -2.750.",
    ] {
        assert!(curve.contains(part), "{part}: {curve}");
    }
    let figures = material.figures();
    let of = |kind: &str| {
        let found = figures.iter().find(|(name, _)| *name == kind);
        description(&found.unwrap().1)
    };
    let trials = of("parallel");
    for part in [
        "24 trials as lines across the axes PNEUMONIA, dropout, model, zoom, batch_size and evaluate.f1",
        " The objectives are from 0.",
        ", with PNEUMONIA 0.",
    ] {
        assert!(trials.contains(part), "{part}: {trials}");
    }
    let curves = of("curves");
    assert!(curves.contains(" The last values are from 0."), "{curves}");
    assert_eq!(
        description(&Figure::Bars(&material.bars)),
        "images. PNEUMONIA, train: 1100; PNEUMONIA, validation: 241; PNEUMONIA, PNEUMONIA: 234; PNEUMONIA, train: \
         3100; PNEUMONIA, validation: 775; PNEUMONIA, PNEUMONIA: missing."
    );
}

#[test]
fn a_reliability_diagram_names_its_curves_and_counts_images() {
    let mut material = Material::named("before");
    let drawn = |material: &Material| {
        let element = svg(&Figure::Reliability(&material.reliability), "r").unwrap();
        (texts(&element).join(" "), element)
    };
    let (shown, element) = drawn(&material);
    for part in ["after: ECE 0.031", "before: ECE 0.071", "images", " 90"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(
        element.contains("Expected calibration error before calibration: 0.071"),
        "{element}"
    );
    material.reliability.curves.truncate(1);
    material.reliability.curves[0].name = String::new();
    let (shown, element) = drawn(&material);
    assert!(
        shown.contains("ECE 0.031") && !shown.contains(": ECE"),
        "{shown}"
    );
    assert!(
        element.contains("Expected calibration error: 0.031"),
        "{element}"
    );
    // Without images, there are neither points nor bars.
    material.reliability.curves[0].bins.clear();
    material.reliability.curves[0].histogram = vec![0; 20];
    drawn(&material);
}
