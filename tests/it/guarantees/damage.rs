//! Damaged files in a store.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::cases::{Random, each};
use super::store_contents::{FOREIGN, StoreContents, sound_record};
use super::{Verdict, finished, full, has_expected_table, reference, require, succeeds};
use crate::sandbox::{Sandbox, list};

#[derive(Clone, Copy, Debug)]
enum Damage {
    /// One bit is flipped.
    Flipped,
    /// The file is truncated.
    Truncated,
    Missing,
    /// The content is replaced by random bytes of the same length.
    Garbage,
    Folder,
    Link,
    /// A file or folder that does not belong to the store lies in one of its folders.
    Foreign,
}

#[derive(Debug)]
struct Case {
    damage: Damage,
    /// The stage kind that has to run again, possibly with a damaged input.
    again: Option<&'static str>,
    /// Seed of the random choices in `damage`: the file, and what is changed in it.
    seed: u64,
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (folders, mut files): (Vec<_>, Vec<_>) =
        list(folder).into_iter().partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| files_below(folder)));
    files.sort();
    files
}

/// Lists `folder` and all folders below it.
pub(super) fn folders_below(folder: &Path) -> Vec<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    for path in list(folder).into_iter().filter(|path| path.is_dir()) {
        folders.extend(folders_below(&path));
    }
    folders.sort();
    folders
}

/// Damages a random file and returns its path.
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
        Damage::Truncated => overwrite(&file, &bytes[..random.below(bytes.len().max(1))]),
        Damage::Flipped | Damage::Garbage => {
            bytes.fill_with(|| random.below(256) as u8);
            overwrite(&file, &bytes);
        }
        Damage::Missing => fs::remove_file(&file).unwrap(),
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

/// Overwrites a file in place, so that its hard links change as well: a blob and its names in `latest`.
pub(super) fn overwrite(file: &Path, bytes: &[u8]) {
    let permissions = fs::metadata(file).unwrap().permissions();
    fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    fs::write(file, bytes).unwrap();
    fs::set_permissions(file, permissions).unwrap();
}

/// Removes the action records of a stage kind.
pub(super) fn forget(sandbox: &Sandbox, kind: &str) {
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
    recovers(&sandbox, place).map_err(|why| format!("{}: {why}", place.display()))
}

fn recovers(sandbox: &Sandbox, place: &Path) -> Verdict {
    let run = succeeds(sandbox, &["run", "pipeline.yaml"])?;
    require(run.stdout == reference().table, || {
        format!("a wrong table: {run:?}")
    })?;
    let verified = sandbox.runner(&["cache", "verify"]);
    if verified.code == Some(0) {
        is_right(sandbox, place)?;
        return Ok("repaired by a run");
    }
    require(verified.code == Some(1), || {
        format!("unexpected exit code: {verified:?}")
    })?;
    succeeds(sandbox, &["cache", "verify", "--repair"])?;
    succeeds(sandbox, &["run", "pipeline.yaml"])?;
    is_right(sandbox, place)?;
    succeeds(sandbox, &["cache", "verify"])?;
    Ok("found by `cache verify`")
}

/// Checks that the table and the store are complete and correct. A damaged action record may be missing,
/// because either of an action's two records is enough to find it.
fn is_right(sandbox: &Sandbox, damaged: &Path) -> Result<(), String> {
    has_expected_table(sandbox)?;
    let spared = damaged.strip_prefix("v1/actions").ok();
    let spared = spared.map(|name| format!("actions/{} is missing", name.display()));
    let mut differences = StoreContents::of(sandbox).differences(&reference().contents);
    differences.retain(|difference| Some(difference) != spared.as_ref());
    require(differences.is_empty(), || differences.join("; "))
}

#[test]
fn damage_changes_no_result() {
    const DAMAGES: [Damage; 7] = [
        Damage::Flipped,
        Damage::Truncated,
        Damage::Missing,
        Damage::Garbage,
        Damage::Folder,
        Damage::Link,
        Damage::Foreign,
    ];
    let mut random = Random::new("damage");
    let cases: Vec<Case> = (0..if full() { 420 } else { 28 })
        .map(|index| Case {
            // Every other case flips a bit, the damage that is hardest to detect.
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
