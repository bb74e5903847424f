//! Which outputs a file under `latest/` is of.

use std::collections::BTreeMap;
use std::path::Path;

use super::files::component;
use super::inventory::Reading;
use super::latest::read_mark;
use crate::keys::Digest;

/// What is shown at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownOutputs {
    /// The trees of all ports of the instance.
    pub outputs: BTreeMap<String, Digest>,
    /// The port, where the path leads into one.
    pub port: Option<String>,
}

/// The outputs that a file or folder in some store's `latest/` is of, if it is of some.
pub fn shown_at(path: &Path) -> Option<ShownOutputs> {
    let path = std::path::absolute(path).ok()?;
    let (instance, mark) = path
        .ancestors()
        .find_map(|folder| match read_mark(folder)? {
            Reading::Sound(mark) => Some((folder, mark)),
            Reading::Damaged | Reading::Refused(_) => None,
        })?;
    let inside = path.strip_prefix(instance).ok()?.components().next();
    let inside = inside.map(|part| part.as_os_str().to_string_lossy().into_owned());
    let port = inside.and_then(|inside| {
        let mut ports = mark.outputs.keys();
        ports.find(|port| component(port) == inside).cloned()
    });
    Some(ShownOutputs {
        outputs: mark.outputs,
        port,
    })
}
