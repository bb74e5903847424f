//! Finds the changes that make two actions differ.

use std::collections::{HashSet, VecDeque};

use crate::plan::Change;
use store::keys::Key;
use store::keys::{Fingerprint, InputId};

/// A change, and the path to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Path from the compared action upstream to the one that the change is in.
    pub path: Vec<Key>,
    pub change: Change,
}

/// Returns all changes by which the action `to`, whose key is `key`, differs from `from`, nearest first. If an input
/// is made by another action than before, the two actions are compared, and their changes are returned in place of the
/// input. `before` and `now` return the fingerprints of actions upstream of `from` and `to`, if they are known.
/// `differences` compares two fingerprints of an action.
pub fn trace(
    key: Key,
    from: &Fingerprint,
    to: &Fingerprint,
    before: &dyn Fn(&Key) -> Option<Fingerprint>,
    now: &dyn Fn(&Key) -> Option<Fingerprint>,
    differences: &dyn Fn(&Key, &Fingerprint, &Fingerprint) -> Vec<Change>,
) -> Vec<Found> {
    let mut found = Vec::new();
    let mut seen = HashSet::from([key]);
    let mut open = VecDeque::from([(vec![key], from.clone(), to.clone())]);
    while let Some((path, from, to)) = open.pop_front() {
        for change in differences(&path[path.len() - 1], &from, &to) {
            let Change::Input { role } = &change else {
                let path = path.clone();
                found.push(Found { path, change });
                continue;
            };
            match upstream(role, &from, &to) {
                Some(pairs) => {
                    for (old, new) in pairs {
                        // If several paths lead to an action, the shortest counts.
                        if !seen.insert(new) {
                            continue;
                        }
                        let path: Vec<Key> = path.iter().copied().chain([new]).collect();
                        match before(&old).zip(now(&new)) {
                            Some((from, to)) => open.push_back((path, from, to)),
                            None => {
                                let (path, change) =
                                    (path[..path.len() - 1].to_vec(), change.clone());
                                found.push(Found { path, change });
                            }
                        }
                    }
                }
                None => {
                    let path = path.clone();
                    found.push(Found { path, change });
                }
            }
        }
    }
    found
}

/// Returns the pairs of actions that make the inputs of a role, before and now, where they differ. `None` if
/// there are other differences: another output, or more or fewer inputs.
fn upstream(role: &str, from: &Fingerprint, to: &Fingerprint) -> Option<Vec<(Key, Key)>> {
    let (from, to) = (from.inputs.get(role)?, to.inputs.get(role)?);
    if from.len() != to.len() {
        return None;
    }
    let differ = from.iter().zip(to).filter(|(from, to)| from != to);
    let pairs = differ.map(|pair| match pair {
        (InputId::Action { key: old, port: a }, InputId::Action { key: new, port: b })
            if a == b =>
        {
            Some((*old, *new))
        }
        _ => None,
    });
    pairs.collect()
}
