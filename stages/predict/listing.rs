//! Lists unlabelled images: files, and the image files in folders at any depth.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use contract::sources::{Broken, Unnamed, walk, walk_any};
use contract::{Invalid, ShowPath};
use images::Decoder;
use rayon::prelude::*;

use super::settings::Settings;
use crate::data::MACOS_FOLDER;
use crate::data::files::OnBadImage;
use crate::data::source::{Skipped, Unusable};

/// An image file to predict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Name in the results.
    pub name: String,
    pub path: PathBuf,
}

/// Image files, and what is left out.
#[derive(Debug, Default)]
pub struct Listing {
    /// Sorted by name.
    pub images: Vec<Image>,
    /// Images, and folders that may contain some, whose paths are not UTF-8. So they have no name in the results.
    pub unnamed: Vec<PathBuf>,
    /// Paths of other entries of folders that cannot be used, and reasons. An entry may be, or contain, an image.
    pub broken: Vec<(PathBuf, String)>,
    /// Images that cannot be used.
    pub skipped: Vec<Skipped>,
    /// Files in folders that are not read as images.
    pub omitted: Vec<Skipped>,
}

/// Names of the files of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// Paths that begin with that of the folder, as it was given.
    AsGiven,
    /// Paths in the folder.
    Within,
}

impl Listing {
    /// Lists files, and the files of folders. A file that is named itself counts as an image, whatever it is. A file that
    /// is found twice is listed once.
    ///
    /// # Errors
    /// If a path cannot be listed, or there is no image.
    pub fn of(paths: &[PathBuf], naming: Naming) -> Result<Self, Unusable> {
        let mut entries = Entries::default();
        for path in paths {
            let found = match naming {
                Naming::Within => walk(path),
                Naming::AsGiven => walk_any(path),
            };
            let found = found.map_err(|error| on_path(error, path))?;
            for file in &found.files {
                entries.add(path, file, naming);
            }
            for entry in found.unnamed {
                entries.add_unnamed(entry);
            }
            for entry in found.broken {
                entries.add_broken(entry);
            }
        }
        let listing = entries.listing();
        let Self {
            images,
            unnamed,
            broken,
            ..
        } = &listing;
        match images.is_empty() && unnamed.is_empty() && broken.is_empty() {
            true => Err(listing.nothing_in(paths)),
            false => Ok(listing),
        }
    }

    /// Reads the header of every file. Images and entries of folders that cannot be used become `skipped`, if that is
    /// allowed.
    ///
    /// # Errors
    /// Names the first of them that cannot be used, unless they are skipped; and if no image is left.
    pub fn checked(mut self, settings: &Settings) -> Result<Self, Unusable> {
        for path in std::mem::take(&mut self.unnamed) {
            self.skipped.push(settings.unnamed(&path)?);
        }
        for (path, reason) in std::mem::take(&mut self.broken) {
            let name = path.shown();
            self.skipped
                .push(settings.unreadable(Image { name, path }, reason)?);
        }
        // The header does not depend on how many bits are used.
        let decoder = settings.decoder(images::all_bits());
        let check = |image: &Image| Decoder::check(&decoder, &image.path).err();
        let reasons: Vec<Option<String>> = self.images.par_iter().map(check).collect();
        for (image, reason) in std::mem::take(&mut self.images).into_iter().zip(reasons) {
            match reason {
                None => self.images.push(image),
                Some(reason) => self.skipped.push(settings.unreadable(image, reason)?),
            }
        }
        match self.images.is_empty() {
            true => Err(none_left(&self.skipped)),
            false => Ok(self),
        }
    }

    fn nothing_in(&self, paths: &[PathBuf]) -> Unusable {
        let shown: Vec<String> = paths
            .iter()
            .map(|path| format!("`{}`", path.shown()))
            .collect();
        let shown = match shown.as_slice() {
            [] => "the list of paths".to_owned(),
            [one] => one.clone(),
            [first, ..] => format!("{first} and {} more", shown.len() - 1),
        };
        let others = match self.omitted.len() {
            0 => String::new(),
            1 => format!(", only `{}`", self.omitted[0].image),
            count => format!(
                ", only {count} other files, such as `{}`",
                self.omitted[0].image
            ),
        };
        Unusable::new(format!(
            "there are no images ({}) in {shown}{others}",
            images::extensions()
        ))
    }
}

