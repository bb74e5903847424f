//! Fills a network with the weights of a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use contract::{Artifact, Context, Failure, ShowPath, files};
use dfdx::shapes::HasShape;
use ops::Backend;
use serde::Serialize;

use super::file::{self, Stored};
use super::names::{renamed, spellings};
use super::{Initial, Start};
use crate::nets::{ClassifierCard, GENERATOR_FILE, MODEL_FILE, Network, StateTensor, WEIGHTS_FILE};

/// Number of names that an error lists.
const LISTED: usize = 4;

/// Name of the list of the tensors that were taken from another model.
pub(crate) const LOADED_FILE: &str = "initial.json";

/// What was found for the tensors of a network: the content of `initial.json`.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Loaded {
    /// The names of tensors of the network, and the names that they have in the file.
    pub loaded: BTreeMap<String, String>,
    /// Tensors of the network that start with new values.
    pub fresh: Vec<String>,
    /// Tensors of the file that the network does not have.
    pub unused: Vec<String>,
}

/// The file with weights, and its name in messages.
struct Source {
    path: PathBuf,
    shown: String,
    /// The classes of the model that it belongs to, if it belongs to one.
    classes: Option<Vec<String>>,
}

/// Fills `network` with the weights of an input or of a file. Returns `None` if `start` gives none.
///
/// # Errors
/// If the file is damaged or has another format, or if it lacks a tensor of a layer that is not fresh. The network may then
/// be partly filled.
pub(crate) fn load<B: Backend>(
    network: &mut Network<B>,
    start: &Start<'_>,
    context: &Context<'_>,
) -> Result<Option<Loaded>, Failure> {
    let source = match (
        context.optional_input(start.name),
        start.params.and_then(|params| params.path.as_deref()),
    ) {
        (Some(artifact), _) => Source::of_artifact(artifact)?,
        (None, Some(path)) => Source::at(path)?,
        (None, None) => return Ok(None),
    };
    let default = Initial::default();
    let params = start.params.unwrap_or(&default);
    if let Some(classes) = start.classes {
        source.check_classes(network, params, classes)?;
    }
    let stored = file::read(&source.path).map_err(|why| source.unusable(&why))?;
    let loaded = fill(network, params, stored).map_err(|why| source.unusable(&why))?;
    context.note(format!(
        "{} of {} tensors start from {}",
        loaded.loaded.len(),
        loaded.loaded.len() + loaded.fresh.len(),
        source.shown
    ));
    Ok(Some(loaded))
}

impl Source {
    fn of_artifact(artifact: &Artifact) -> Result<Self, Failure> {
        let shown = format!("`{}`", artifact.label);
        if artifact.files.contains_key(MODEL_FILE) {
            return Ok(Self {
                path: artifact.file(WEIGHTS_FILE)?.to_owned(),
                shown,
                classes: Some(ClassifierCard::read(artifact)?.classes),
            });
        }
        if artifact.files.contains_key(GENERATOR_FILE) {
            return Ok(Self {
                path: artifact.file(WEIGHTS_FILE)?.to_owned(),
                shown,
                classes: None,
            });
        }
        let names: Vec<&str> = artifact.files.keys().map(String::as_str).collect();
        let is_wanted = |name: &&&str| {
            let extension = Path::new(name).extension();
            extension.is_some_and(|extension| extension == "safetensors" || extension == "onnx")
        };
        let wanted: Vec<&str> = match names.as_slice() {
            [one] => vec![one],
            all => all.iter().filter(is_wanted).copied().collect(),
        };
        let [name] = wanted.as_slice() else {
            return Err(Failure::Data(format!(
                "{shown} must have one safetensors or ONNX file, but it has {}: {}",
                wanted.len(),
                listed(names.into_iter().map(str::to_owned))
            )));
        };
        Ok(Self {
            path: artifact.file(name)?.to_owned(),
            shown,
            classes: None,
        })
    }

    fn at(path: &Path) -> Result<Self, Failure> {
        let shown = format!("`{}`", path.shown());
        let is_folder = files::leads_to(path, std::fs::Metadata::is_dir)
            .map_err(|error| Failure::io("read", path, error))?;
        if !is_folder {
            return Ok(Self {
                path: path.to_owned(),
                shown,
                classes: None,
            });
        }
        let has = |name: &str| {
            let file = path.join(name);
            files::exists(&file).map_err(|error| Failure::io("read", &file, error))
        };
        let classes = if has(MODEL_FILE)? {
            let card: ClassifierCard = contract::json::read(&path.join(MODEL_FILE))?;
            Some(card.classes)
        } else if has(GENERATOR_FILE)? {
            None
        } else {
            return Err(Failure::Data(format!(
                "the folder {shown} has neither `{MODEL_FILE}` nor `{GENERATOR_FILE}`: give the path of a file, or of a folder \
                 that `runner export` wrote"
            )));
        };
        Ok(Self {
            path: path.join(WEIGHTS_FILE),
            shown,
            classes,
        })
    }

