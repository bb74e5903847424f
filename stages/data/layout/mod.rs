//! Lists the image files of a folder by split and class, and the other files in it.

mod listing;

use std::fs::Metadata;
use std::path::Path;

use contract::{ShowPath, files, sources::SourceFolder};

pub(super) use self::listing::Listed;
use self::listing::{files, omit_all};
use super::source::{Omitted, SplitUse, Unusable};

/// The image files of a source. Each split is ordered by class and name.
#[derive(Debug)]
pub(super) struct Layout {
    pub kind: LayoutKind,
    /// Names of the classes, sorted.
    pub classes: Vec<String>,
    /// `None` without a folder for training images.
    pub train: Option<Vec<Listed>>,
    pub validation: Option<Vec<Listed>>,
    pub test: Vec<Listed>,
    /// Every other file.
    pub omitted: Omitted,
}

/// Where classes and splits come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LayoutKind {
    /// Folders of splits, each with a folder for each class.
    Splits,
    /// A folder for each class. All images are training images.
    Classes,
    /// A table.
    Table,
}

/// Names of each split's folder, compared without regard to case.
const TRAIN: [&str; 1] = ["train"];
const VALIDATION: [&str; 2] = ["val", "validation"];
const TEST: [&str; 1] = ["test"];

/// Folder that macOS adds to archives.
pub(crate) const MACOS_FOLDER: &str = "__MACOSX";

const EXPECTED: &str = "the expected layout is `train/<CLASS>/` and `test/<CLASS>/` with images";

/// Way out for a folder without splits.
const DRAW: &str = "if its folders are the classes, divide the images with `split: { train: 70, validation: 15, test: 15 }` beside `source`";

/// Returns the names of the class folders of `path`, without a look at the files in them.
pub(super) fn class_names(path: &Path) -> Option<Vec<String>> {
    let source = SourceFolder::open(path).ok()?;
    let classes = match root(SourceFolder::open(path).ok()?).ok()? {
        Some(root) => match split(&root, &TRAIN).ok()? {
            Some(train) => train,
            None => split(&root, &TEST).ok()??,
        },
        None => source,
    };
    Some(folders(&classes).map(str::to_owned).collect())
}

/// Returns `true` if `path` has a folder with training images, or only classes, without a look at the files in it.
pub(super) fn has_train(path: &Path) -> Option<bool> {
    match root(SourceFolder::open(path).ok()?).ok()? {
        Some(root) => Some(split(&root, &TRAIN).ok()?.is_some()),
        None => Some(true),
    }
}

/// Returns `true` if a folder of `path` is meant for validation images, without a look at the files in it.
pub(super) fn has_validation(path: &Path) -> Option<bool> {
    let root = root(SourceFolder::open(path).ok()?).ok()?;
    let is_meant = |name: &str| VALIDATION.iter().any(|v| name.eq_ignore_ascii_case(v));
    Some(root.is_some_and(|root| folders(&root).any(is_meant)))
}

impl Layout {
    /// Lists `path`, or the only folder in it that contains the splits. Images of another hospital may have only a
    /// folder `test`. Archives of image data often nest folders (`chest_xray/chest_xray/train`) and contain a folder
    /// `__MACOSX`, which is ignored. Without test images, it is an error if they are needed. A folder without splits is one
    /// of classes, if its images are divided. With `nested`, images may be at any depth in a class folder.
    pub(super) fn read(path: &Path, usage: SplitUse, nested: bool) -> Result<Self, Unusable> {
        let shown = path.shown();
        match files::leads_to(path, Metadata::is_dir) {
            Ok(true) => {}
            Ok(false) => return Err(Unusable::new(format!("there is no folder `{shown}`"))),
            Err(error) => {
                return Err(Unusable::new(format!("failed to read `{shown}`: {error}")));
            }
        }
        let source = SourceFolder::open(path)?;
        let Some(root) = root(SourceFolder::open(path)?)? else {
            if usage.needs_test() {
                let missing = format!("`{shown}` has no folder `train`");
                return Err(Unusable::new(missing).hint(match folders(&source).nth(1) {
                    Some(_) => format!("{EXPECTED}; {DRAW}"),
                    None => EXPECTED.to_owned(),
                }));
            }
            return Self::of_classes(&source, nested);
        };
        let missing = |name: &str| {
            Unusable::new(format!("`{}` has no folder `{name}`", root.path.shown())).hint(EXPECTED)
        };
        let train = split(&root, &TRAIN)?;
        let test = split(&root, &TEST)?;
        if usage.is_drawn && (train.is_some() || test.is_some()) {
            return Err(Unusable::new(format!(
                "`{}` has splits of its own, but `split` divides folders without them",
                root.path.shown()
            ))
            .hint("remove `split`, or set `path` to a folder that contains only the folders of the classes"));
        }
        match (&train, &test) {
            (None, None) => return Err(missing("train")),
            (None, Some(_)) if !usage.needs_test() => return Err(missing("train")),
            (Some(_), None) if usage.needs_test() => {
                let folds = "without test images, cross-validate with `folds: 5` at the top of the pipeline";
                return Err(missing("test").hint(format!("{EXPECTED}; {folds}")));
            }
            (Some(_), _) | (None, Some(_)) => {}
        }
        let validation = split(&root, &VALIDATION)?;

        // The split whose classes the others must have.
        let first = train.as_ref().or(test.as_ref());
        let first = first.ok_or_else(|| missing("train"))?;
        let classes = classes(first)?;
        let mut omitted = Omitted::default();
        omit_beside(&source, &root, &mut omitted)?;
        let mut files = |split: &SourceFolder| {
            only_classes(split, first, &classes)?;
            let name = split.path.file_name().unwrap_or_default().to_string_lossy();
            files(split, &format!("{name}/"), &classes, nested, &mut omitted)
        };
        let train = train.as_ref().map(&mut files).transpose()?;
        let validation = validation.as_ref().map(&mut files).transpose()?;
        let test = test
            .as_ref()
            .map(&mut files)
            .transpose()?
            .unwrap_or_default();
        Ok(Self {
            kind: LayoutKind::Splits,
            train,
            validation,
            test,
            classes,
            omitted,
        })
    }

