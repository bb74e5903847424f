//! Settings of a machine that stages run on over SSH.

use serde::{Deserialize, Serialize};

/// Settings of one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SshHost {
    /// Program on the host: a name that its shell finds, or a path. `~/` at the beginning is the home folder there.
    pub binary: String,
    /// Folder for the host's store. `None` means `runner/remote-store` in the cache folder of the user there.
    pub store: Option<String>,
    /// Kind of the host's CPUs, as `runner doctor` names it. `None` means the kind of this machine.
    pub processor: Option<String>,
    /// Model of the host's GPUs, as `nvidia-smi` names it. `None` if there are none.
    pub gpu: Option<String>,
    /// Number of stages that run there at once.
    pub jobs: u16,
}

impl Default for SshHost {
    fn default() -> Self {
        Self {
            binary: "runner".to_owned(),
            store: None,
            processor: None,
            gpu: None,
            jobs: 1,
        }
    }
}
