//! Which image files a folder holds, by split and class.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::source::Unusable;

/// An image file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub path: PathBuf,
    /// The path from the folder of the splits, with `/` between its parts.
    pub name: String,
    pub label: u32,
}

/// The image files of a folder, each split ordered by class and file name.
#[derive(Debug)]
pub struct Layout {
    /// Names of the class folders, sorted.
    pub classes: Vec<String>,
    pub train: Vec<Listed>,
    pub validation: Option<Vec<Listed>>,
    pub test: Vec<Listed>,
}

const EXPECTED: &str =
    "the layout is `train/<CLASS>/*.jpeg` and `test/<CLASS>/*.jpeg` (or `jpg`, `png`)";

impl Layout {
    /// Lists `path`, or the one folder in it that has the splits: archives of these data nest them
    /// (`chest_xray/chest_xray/train`), and add folders such as `__MACOSX`, which are ignored like
    /// hidden files.
    pub fn read(path: &Path) -> Result<Self, Unusable> {
        let root = root(path)?;
        let split = |names: &[&str]| -> Result<Option<PathBuf>, Unusable> {
            let found = folders(&root)?
                .into_iter()
                .find(|(name, _)| names.iter().any(|n| name.eq_ignore_ascii_case(n)));
            Ok(found.map(|(_, path)| path))
        };
        let missing = |name: &str| {
            Unusable::new(format!("`{}` has no folder `{name}`", root.display())).hint(EXPECTED)
        };
        let train = split(&["train"])?.ok_or_else(|| missing("train"))?;
        let test = split(&["test"])?.ok_or_else(|| missing("test"))?;
        let validation = split(&["val", "validation"])?;

        let classes: Vec<String> = folders(&train)?.into_iter().map(|(name, _)| name).collect();
        if classes.len() < 2 {
            return Err(Unusable::new(format!(
                "`{}` has {} class folders, and two are the least to tell apart",
                train.display(),
                classes.len()
            ))
            .hint(EXPECTED));
        }
        Ok(Self {
            train: files(&train, &train, &classes)?,
            validation: match validation {
                Some(folder) => Some(files(&folder, &train, &classes)?),
                None => None,
            },
            test: files(&test, &train, &classes)?,
            classes,
        })
    }

    /// Every split that there is.
    pub fn splits_mut(&mut self) -> impl Iterator<Item = &mut Vec<Listed>> {
        [&mut self.train]
            .into_iter()
            .chain(self.validation.as_mut())
            .chain([&mut self.test])
    }

    /// Checks that no class is without images to train on or to test on.
    pub fn check_classes(&self, path: &Path) -> Result<(), Unusable> {
        for (split, files) in [("train", &self.train), ("test", &self.test)] {
            for (label, class) in self.classes.iter().enumerate() {
                if !files.iter().any(|file| file.label as usize == label) {
                    return Err(Unusable::new(format!(
                        "class `{class}` has no image in `{split}` of `{}`",
                        path.display()
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

/// `path`, or the only folder at most two levels down, that has a folder `train`.
fn root(path: &Path) -> Result<PathBuf, Unusable> {
    let mut level = vec![path.to_owned()];
    for _ in 0..3 {
        let mut next = Vec::new();
        let mut roots = Vec::new();
        for folder in level {
            let inner = folders(&folder)?;
            if inner
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case("train"))
            {
                roots.push(folder);
            } else {
                next.extend(inner.into_iter().map(|(_, path)| path));
            }
        }
        match roots.as_slice() {
            [] => level = next,
            [root] => return Ok(root.clone()),
            [one, other, ..] => {
                return Err(Unusable::new(format!(
                    "both `{}` and `{}` have a folder `train`",
                    one.display(),
                    other.display()
                ))
                .hint("name the one to use"));
            }
        }
    }
    Err(Unusable::new(format!("`{}` has no folder `train`", path.display())).hint(EXPECTED))
}

/// The image files of a split.
fn files(split: &Path, train: &Path, classes: &[String]) -> Result<Vec<Listed>, Unusable> {
    let found = folders(split)?;
    for (name, path) in &found {
        if !classes.contains(name) {
            return Err(Unusable::new(format!(
                "class folder `{}` has no counterpart in `{}`",
                path.display(),
                train.display()
            ))
            .hint("every split must have the same classes"));
        }
    }
    let mut files = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        let Some((_, folder)) = found.iter().find(|(name, _)| name == class) else {
            // A class that is missing altogether is one without images.
            continue;
        };
        let split_name = split.file_name().unwrap_or_default().to_string_lossy();
        for (name, path) in entries(folder)? {
            if is_image(&path) {
                files.push(Listed {
                    path,
                    name: format!("{split_name}/{class}/{name}"),
                    label: label as u32,
                });
            }
        }
    }
    Ok(files)
}

fn is_image(path: &Path) -> bool {
    let known = |extension: &str| {
        ["jpg", "jpeg", "png"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    };
    path.extension().and_then(|e| e.to_str()).is_some_and(known) && path.is_file()
}

fn folders(path: &Path) -> Result<Vec<(String, PathBuf)>, Unusable> {
    let mut entries = entries(path)?;
    entries.retain(|(_, path)| path.is_dir());
    Ok(entries)
}

/// What is in a folder, by name, without hidden files and what macOS adds to archives.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, Unusable> {
    let unreadable = |e: io::Error| {
        let cause = if e.kind() == io::ErrorKind::NotFound {
            "there is no such folder".to_owned()
        } else {
            e.to_string()
        };
        Unusable::new(format!("cannot read `{}`: {cause}", folder.display()))
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && name != "__MACOSX" {
            entries.push((name, entry.path()));
        }
    }
    entries.sort_unstable();
    Ok(entries)
}
