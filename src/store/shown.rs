//! Finds the outputs that a file under `latest/` belongs to.

use std::collections::BTreeMap;
use std::path::Path;

use super::files::component;
use super::inventory::Reading;
use super::latest::read_mark;
use crate::keys::Digest;

/// Outputs that are shown at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownOutputs {
    /// Digest of the tree of every port of the instance.
    pub outputs: BTreeMap<String, Digest>,
    /// The port, if the path leads into one.
    pub port: Option<String>,
}

/// Returns the outputs that a file or folder in the `latest/` of any store belongs to, if there are any.
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