    /// Lists a folder that contains the folders of the classes.
    fn of_classes(source: &SourceFolder, nested: bool) -> Result<Self, Unusable> {
        let classes = classes(source)?;
        let mut omitted = Omitted::default();
        let train = files(source, "", &classes, nested, &mut omitted)?;
        Ok(Self {
            kind: LayoutKind::Classes,
            classes,
            train: Some(train),
            validation: None,
            test: Vec::new(),
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
                    return Err(self.lacks(class, split, path));
                }
            }
        }
        Ok(())
    }

    fn lacks(&self, class: &str, split: &str, path: &Path) -> Unusable {
        let (place, folder) = match self.kind {
            LayoutKind::Splits => (format!(" in `{split}` of"), format!("{split}/{class}")),
            LayoutKind::Classes => (" in".to_owned(), class.to_owned()),
            LayoutKind::Table => {
                let message = format!(
                    "class `{class}` has no image for `{split}` in `{}`",
                    path.shown()
                );
                return Unusable::new(message)
                    .hint("add lines with images of the class, or remove the class");
            }
        };
        let message = format!("class `{class}` has no image{place} `{}`", path.shown());
        let extensions = images::extensions();
        Unusable::new(message).hint(format!(
            "add files with the extension {extensions} to `{folder}`, or remove the class's folders"
        ))
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
/// levels below it. `None` if there is none.
fn root(source: SourceFolder) -> Result<Option<SourceFolder>, Unusable> {
    let path = source.path.clone();
    match root_with("train", source)? {
        Some(found) => Ok(Some(found)),
        None => root_with("test", SourceFolder::open(&path)?),
    }
}

/// Returns the names of the class folders of a folder.
fn classes(folder: &SourceFolder) -> Result<Vec<String>, Unusable> {
    let classes: Vec<String> = folders(folder).map(str::to_owned).collect();
    if classes.len() >= 2 {
        return Ok(classes);
    }
    let found = match classes.first() {
        Some(only) => format!("only one class folder (`{only}`)"),
        None => "no class folders".to_owned(),
    };
    let shown = folder.path.shown();
    let message = format!("`{shown}` has {found}; classification needs at least two");
    Err(Unusable::new(message).hint(EXPECTED))
}

/// Checks that a split has no other classes than `first`, the split that determines them.
fn only_classes(
    split: &SourceFolder,
    first: &SourceFolder,
    classes: &[String],
) -> Result<(), Unusable> {
    match folders(split).find(|class| !classes.iter().any(|known| known == class)) {
        None => Ok(()),
        Some(class) => Err(Unusable::new(format!(
            "class folder `{}` has no counterpart in `{}`",
            split.path.join(class).shown(),
            first.path.shown()
        ))
        .hint("every split must have the same classes")),
    }
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

/// Returns the names of the folders in `folder`, without those that macOS adds to archives.
fn folders(folder: &SourceFolder) -> impl Iterator<Item = &str> {
    let names = folder.folders.iter().map(String::as_str);
    names.filter(|&name| name != MACOS_FOLDER)
}
