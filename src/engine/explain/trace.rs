//! From two actions that differ to what was changed.

use std::collections::{HashSet, VecDeque};

use crate::keys::Key;
use crate::keys::{Fingerprint, InputId};
use crate::plan::Change;

/// A change, and the way to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// From the action that was asked about upstream to the one that the change is in.
    pub way: Vec<Key>,
    pub change: Change,
}

/// All changes by which the action `to`, whose key is `key`, is another than `from`: its own, and
/// where an input is made by another action, those of that one, and so on; the nearest first. `before`
/// and `now` give the fingerprints of the actions upstream of either, as far as they are known.
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
    while let Some((way, from, to)) = open.pop_front() {
        for change in differences(&way[way.len() - 1], &from, &to) {
            let Change::Input { role } = &change else {
                let way = way.clone();
                found.push(Found { way, change });
                continue;
            };
            match upstream(role, &from, &to) {
                Some(pairs) => {
                    for (old, new) in pairs {
                        // Where several lead to one, the nearest way counts.
                        if !seen.insert(new) {
                            continue;
                        }
                        let way: Vec<Key> = way.iter().copied().chain([new]).collect();
                        match before(&old).zip(now(&new)) {
                            Some((from, to)) => open.push_back((way, from, to)),
                            None => {
                                let (way, change) = (way[..way.len() - 1].to_vec(), change.clone());
                                found.push(Found { way, change });
                            }
                        }
                    }
                }
                None => {
                    let way = way.clone();
                    found.push(Found { way, change });
                }
            }
        }
    }
    found
}

/// The actions that the inputs of a role are made by before and now, where they differ. None if more
/// than that differs: another output, more inputs, or fewer.
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
