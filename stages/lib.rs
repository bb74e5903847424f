//! The stage kinds of `runner`, and all of its numerics.
//!
//! Each stage kind has a file or folder of its own. The kinds build on `data` (reads, packs and augments
//! images), `nets` (makes networks from lists of layers), `training` and `gan` (fit networks), `metrics` and
//! `figures`. `heat_maps` shows which places of an image speak for a class. `initial` reads weights from which trainings start. `leakage` finds images that occur in two sets that must be separate. The package [`ops`] has
//! differentiable operations on dfdx tensors. The package [`contract`] is the interface to the engine; its
//! module `sources` determines which files of a folder count, for the engine and for the stages.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read what they wrote")
)]

pub mod analysis;
pub mod augment;
pub mod bench;
mod checkpoint;
pub mod command;
pub mod data;
pub mod dataset;
mod delimited;
pub mod device;
pub mod figures;
pub mod gan;
pub mod gpus;
pub mod heat_maps;
mod initial;
pub mod leakage;
pub mod metrics;
pub mod nets;
pub mod onnx;
mod rate;
pub mod training;

pub mod evaluate;
pub mod predict;
pub mod retrain;
pub mod synthesize;
pub mod train_cnn;
pub mod train_gan;

use std::sync::atomic::AtomicBool;

use contract::{
    Context, Failure, Invalid, KindInfo, Request, Segment, Stage, StageEvent, schema_of,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Stack size, in bytes, of threads that compute. Without optimization, convolutions need more stack than
/// threads usually have.
pub const STACK_SIZE: usize = 32 << 20;

const KINDS: [KindInfo; 9] = [
    dataset::INFO,
    augment::INFO,
    train_cnn::INFO,
    train_gan::INFO,
    synthesize::INFO,
    retrain::INFO,
    evaluate::INFO,
    predict::INFO,
    command::INFO,
];

pub fn kinds() -> &'static [KindInfo] {
    &KINDS
}

/// Decodes the parameters of a stage of the kind named `kind`.
pub fn parse(kind: &str, params: Value) -> Result<Box<dyn Stage>, Invalid> {
    match kind {
        "augment" => decode::<augment::Params>(params).map(boxed),
        "command" => decode::<command::Params>(params)?.checked().map(boxed),
        "dataset" => decode::<dataset::Params>(params).map(boxed),
        "evaluate" => decode::<evaluate::Evaluate>(params).map(boxed),
        "predict" => decode::<predict::Predict>(params).map(boxed),
        "train-cnn" => decode(params).map(train_cnn::TrainCnn).map(boxed),
        "train-gan" => decode::<train_gan::TrainGan>(params).map(boxed),
        "synthesize" => decode::<synthesize::Synthesize>(params).map(boxed),
        "retrain" => retrain::Retrain::parse(params).map(boxed),
        other => Err(Invalid::new(format!("unknown stage kind `{other}`"))),
    }
}

/// Returns a JSON Schema of the parameters of the kind named `kind`: their descriptions, types, ranges and
/// defaults, `x-unit` for parameters with a unit, and `$defs` for shared parts. `None` for an unknown kind.
pub fn params_schema(kind: &str) -> Option<Value> {
    match kind {
        "augment" => Some(schema_of::<augment::Params>()),
        "command" => Some(schema_of::<command::Params>()),
        "dataset" => Some(schema_of::<dataset::Params>()),
        "evaluate" => Some(schema_of::<evaluate::Evaluate>()),
        "predict" => Some(schema_of::<predict::Predict>()),
        "train-cnn" => Some(schema_of::<training::Recipe>()),
        "train-gan" => Some(schema_of::<train_gan::TrainGan>()),
        "synthesize" => Some(schema_of::<synthesize::Synthesize>()),
        "retrain" => Some(schema_of::<retrain::Retrain>()),
        _ => None,
    }
}

/// Runs a stage to completion in this process.
pub fn execute(
    request: &Request,
    events: &(dyn Fn(StageEvent) + Sync),
    cancelled: &AtomicBool,
) -> Result<(), Failure> {
    let stage = parse(&request.kind, request.params.clone())
        .map_err(|e| Failure::Internal(format!("parameters of `{}`: {e}", request.kind)))?;
    ops::on_pool(|| stage.run(&Context::new(request, events, cancelled)))
}

fn boxed<S: Stage + 'static>(stage: S) -> Box<dyn Stage> {
    Box::new(stage)
}

/// Decodes parameters. The path of an error leads to the wrong parameter.
fn decode<T: DeserializeOwned>(params: Value) -> Result<T, Invalid> {
    serde_path_to_error::deserialize(params).map_err(|error| {
        let path = error.path().iter().filter_map(segment).collect();
        Invalid {
            path,
            message: error.into_inner().to_string(),
            hint: None,
        }
    })
}

fn segment(segment: &serde_path_to_error::Segment) -> Option<Segment> {
    use serde_path_to_error::Segment as From;
    match segment {
        From::Map { key } => Some(Segment::Key(key.clone())),
        From::Enum { variant } => Some(Segment::Key(variant.clone())),
        From::Seq { index } => Some(Segment::Index(*index)),
        From::Unknown => None,
    }
}
