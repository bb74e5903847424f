//! Finds the model that an argument names: in the store, or in an exported folder.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::Path;

use contract::{Artifact, Failure, ShowPath, files};
use engine::error::Error;
use stages::nets::{ClassifierCard, GENERATOR_FILE, MODEL_FILE, WEIGHTS_FILE};
use store::Store;
use store::keys::Digest;

use crate::cli::artifacts::hint::Wanted;
use crate::cli::artifacts::lookup::ArtifactArgs;
use crate::cli::pipeline::StoreArgs;

/// A classifier to apply.
pub(super) struct Model {
    pub(super) artifact: Artifact,
    /// Its digest, if it is in the store.
    pub(super) digest: Option<Digest>,
}

impl Model {
    /// Finds the classifier `name`, and reads what its files say about it.
    pub(super) fn find(
        name: &str,
        pipeline: Option<&str>,
        store: &StoreArgs,
    ) -> Result<Self, Error> {
        let model = match folder(name, pipeline, store)? {
            Some(folder) => Self::in_folder(folder)?,
            None => Self::in_store(name, pipeline, store)?,
        };
        model.check()?;
        Ok(model)
    }

    fn in_folder(folder: &Path) -> Result<Self, Error> {
        let mut found = BTreeMap::new();
        for name in [MODEL_FILE, WEIGHTS_FILE, GENERATOR_FILE] {
            let path = folder.join(name);
            if files::exists(&path).map_err(Error::io("access", &path))? {
                found.insert(name.to_owned(), path);
            }
        }
        Ok(Self {
            artifact: Artifact {
                label: folder.shown(),
                files: found,
                ..Artifact::default()
            },
            digest: None,
        })
    }

    fn in_store(name: &str, pipeline: Option<&str>, store: &StoreArgs) -> Result<Self, Error> {
        let args = ArtifactArgs {
            artifact: name.to_owned(),
            pipeline: pipeline.map(str::to_owned),
            store: store.clone(),
        };
        let opened = if store.exists()? {
            Some(store.open()?)
        } else {
            None
        };
        let Some(opened) = opened else {
            return Err(Error::Usage(format!(
                "there is neither a folder `{name}` nor a store in `{}`; run a pipeline first, name a store with \
                 `--artifacts`, or give a folder that `runner artifacts export` wrote",
                store.folder().shown()
            )));
        };
        let wanted = Wanted {
            one: "a classifier",
            several: "classifiers",
            is: &|digest| is_model(&opened, digest),
        };
        let found = args.find_of_type(&opened, Some(&wanted))?;
        let tree = opened.results().get(&found.digest)?;
        opened.results().verify(&tree)?;
        Ok(Self {
            artifact: Artifact {
                label: found.name(),
                files: opened.files_of(&tree),
                ..Artifact::default()
            },
            digest: Some(found.digest),
        })
    }

    /// Checks that the files are those of a classifier.
    fn check(&self) -> Result<(), Error> {
        let Artifact { label, files, .. } = &self.artifact;
        let has = |name: &str| files.contains_key(name);
        let hint = "`runner artifacts ls` lists results, and `runner artifacts export MODEL DIR` copies a model";
        if has(GENERATOR_FILE) && !has(MODEL_FILE) {
            return Err(Error::Usage(format!(
                "`{label}` is a generator of images, not a classifier; {hint}"
            )));
        }
        if let Some(missing) = [MODEL_FILE, WEIGHTS_FILE]
            .into_iter()
            .find(|name| !has(name))
        {
            return Err(Error::Usage(format!(
                "`{label}` is not a classifier: it has no file `{missing}`; {hint}"
            )));
        }
        let card = ClassifierCard::read(&self.artifact).map_err(unreadable)?;
        card.check().map(drop).map_err(|e| {
            Error::System(format!(
                "model `{label}` cannot be used: `{MODEL_FILE}`: {e}"
            ))
        })
    }
}

fn unreadable(failure: Failure) -> Error {
    Error::System(failure.to_string())
}

/// Returns the folder that `name` means; `None` if it means a result in the store.
///
/// # Errors
/// If it could mean both.
fn folder<'a>(
    name: &'a str,
    pipeline: Option<&str>,
    store: &StoreArgs,
) -> Result<Option<&'a Path>, Error> {
    let path = Path::new(name);
    let is_folder = files::leads_to(path, Metadata::is_dir).map_err(Error::io("access", path))?;
    if !is_folder {
        // An axis may have values with a slash: `cnn[a/b]`.
        return match name.contains('/') && !name.contains('[') {
            true => Err(Error::Usage(format!(
                "there is no folder `{}`",
                path.shown()
            ))),
            false => Ok(None),
        };
    }
    let is_only_path = name.contains('/') || name.starts_with('.');
    if is_only_path || !store.exists()? {
        return Ok(Some(path));
    }
    let args = ArtifactArgs {
        artifact: name.to_owned(),
        pipeline: pipeline.map(str::to_owned),
        store: store.clone(),
    };
    let has_model = files::exists(&path.join(MODEL_FILE)).map_err(Error::io("access", path))?;
    match (args.matches(&store.open()?)?, has_model) {
        (true, true) => Err(Error::Usage(format!(
            "`{name}` is both a folder and a result in the store; write `./{name}` for the folder, or `{name}.model` \
             for the result"
        ))),
        (true, false) => Ok(None),
        (false, _) => Ok(Some(path)),
    }
}

/// Returns `true` if an artifact has the files of a classifier.
fn is_model(store: &Store, digest: &Digest) -> bool {
    let tree = store.peek_tree(digest);
    tree.is_ok_and(|tree| tree.files.contains_key(MODEL_FILE))
}
