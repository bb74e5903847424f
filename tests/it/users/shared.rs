//! [`Shared`]: a folder of a group, and its users.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use rustix::process::geteuid;
use serde_json::Value;
use tempfile::TempDir;

use crate::sandbox::{Finished, copy_program, finish, list, skip};

pub(super) const GROUP: u32 = 61_000;
pub(super) const ANN: u32 = 61_001;
pub(super) const BOB: u32 = 61_002;

/// Two pipelines. The results of `p` depend on the variable `v`.
const PIPELINES: [(&str, &str); 2] = [
    (
        "p.yaml",
        r#"
version: 1
name: p
vars: { v: 1 }
stages:
  a: { kind: command, params: { argv: "echo ${v} > o", shell: true, outputs: { o: o } } }
  b: { kind: command, inputs: { a: a.o }, params: { argv: "sleep 0.3; cat a/* > o", shell: true, outputs: { o: o } } }
"#,
    ),
    (
        "q.yaml",
        r#"
version: 1
name: q
stages:
  a: { kind: command, params: { argv: "echo q > o", shell: true, outputs: { o: o } } }
"#,
    ),
];

/// A folder that belongs to a group. The binary is run from a path where all users may run it.
pub(super) struct Shared {
    pub(super) folder: TempDir,
    pub(super) umask: &'static str,
}

impl Shared {
    /// Returns `None` and prints why if this user cannot act as other users.
    pub(super) fn new(umask: &'static str) -> Option<Self> {
        if !geteuid().is_root() {
            skip("only root can act as several users");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let shared = Self { folder, umask };
        let work = shared.path("");
        fs::create_dir(&work).unwrap();
        chown(&work, None, Some(GROUP)).unwrap();
        // Files in the folder belong to the group, whoever creates them.
        fs::set_permissions(&work, Permissions::from_mode(0o2775)).unwrap();
        for (name, pipeline) in PIPELINES {
            fs::write(work.join(name), pipeline).unwrap();
            fs::set_permissions(work.join(name), Permissions::from_mode(0o664)).unwrap();
        }
        Some(shared)
    }

    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join("work").join(relative)
    }

    pub(super) fn start(&self, user: u32, args: &[&str]) -> Child {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("umask {}; exec \"$0\" \"$@\"", self.umask));
        command.arg(binary()).args(args).current_dir(self.path(""));
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command.env("XDG_CONFIG_HOME", self.path(".config"));
        command.uid(user).gid(GROUP);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    pub(super) fn runner(&self, user: u32, args: &[&str]) -> Finished {
        finish(self.start(user, args))
    }

    pub(super) fn ok(&self, user: u32, args: &[&str]) -> Finished {
        let done = self.runner(user, args);
        assert_eq!(done.code, Some(0), "{user}, {args:?}: {done:?}");
        done
    }

    /// Runs `p` with a value of `v` and returns the outcomes of its stages.
    pub(super) fn run(&self, user: u32, value: &str) -> Vec<String> {
        let set = format!("v={value}");
        let run = self.ok(user, &["run", "p.yaml", "--json", "-S", &set]);
        run.outcomes()
            .into_iter()
            .map(|(_, outcome)| outcome)
            .collect()
    }

    pub(super) fn listed(&self, user: u32) -> Value {
        self.ok(user, &["runs", "list", "--json"]).json()
    }

    pub(super) fn is_cached(&self, user: u32, value: &str) -> bool {
        let set = format!("v={value}");
        let plan = self
            .ok(user, &["run", "p.yaml", "-n", "--json", "-S", &set])
            .json();
        let stages = plan["stages"].as_array().unwrap().clone();
        stages.iter().all(|stage| stage["state"] == "cached")
    }

    /// Returns the folders of all runs, in order.
    pub(super) fn runs(&self) -> Vec<PathBuf> {
        let mut runs = list(&self.path("artifacts/v1/runs"));
        runs.sort();
        runs
    }
}

/// Returns a path of the binary at which all users can run it. Copies it if necessary.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let built = Path::new(env!("CARGO_BIN_EXE_runner"));
        let is_open =
            |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o005 == 0o005;
        if built.ancestors().all(is_open) {
            return built.to_owned();
        }
        let folder = tempfile::tempdir().unwrap().keep();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        let copy = folder.join("runner");
        copy_program(built, &copy);
        copy
    })
}
