//! Draws every figure as SVG, with hostile names and with awkward values. `RUNNER_TEST_FIGURES=FOLDER` keeps the files
//! for inspection.

use contract::Direction;
use contract::analysis::{
    Bars, Bin, ConfusionMatrix, Coordinate, Curve, Estimate, Figure, Group, Interval,
    LearningCurves, Line, OperatingPoint, Over, ParallelCoordinates, PrecisionRecall, Reliability,
    Roc, Scale, Training, TrainingCurve,
};
use roxmltree::{Document, Node};

use super::color::Color;
use super::sweep_tests::{best, coordinates, curves, trials};
use super::tests::Folder;
use super::{draw, svg, theme};

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

fn estimate(value: f64) -> Estimate {
    Estimate {
        value,
        interval: Some(Interval {
            ends: [value - 0.02, value + 0.015],
            over: Over::Groups,
        }),
    }
}

fn operating(name: &str, at: (f64, f64)) -> Option<OperatingPoint> {
    Some(OperatingPoint {
        rule: name.to_owned(),
        at,
    })
}

fn training(name: &str, epochs: u32) -> Training {
    let curve = |line: &str, speed: f64| TrainingCurve {
        name: line.to_owned(),
        points: (1..=epochs)
            .map(f64::from)
            .map(|epoch| (epoch, 0.1 + 0.6 / (1.0 + speed * epoch)))
            .collect(),
    };
    Training {
        title: name.to_owned(),
        measure: name.to_owned(),
        curves: vec![curve("training", 0.5), curve("validation", 0.3)],
        best: Some(u64::from(epochs / 2)),
        epochs: Some(20),
    }
}

/// Everything that figures are made of, for figures with the given name wherever there can be one.
struct Material {
    name: String,
    roc: Roc,
    precision_recall: PrecisionRecall,
    confusion: ConfusionMatrix,
    reliability: Reliability,
    training: Training,
    bars: Bars,
    axes: Vec<Coordinate>,
    trials: Vec<Line>,
    curves: Vec<Curve>,
}

impl Material {
    fn named(name: &str) -> Self {
        let owned = || name.to_owned();
        let bin = |predicted: f64, observed: f64| Bin {
            images: 60,
            predicted,
            observed,
            interval: [observed * 0.8, (observed * 1.2).min(1.0)],
        };
        let group = |name: &str, values: [f64; 3]| Group {
            name: name.to_owned(),
            values: values.to_vec(),
        };
        let mut axes = coordinates(5);
        axes[0].name = owned();
        axes[2].scale = Scale::Choice(vec![owned(), "model2".into(), "model6".into()]);
        Self {
            roc: Roc {
                positive: owned(),
                points: [
                    (0.0, 0.0),
                    (0.0, 0.6),
                    (0.1, 0.8),
                    (0.1, 0.92),
                    (0.3, 0.97),
                    (1.0, 1.0),
                ]
                .into(),
                area: estimate(0.9587),
                operating: operating(name, (0.1, 0.92)),
            },
            precision_recall: PrecisionRecall {
                positive: owned(),
                points: [
                    (0.0, 1.0),
                    (0.6, 1.0),
                    (0.6, 0.95),
                    (0.92, 0.93),
                    (1.0, 0.6),
                ]
                .into(),
                average_precision: estimate(0.961),
                prevalence: 0.625,
                operating: operating(name, (0.92, 0.93)),
            },
            confusion: ConfusionMatrix {
                title: "624 images".into(),
                classes: vec!["NORMAL".into(), owned()],
                counts: vec![vec![210, 24], vec![13, 377]],
            },
            reliability: Reliability {
                class: owned(),
                bins: vec![
                    bin(0.04, 0.1),
                    bin(0.31, 0.25),
                    bin(0.66, 0.8),
                    bin(0.97, 0.95),
                ],
                brier: estimate(0.071),
            },
            training: training(name, 12),
            bars: Bars {
                title: "Images".into(),
                measure: "images".into(),
                series: vec!["train".into(), "validation".into(), owned()],
                groups: vec![
                    group(name, [1100.0, 241.0, 234.0]),
                    group("PNEUMONIA", [3100.0, 775.0, f64::NAN]),
                ],
            },
            axes,
            trials: trials(5, 24),
            curves: curves(27),
            name: owned(),
        }
    }

