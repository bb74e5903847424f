//! [`Place`]: where a report is written to, and what it may replace.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use contract::{ShowPath, files};
use engine::atomic_file::{self, Flush};
use engine::error::Error;

use crate::cli::{output_file, output_path, unwritten};
use crate::report::Console;

/// Prefix of the names of files before they are renamed.
const FRESH: &str = ".tmp-report-";
/// Name of the document in a folder.
const INDEX: &str = "index.html";

/// Destination of a report.
pub(super) enum Place {
    /// Standard output.
    Output,
    File(PathBuf),
    Folder(PathBuf),
}

impl Place {
    /// Checks that a report can be written, before anything is computed.
    pub(super) fn of(output: &Path) -> Result<Self, Error> {
        if output == Path::new("-") {
            return Ok(Self::Output);
        }
        let is_folder = files::leads_to(output, std::fs::Metadata::is_dir)
            .map_err(Error::io("access", output))?;
        if is_folder || output.as_os_str().as_encoded_bytes().ends_with(b"/") {
            output_path::check_folder(output)?;
            output_file::REPORT.check_replaced(&output.join(INDEX))?;
            return Ok(Self::Folder(output.to_owned()));
        }
        output_file::REPORT.destination(output).map(Self::File)
    }

    /// A folder that the report could be written to instead, as an argument of `-o`: `report/` for `report.html`.
    pub(super) fn as_folder(&self) -> String {
        match self {
            Self::Output => "report/".to_owned(),
            Self::File(file) => format!("{}/", file.with_extension("").shown()),
            Self::Folder(folder) => format!("{}/", folder.shown()),
        }
    }

    /// Writes a document and its pictures. Returns the path of the document, if it is a file.
    pub(super) fn write(
        self,
        console: &Console,
        text: &str,
        pictures: BTreeMap<String, Vec<u8>>,
    ) -> Result<Option<PathBuf>, Error> {
        match self {
            Self::Output => {
                console.raw(text.as_bytes()).map_err(unwritten)?;
                Ok(None)
            }
            Self::File(file) => {
                put(&file, text.as_bytes()).map_err(Error::io("write", &file))?;
                Ok(Some(file))
            }
            Self::Folder(folder) => {
                let images = folder.join("images");
                let index = folder.join(INDEX);
                files::create_folders(&images).map_err(Error::io("create", &images))?;
                // The document comes last: it refers to the pictures.
                for (name, png) in pictures {
                    let file = folder.join(name);
                    put(&file, &png).map_err(Error::io("write", &file))?;
                }
                put(&index, text.as_bytes()).map_err(Error::io("write", &index))?;
                Ok(Some(index))
            }
        }
    }
}

fn put(file: &Path, bytes: &[u8]) -> io::Result<()> {
    atomic_file::write(file, FRESH, Flush::No, |to| to.write_all(bytes))
}
