//! The folder for heat maps: written completely, or not at all.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use contract::{ShowPath, files};
use engine::error::Error;
use tempfile::TempDir;

/// Prefix of the name of the folder before it is complete.
const FRESH: &str = ".tmp-heat-maps-";

/// A folder that gets its name once it is complete.
pub(super) struct HeatMaps {
    to: PathBuf,
    fresh: TempDir,
}

impl HeatMaps {
    /// Checks that heat maps can be written to the folder `to`, and that it is not among the images.
    pub(super) fn begin(to: &Path, images: &[PathBuf]) -> Result<Self, Error> {
        let is_filled = match fs::read_dir(to) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Err(Error::Usage(format!("`{}` is not a folder", to.shown())));
            }
            Err(error) => return Err(Error::io("read", to)(error)),
        };
        if is_filled {
            return Err(Error::Usage(format!(
                "`{}` is not empty; give another folder with `--explain`, or remove this one",
                to.shown()
            )));
        }
        let parent = to.parent().filter(|parent| *parent != Path::new(""));
        let parent = parent.unwrap_or(Path::new("."));
        let place = parent.canonicalize().map_err(Error::io("access", parent))?;
        let place = place.join(to.file_name().unwrap_or_default());
        for folder in images {
            let is_folder = files::leads_to(folder, Metadata::is_dir);
            if is_folder.map_err(Error::io("access", folder))?
                && place.starts_with(folder.canonicalize().map_err(Error::io("access", folder))?)
            {
                return Err(Error::Usage(format!(
                    "`{}` is in the folder of images `{}`, so heat maps would be taken for images the next time; give \
                     another folder with `--explain`",
                    to.shown(),
                    folder.shown()
                )));
            }
        }
        let fresh = tempfile::Builder::new().prefix(FRESH).tempdir_in(parent);
        let heat_maps = Self {
            to: to.to_owned(),
            fresh: fresh.map_err(Error::io("write", to))?,
        };
        // With the default permissions, unlike the folder around it.
        fs::create_dir(heat_maps.folder()).map_err(Error::io("write", to))?;
        Ok(heat_maps)
    }

    /// The folder to write to.
    pub(super) fn folder(&self) -> PathBuf {
        self.fresh.path().join("complete")
    }

    /// Gives the folder its name.
    pub(super) fn finish(self) -> Result<PathBuf, Error> {
        fs::rename(self.folder(), &self.to).map_err(Error::io("write", &self.to))?;
        Ok(self.to)
    }
}
