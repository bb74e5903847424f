//! A small catalogue of kinds: `source` → `train` → `score`, and `gather`, whose input takes several
//! artifacts.

use std::collections::BTreeMap;

use contract::{
    Accepts, ArtifactType, Context, Failure, ImageShape, Input, Invalid, KindInfo, MetricInfo,
    Output, SHARE, Segment, Signature, Stage, Usage,
};
use engine::graph::Catalogue;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) const CATALOGUE: Catalogue = Catalogue {
    kinds: &[SOURCE, TRAIN, SCORE, GATHER],
    parse,
    gpus: stages::gpus::survey,
    processor: stages::device::processor,
};

const fn input(role: &'static str, accepts: Accepts) -> Input {
    Input {
        role,
        accepts,
        many: false,
        optional: false,
        usage: Usage::Compares,
        doc: "",
    }
}

const fn output(port: &'static str, yields: ArtifactType) -> Output {
    Output {
        port,
        yields,
        doc: "",
        metrics: &[],
    }
}

const fn kind(
    name: &'static str,
    inputs: &'static [Input],
    outputs: &'static [Output],
    has_primary: bool,
) -> KindInfo {
    KindInfo {
        name,
        version: 1,
        doc: "",
        inputs,
        outputs,
        has_primary,
        model_params: &["model"],
        text_params: &[],
        positive_param: None,
        fold_param: None,
        declares_ports: false,
        computes: false,
    }
}

const SOURCE: KindInfo = kind(
    "source",
    &[],
    &[
        output("train", ArtifactType::Dataset),
        output("test", ArtifactType::Dataset),
    ],
    false,
);

const TRAIN: KindInfo = kind(
    "train",
    &[
        input("images", Accepts(&[ArtifactType::Dataset])),
        Input {
            optional: true,
            ..input("weights", Accepts(&[ArtifactType::Model]))
        },
    ],
    &[
        output("model", ArtifactType::Model),
        output("history", ArtifactType::Figure),
    ],
    true,
);

const METRICS: &[MetricInfo] = &[
    MetricInfo::new("f1", "", SHARE),
    MetricInfo::new("f1.weighted", "", SHARE),
];

const SCORE: KindInfo = kind(
    "score",
    &[
        input("model", Accepts(&[ArtifactType::Model])),
        input("images", Accepts(&[ArtifactType::Dataset])),
    ],
    &[Output {
        metrics: METRICS,
        ..output("metrics", ArtifactType::Metrics)
    }],
    false,
);

const GATHER: KindInfo = kind(
    "gather",
    &[Input {
        many: true,
        ..input("models", Accepts(&[ArtifactType::Model]))
    }],
    &[output("figure", ArtifactType::Figure)],
    false,
);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    /// Height and width, 1 to 64.
    #[serde(default = "Source::size")]
    size: usize,
    #[serde(default)]
    path: String,
}

impl Source {
    fn size() -> usize {
        8
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Train {
    #[serde(default)]
    epochs: usize,
    #[serde(default)]
    rate: f64,
    #[serde(default)]
    notes: Value,
    #[serde(default)]
    model: Vec<Layer>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Layer {
    Flatten,
    Dense(Dense),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dense {
    units: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Decodes parameters as the real catalogue does.
fn parse(kind: &str, params: Value) -> Result<Box<dyn Stage>, Invalid> {
    fn read<S: Stage + for<'de> Deserialize<'de> + 'static>(
        params: Value,
    ) -> Result<Box<dyn Stage>, Invalid> {
        let stage: S = serde_path_to_error::deserialize(params).map_err(|error| {
            let path = error.path().iter().filter_map(|segment| match segment {
                serde_path_to_error::Segment::Map { key } => Some(Segment::Key(key.clone())),
                serde_path_to_error::Segment::Enum { variant } => {
                    Some(Segment::Key(variant.clone()))
                }
                serde_path_to_error::Segment::Seq { index } => Some(Segment::Index(*index)),
                serde_path_to_error::Segment::Unknown => None,
            });
            let path = path.collect();
            Invalid {
                path,
                ..Invalid::new(error.inner().to_string())
            }
        })?;
        Ok(Box::new(stage))
    }
    match kind {
        "source" => read::<Source>(params),
        "train" => read::<Train>(params),
        "score" => read::<Nothing>(params),
        _ => read::<Gather>(params),
    }
}

fn canonical(stage: &impl Serialize) -> Value {
    serde_json::to_value(stage).expect("parameters must serialize")
}

fn not_run() -> Result<(), Failure> {
    Err(Failure::Internal("these kinds are never run".to_owned()))
}

impl Stage for Source {
    fn canonical(&self) -> Value {
        canonical(self)
    }

    fn check(
        &self,
        _: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<BTreeMap<String, Signature>, Invalid> {
        if !(1..=64).contains(&self.size) {
            return Err(
                Invalid::new(format!("must be between 1 and 64, and is {}", self.size))
                    .under("size"),
            );
        }
        let image = ImageShape {
            height: self.size,
            width: self.size,
            channels: 1,
        };
        let dataset = Signature::Dataset {
            image,
            augmented: false,
            classes: None,
        };
        Ok(BTreeMap::from([
            ("train".to_owned(), dataset),
            ("test".to_owned(), dataset),
        ]))
    }

    fn run(&self, _: &Context<'_>) -> Result<(), Failure> {
        not_run()
    }
}

impl Stage for Train {
    fn canonical(&self) -> Value {
        canonical(self)
    }

    fn check(
        &self,
        inputs: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<BTreeMap<String, Signature>, Invalid> {
        let [Signature::Dataset { image, .. }] = inputs["images"].as_slice() else {
            return Err(Invalid::new("the input `images` is no dataset"));
        };
        for (index, layer) in self.model.iter().enumerate() {
            if let Layer::Dense(Dense { units }) = layer
                && *units > image.len()
            {
                let message = format!(
                    "{units} units are more than the {} values of {image}",
                    image.len()
                );
                return Err(Invalid::new(message)
                    .under("units")
                    .under("dense")
                    .at(index)
                    .under("model"));
            }
        }
        Ok(BTreeMap::from([
            (
                "model".to_owned(),
                Signature::Model {
                    image: *image,
                    convolutions: None,
                },
            ),
            ("history".to_owned(), Signature::Figure),
        ]))
    }

    fn run(&self, _: &Context<'_>) -> Result<(), Failure> {
        not_run()
    }
}

impl Stage for Nothing {
    fn canonical(&self) -> Value {
        canonical(self)
    }

    fn check(
        &self,
        _: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<BTreeMap<String, Signature>, Invalid> {
        Ok(BTreeMap::from([("metrics".to_owned(), Signature::Metrics)]))
    }

    fn run(&self, _: &Context<'_>) -> Result<(), Failure> {
        not_run()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gather {
    /// Required number of models; 0 means any number.
    #[serde(default)]
    exactly: usize,
}

impl Stage for Gather {
    fn canonical(&self) -> Value {
        canonical(self)
    }

    fn check(
        &self,
        inputs: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<BTreeMap<String, Signature>, Invalid> {
        let count = inputs["models"].len();
        if self.exactly != 0 && self.exactly != count {
            return Err(Invalid::new(format!("{count} models are given")).under("exactly"));
        }
        Ok(BTreeMap::from([("figure".to_owned(), Signature::Figure)]))
    }

    fn run(&self, _: &Context<'_>) -> Result<(), Failure> {
        not_run()
    }
}