/// What is found in the paths, each once.
#[derive(Default)]
struct Entries {
    images: BTreeMap<PathBuf, Image>,
    /// Reasons by name.
    omitted: BTreeMap<String, String>,
    unnamed: BTreeMap<PathBuf, PathBuf>,
    broken: BTreeMap<PathBuf, (PathBuf, String)>,
}

impl Entries {
    /// Adds a file in `path`, or `path` itself if `file` is empty.
    fn add(&mut self, path: &Path, file: &str, naming: Naming) {
        let is_itself = file.is_empty();
        if file.split('/').any(|part| part == MACOS_FOLDER) {
            return;
        }
        let at = match is_itself {
            true => path.to_owned(),
            false => path.join(file),
        };
        let name = match (naming, is_itself) {
            (Naming::Within, false) => Some(file),
            (Naming::Within, true) => path.file_name().and_then(OsStr::to_str),
            (Naming::AsGiven, _) => at.to_str(),
        };
        let name = name.map(str::to_owned);
        let reason = match is_itself {
            true => None,
            false => images::not_read(&at),
        };
        match (reason, name) {
            (Some(reason), name) => {
                self.omitted
                    .insert(name.unwrap_or_else(|| at.shown()), reason);
            }
            (None, Some(name)) => {
                let image = self.images.entry(plain(&at));
                image.or_insert(Image { name, path: at });
            }
            (None, None) => {
                self.unnamed.insert(plain(&at), at);
            }
        }
    }

    fn add_unnamed(&mut self, entry: Unnamed) {
        let Unnamed { path, is_folder } = entry;
        match images::not_read(&path) {
            Some(reason) if !is_folder => {
                self.omitted.insert(path.shown(), reason);
            }
            _ => {
                self.unnamed.insert(plain(&path), path);
            }
        }
    }

    fn add_broken(&mut self, entry: Broken) {
        let reason = entry.reason();
        self.broken.insert(plain(&entry.path), (entry.path, reason));
    }

    fn listing(self) -> Listing {
        let mut images: Vec<Image> = self.images.into_values().collect();
        images.sort_by(|a, b| a.name.cmp(&b.name));
        Listing {
            images,
            unnamed: self.unnamed.into_values().collect(),
            broken: self.broken.into_values().collect(),
            skipped: Vec::new(),
            omitted: self.omitted.into_iter().map(skipped).collect(),
        }
    }
}

impl Settings {
    /// Returns a decoder of images whose values use `bits` of 16 bits.
    pub(super) fn decoder(&self, bits: u8) -> Decoder {
        Decoder {
            max_pixels: u64::from(self.max_megapixels) * 1_000_000,
            bits,
        }
    }

    /// Returns an image that cannot be used as one that is left out, or an error, depending on `on_bad_image`.
    pub(super) fn unreadable(&self, image: Image, reason: String) -> Result<Skipped, Unusable> {
        match self.on_bad_image {
            OnBadImage::Skip => Ok(skipped((image.name, reason))),
            OnBadImage::Fail => Err(Unusable::new(format!("`{}` {reason}", image.path.shown()))
                .hint(format!("repair or remove it, or {}", self.how_to_skip))),
        }
    }

    /// As [`unreadable`](Self::unreadable), for a path that is not UTF-8.
    fn unnamed(&self, path: &Path) -> Result<Skipped, Unusable> {
        let reason = "has a name that is not UTF-8";
        match self.on_bad_image {
            OnBadImage::Skip => Ok(skipped((path.shown(), reason.to_owned()))),
            OnBadImage::Fail => Err(Unusable::new(format!("`{}` {reason}", path.shown()))
                .hint(format!("rename it, or {}", self.how_to_skip))),
        }
    }
}

/// Returns the error for a list in which every image was skipped.
pub(super) fn none_left(skipped: &[Skipped]) -> Unusable {
    let first = skipped.first();
    let first = first.map_or(String::new(), |s| format!("`{}` {}", s.image, s.reason));
    Unusable::new(match skipped.len() {
        1 => first,
        count => format!("none of the {count} images can be used; the first one: {first}"),
    })
}

fn skipped((image, reason): (String, String)) -> Skipped {
    Skipped {
        image,
        reason,
        class: None,
    }
}

