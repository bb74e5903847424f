//! Writes models and generators as ONNX files, which many other programs can run. docs/models.md is the user's guide.
//!
//! Layers that only matter in training are left out. The size of a batch is not fixed.

mod graph;
mod layers;
mod proto;
#[cfg(test)]
mod tests;

use contract::{Artifact, Failure, Invalid};
use prost::Message;
use serde::Serialize;

use crate::nets::{
    Architecture, Calibration, ClassifierCard, GENERATOR_FILE, GeneratorCard, Head, MODEL_FILE,
    WEIGHTS_FILE,
};
use graph::Builder;
use proto::{Attribute, Entry, Graph, Model, OperatorSet, ValueInfo};

/// Name of the file that an export writes.
pub const ONNX_FILE: &str = "model.onnx";

/// Size limit of a file, in bytes. Programs that read it refuse larger messages.
const MOST_BYTES: usize = (1 << 31) - 1;

/// Choices of an export.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Include each `batch_norm` that directly follows a layer with weights and no activation in these weights.
    pub fold_batch_norm: bool,
}

/// Returns the content of an ONNX file for the model or generator in `artifact`.
///
/// # Errors
/// If it is neither, or cannot be used, or is too large.
pub fn convert(artifact: &Artifact, options: Options) -> Result<Vec<u8>, Failure> {
    let model = if artifact.files.contains_key(MODEL_FILE) {
        classifier(artifact, options)?
    } else if artifact.files.contains_key(GENERATOR_FILE) {
        generator(artifact, options)?
    } else {
        return Err(Failure::Data(format!(
            "`{}` is neither a model nor a generator: it has no file `{MODEL_FILE}` or `{GENERATOR_FILE}`",
            artifact.label
        )));
    };
    if model.encoded_len() > MOST_BYTES {
        return Err(Failure::Data(format!(
            "`{}` has more weights than an ONNX file can have, which is limited to 2 GiB",
            artifact.label
        )));
    }
    Ok(model.encode_to_vec())
}

fn unusable(artifact: &Artifact, error: &Invalid) -> Failure {
    Failure::Data(format!("`{}` cannot be used: {error}", artifact.label))
}

/// Adds the layers of `architecture` to `builder`.
fn add_layers(
    builder: &mut Builder,
    architecture: &Architecture,
    artifact: &Artifact,
    options: Options,
) -> Result<(), Failure> {
    let mut layers = layers::computed(architecture, artifact.file(WEIGHTS_FILE)?)?;
    if options.fold_batch_norm {
        layers = layers::fold_batch_norm(layers);
    }
    for layer in layers {
        builder.layer(layer).map_err(|e| unusable(artifact, &e))?;
    }
    Ok(())
}

fn classifier(artifact: &Artifact, options: Options) -> Result<Model, Failure> {
    let card = ClassifierCard::read(artifact)?;
    let head = card.check().map_err(|e| unusable(artifact, &e))?;
    let mut builder = Builder::new("images", false);
    add_layers(&mut builder, &card.architecture, artifact, options)?;
    builder.flatten("scores");
    builder.add("logits", "Identity", &[], Vec::new());
    let is_single = add_calibration(&mut builder, head, card.calibration);
    add_probabilities(&mut builder, is_single);
    let shape = card.image();
    let input = ValueInfo::batch(
        "images",
        &[shape.channels, shape.height, shape.width],
        "pixels from 0 to 1; the entry `preprocessing` says how to get them from an image file",
    );
    let units = match head {
        Head::Sigmoid => 1,
        Head::Softmax(classes) => classes,
    };
    let outputs = [
        ValueInfo::batch(
            "probabilities",
            &[head.classes()],
            "probability of each class, in the order of the entry `classes`",
        ),
        ValueInfo::batch(
            "logits",
            &[units],
            "scores before they become probabilities",
        ),
    ];
    let mut entries = vec![
        entry("classes", &card.classes),
        entry("preprocessing", &card.preprocessing),
    ];
    if let Some(calibration) = card.calibration {
        entries.push(entry("calibration", &calibration));
    }
    if let (Some(threshold), Some(class)) = (card.threshold, card.classes.last()) {
        entries.push(entry("threshold", &threshold));
        entries.push(entry("threshold_class", class));
    }
    Ok(model(
        builder,
        "classifier",
        input,
        outputs.to_vec(),
        entries,
    ))
}