    /// Returns each kind of figure with a name for its file.
    fn figures(&self) -> [(&'static str, Figure<'_>); 8] {
        let best = (!self.trials.is_empty()).then(|| (best(&self.trials), self.name.as_str()));
        [
            ("roc", Figure::Roc(&self.roc)),
            (
                "precision-recall",
                Figure::PrecisionRecall(&self.precision_recall),
            ),
            ("confusion", Figure::Confusion(&self.confusion)),
            ("reliability", Figure::Reliability(&self.reliability)),
            ("training", Figure::Training(&self.training)),
            ("bars", Figure::Bars(&self.bars)),
            (
                "parallel",
                Figure::ParallelCoordinates(ParallelCoordinates {
                    title: &self.name,
                    axes: &self.axes,
                    objective: "evaluate.f1",
                    direction: Direction::Maximize,
                    trials: &self.trials,
                    best,
                }),
            ),
            (
                "curves",
                Figure::LearningCurves(LearningCurves {
                    title: &self.name,
                    metric: &self.name,
                    curves: &self.curves,
                    best: Some((0, &self.name)),
                    rungs: &[2, 6, 18],
                }),
            ),
        ]
    }
}

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
        "PNEUMONIA over the epochs of a training. training: 0.186 after epoch 12; validation: 0.23 after epoch 12. \
         Weights are kept from epoch 6."
    );
    assert_eq!(
        description(&Figure::Bars(&material.bars)),
        "images. PNEUMONIA, train: 1100; PNEUMONIA, validation: 241; PNEUMONIA, PNEUMONIA: 234; PNEUMONIA, train: \
         3100; PNEUMONIA, validation: 775; PNEUMONIA, PNEUMONIA: missing."
    );
}

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
    material.reliability.bins = Vec::new();
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
    for (name, figure) in material.figures() {
        let element = svg(&figure, name).unwrap();
        assert_harmless(&element, name);
        let document = Document::parse(&element).unwrap();
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

/// Returns the contrast of two colors, from 1 to 21, as WCAG 2 defines it.
fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |color: &str| -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// Text needs a contrast of 4.5, and lines that carry information one of 3 (WCAG 2.2, 1.4.3 and 1.4.11). The light
/// palette is that of Okabe and Ito; its fifth and sixth colors do not reach 3 and are used for bars with labels only.
#[test]
fn colors_can_be_seen_in_both_themes() {
    let colors = theme();
    let find = |name: &str| colors.iter().find(|color| color.variable == name).unwrap();
    let paper = find("--figure-paper");
    for color in &colors {
        let contrasts = [
            contrast(&color.light, &paper.light),
            contrast(&color.dark, &paper.dark),
        ];
        let least = match color.variable.trim_start_matches("--figure-") {
            "ink" | "muted" => [4.5, 4.5],
            "paper" | "grid" | "faint" => [1.0, 1.0],
            "series-3" | "series-4" => [3.0, 3.0],
            "series-5" | "series-6" => [2.0, 3.0],
            // The worst trials may be faint, but must be seen.
            name if name.starts_with("scale-") => [1.2, 1.8],
            _ => [3.0, 3.0],
        };
        for (found, least) in contrasts.iter().zip(least) {
            assert!(*found >= least, "{}: {contrasts:?}", color.variable);
        }
    }
}

#[test]
fn the_counts_of_a_confusion_matrix_can_be_read() {
    for step in 0..=500 {
        let share = f64::from(step) / 500.0;
        let [shade, ink] = [Color::Shade(share), Color::OnShade(share)].map(Color::css);
        // `#fff` and `#000` have one digit for each channel.
        let ink = format!("#{}", ink[1..].repeat(2));
        assert!(contrast(&shade, &ink) >= 4.5, "{share}: {ink} on {shade}");
    }
}

#[test]
fn every_variable_of_a_figure_is_in_the_theme_with_the_same_color() {
    let colors = theme();
    let material = Material::named("name");
    let mut seen = 0;
    for (_, figure) in material.figures() {
        let element = svg(&figure, "x").unwrap();
        for part in element.split("var(").skip(1) {
            let (variable, rest) = part.split_once(',').unwrap();
            let color = rest.split_once(')').unwrap().0;
            let known = colors.iter().find(|c| c.variable == variable);
            assert_eq!(known.map(|c| c.light.as_str()), Some(color), "{variable}");
            seen += 1;
        }
    }
    assert!(seen > 100);
}
