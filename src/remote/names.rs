//! Names of objects. The layout below a remote's address is decided here only.

use std::fmt;
use std::str::FromStr;

use store::is_processor;
use store::keys::{Digest, Key};

/// Name of the folder that holds everything: the version of the layout.
pub(crate) const FORMAT: &str = "v1";
/// Folders of records, of blobs and trees, and of kinds of processors.
pub(crate) const ACTIONS: &str = "v1/actions";
pub(crate) const CAS: &str = "v1/cas";
pub(crate) const PROCESSORS: &str = "v1/processors";
/// Folder of files that are being written, in a remote that is a folder.
pub(crate) const TEMPORARY: &str = "v1/tmp";

/// Text that names no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParseNameError;

/// Name of an object on the remote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ObjectName {
    Record(Key),
    Blob(Digest),
    Tree(Digest),
    /// A kind of processor that computed a result.
    Processor(String),
}

/// The path below the remote's address.
impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (folder, hex, end) = match self {
            Self::Record(key) => (ACTIONS, key.to_string(), ""),
            Self::Blob(digest) => (CAS, digest.to_string(), ""),
            Self::Tree(digest) => (CAS, digest.to_string(), ".tree"),
            Self::Processor(kind) => return write!(f, "{PROCESSORS}/{kind}"),
        };
        write!(f, "{folder}/{}/{hex}{end}", &hex[..2])
    }
}

impl FromStr for ObjectName {
    type Err = ParseNameError;

    fn from_str(path: &str) -> Result<Self, ParseNameError> {
        let digest = |text: &str| text.parse::<Digest>().map_err(|_| ParseNameError);
        let (folder, file) = path.rsplit_once('/').ok_or(ParseNameError)?;
        let name = match folder.rsplit_once('/').unwrap_or_default() {
            (ACTIONS, _) => Self::Record(file.parse().map_err(|_| ParseNameError)?),
            (CAS, _) => match file.strip_suffix(".tree") {
                Some(hex) => Self::Tree(digest(hex)?),
                None => Self::Blob(digest(file)?),
            },
            _ if folder == PROCESSORS && is_processor(file) => Self::Processor(file.to_owned()),
            _ => return Err(ParseNameError),
        };
        // The folder must be the right one as well.
        match name.to_string() == path {
            true => Ok(name),
            false => Err(ParseNameError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let hex = "ab".repeat(32);
        for path in [
            format!("v1/actions/ab/{hex}"),
            format!("v1/cas/ab/{hex}"),
            format!("v1/cas/ab/{hex}.tree"),
            "v1/processors/gpu-nvidia-h100".to_owned(),
        ] {
            assert_eq!(path.parse::<ObjectName>().unwrap().to_string(), path);
        }
    }

    #[test]
    fn other_names_are_refused() {
        let hex = "ab".repeat(32);
        for path in [
            String::new(),
            hex.clone(),
            format!("v1/cas/aa/{hex}"),
            format!("v1/cas/{hex}"),
            format!("v2/cas/ab/{hex}"),
            format!("v1/cas/ab/{hex}.tree.tree"),
            format!("v1/cas/ab/../ab/{hex}"),
            format!("v1/actions/ab/{hex}."),
            format!("v1/actions/ab/{hex}.a"),
            format!("v1/processors/{}", "a".repeat(201)),
            "v1/processors/".to_owned(),
            "v1/processors/A".to_owned(),
            "v1/processors/a/b".to_owned(),
        ] {
            assert!(path.parse::<ObjectName>().is_err(), "{path}");
        }
    }
}