/// Adds the nodes that change logits as `calibration` says. Returns `true` if there is one logit of two classes, and
/// not one for each class.
fn add_calibration(builder: &mut Builder, head: Head, calibration: Option<Calibration>) -> bool {
    let is_single = head == Head::Sigmoid;
    match calibration {
        None => is_single,
        Some(Calibration::Temperature(temperature)) => {
            builder.constant("temperature", &[], &[temperature as f32]);
            builder.add("calibrated", "Div", &["temperature"], Vec::new());
            is_single
        }
        Some(Calibration::Platt { slope, intercept }) => {
            if !is_single {
                builder.constant("second_minus_first", &[2, 1], &[-1.0, 1.0]);
                builder.add("log_odds", "MatMul", &["second_minus_first"], Vec::new());
            }
            builder.constant("slope", &[], &[slope as f32]);
            builder.add("scaled", "Mul", &["slope"], Vec::new());
            builder.constant("intercept", &[], &[intercept as f32]);
            builder.add("calibrated", "Add", &["intercept"], Vec::new());
            true
        }
    }
}

/// Adds the nodes that turn logits into probabilities. Each one is computed from the logits by itself, because 1 minus
/// the others would be 0 for a class that is very unlikely.
fn add_probabilities(builder: &mut Builder, is_single: bool) {
    let axis = || vec![Attribute::int("axis", 1)];
    if is_single {
        let logit = builder.current.clone();
        builder.add("negative", "Neg", &[], Vec::new());
        builder.add("both", "Concat", &[&logit], axis());
        builder.add("probabilities", "Sigmoid", &[], Vec::new());
    } else {
        builder.add("probabilities", "Softmax", &[], axis());
    }
}

fn generator(artifact: &Artifact, options: Options) -> Result<Model, Failure> {
    let card = GeneratorCard::read(artifact)?;
    let Architecture { input, layers } = &card.architecture;
    let checked = Architecture::new(*input, layers.clone());
    let architecture = checked.map_err(|e| unusable(artifact, &e))?;
    let latent = architecture.input.len();
    let mut builder = Builder::new("latent", true);
    add_layers(&mut builder, &architecture, artifact, options)?;
    builder.image("pixels", architecture.output());
    builder.add("images", "Identity", &[], Vec::new());
    let shape = card.image();
    let input = ValueInfo::batch(
        "latent",
        &[latent],
        "independent values of the standard normal distribution",
    );
    let output = ValueInfo::batch(
        "images",
        &[shape.channels, shape.height, shape.width],
        "pixels from -1 (black) to 1 (white)",
    );
    let entries = vec![entry("class", &card.class)];
    Ok(model(builder, "generator", input, vec![output], entries))
}

/// Returns an entry of the file's metadata, with `value` as JSON.
fn entry(key: &str, value: &impl Serialize) -> Entry {
    Entry {
        key: key.to_owned(),
        value: serde_json::to_string(value).expect("plain data is JSON"),
    }
}

fn model(
    builder: Builder,
    name: &str,
    input: ValueInfo,
    output: Vec<ValueInfo>,
    metadata_props: Vec<Entry>,
) -> Model {
    let Builder {
        nodes,
        initializers,
        ..
    } = builder;
    Model {
        ir_version: proto::IR_VERSION,
        producer_name: "runner".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(Graph {
            node: nodes,
            name: name.to_owned(),
            initializer: initializers,
            input: vec![input],
            output,
        }),
        opset_import: vec![OperatorSet {
            domain: String::new(),
            version: proto::OPSET,
        }],
        metadata_props,
    }
}
