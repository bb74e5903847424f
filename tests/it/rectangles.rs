//! Images whose height and width differ, through every kind of stage.

use std::fs;

use crate::sandbox::Sandbox;

const PIPELINE: &str = r#"
version: 1
name: rectangles
seed: 3
models:
  small:
    - conv: { filters: 4, kernel: [3, 5], stride: [1, 2] }
    - max_pool: { kernel: [2, 1] }
    - depthwise_conv: { kernel: [3, 1] }
    - flatten
    - dense: { units: 1 }
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 40, test_images: 20 } }, image_size: [12, 20], validation: 0.2 }
  more:
    kind: augment
    inputs: { images: xrays.train }
    params: { rotation: 10, width_shift: 0.2, height_shift: 0.2, shear: 10, zoom: 0.1, horizontal_flip: true }
  cnn:
    kind: train-cnn
    inputs: { train: more, validation: xrays.validation }
    params:
      model: small
      epochs: 2
  gan:
    kind: train-gan
    matrix: { class: [NORMAL, PNEUMONIA] }
    inputs: { images: xrays.train }
    params:
      class: "${matrix.class}"
      latent: 4
      epochs: 2
      batch_size: 8
      generator:
        - dense: { units: 60 }
        - reshape: { channels: 4, height: 3, width: 5 }
        - conv_transpose: { filters: 4, kernel: 4, stride: 2 }
        - conv_transpose: { filters: 1, kernel: 4, stride: 2, activation: tanh }
      discriminator: [{ conv: { filters: 4, stride: 2 } }, flatten, { dense: { units: 1 } }]
  drawn: { kind: synthesize, inputs: { generators: gan, train: xrays.train }, params: { images: 16 } }
  again:
    kind: retrain
    inputs: { synthetic: drawn, real: xrays.train, validation: xrays.validation, initial: cnn }
    params: { model: small, epochs: 1, real_per_synthetic: 0.5 }
  score:
    kind: evaluate
    inputs: { model: again, images: xrays.test }
    params: { bootstrap: 0, heat_maps: { images: 4 } }
"#;

#[test]
fn every_kind_takes_images_whose_height_and_width_differ() {
    let sandbox = Sandbox::new(PIPELINE);
    let done = sandbox.run_json(&[]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let figure = sandbox.path("artifacts/latest/rectangles/xrays/figure/images.png");
    assert!(figure.is_file());
    let model = sandbox.path("artifacts/latest/rectangles/again/model/model.json");
    let model: serde_json::Value = serde_json::from_slice(&fs::read(model).unwrap()).unwrap();
    let input = &model["architecture"]["input"];
    assert_eq!([&input["height"], &input["width"]], [12, 20], "{model}");
}
