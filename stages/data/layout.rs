//! Lists the image files of a folder by split and class, and the other files in it.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use contract::{ShowPath, files, sources::SourceFolder};

use super::source::{Omitted, Unusable};

/// An image file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub path: PathBuf,
    /// Path relative to the folder of the splits, with `/` between its parts.
    pub name: String,
    pub label: u32,
}

/// The image files of a folder. Each split is ordered by class and file name.
#[derive(Debug)]
pub(super) struct Layout {
    /// Names of the class folders, sorted.
    pub classes: Vec<String>,
    /// `None` without a folder for training images.
    pub train: Option<Vec<Listed>>,
    pub validation: Option<Vec<Listed>>,
    pub test: Vec<Listed>,
    /// Every other file.
    pub omitted: Omitted,
}

/// Names of each split's folder, compared without regard to case.
const TRAIN: [&str; 1] = ["train"];
const VALIDATION: [&str; 2] = ["val", "validation"];
const TEST: [&str; 1] = ["test"];

/// Folder that macOS adds to archives.
pub(crate) const MACOS_FOLDER: &str = "__MACOSX";

const EXPECTED: &str =
    "the expected layout is `train/<CLASS>/*.jpeg` and `test/<CLASS>/*.jpeg` (or `jpg`, `png`)";

/// Returns the names of the class folders of `path`, without a look at the files in them.
pub(super) fn class_names(path: &Path) -> Option<Vec<String>> {
    let root = root(SourceFolder::open(path).ok()?).ok()?;
    let split = match split(&root, &TRAIN).ok()? {
        Some(train) => train,
        None => split(&root, &TEST).ok()??,
    };
    Some(folders(&split).map(str::to_owned).collect())
}

/// Returns `true` if `path` has a folder with training images, without a look at the files in it.
pub(super) fn has_train(path: &Path) -> Option<bool> {
    let root = root(SourceFolder::open(path).ok()?).ok()?;
    Some(split(&root, &TRAIN).ok()?.is_some())
}

/// Returns `true` if a folder of `path` is meant for validation images, without a look at the files in it.
pub(super) fn has_validation(path: &Path) -> Option<bool> {
    let root = root(SourceFolder::open(path).ok()?).ok()?;
    let is_meant = |name: &str| VALIDATION.iter().any(|v| name.eq_ignore_ascii_case(v));
    Some(folders(&root).any(is_meant))
}

impl Layout {
    /// Lists `path`, or the only folder in it that contains the splits. Images of another hospital may have only a
    /// folder `test`. Archives of image data often nest folders (`chest_xray/chest_xray/train`) and contain a folder
    /// `__MACOSX`, which is ignored. Without test images, it is an error if they are needed.
    pub(super) fn read(path: &Path, needs_test: bool) -> Result<Self, Unusable> {
        let shown = path.shown();
        match files::leads_to(path, Metadata::is_dir) {
            Ok(true) => {}
            Ok(false) => return Err(Unusable::new(format!("there is no folder `{shown}`"))),
            Err(error) => {
                return Err(Unusable::new(format!("failed to read `{shown}`: {error}")));
            }
        }
        let source = SourceFolder::open(path)?;
        let root = root(SourceFolder::open(path)?)?;
        let missing = |name: &str| {
            Unusable::new(format!("`{}` has no folder `{name}`", root.path.shown())).hint(EXPECTED)
        };
        let train = split(&root, &TRAIN)?;
        let test = split(&root, &TEST)?;
        match (&train, &test) {
            (None, None) => return Err(missing("train")),
            (None, Some(_)) if !needs_test => return Err(missing("train")),
            (Some(_), None) if needs_test => {
                let folds = "without test images, cross-validate with `folds: 5` at the top of the pipeline";
                return Err(missing("test").hint(format!("{EXPECTED}; {folds}")));
            }
            (Some(_), _) | (None, Some(_)) => {}
        }
        let validation = split(&root, &VALIDATION)?;

        // The split whose classes the others must have.
        let first = train.as_ref().or(test.as_ref());
        let first = first.ok_or_else(|| missing("train"))?;
        let classes: Vec<String> = folders(first).map(str::to_owned).collect();
        if classes.len() < 2 {
            let found = match classes.first() {
                Some(only) => format!("only one class folder (`{only}`)"),
                None => "no class folders".to_owned(),
            };
            return Err(Unusable::new(format!(
                "`{}` has {found}; classification needs at least two",
                first.path.shown()
            ))
            .hint(EXPECTED));
        }
        let mut omitted = Omitted::default();
        omit_beside(&source, &root, &mut omitted)?;
        let mut files = |split: &SourceFolder| files(split, first, &classes, &mut omitted);
        let train = train.as_ref().map(&mut files).transpose()?;
        let validation = validation.as_ref().map(&mut files).transpose()?;
        let test = test
            .as_ref()
            .map(&mut files)
            .transpose()?
            .unwrap_or_default();
        Ok(Self {
            train,
            validation,
            test,
            classes,
            omitted,
        })
    }

