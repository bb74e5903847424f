//! Runs a case and checks what it leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::identity::{Identity, Tools};
use super::watched::{SECRET, Watched};
use super::{Case, Fate, leftovers, pipeline, watched};
use crate::guarantees::{Verdict, require};
use crate::sandbox::{Finished, Sandbox, acts_on_terminal, list};

/// Time limit of a runner. It includes the 10 s after which a program that ignores its timeout is killed.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The files of `artifacts/latest`, with their contents or the reason why they cannot be read.
type Shown = BTreeMap<PathBuf, Result<Vec<u8>, String>>;

/// A sandbox with the pipelines `hostile.yaml` and `tame.yaml`, and the watched tree.
struct Trial {
    sandbox: Sandbox,
    identity: Identity,
    tools: Arc<Tools>,
}

impl Trial {
    fn new(identity: Identity, argv: &[&str], timeout: Option<&str>) -> Self {
        let tools = Tools::of(identity);
        let sandbox = Sandbox::new("");
        let root = sandbox.path("");
        let argv: Vec<&str> = argv.iter().copied().chain(root.to_str()).collect();
        let hostile = pipeline::text(&tools.hostile, &argv, timeout);
        fs::write(sandbox.path("hostile.yaml"), hostile).unwrap();
        let tame = pipeline::text(&tools.hostile, &["tame"], None);
        fs::write(sandbox.path("tame.yaml"), tame).unwrap();
        watched::make(&root);
        identity.give_all(&root);
        Self {
            sandbox,
            identity,
            tools,
        }
    }

    /// Runs `runner` with `args`. It must end in time, with a documented exit code.
    fn runner(&self, args: &[&str]) -> Result<Finished, String> {
        let mut command = self.sandbox.command_of(&self.tools.runner, args);
        self.identity.assume(&mut command);
        let finished = finish_in_time(&mut command).map_err(|why| format!("{args:?} {why}"))?;
        let is_expected = matches!(finished.code, Some(0 | 1 | 100))
            && !finished.stderr.contains("panicked")
            && !finished.stderr.contains("bug in runner");
        require(is_expected, || {
            format!(
                "{args:?} ended in an unexpected way: {}",
                exit_and_stderr(&finished)
            )
        })?;
        Ok(finished)
    }

    fn run(&self, pipeline: &str) -> Result<Finished, String> {
        self.runner(&["run", pipeline, "--json", "-k", "-j", "2"])
    }

    /// Like `runner`, but any exit code except 0 is an error.
    fn succeed(&self, args: &[&str]) -> Result<(), String> {
        let finished = self.runner(args)?;
        require(finished.code == Some(0), || {
            format!("{args:?} failed: {}", exit_and_stderr(&finished))
        })
    }

    /// Returns whether `cache verify` finds the store sound.
    fn is_sound(&self) -> Result<bool, String> {
        let verified = self.runner(&["cache", "verify"])?;
        require(matches!(verified.code, Some(0 | 1)), || {
            format!("`cache verify` failed: {}", exit_and_stderr(&verified))
        })?;
        Ok(verified.code == Some(0))
    }

    fn shown(&self) -> Shown {
        let mut shown = Shown::new();
        let latest = self.sandbox.path("artifacts/latest");
        show(&latest, Path::new(""), &mut shown);
        shown.retain(|name, _| !name.ends_with(".outputs.json"));
        shown
    }
}

impl Drop for Trial {
    /// Ends processes of the case, and removes folders that `TempDir` cannot remove.
    fn drop(&mut self) {
        leftovers::kill_all(&self.sandbox.path(""));
        for folder in ["artifacts", "elsewhere"] {
            let folder = self.sandbox.path(folder);
            if folder.exists() && fs::remove_dir_all(&folder).is_err() {
                let _ = Command::new("chmod")
                    .args(["-R", "u+rwX"])
                    .arg(&folder)
                    .status();
                let _ = Command::new("rm").arg("-rf").arg(&folder).status();
            }
        }
    }
}

fn show(folder: &Path, at: &Path, shown: &mut Shown) {
    for path in list(&folder.join(at)) {
        let name = at.join(path.file_name().unwrap());
        if path.is_dir() && !path.is_symlink() {
            show(folder, &name, shown);
        } else {
            let content = match path.is_file() {
                true => fs::read(&path).map_err(|error| error.to_string()),
                false => Err("it is not a file".to_owned()),
            };
            shown.insert(name, content);
        }
    }
}

/// Formats the exit code and standard error for messages.
fn exit_and_stderr(finished: &Finished) -> String {
    format!("code {:?}, {:?}", finished.code, finished.stderr)
}

/// Returns the files that `latest` shows after an undisturbed run.
fn undisturbed() -> &'static Shown {
    static UNDISTURBED: OnceLock<Shown> = OnceLock::new();
    UNDISTURBED.get_or_init(|| {
        let trial = Trial::new(Identity::own(), &["tame"], None);
        let run = trial.run("tame.yaml").unwrap();
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(trial.is_sound().unwrap());
        trial.shown()
    })
}

/// Runs `command` with a time limit. Its output goes to files, because a process left behind could hold
/// a pipe open.
fn finish_in_time(command: &mut Command) -> Result<Finished, String> {
    // The runner inherits this descriptor and must not pass it on to programs.
    let inherited = File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).unwrap();
    let mut written = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(written[0].try_clone().unwrap())
        .stderr(written[1].try_clone().unwrap())
        .spawn()
        .unwrap();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if started.elapsed() > TIME_LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let mut text = |number: usize| {
        let file: &mut File = &mut written[number];
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (stdout, stderr) = (text(0), text(1));
    match status {
        None => Err(format!(
            "did not end within {TIME_LIMIT:?}, and printed {stderr:?}"
        )),
        Some(status) => Ok(Finished {
            code: status.code(),
            stdout,
            stderr,
        }),
    }
}

