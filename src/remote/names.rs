//! Names of records and objects. The layout below a remote's address is decided here only.

use std::fmt;
use std::str::FromStr;

use store::keys::{Digest, Key};

/// Name of the folder that holds everything: the version of the layout.
pub(crate) const FORMAT: &str = "v1";
/// Folders of records, of blobs and trees, and of tags.
pub(crate) const ACTIONS: &str = "v1/actions";
pub(crate) const CAS: &str = "v1/cas";
pub(crate) const TAGS: &str = "v1/tags";

const LONGEST_TAG: usize = 40;

/// Short name of a kind of processor, such as `x86-avx512`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// Name of an action record: its key, and the kind of processor that computed the result, if one had a part in it.
/// Written as `<key>` or `<key>.<tag>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordName {
    pub key: Key,
    pub tag: Option<Tag>,
}

/// Text that names no tag, record or object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected `<key>` or `<key>.<tag>`, with a tag of 1 to 40 characters from `a-z`, `0-9` and `-`"
)]
pub struct ParseNameError;

impl Tag {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        match (1..=LONGEST_TAG).contains(&text.len()) && text.bytes().all(fits) {
            true => Ok(Self(text.to_owned())),
            false => Err(ParseNameError),
        }
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tag {
            Some(tag) => write!(f, "{}.{tag}", self.key),
            None => write!(f, "{}", self.key),
        }
    }
}

impl FromStr for RecordName {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        let (key, tag) = match text.split_once('.') {
            Some((key, tag)) => (key, Some(tag.parse()?)),
            None => (text, None),
        };
        let key = key.parse().map_err(|_| ParseNameError)?;
        Ok(Self { key, tag })
    }
}

/// Name of an object on the remote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ObjectName {
    Record(RecordName),
    Blob(Digest),
    Tree(Digest),
    Tag(Tag),
}

/// The path below the remote's address.
impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(name) => {
                let text = name.to_string();
                write!(f, "{ACTIONS}/{}/{text}", &text[..2])
            }
            Self::Blob(digest) => {
                let text = digest.to_string();
                write!(f, "{CAS}/{}/{text}", &text[..2])
            }
            Self::Tree(digest) => {
                let text = digest.to_string();
                write!(f, "{CAS}/{}/{text}.tree", &text[..2])
            }
            Self::Tag(tag) => write!(f, "{TAGS}/{tag}"),
        }
    }
}

impl FromStr for ObjectName {
    type Err = ParseNameError;

    fn from_str(path: &str) -> Result<Self, ParseNameError> {
        let digest = |text: &str| text.parse::<Digest>().map_err(|_| ParseNameError);
        let (folder, file) = path.rsplit_once('/').ok_or(ParseNameError)?;
        let name = match folder.rsplit_once('/').unwrap_or_default() {
            (ACTIONS, _) => Self::Record(file.parse()?),
            (CAS, _) => match file.strip_suffix(".tree") {
                Some(hex) => Self::Tree(digest(hex)?),
                None => Self::Blob(digest(file)?),
            },
            _ if folder == TAGS => Self::Tag(file.parse()?),
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
            format!("v1/actions/ab/{hex}.x86-avx512"),
            format!("v1/cas/ab/{hex}"),
            format!("v1/cas/ab/{hex}.tree"),
            "v1/tags/gpu-nvidia-h100".to_owned(),
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
            format!("v1/actions/ab/{hex}.A"),
            format!("v1/actions/ab/{hex}.a.b"),
            format!("v1/tags/{}", "a".repeat(41)),
            "v1/tags/".to_owned(),
            "v1/tags/a/b".to_owned(),
        ] {
            assert!(path.parse::<ObjectName>().is_err(), "{path}");
        }
    }
}