    /// Returns every split that exists.
    pub(super) fn splits_mut(&mut self) -> impl Iterator<Item = &mut Vec<Listed>> {
        self.train
            .iter_mut()
            .chain(self.validation.as_mut())
            .chain([&mut self.test])
    }

    /// Checks that every class has images to train on, if there are any, and images to test on, if they are needed.
    pub(super) fn check_classes(&self, path: &Path, needs_test: bool) -> Result<(), Unusable> {
        let train = self.train.as_ref().map(|files| ("train", files));
        let test = needs_test.then_some(("test", &self.test));
        for (split, files) in train.into_iter().chain(test) {
            for (label, class) in self.classes.iter().enumerate() {
                if !files.iter().any(|file| file.label as usize == label) {
                    return Err(Unusable::new(format!(
                        "class `{class}` has no image in `{split}` of `{}`",
                        path.shown()
                    ))
                    .hint(format!(
                        "add `jpg`, `jpeg` or `png` files to `{split}/{class}`, or remove the class's folders"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Returns the folder of a split, if there is one.
fn split(root: &SourceFolder, names: &[&str]) -> Result<Option<SourceFolder>, Unusable> {
    let is_meant = |name: &&str| names.iter().any(|n| name.eq_ignore_ascii_case(n));
    let mut found: Option<SourceFolder> = None;
    for name in folders(root).filter(is_meant) {
        let folder = root.enter(name)?;
        // A folder without files is not in the stage's key, so it is treated as absent.
        if !folder.holds_files()? {
            continue;
        }
        if let Some(first) = &found {
            return Err(Unusable::new(format!(
                "`{}` and `{}` stand for the same split",
                first.path.shown(),
                folder.path.shown()
            ))
            .hint("merge them, or list one of them in a `.runnerignore`"));
        }
        found = Some(folder);
    }
    Ok(found)
}

/// Returns the only folder that has a folder `train` or, if there is none, `test`: `source` or a folder at most two
/// levels below it.
fn root(source: SourceFolder) -> Result<SourceFolder, Unusable> {
    let path = source.path.clone();
    if let Some(found) = root_with("train", source)? {
        return Ok(found);
    }
    let found = root_with("test", SourceFolder::open(&path)?)?;
    found.ok_or_else(|| {
        Unusable::new(format!("`{}` has no folder `train`", path.shown())).hint(EXPECTED)
    })
}

/// Returns the only folder that has a folder `split`; `None` if there is none.
fn root_with(split: &str, source: SourceFolder) -> Result<Option<SourceFolder>, Unusable> {
    let mut level = vec![source];
    for _ in 0..3 {
        let mut next = Vec::new();
        let mut roots = Vec::new();
        for folder in level {
            if folders(&folder).any(|name| name.eq_ignore_ascii_case(split)) {
                roots.push(folder);
            } else {
                for inner in folders(&folder) {
                    next.push(folder.enter(inner)?);
                }
            }
        }
        match roots.as_slice() {
            [] => level = next,
            [_] => return Ok(roots.pop()),
            [one, other, ..] => {
                return Err(Unusable::new(format!(
                    "both `{}` and `{}` have a folder `{split}`",
                    one.path.shown(),
                    other.path.shown()
                ))
                .hint("set `path` to the one to use"));
            }
        }
    }
    Ok(None)
}

/// Lists the image files of a split. `first` is the split that determines the classes.
fn files(
    split: &SourceFolder,
    first: &SourceFolder,
    classes: &[String],
    omitted: &mut Omitted,
) -> Result<Vec<Listed>, Unusable> {
    omitted.hidden += split.hidden;
    for name in &split.files {
        let name = format!("{}{name}", split.name);
        omitted.add(name, "is in no class folder", None);
    }
    for class in folders(split) {
        if !classes.iter().any(|known| known == class) {
            return Err(Unusable::new(format!(
                "class folder `{}` has no counterpart in `{}`",
                split.path.join(class).shown(),
                first.path.shown()
            ))
            .hint("every split must have the same classes"));
        }
    }
    let mut files = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        if !split.folders.contains(class) {
            // A class without a folder has no images in this split.
            continue;
        }
        let folder = split.enter(class)?;
        let split_name = split.path.file_name().unwrap_or_default().to_string_lossy();
        omitted.hidden += folder.hidden;
        for below in &folder.folders {
            let reason = "is in a folder below its class folder";
            omit_all(&folder.enter(below)?, reason, Some(label as u32), omitted)?;
        }
        for name in &folder.files {
            if let Some(reason) = not_read(name) {
                omitted.add(format!("{}{name}", folder.name), reason, Some(label as u32));
                continue;
            }
            files.push(Listed {
                path: folder.path.join(name),
                name: format!("{split_name}/{class}/{name}"),
                label: label as u32,
            });
        }
    }
    Ok(files)
}

/// Adds the files beside the splits to `omitted`: those in `root`, and those in the folders around it up to
/// `source`.
fn omit_beside(
    source: &SourceFolder,
    root: &SourceFolder,
    omitted: &mut Omitted,
) -> Result<(), Unusable> {
    omitted.hidden += source.hidden;
    for name in &source.files {
        omitted.add(
            format!("{}{name}", source.name),
            "is in no split folder",
            None,
        );
    }
    let is_root = source.name == root.name;
    let is_split = |name: &str| {
        let mut known = TRAIN.iter().chain(&VALIDATION).chain(&TEST);
        is_root && known.any(|known| name.eq_ignore_ascii_case(known))
    };
    for name in folders(source).filter(|name| !is_split(name)) {
        let folder = source.enter(name)?;
        if !is_root && root.name.starts_with(&folder.name) {
            omit_beside(&folder, root, omitted)?;
        } else {
            let reason =
                format!("is in `{name}`, which is no split (`train`, `val`, `validation`, `test`)");
            omit_all(&folder, &reason, None, omitted)?;
        }
    }
    Ok(())
}

/// Adds every file of a folder, at any depth, to `omitted`.
fn omit_all(
    folder: &SourceFolder,
    reason: &str,
    class: Option<u32>,
    omitted: &mut Omitted,
) -> Result<(), Unusable> {
    omitted.hidden += folder.hidden;
    for name in &folder.files {
        omitted.add(format!("{}{name}", folder.name), reason, class);
    }
    for name in &folder.folders {
        omit_all(&folder.enter(name)?, reason, class, omitted)?;
    }
    Ok(())
}

/// Returns the reason why a file of this name is not read as an image, as a fragment that follows the name; `None` if it
/// is read.
pub(crate) fn not_read(name: &str) -> Option<String> {
    if is_image(name) {
        return None;
    }
    Some(match Path::new(name).extension() {
        Some(format) => format!(
            "is of the format `{}`, which is not read",
            format.to_string_lossy().to_lowercase()
        ),
        None => "has no extension".to_owned(),
    })
}

fn is_image(name: &str) -> bool {
    let known = |extension: &str| {
        ["jpg", "jpeg", "png"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    };
    let extension = Path::new(name).extension();
    extension.and_then(|e| e.to_str()).is_some_and(known)
}

/// Returns the names of the folders in `folder`, without those that macOS adds to archives.
fn folders(folder: &SourceFolder) -> impl Iterator<Item = &str> {
    let names = folder.folders.iter().map(String::as_str);
    names.filter(|&name| name != MACOS_FOLDER)
}
