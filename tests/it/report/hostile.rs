//! Names, metrics and logs that try to become markup, and do not.

use std::fs;

use image::{GrayImage, Luma};

use super::document::text;
use super::report;
use crate::sandbox::Sandbox;

/// Texts that would do something if they were not escaped.
const HOSTILE: [&str; 5] = [
    "<script>alert(1)<\u{2215}script>",
    "\" onload=\"alert(1)",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "]]>&lt;<!--",
];

/// A pipeline with the hostile texts as values of an axis, which are in the names of instances, and with programs
/// that write them into metrics and logs.
const PIPELINE: &str = r#"
version: 1
name: hostile
vars: { texts: [] }
stages:
  say:
    kind: command
    matrix: { text: "${texts}" }
    params:
      argv: [sh, say.sh, "${matrix.text}"]
      code: [say.sh]
      outputs: { said: said }
      metrics: metrics.json
  fail:
    kind: command
    inputs: { said: say.said }
    params: { argv: [sh, -c, "cat said/*/said; printf '\\033[31m]]></pre><b>\\n'; exit 1"], outputs: { made: made } }
"#;

#[test]
fn hostile_texts_of_programs_have_no_effect() {
    let texts = serde_json::to_string(&HOSTILE).unwrap();
    let pipeline = PIPELINE.replace("texts: []", &format!("texts: {texts}"));
    let sandbox = Sandbox::new(&pipeline);
    let script = "printf '%s' \"$1\" > said\nprintf '{\"<img src=x onerror=alert(1)>\": {\"value\": 1, \"direction\": \"maximize\"}}' > metrics.json\n";
    fs::write(sandbox.path("say.sh"), script).unwrap();
    let run = sandbox.run_json(&[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    // The checks of every report look for markup that must not be there.
    let report = report(&sandbox, &["--run", "latest"]);
    let document = report.document();
    let all = text(document.root_element());
    for hostile in HOSTILE {
        assert!(all.contains(&format!("say[{hostile}]")), "{hostile}");
    }
    assert!(all.contains("<img src=x onerror=alert(1)>"));
    assert!(all.contains("]]></pre><b>"));
    assert!(!report.text.contains('\u{1b}'));
    let bold = document
        .descendants()
        .filter(|node| node.tag_name().name() == "b");
    assert_eq!(bold.count(), 0);
}

#[test]
fn hostile_names_of_classes_and_images_have_no_effect() {
    let pipeline = r#"
version: 1
name: images
stages:
  images:
    kind: dataset
    params: { source: { folder: { path: data } }, image_size: 16, validation: 0.25 }
  cnn:
    kind: train-cnn
    inputs: { train: images.train, validation: images.validation }
    params: { model: [{ max_pool: 4 }, flatten, { dense: { units: 1 } }], epochs: 1 }
  evaluate:
    kind: evaluate
    inputs: { model: cnn, images: images.test }
    params: { bootstrap: 0 }
"#;
    let sandbox = Sandbox::new(pipeline);
    let classes = ["<script>alert(1)", "\" onload=\"x"];
    for (shade, class) in classes.iter().enumerate() {
        for split in ["train", "test"] {
            let folder = sandbox.path("data").join(split).join(class);
            fs::create_dir_all(&folder).unwrap();
            for n in 0..8_u8 {
                let pixel = |x, y| Luma([(x as u8 * 7 + y as u8 * 3 + n * 13) ^ (shade as u8 * 3)]);
                let image = GrayImage::from_fn(16, 16, pixel);
                image.save(folder.join(format!("<b>{n}&.png"))).unwrap();
            }
        }
    }
    let run = sandbox.run_json(&[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let report = report(&sandbox, &["pipeline.yaml"]);
    let document = report.document();
    let all = text(document.root_element());
    for class in classes {
        assert!(all.contains(class), "{class}");
    }
    let alts: Vec<&str> = document
        .descendants()
        .filter_map(|node| node.attribute("alt"))
        .collect();
    assert!(alts.iter().any(|alt| alt.contains("<b>")), "{alts:?}");
}
