//! The pages of `runner kinds`.

use console::measure_text_width;
use engine::schema::{Layout, page};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use crate::sandbox::Sandbox;

fn kinds(args: &[&str]) -> crate::sandbox::Finished {
    Sandbox::new("").runner(&[&["kinds"], args].concat())
}

#[test]
fn every_kind_is_listed_with_its_description() {
    let listed = kinds(&["-q"]);
    assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""));
    for kind in stages::kinds() {
        let mut lines = listed.stdout.lines();
        assert!(
            lines.any(|line| line.split_once("  ").is_some_and(|(name, doc)| {
                name == kind.name && kind.doc.starts_with(doc.trim())
            })),
            "{}: {}",
            kind.name,
            listed.stdout
        );
    }
    let json = kinds(&["--json"]).json();
    let names: Vec<&str> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind["name"].as_str().unwrap())
        .collect();
    assert!(
        names
            .iter()
            .eq(stages::kinds().iter().map(|kind| &kind.name))
    );
}

#[test]
fn a_page_lists_all_ports_and_parameters_within_80_columns() {
    for kind in stages::kinds() {
        let page = kinds(&[kind.name]).stdout;
        let starts = |start: String| page.lines().any(|line| line.starts_with(&start));
        for input in kind.inputs {
            assert!(starts(format!("  {}: ", input.role)), "{page}");
        }
        for output in kind.outputs {
            assert!(
                starts(format!("  {}: {}", output.port, output.yields)),
                "{page}"
            );
        }
        let schema = stages::params_schema(kind.name);
        let schema = schema.unwrap_or_else(|| panic!("`params_schema` lacks `{}`", kind.name));
        for name in keys(&schema) {
            let has = |line: &str| {
                let line = line.trim_start().trim_start_matches("- ");
                line.strip_prefix(&name)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', ',']))
            };
            assert!(page.lines().any(has), "`{name}` is missing in\n{page}");
        }
        for line in page.lines() {
            assert!(line.width() <= 80, "{line}");
        }
    }
}

#[test]
fn a_page_uses_the_available_width() {
    let kinds = stages::kinds();
    let kind = kinds.iter().find(|kind| kind.name == "train-cnn").unwrap();
    for width in [50, 80, 100] {
        let layout = Layout { width, bold: true };
        let page = page(kind, stages::params_schema, layout);
        let longest = page.lines().map(measure_text_width).max().unwrap();
        assert!(
            (width - 3..=width).contains(&longest),
            "the longest line has {longest} of {width} columns"
        );
    }
}

/// Returns the keys of all maps that a schema describes.
fn keys(schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match schema {
        Value::Array(schemas) => found.extend(schemas.iter().flat_map(keys)),
        Value::Object(keywords) => {
            for (keyword, value) in keywords {
                if let ("properties", Value::Object(properties)) = (keyword.as_str(), value) {
                    found.extend(properties.keys().cloned());
                }
                if keyword != "default" {
                    found.extend(keys(value));
                }
            }
        }
        _ => {}
    }
    found
}

#[test]
fn the_page_of_augment_has_the_expected_layout() {
    assert_eq!(
        kinds(&["augment"]).stdout,
        "\
augment: transforms images at random, differently in every epoch, like the
  `ImageDataGenerator` of Keras 3

Inputs
  images: dataset
      the images to transform

Outputs
  images: dataset, the one that `STAGE` without a port refers to
      the images, with the policy that transforms them
  figure: figure
      `augmented.png`: some images, and their transforms in the first epochs

Parameters
  rotation: number, 0 to 180 degrees [default: 0.0]
      Rotation about the centre, drawn from `-rotation` to `rotation`. A
      positive angle turns the content counter-clockwise.
  width_shift: number, 0 to 1 [default: 0.0]
      Shift to the side as a fraction of the width, drawn from `-width_shift` to
      `width_shift`. (Keras 2.9 to 3 shift up or down by it.)
  height_shift: number, 0 to 1 [default: 0.0]
      Shift up or down as a fraction of the height, drawn from `-height_shift`
      to `height_shift`. (Keras 2.9 to 3 shift to the side by it.)
  shear: number, 0 to 89 degrees [default: 0.0]
      Shear angle, drawn from `-shear` to `shear`. A positive angle moves the
      top to the left and the bottom to the right. Keras up to 2.8 moves columns
      up or down instead.
  zoom: one of [default: [1.0, 1.0]]
      Zoom, drawn for each axis separately. A factor below 1 enlarges the
      image's content.
      - number, at least 0 and below 1: A fraction z, for factors from 1 − z to
          1 + z.
      - list of 2, each a number, above 0 and at most 10: The factors
          themselves: `[low, high]`.
  horizontal_flip: true or false [default: false]
      Mirror half of the images left to right.
  vertical_flip: true or false [default: false]
      Mirror half of the images top to bottom.
  brightness: list of 2, each a number, 0 to 10 [default: [1.0, 1.0]]
      Factor on the brightness, drawn from `[low, high]`. Results are clipped to
      white. Unlike in Keras, they are not rounded down to integers.
"
    );
}

#[test]
fn a_kind_as_json_has_its_ports_and_its_parameter_schema() {
    let kind = kinds(&["train-cnn", "--json"]).json();
    assert_eq!(kind["name"], "train-cnn");
    assert_eq!(kind["inputs"][1]["role"], "validation");
    assert_eq!(kind["inputs"][1]["optional"], true);
    assert_eq!(kind["outputs"][0]["primary"], true);
    let epochs = &kind["params"]["properties"]["epochs"];
    assert_eq!(
        (&epochs["default"], &epochs["minimum"], &epochs["maximum"]),
        (&10.into(), &1.into(), &100_000.into())
    );
}

#[test]
fn an_unknown_kind_is_refused_with_a_suggestion() {
    let refused = kinds(&["traincnn"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""));
    assert_eq!(
        refused.stderr,
        "error: there is no stage kind `traincnn`; did you mean `train-cnn`?\n"
    );
}
