//! Lists the image files of class folders.

use std::path::PathBuf;

use contract::sources::SourceFolder;

use super::MACOS_FOLDER;
use crate::data::source::{Omitted, Unusable};

/// An image file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::data) struct Listed {
    pub path: PathBuf,
    /// Path relative to the folder of the splits, or of the classes if there are no splits, with `/` between its parts.
    pub name: String,
    pub label: u32,
    pub group: Option<String>,
}

/// Lists the image files in the class folders of `split`. Their names begin with `prefix`.
pub(super) fn files(
    split: &SourceFolder,
    prefix: &str,
    classes: &[String],
    nested: bool,
    omitted: &mut Omitted,
) -> Result<Vec<Listed>, Unusable> {
    omitted.hidden += split.hidden;
    for name in &split.files {
        let name = format!("{}{name}", split.name);
        omitted.add(name, "is in no class folder", None);
    }
    let mut files = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        if !split.folders.contains(class) {
            // A class without a folder has no images in this split.
            continue;
        }
        let folder = split.enter(class)?;
        let mut of_class = OfClass {
            label: label as u32,
            nested,
            files: Vec::new(),
            omitted: &mut *omitted,
        };
        of_class.add(&folder, format!("{prefix}{class}/"))?;
        let mut of_class = of_class.files;
        of_class.sort_by(|a, b| a.name.cmp(&b.name));
        files.extend(of_class);
    }
    Ok(files)
}

/// The images of a class, while they are listed.
struct OfClass<'a> {
    label: u32,
    nested: bool,
    files: Vec<Listed>,
    omitted: &'a mut Omitted,
}

impl OfClass<'_> {
    /// Adds the files of a folder, whose names begin with `prefix`.
    fn add(&mut self, folder: &SourceFolder, prefix: String) -> Result<(), Unusable> {
        self.omitted.hidden += folder.hidden;
        for below in &folder.folders {
            let inner = folder.enter(below)?;
            if !self.nested {
                let reason =
                    "is in a folder below its class folder (`nested: true` reads such files)";
                omit_all(&inner, reason, Some(self.label), self.omitted)?;
            } else if below != MACOS_FOLDER {
                self.add(&inner, format!("{prefix}{below}/"))?;
            }
        }
        for name in &folder.files {
            let path = folder.path.join(name);
            if let Some(reason) = images::not_read(&path) {
                let name = format!("{}{name}", folder.name);
                self.omitted.add(name, reason, Some(self.label));
                continue;
            }
            self.files.push(Listed {
                path,
                name: format!("{prefix}{name}"),
                label: self.label,
                group: None,
            });
        }
        Ok(())
    }
}

/// Adds every file of a folder, at any depth, to `omitted`.
pub(super) fn omit_all(
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
