//! Images that pydicom, imagecodecs and Pillow write, and the pixels that these programs read from them.

use super::{python, run, show};
use crate::sandbox::{Sandbox, files};

const PIPELINE: &str = r#"
version: 1
name: images
stages:
  images:
    kind: dataset
    params:
      source: { folder: { path: data, bits: 12 } }
      image_size: 16
      channels: 3
      validation: 0
      leakage: "off"
"#;

#[test]
fn images_have_the_pixels_that_other_programs_read() {
    let Some(python) = python() else {
        return;
    };
    let sandbox = Sandbox::new(PIPELINE);
    let data = sandbox.path("data");
    run(
        &python,
        "images_agree.py",
        &["write".as_ref(), data.as_os_str()],
    );
    let done = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let packed = sandbox.path("artifacts/latest/images/images/test");
    let args = ["check".as_ref(), data.as_os_str(), packed.as_os_str()];
    show(&run(&python, "images_agree.py", &args));
    // The name and the number of a patient are in no record, log or result.
    for (name, bytes) in files(&sandbox.path("artifacts")) {
        assert!(!bytes.windows(6).any(|six| six == b"Secret"), "{name}");
    }
}
