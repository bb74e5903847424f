//! Files of a store that are no longer what was written.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::cases::{Random, each};
use super::left::{FOREIGN, Left, sound_record};
use super::{Verdict, finished, full, has_the_table, reference, require, succeeds};
use crate::sandbox::{Sandbox, list};

/// Whether there is `runner cache verify`. Without it, damage that no run reads stays.
const CAN_VERIFY: bool = false;

#[derive(Clone, Copy, Debug)]
enum Damage {
    /// One bit is another.
    Flipped,
    /// The end is missing.
    Cut,
    Gone,
    /// As long as before, and something else.
    Garbage,
    Folder,
    Link,
    /// Something that is not the store's, in one of its folders.
    Foreign,
}

#[derive(Debug)]
struct Case {
    damage: Damage,
    /// The kind of stage that has to run again, reading what was damaged perhaps.
    again: Option<&'static str>,
    /// Chooses the file.
    seed: u64,
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (folders, mut files): (Vec<_>, Vec<_>) =
        list(folder).into_iter().partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| files_below(folder)));
    files.sort();
    files
}

/// With `folder` itself.
pub fn folders_below(folder: &Path) -> Vec<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    for path in list(folder).into_iter().filter(|path| path.is_dir()) {
        folders.extend(folders_below(&path));
    }
    folders.sort();
    folders
}

/// Damages a file, and tells which.
fn damage(sandbox: &Sandbox, damage: Damage, random: &mut Random) -> PathBuf {
    let store = sandbox.path("artifacts");
    if matches!(damage, Damage::Foreign) {
        let folder = random.one_of(&folders_below(&store)).clone();
        let file = folder.join(FOREIGN);
        if random.below(2) == 0 {
            fs::write(&file, "not the store's").unwrap();
        } else {
            fs::create_dir(&file).unwrap();
            fs::write(file.join(FOREIGN), "not the store's").unwrap();
        }
        return file;
    }
    let marks = files_below(&store.join("latest"))
        .into_iter()
        .filter(|file| file.ends_with(".outputs.json"));
    let files: Vec<_> = files_below(&store.join("v1"))
        .into_iter()
        .chain(marks)
        .collect();
    let file = random.one_of(&files).clone();
    let mut bytes = fs::read(&file).unwrap();
    match damage {
        Damage::Flipped if !bytes.is_empty() => {
            let bit = random.below(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            overwrite(&file, &bytes);
        }
        Damage::Cut => overwrite(&file, &bytes[..random.below(bytes.len().max(1))]),
        Damage::Flipped | Damage::Garbage => {
            bytes.fill_with(|| random.below(256) as u8);
            overwrite(&file, &bytes);
        }
        Damage::Gone => fs::remove_file(&file).unwrap(),
        Damage::Folder => {
            fs::remove_file(&file).unwrap();
            fs::create_dir(&file).unwrap();
        }
        Damage::Link | Damage::Foreign => {
            fs::remove_file(&file).unwrap();
            symlink(sandbox.path("pipeline.yaml"), &file).unwrap();
        }
    }
    file
}

/// Writes to the file itself, whatever other names it has: to a blob and to what `latest` shows of it.
pub fn overwrite(file: &Path, bytes: &[u8]) {
    let permissions = fs::metadata(file).unwrap().permissions();
    fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    fs::write(file, bytes).unwrap();
    fs::set_permissions(file, permissions).unwrap();
}

/// Removes the records of a kind of stage.
pub fn forget(sandbox: &Sandbox, kind: &str) {
    for file in list(&sandbox.path("artifacts/v1/actions")) {
        if sound_record(&file).is_some_and(|record| record["fingerprint"]["kind"] == kind) {
            fs::remove_file(file).unwrap();
        }
    }
}

fn survives(case: &Case) -> Verdict {
    let mut random = Random::seeded(case.seed);
    let sandbox = finished();
    if let Some(kind) = case.again {
        forget(&sandbox, kind);
    }
    let file = damage(&sandbox, case.damage, &mut random);
    let place = file.strip_prefix(sandbox.path("artifacts")).unwrap();
    outlives(&sandbox, place).map_err(|why| format!("{}: {why}", place.display()))
}

fn outlives(sandbox: &Sandbox, place: &Path) -> Verdict {
    let run = succeeds(sandbox, &["run", "pipeline.yaml"])?;
    require(run.stdout == reference().table, || {
        format!("another table: {run:?}")
    })?;
    if CAN_VERIFY {
        let verified = sandbox.runner(&["cache", "verify"]);
        if verified.code == Some(0) {
            is_right(sandbox, None)?;
            return Ok("undone by a run");
        }
        require(verified.code == Some(1), || {
            format!("ended oddly: {verified:?}")
        })?;
        sandbox.runner(&["cache", "verify", "--repair"]);
        succeeds(sandbox, &["run", "pipeline.yaml"])?;
        is_right(sandbox, None)?;
        succeeds(sandbox, &["cache", "verify"])?;
        return Ok("found and repaired");
    }
    let is_undone = is_right(sandbox, None).is_ok();
    is_right(sandbox, Some(place))?;
    Ok(if is_undone {
        "undone by a run"
    } else {
        "read by nobody"
    })
}

/// All is there and right and nothing is left to do; but for a damaged file that nothing reads, and
/// what `latest` shows of it.
fn is_right(sandbox: &Sandbox, spared: Option<&Path>) -> Result<(), String> {
    let spared = spared.and_then(|path| path.file_name()?.to_str());
    has_the_table(sandbox)?;
    let differences: Vec<String> = Left::of(sandbox)
        .differences(&reference().left)
        .into_iter()
        .filter(|difference| !spared.is_some_and(|name| difference.contains(name)))
        .filter(|difference| !shown_of(spared, difference))
        .collect();
    require(differences.is_empty(), || differences.join("; "))
}

/// Whether a difference is that of a file in `latest` which shows the blob `name`.
fn shown_of(name: Option<&str>, difference: &str) -> bool {
    name.is_some_and(|name| {
        let shown = reference().left.shown_of(name);
        shown.iter().any(|file| difference.contains(file.as_str()))
    })
}

#[test]
fn damage_changes_no_result() {
    const DAMAGES: [Damage; 7] = [
        Damage::Flipped,
        Damage::Cut,
        Damage::Gone,
        Damage::Garbage,
        Damage::Folder,
        Damage::Link,
        Damage::Foreign,
    ];
    let mut random = Random::new("damage");
    let cases: Vec<Case> = (0..if full() { 420 } else { 28 })
        .map(|index| Case {
            // Every other is a flipped bit: nothing else is as hard to see.
            damage: if index % 2 == 0 {
                Damage::Flipped
            } else {
                DAMAGES[index / 2 % DAMAGES.len()]
            },
            again: *random.one_of(&[None, Some("evaluate"), Some("train-cnn")]),
            seed: random.below(1 << 30) as u64,
        })
        .collect();
    each("damage", &cases, survives);
}
