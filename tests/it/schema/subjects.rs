//! [`Subject`]: a valid stage of each kind, whose parameters the tests change.

use std::collections::BTreeMap;

use contract::{ImageShape, Invalid, KindInfo, Signature};
use serde_json::{Value, json};

pub(super) struct Subject {
    pub kind: &'static KindInfo,
    pub params: Value,
    inputs: BTreeMap<String, Vec<Signature>>,
}

const IMAGE: ImageShape = ImageShape {
    height: 8,
    width: 8,
    channels: 1,
};

/// Returns one subject of each kind. A new kind needs parameters in `subject`.
pub(super) fn subjects() -> Vec<Subject> {
    stages::kinds().iter().map(subject).collect()
}

fn subject(kind: &'static KindInfo) -> Subject {
    let network = json!(["flatten", { "dense": { "units": 1 } }]);
    // The first layer can be frozen, because another has weights.
    let generator = json!([
        { "activation": "relu" },
        { "dense": { "units": 64 } },
        { "reshape": { "channels": 1, "height": 8, "width": 8 } },
        { "activation": "tanh" }
    ]);
    let params = match kind.name {
        "augment" | "synthesize" | "evaluate" => json!({}),
        // The part to test on must be one of these parts.
        "dataset" => json!({
            "fold": { "test": 1, "of": 20 },
            "split": { "train": 8, "validation": 1, "test": 1 },
        }),
        "train-cnn" => json!({ "model": network }),
        "retrain" => json!({ "model": network, "real_per_synthetic": 0.5 }),
        "command" => json!({ "argv": ["true"] }),
        "predict" => json!({ "path": "images" }),
        "train-gan" => {
            json!({ "class": "A", "generator": generator, "discriminator": network })
        }
        other => panic!("add valid parameters of the kind `{other}` here"),
    };
    // `evaluate` takes predictions of another program instead of a model.
    let inputs = kind.inputs.iter();
    let inputs = inputs.filter(|input| input.role != "predictions");
    let inputs = inputs.map(|input| {
        let signature = match input.accepts.0[0].to_string().as_str() {
            "dataset" => Signature::Dataset {
                image: IMAGE,
                augmented: false,
                classes: None,
            },
            "model" => Signature::Model {
                image: IMAGE,
                convolutions: None,
            },
            "generator" => Signature::Generator { image: IMAGE },
            "weights" => Signature::Weights,
            other => panic!("add a signature for inputs of type `{other}` here"),
        };
        (input.role.to_owned(), vec![signature])
    });
    let inputs = inputs.collect();
    Subject {
        kind,
        params,
        inputs,
    }
}

impl Subject {
    /// Checks these parameters as the kind does.
    pub(super) fn check(&self, params: &Value) -> Result<(), Invalid> {
        let stage = stages::parse(self.kind.name, params.clone())?;
        stage.check(&self.inputs).map(drop)
    }

    /// Returns these parameters with every default filled in.
    pub(super) fn canonical(&self, params: &Value) -> Value {
        let stage = stages::parse(self.kind.name, params.clone());
        let stage = stage.unwrap_or_else(|error| panic!("{}: {error}: {params}", self.kind.name));
        stage.canonical()
    }

    /// Returns a pipeline with this stage and these parameters.
    pub(super) fn document(&self, params: &Value) -> Value {
        let roles = self.inputs.keys();
        let inputs: BTreeMap<&str, &str> = roles.map(|role| (role.as_str(), "a.b")).collect();
        let stage = json!({ "kind": self.kind.name, "params": params, "inputs": inputs });
        json!({ "version": 1, "name": "test", "stages": { "it": stage } })
    }
}