    fn unusable(&self, why: &str) -> Failure {
        Failure::Data(format!(
            "{} gives no weights to start from: {why}",
            self.shown
        ))
    }

    /// Checks that the outputs of a model mean the same classes, unless its last layer is not used.
    fn check_classes<B: Backend>(
        &self,
        network: &Network<B>,
        initial: &Initial,
        classes: &[String],
    ) -> Result<(), Failure> {
        let state = network.architecture().state();
        let last = state.iter().map(StateTensor::layer).max();
        match &self.classes {
            Some(theirs)
                if theirs != classes && last.is_some_and(|last| !initial.fresh.has(last)) =>
            {
                Err(Failure::Data(format!(
                    "the model {} has the classes {}, but the training images have the classes {}: add layer {} to `fresh` \
                     of `initial`",
                    self.shown,
                    theirs.join(", "),
                    classes.join(", "),
                    last.unwrap_or_default() + 1
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Fills `network` with the tensors of a file.
fn fill<B: Backend>(
    network: &mut Network<B>,
    initial: &Initial,
    stored: Vec<Stored>,
) -> Result<Loaded, String> {
    let rules = initial.names.iter().map(super::Rename::rule);
    let rules: Vec<_> = rules
        .collect::<Result<_, _>>()
        .map_err(|invalid| invalid.message)?;
    let mut by_name: BTreeMap<String, Stored> = BTreeMap::new();
    for tensor in stored {
        let name = renamed(&tensor.name, &rules);
        if let Some(other) = by_name.get(&name) {
            return Err(format!(
                "the tensors `{}` and `{}` both have the name `{name}` by the rules in `names`",
                other.name, tensor.name
            ));
        }
        by_name.insert(name, tensor);
    }
    let mut loaded = Loaded {
        loaded: BTreeMap::new(),
        fresh: Vec::new(),
        unused: Vec::new(),
    };
    let mut missing = Vec::new();
    let described = network.architecture().state();
    let device = network.device().clone();
    for (wanted, (_, tensor)) in described.iter().zip(network.state_mut()) {
        if initial.fresh.has(wanted.layer()) {
            loaded.fresh.push(wanted.name.clone());
            continue;
        }
        let spellings = spellings(&wanted.name);
        let Some(found) = spellings.iter().find_map(|name| by_name.remove(name)) else {
            missing.push(format!("`{}` {:?}", wanted.name, wanted.dimensions));
            continue;
        };
        let values = usable(&found, wanted)?;
        *tensor = ops::from_host(&device, values, *tensor.shape());
        loaded.loaded.insert(wanted.name.clone(), found.name);
    }
    loaded.unused = by_name.into_values().map(|tensor| tensor.name).collect();
    loaded.unused.sort_unstable();
    if missing.is_empty() {
        return Ok(loaded);
    }
    let unused = match loaded.unused.is_empty() {
        true => "no others".to_owned(),
        false => listed(loaded.unused.iter().map(|name| format!("`{name}`"))),
    };
    Err(format!(
        "it lacks {} of {} tensors: {}. It has {unused}. Rename tensors with `names` of `initial`, or list layers that start \
         with new weights in `fresh`",
        missing.len(),
        described.len(),
        listed(missing.into_iter())
    ))
}

/// Returns the values of a tensor for a tensor of the network.
fn usable(found: &Stored, wanted: &StateTensor) -> Result<Vec<f32>, String> {
    let name = &found.name;
    if found.dimensions != wanted.dimensions {
        return Err(format!(
            "its tensor `{name}` has the shape {:?}, but `{}` has {:?}",
            found.dimensions, wanted.name, wanted.dimensions
        ));
    }
    let values = found.values.as_ref();
    let values = values.map_err(|why| format!("its tensor `{name}` cannot be used: {why}"))?;
    if let Some(place) = values.iter().position(|value| !value.is_finite()) {
        return Err(format!(
            "value {place} of its tensor `{name}` is {}",
            values[place]
        ));
    }
    Ok(values.clone())
}

/// Returns the first few of some names, and how many there are more.
fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let first: Vec<String> = names.take(LISTED).collect();
    let first = first.join(", ");
    match more {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
