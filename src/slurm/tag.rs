//! Tags of submissions: random texts that are also in Slurm, so that a job can be found without its record.

use crate::state::Seen;

/// Start of the comment of every job of this package.
const COMMENT: &str = "runner:";
/// Characters of the tag that the name of a job has. Names are short in the tables of `squeue`.
const SHORT: usize = 8;

/// Returns a new tag: 16 hexadecimal digits.
pub(crate) fn fresh() -> std::io::Result<String> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(crate) fn comment(tag: &str) -> String {
    format!("{COMMENT}{tag}")
}

pub(crate) fn name(tag: &str) -> String {
    format!("runner-{}", tag.get(..SHORT).unwrap_or(tag))
}

/// Returns `true` if a job in Slurm's answer is of the submission `tag`. Some sites replace comments, and then the name
/// decides.
pub(crate) fn is_of(seen: &Seen, tag: &str) -> bool {
    match seen.comment.strip_prefix(COMMENT) {
        Some(other) => other == tag,
        None => seen.name == name(tag),
    }
}

/// Returns `true` if a text can be a tag. Claims are files that others may have written, and a tag becomes part of a
/// path.
pub(crate) fn is_tag(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{JobId, State};

    #[test]
    fn a_job_is_known_by_its_comment_and_else_by_its_name() {
        let tag = fresh().unwrap();
        assert!(is_tag(&tag) && !is_tag("../../../../etc1"));
        assert_ne!(tag, fresh().unwrap());
        let seen = |comment: &str, name: &str| Seen {
            id: JobId {
                job: 1,
                element: None,
            },
            state: State::Running,
            restarts: 0,
            nodes: String::new(),
            comment: comment.to_owned(),
            name: name.to_owned(),
        };
        let other = fresh().unwrap();
        assert!(is_of(&seen(&comment(&tag), "renamed"), &tag));
        assert!(is_of(&seen("(null)", &name(&tag)), &tag));
        assert!(!is_of(&seen(&comment(&other), &name(&tag)), &tag));
        assert!(!is_of(&seen("", "runner"), &tag));
    }
}
