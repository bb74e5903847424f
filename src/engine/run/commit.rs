//! Finds the commit that a git repository has checked out, without running git.

use std::path::{Path, PathBuf};

use contract::files;

/// Largest file of a repository that is read, in bytes. A list of 100,000 references takes 7 MB.
const MOST_BYTES: u64 = 64 << 20;

/// Returns the hash of the commit that is checked out in the repository around `file`; `None` if there is no
/// repository, or no commit in it. Changes that were not committed are not detected.
pub(super) fn checked_out(file: &Path) -> Option<String> {
    let file = std::path::absolute(file).ok()?;
    let repository = file.ancestors().skip(1).find_map(repository)?;
    let head = text(&repository.join("HEAD"))?;
    let Some(name) = head.strip_prefix("ref: ") else {
        return hash(&head);
    };
    // The references of a linked worktree are in the repository that it belongs to.
    let shared = text(&repository.join("commondir"));
    let shared = shared.map_or_else(|| repository.clone(), |folder| repository.join(folder));
    let is_inside = name.starts_with("refs/") && !name.split('/').any(|part| part == "..");
    if !is_inside {
        return None;
    }
    let loose = text(&shared.join(name)).and_then(|text| hash(&text));
    loose.or_else(|| packed(&text(&shared.join("packed-refs"))?, name))
}

/// The folder with the data of the repository whose files are in `folder`.
fn repository(folder: &Path) -> Option<PathBuf> {
    let git = folder.join(".git");
    if files::leads_to(&git, std::fs::Metadata::is_dir).ok()? {
        return Some(git);
    }
    let link = text(&git)?;
    Some(folder.join(link.strip_prefix("gitdir: ")?))
}

/// The hash of a reference in a list of packed references: lines of a hash, a space and a name.
fn packed(list: &str, name: &str) -> Option<String> {
    let mut entries = list.lines().filter_map(|line| line.split_once(' '));
    let (found, _) = entries.find(|(_, known)| *known == name)?;
    hash(found)
}

fn hash(text: &str) -> Option<String> {
    let is_hash = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_hash.then(|| text.to_owned())
}

fn text(file: &Path) -> Option<String> {
    let text = files::read_text(file, MOST_BYTES).ok()?;
    Some(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const COMMIT: &str = "8b43cf6aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn write(folder: &Path, name: &str, text: &str) {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    #[test]
    fn the_commit_is_found_in_every_kind_of_repository() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let file = root.join("deep/er/p.yaml");
        write(root, "deep/er/p.yaml", "");
        assert_eq!(checked_out(&file), None);
        write(root, ".git/HEAD", "ref: refs/heads/main\n");
        assert_eq!(checked_out(&file), None, "a repository without a commit");
        let packed = format!("# pack-refs with: peeled\n{COMMIT} refs/heads/main\n");
        write(root, ".git/packed-refs", &packed);
        assert_eq!(checked_out(&file).as_deref(), Some(COMMIT));
        let newer = COMMIT.replace('a', "b");
        write(root, ".git/refs/heads/main", &format!("{newer}\n"));
        assert_eq!(checked_out(&file), Some(newer.clone()));
        write(root, ".git/HEAD", &format!("{COMMIT}\n"));
        assert_eq!(checked_out(&file).as_deref(), Some(COMMIT));

        // A linked worktree inside it.
        write(root, "deep/.git", "gitdir: ../.git/worktrees/deep\n");
        write(root, ".git/worktrees/deep/HEAD", "ref: refs/heads/main\n");
        write(root, ".git/worktrees/deep/commondir", "../..\n");
        assert_eq!(checked_out(&file), Some(newer));
    }

    #[test]
    fn a_reference_that_leads_outside_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "secret", COMMIT);
        for name in ["refs/../../secret", "../secret", "/etc/hostname"] {
            write(root, ".git/HEAD", &format!("ref: {name}\n"));
            assert_eq!(checked_out(&root.join("p.yaml")), None, "{name}");
        }
    }
}
