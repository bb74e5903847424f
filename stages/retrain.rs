//! Kind `retrain`: trains a classifier on synthetic images, alone or mixed with real ones, from scratch or
//! from the weights of another model.

use std::borrow::Cow;
use std::collections::BTreeMap;

use contract::{
    Accepts, ArtifactType, Context, Expected, Failure, Input, Invalid, KindInfo, Resumable,
    Signature, Source, Stage, Usage, Work, ranges,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use crate::data::Dataset;
use crate::decode;
use crate::device::compute;
use crate::initial;
use crate::train_cnn::{INITIAL_TEXTS, OUTPUTS, Training, VALIDATION, check, image, work};
use crate::training::{Examples, Recipe};

pub const INFO: KindInfo = KindInfo {
    name: "retrain",
    version: 5,
    doc: "trains a classifier on synthetic images, alone or with real ones",
    inputs: &[
        Input {
            role: "synthetic",
            accepts: Accepts(&[ArtifactType::Dataset]),
            many: false,
            optional: false,
            usage: Usage::Trains,
            doc: "generated training images",
        },
        Input {
            role: "real",
            accepts: Accepts(&[ArtifactType::Dataset]),
            many: false,
            optional: true,
            usage: Usage::Trains,
            doc: "real training images to mix in, in the ratio `real_per_synthetic`",
        },
        initial::INPUT,
        VALIDATION,
    ],
    outputs: &OUTPUTS,
    has_primary: true,
    model_params: &["model"],
    text_params: &INITIAL_TEXTS,
    positive_param: None,
    fold_param: None,
    declares_ports: false,
    computes: true,
};

const REAL_PER_SYNTHETIC: &str = "real_per_synthetic";

/// The parameters of `retrain`: those of `train-cnn` and `real_per_synthetic`.
pub struct Retrain {
    recipe: Recipe,
    /// See [`Mixing`].
    real_per_synthetic: Option<f64>,
}

/// Schema of the additional parameter.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only describes a parameter")]
struct Mixing {
    /// Number of real images for each synthetic one in an epoch. If there are more real images, each epoch
    /// draws a new sample of them. Requires the input `real`.
    #[serde(default)]
    #[schemars(range(max = 1000), extend("exclusiveMinimum" = 0))]
    real_per_synthetic: Option<f64>,
}

impl JsonSchema for Retrain {
    fn schema_name() -> Cow<'static, str> {
        "Retrain".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Recipe::json_schema(generator);
        let own = Mixing::json_schema(generator).remove("properties");
        if let (Some(Value::Object(all)), Some(Value::Object(own))) =
            (schema.get_mut("properties"), own)
        {
            all.extend(own);
        }
        schema
    }
}

impl Retrain {
    /// Decodes the parameters, without serde's `flatten`, which would lose unknown keys and the places of errors.
    pub fn parse(mut params: Value) -> Result<Self, Invalid> {
        let own = params
            .as_object_mut()
            .and_then(|map| map.shift_remove(REAL_PER_SYNTHETIC));
        let real_per_synthetic =
            decode(own.unwrap_or(Value::Null)).map_err(|e| e.under(REAL_PER_SYNTHETIC))?;
        Ok(Self {
            recipe: decode(params)?,
            real_per_synthetic,
        })
    }
}

impl Stage for Retrain {
    fn canonical(&self) -> Value {
        let mut params = self.recipe.canonical();
        params[REAL_PER_SYNTHETIC] = json!(self.real_per_synthetic);
        params
    }

    fn check(
        &self,
        inputs: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<BTreeMap<String, Signature>, Invalid> {
        let outputs = check(&self.recipe, "synthetic", inputs)?;
        let only = |role: &str| inputs.get(role).and_then(|signatures| signatures.first());
        let image = match outputs["model"] {
            Signature::Model { image, .. } => image,
            _ => return Err(Invalid::new("output `model` is not a model")),
        };
        match (only("real"), self.real_per_synthetic) {
            (Some(_), None) => {
                return Err(Invalid::new(
                    "input `real` is connected, but `real_per_synthetic` is not set",
                )
                .hint("set the number of real images for each synthetic one, such as 0.5"));
            }
            (None, Some(_)) => {
                return Err(Invalid::new("`real_per_synthetic` needs real images")
                    .hint("connect the input `real`")
                    .under(REAL_PER_SYNTHETIC));
            }
            (Some(Signature::Dataset { image: other, .. }), Some(ratio)) => {
                ranges::above_zero(REAL_PER_SYNTHETIC, ratio, 1000.0)?;
                if *other != image {
                    return Err(Invalid::new(format!(
                        "synthetic images are {image}, but real images are {other}"
                    ))
                    .hint("give both the same `image_size` and number of channels"));
                }
            }
            _ => {}
        }
        Ok(outputs)
    }

    fn sources(&self) -> Vec<Source> {
        self.recipe.sources()
    }

    fn check_classes(&self, classes: &[String]) -> Result<(), Invalid> {
        self.recipe.check_classes(classes)
    }

    fn warnings(&self, inputs: &BTreeMap<String, Vec<Signature>>) -> Vec<Invalid> {
        self.recipe.warnings(image(inputs, "synthetic"))
    }

    fn resumable(&self) -> Option<Resumable> {
        Some(self.recipe.resumable())
    }

    fn work(&self, inputs: &BTreeMap<String, Vec<Expected>>) -> Work {
        let times = 1.0 + self.real_per_synthetic.unwrap_or_default();
        work(&self.recipe, "synthetic", times, inputs)
    }

    fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let synthetic = Dataset::open(context.input("synthetic")?)?;
        let images = synthetic.len();
        let mut examples = Examples::new(synthetic, context.seed);
        if let (Some(real), Some(ratio)) = (context.optional_input("real"), self.real_per_synthetic)
        {
            let real = Dataset::open(real)?;
            let count = (images as f64 * ratio).round() as usize;
            if count > real.len() {
                context.warn(format!(
                    "`real_per_synthetic` requires {count} real images, but there are only {}",
                    real.len()
                ));
            }
            examples.mix_in(real, count)?;
        }
        let training = Training {
            recipe: &self.recipe,
            examples: &examples,
            context,
        };
        compute(context.device, training)
    }
}