/// Adds the path to an error that does not name it.
fn on_path(error: Invalid, path: &Path) -> Unusable {
    let shown = path.shown();
    let Unusable { message, hint } = error.into();
    let message = if message.contains(&shown) {
        message
    } else {
        format!("`{shown}`: {message}")
    };
    Unusable { message, hint }
}

/// Returns a path without the parts that do not change where it leads, to find paths that are equal.
fn plain(path: &Path) -> PathBuf {
    let parts = path.components();
    parts.filter(|part| *part != Component::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(listing: &Listing) -> Vec<&str> {
        listing.images.iter().map(|i| i.name.as_str()).collect()
    }

    #[test]
    fn files_of_folders_are_listed_once_and_sorted() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("b/deep")).unwrap();
        fs::create_dir_all(at("__MACOSX/b")).unwrap();
        for name in [
            "z.PNG",
            "a.jpg",
            "b/deep/c.jpeg",
            "b/notes.txt",
            ".hidden.png",
            "bare",
            "x.gif",
            "y.dcm",
            "__MACOSX/b/c.jpeg",
            "b/ignored.png",
        ] {
            fs::write(at(name), name).unwrap();
        }
        fs::write(at("b/.runnerignore"), "ignored.*\n").unwrap();
        symlink("a.jpg", at("link.png")).unwrap();
        let listing = Listing::of(&[folder.path().to_owned()], Naming::Within).unwrap();
        assert_eq!(
            names(&listing),
            ["a.jpg", "b/deep/c.jpeg", "link.png", "y.dcm", "z.PNG"]
        );
        let omitted: Vec<&str> = listing.omitted.iter().map(|s| s.image.as_str()).collect();
        assert_eq!(omitted, ["b/notes.txt", "bare", "x.gif"]);

        // A file that is named itself counts, and is listed once.
        let dotted = folder.path().join("./b/../b");
        let given = [
            at("b"),
            at("a.jpg"),
            at("./a.jpg"),
            at("bare"),
            at("b"),
            dotted,
        ];
        let listing = Listing::of(&given[..5], Naming::AsGiven).unwrap();
        let shown = |name: &str| at(name).to_str().unwrap().to_owned();
        let expected = ["a.jpg", "b/deep/c.jpeg", "bare"].map(shown);
        assert_eq!(names(&listing), expected);
        // `..` is not resolved, because a link may be before it.
        assert_eq!(
            Listing::of(&given, Naming::AsGiven).unwrap().images.len(),
            4
        );
    }

    #[test]
    fn entries_that_cannot_be_used_are_skipped_or_an_error() {
        let folder = tempfile::tempdir().unwrap();
        symlink("nowhere", folder.path().join("b.png")).unwrap();
        let given = [folder.path().to_owned()];
        let checked = |on_bad_image| {
            let settings = Settings {
                on_bad_image,
                max_megapixels: 1,
                batch_size: 1,
                how_to_skip: "skip it",
            };
            // Listed once, though it is found twice.
            let given = [given[0].clone(), folder.path().join(".")];
            Listing::of(&given, Naming::AsGiven)?.checked(&settings)
        };
        let reason = "is a link to a file or folder that does not exist";
        let says = |name: &Path| format!("`{}` {reason}", name.display());
        let error = checked(OnBadImage::Fail).unwrap_err();
        assert_eq!(
            error.hint.as_deref(),
            Some("repair or remove it, or skip it")
        );
        let none = checked(OnBadImage::Skip).unwrap_err();
        assert_eq!(none.message, error.message);
        // The path as it was given last.
        let found = [given[0].join("b.png"), given[0].join("./b.png")];
        assert!(found.iter().any(|path| says(path) == error.message));
        // A source may have no such entry.
        assert!(Listing::of(&given, Naming::Within).is_err());
    }

    #[test]
    fn a_list_without_images_is_an_error_that_says_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let says = |paths: &[PathBuf]| Listing::of(paths, Naming::AsGiven).unwrap_err().message;
        let path = folder.path().to_owned();
        assert!(
            says(std::slice::from_ref(&path))
                .starts_with("there are no images (`jpg`, `jpeg`, `png`")
        );
        fs::write(path.join("a.gif"), "").unwrap();
        assert!(says(std::slice::from_ref(&path)).ends_with("a.gif`"));
        assert!(says(&[path.join("missing.png")]).ends_with("missing.png` does not exist"));
        assert!(says(&[]).contains("the list of paths"));
    }
}