/// Runs the program and checks what docs/guarantees.md lists.
pub(super) fn survives(case: &Case) -> Verdict {
    let program = case.program;
    let trial = Trial::new(case.identity, &[program.name], program.timeout);
    let root = trial.sandbox.path("");
    let before = Watched::record(&root);
    let mut wrong = Vec::new();

    match trial.run("hostile.yaml") {
        Ok(run) => wrong.extend(unexpected_result(&run, program.fate)),
        Err(why) => wrong.push(why),
    }
    wrong.extend(leftovers::running(&root));
    wrong.extend(Watched::record(&root).differences(&before, program));
    if program.keeps_output {
        // This is another name of an output that is in the store by now.
        fs::write(trial.sandbox.path("elsewhere/output"), "POISON\n").unwrap();
    }

    let recovery = recovers(&trial);
    wrong.extend(recovery.as_ref().err().cloned());
    wrong.extend(leftovers::running(&root));
    wrong.extend(Watched::record(&root).differences(&before, program));
    wrong.extend(oddities(&trial, program.links_watched));
    let mut seen = BTreeSet::new();
    wrong.retain(|why| seen.insert(why.clone()));
    match wrong.is_empty() {
        true => recovery,
        false => Err(wrong.join("\n    ")),
    }
}

/// Describes what is wrong with the output and the outcome of the run with the hostile stage.
fn unexpected_result(run: &Finished, fate: Fate) -> Option<String> {
    if run.stderr.contains(SECRET) || run.stdout.contains(SECRET) {
        return Some(format!(
            "discloses a watched file: {}",
            exit_and_stderr(run)
        ));
    }
    if acts_on_terminal(&run.stderr).is_some() {
        return Some(format!(
            "prints control characters: {}",
            exit_and_stderr(run)
        ));
    }
    let json: Option<Value> = serde_json::from_str(&run.stdout).ok();
    let stages = json.as_ref().and_then(|json| json["stages"].as_array());
    let stage = stages.and_then(|stages| stages.iter().find(|stage| stage["name"] == "hostile"));
    let outcome = stage.and_then(|stage| stage["outcome"].as_str());
    let is_as_expected = match fate {
        Fate::Succeeds => run.code == Some(0) && outcome == Some("succeeded"),
        Fate::Fails => run.code == Some(100) && outcome == Some("failed"),
        Fate::Either => true,
    };
    (!is_as_expected).then(|| {
        format!(
            "expected {fate:?}, found {outcome:?}: {}",
            exit_and_stderr(run)
        )
    })
}

/// Checks that the store is sound or its damage is found, and that the next run shows the files of an
/// undisturbed one.
fn recovers(trial: &Trial) -> Verdict {
    let was_sound = trial.is_sound()?;
    let run = trial.run("tame.yaml")?;
    let is_done = run.code == Some(0);
    require(is_done || !was_sound, || {
        format!(
            "the store was sound, but the next run failed: {}",
            exit_and_stderr(&run)
        )
    })?;
    let is_sound = trial.is_sound()?;
    let unlike = || -> Vec<String> {
        let (shown, undisturbed) = (trial.shown(), undisturbed());
        let names = shown.keys().chain(undisturbed.keys());
        let mut unlike: Vec<String> = names
            .filter(|name| shown.get(*name) != undisturbed.get(*name))
            .map(|name| format!("`{}`", name.display()))
            .collect();
        unlike.sort();
        unlike.dedup();
        unlike
    };
    if is_done && is_sound {
        let unlike = unlike();
        require(unlike.is_empty(), || {
            format!(
                "`cache verify` does not find that these files are wrong: {}",
                unlike.join(", ")
            )
        })?;
        return Ok(if was_sound {
            "sound"
        } else {
            "repaired by a run"
        });
    }
    trial.succeed(&["cache", "verify", "--repair"])?;
    trial.succeed(&["run", "tame.yaml"])?;
    require(trial.is_sound()?, || {
        "the store is damaged after its repair".to_owned()
    })?;
    let unlike = unlike();
    require(unlike.is_empty(), || {
        format!(
            "these files are wrong after the repair: {}",
            unlike.join(", ")
        )
    })?;
    Ok("repaired by `verify --repair`")
}

/// Describes what must not be in a store: unfinished work, watched contents, special mode bits.
fn oddities(trial: &Trial, may_hold_secret: bool) -> Vec<String> {
    let mut odd = Vec::new();
    let tmp = list(&trial.sandbox.path("artifacts/v1/tmp"));
    let unfinished = tmp.iter().filter(|path| !path.ends_with(".lock"));
    odd.extend(unfinished.map(|path| format!("`{}` is unfinished work", path.display())));
    for folder in ["latest", "v1/cas", "v1/actions", "v1/runs", "v1/last"] {
        let folder = trial.sandbox.path("artifacts").join(folder);
        inspect(&folder, may_hold_secret, &mut odd);
    }
    odd
}

fn inspect(folder: &Path, may_hold_secret: bool, odd: &mut Vec<String>) {
    for path in list(folder) {
        let found = fs::symlink_metadata(&path).unwrap();
        if found.is_dir() {
            inspect(&path, may_hold_secret, odd);
        } else if found.is_file() {
            if found.permissions().mode() & 0o7000 != 0 {
                odd.push(format!(
                    "`{}` has special mode bits: {:o}",
                    path.display(),
                    found.permissions().mode()
                ));
            }
            let bytes = fs::read(&path).unwrap();
            if !may_hold_secret && String::from_utf8_lossy(&bytes).contains(SECRET) {
                odd.push(format!(
                    "`{}` contains text of a watched file",
                    path.display()
                ));
            }
        }
    }
}
