//! Runs of random pipelines do what their plans say.

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;

use super::plan;
use crate::sandbox::Sandbox;

/// A random pipeline of quick stages: datasets, and augmentations of their splits.
#[derive(Clone, Debug)]
struct Drawn {
    /// Extra training images, extra test images and seed of each dataset.
    datasets: Vec<(u8, u8, u8)>,
    /// Dataset, split (true for `train`) and shear of each augmentation.
    augments: Vec<(prop::sample::Index, bool, u8)>,
}

impl Drawn {
    fn pipeline(&self) -> String {
        let mut text = "version: 1\nname: drawn\nstages:\n".to_owned();
        for (index, (images, test, seed)) in self.datasets.iter().enumerate() {
            let (images, test) = (20 + images, 10 + test);
            text.push_str(&format!(
                "  d{index}: {{ kind: dataset, seed: {seed}, params: {{ image_size: 8, validation: 0.2, source: {{ phantom: {{ images: {images}, test_images: {test} }} }} }} }}\n"
            ));
        }
        for (index, (dataset, train, shear)) in self.augments.iter().enumerate() {
            let dataset = dataset.index(self.datasets.len());
            let port = if *train { "train" } else { "test" };
            text.push_str(&format!(
                "  a{index}: {{ kind: augment, inputs: {{ images: d{dataset}.{port} }}, params: {{ shear: 0.{shear} }} }}\n"
            ));
        }
        text
    }
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let dataset = (0..2_u8, 0..2_u8, 0..2_u8);
    let augment = (any::<prop::sample::Index>(), any::<bool>(), 0..2_u8);
    (
        prop::collection::vec(dataset, 1..4),
        prop::collection::vec(augment, 0..4),
    )
        .prop_map(|(datasets, augments)| Drawn { datasets, augments })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Uses real processes and a real store. A dataset can change one of its outputs and leave the others the
    /// same.
    #[test]
    fn a_run_does_what_its_plan_says(rounds in prop::collection::vec(drawn(), 1..4)) {
        let sandbox = Sandbox::new("");
        for drawn in rounds {
            fs::write(sandbox.path("pipeline.yaml"), drawn.pipeline()).unwrap();
            let planned = plan(&sandbox, &[]);
            let run = sandbox.run_json(&[]);
            prop_assert_eq!(run.code, Some(0), "{:?}", run);
            let outcomes: BTreeMap<String, String> = run.outcomes().into_iter().collect();
            let mut made = Vec::new();
            for stage in planned["stages"].as_array().unwrap() {
                let name = stage["name"].as_str().unwrap();
                let is_first = !made.contains(&&stage["key"]);
                made.push(&stage["key"]);
                let outcome = outcomes[name].as_str();
                match stage["state"].as_str().unwrap() {
                    "cached" => prop_assert_eq!(outcome, "cached", "{}", name),
                    "runs" => {
                        let expected = if is_first { "succeeded" } else { "cached" };
                        prop_assert_eq!(outcome, expected, "{}", name);
                    }
                    _ => {
                        let upstream = stage["waits_on"].as_str().unwrap();
                        prop_assert!(outcomes.contains_key(upstream));
                        prop_assert!(["succeeded", "cached"].contains(&outcome), "{}", name);
                    }
                }
            }
            let again = plan(&sandbox, &[]);
            let stages = again["stages"].as_array().unwrap();
            prop_assert!(stages.iter().all(|stage| stage["state"] == "cached"), "{}", again);
        }
    }
}
