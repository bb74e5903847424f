//! Changes a document before it is decoded: applies a profile, values of vars and assignments.

use std::collections::BTreeSet;

use super::assignment::{Assignment, SECTIONS};
use super::interpolate::{self, is_within};
use super::node::{Entry, Value};
use super::vars::MATRIX;
use super::{Diagnostic, Node, Place, suggest};

/// Sections whose entries are named by the user. `--set` changes their entries but does not create any.
const NAMED: [&str; 4] = ["include", "models", "stages", "tables"];

/// Returns the names that can be set as vars: those in `vars`, and those used in a `${…}`.
///
/// So a pipeline may use `${data}` without a value under `vars`, and require `-S data=…`.
pub(super) fn var_names(document: &Node) -> BTreeSet<String> {
    let mut used = Vec::new();
    interpolate::names(document, &mut used);
    let given = document.get("vars").map(Node::entries).unwrap_or_default();
    let given = given.iter().map(|entry| entry.key.clone());
    let used = used.iter().filter(|name| !name.starts_with(MATRIX));
    given
        .chain(used.map(|name| interpolate::var_of(name).to_owned()))
        .collect()
}

/// Keys of the document that a profile may set besides vars and parameters: a promoted trial has no `sweep`.
pub(super) const SETTINGS: [&str; 3] = ["sweep", "seeds", "folds"];

/// Overrides the vars of the document with those of a profile, and returns what the profile assigns to
/// parameters and settings. Every profile is checked for unknown vars.
pub(super) fn apply_profile(
    document: &mut Node,
    profile: Option<&str>,
    errors: &mut Vec<Diagnostic>,
) -> Vec<Assignment> {
    if profile.is_none() && document.get("profiles").is_none() {
        return Vec::new();
    }
    let vars = var_names(document);
    let profiles = document
        .get("profiles")
        .map(Node::entries)
        .unwrap_or_default()
        .to_vec();
    let is_setting =
        |entry: &Entry| SETTINGS.contains(&entry.key.as_str()) && !vars.contains(&entry.key);
    let is_var = |entry: &&Entry| !entry.key.contains('.') && !is_setting(entry);
    let entries = profiles.iter().flat_map(|profile| profile.value.entries());
    for entry in entries.filter(is_var) {
        if !vars.contains(&entry.key) {
            errors.push(unknown_var(&entry.key, &entry.key_place, &vars));
        }
    }
    let Some(name) = profile else {
        return Vec::new();
    };
    let Some(chosen) = profiles.iter().find(|profile| profile.key == name) else {
        let names = profiles.iter().map(|profile| profile.key.as_str());
        let hint = suggest::hint("profiles", name, names)
            .unwrap_or("this pipeline has no `profiles`".to_owned());
        let error = match document.entry("profiles") {
            Some(entry) => {
                Diagnostic::at(&entry.key_place, format!("there is no profile `{name}`"))
            }
            None => Diagnostic::new(format!("there is no profile `{name}`")),
        };
        errors.push(error.hint(hint));
        return Vec::new();
    };
    let (of_vars, parameters): (Vec<&Entry>, _) = chosen.value.entries().iter().partition(is_var);
    for entry in of_vars {
        set_var(document, entry.clone());
    }
    let parameters: Vec<&Entry> = parameters;
    let assign = |entry: &Entry| Assignment::of(&entry.key, &entry.key_place, entry.value.clone());
    parameters.into_iter().map(assign).collect()
}

/// Overrides vars of the document with the given values.
pub(super) fn apply_vars(document: &mut Node, given: &[Entry], errors: &mut Vec<Diagnostic>) {
    let vars = var_names(document);
    for entry in given {
        if vars.contains(&entry.key) {
            set_var(document, entry.clone());
        } else {
            errors.push(unknown_var(&entry.key, &entry.key_place, &vars));
        }
    }
}

/// Applies one assignment.
pub(super) fn apply_set(document: &mut Node, assignment: Assignment) -> Result<(), Diagnostic> {
    let Assignment {
        path,
        value,
        is_own,
    } = assignment;
    match path.as_slice() {
        path if is_own => assign(document, path, value),
        // These names always set the document's keys, as the options do, even if a var has the same name.
        [(name, place)] if matches!(name.as_str(), "device" | "precision" | "executor") => {
            insert(document, entry(name, place, value));
            Ok(())
        }
        [(name, place)] => {
            let vars = var_names(document);
            if vars.contains(name) {
                set_var(document, entry(name, place, value));
            } else if matches!(
                name.as_str(),
                "seed" | "seeds" | "folds" | "name" | "sweep" | "positive"
            ) {
                insert(document, entry(name, place, value));
            } else {
                return Err(unknown_var(name, place, &vars));
            }
            Ok(())
        }
        [(section, _), (name, place), ..]
            if section == "vars" && !var_names(document).contains(name) =>
        {
            Err(unknown_var(name, place, &var_names(document)))
        }
        [(var, place), _, ..]
            if !SECTIONS.contains(&var.as_str()) && var_names(document).contains(var) =>
        {
            check_part(document, &path)?;
            // A path into a var: `prepare.split` means `vars.prepare.split`.
            let mut path = path.clone();
            path.insert(0, ("vars".to_owned(), place.clone()));
            assign(document, &path, value)
        }
        [(section, _), var @ ..] if section == "vars" && var.len() > 1 => {
            check_part(document, var)?;
            assign(document, &path, value)
        }
        [(section, place), ..] if section == "profiles" => Err(Diagnostic::at(
            place,
            "profiles are applied before `--set`, so this assignment has no effect",
        )
        .hint("set the var itself, which overrides the profile".to_owned())),
        path => assign(document, path, value),
    }
}

/// Refuses a path into a var if the var has no such part and no `${…}` uses it: the assignment would have no
/// effect.
fn check_part(document: &Node, path: &[(String, Place)]) -> Result<(), Diagnostic> {
    let var = document.get("vars").and_then(|vars| vars.get(&path[0].0));
    let mut node = var;
    let mut walked = path[0].0.clone();
    for (piece, place) in &path[1..] {
        let Some(within) = node.filter(|node| matches!(node.value, Value::Map(_))) else {
            // `assign` reports it if the part cannot be created.
            return Ok(());
        };
        let part = format!("{walked}.{piece}");
        node = within.get(piece);
        if node.is_none() {
            let mut used = Vec::new();
            interpolate::names(document, &mut used);
            let is_used = |name: &String| is_within(name, &part) || is_within(&part, name);
            if used.iter().any(is_used) {
                return Ok(());
            }
            let message = format!("`{walked}` does not contain `{piece}`, and no `${{…}}` uses it");
            let known = within.entries().iter().map(|entry| entry.key.as_str());
            let hint = suggest::hint("keys", piece, known);
            return Err(Diagnostic::at(place, message).hint(hint));
        }
        walked = part;
    }
    Ok(())
}

/// Sets the value at the end of a path. Missing keys are created, because parameters with a default need not
/// be written. If a key is unknown, decoding the document reports it.
fn assign(document: &mut Node, path: &[(String, Place)], value: Node) -> Result<(), Diagnostic> {
    let [parents @ .., (last, last_place)] = path else {
        return Ok(());
    };
    let mut node = document;
    let mut walked = String::new();
    for (depth, (name, place)) in parents.iter().enumerate() {
        node = child(node, name, place, &walked)?;
        if depth == 0 && NAMED.contains(&name.as_str()) {
            let (name, place) = &path[1];
            if node.entry(name).is_none() {
                let what = parents[0].0.as_str();
                let known = node.entries().iter().map(|entry| entry.key.as_str());
                return Err(
                    Diagnostic::at(place, format!("there is no `{name}` in `{what}`"))
                        .hint(suggest::hint(what, name, known)),
                );
            }
        }
        walked = if walked.is_empty() {
            name.clone()
        } else {
            format!("{walked}.{name}")
        };
    }
    let slot = child(node, last, last_place, &walked)?;
    *slot = value;
    // The key's place is now in the assignment, too.
    if let Value::Map(entries) = &mut node.value {
        entries
            .iter_mut()
            .filter(|entry| entry.key == *last)
            .for_each(|entry| entry.key_place = last_place.clone());
    }
    Ok(())
}

fn child<'a>(
    node: &'a mut Node,
    name: &str,
    place: &Place,
    walked: &str,
) -> Result<&'a mut Node, Diagnostic> {
    if matches!(node.value, Value::Null) {
        node.value = Value::Map(Vec::new());
    }
    let is = node.describe();
    match &mut node.value {
        Value::Map(entries) => {
            let index = entries
                .iter()
                .position(|entry| entry.key == name)
                .unwrap_or_else(|| {
                    entries.push(entry(name, place, Node::new(Value::Null, place.clone())));
                    entries.len() - 1
                });
            Ok(&mut entries[index].value)
        }
        Value::List(items) => {
            let count = items.len();
            name.parse()
                .ok()
                .and_then(|index: usize| items.get_mut(index))
                .ok_or_else(|| {
                    Diagnostic::at(
                        place,
                        format!("`{walked}` has no item `{name}`: it is a list of length {count}"),
                    )
                    .hint(match count {
                        0 => None,
                        1 => Some("its only item has the number 0".to_owned()),
                        _ => Some(format!("its items are numbered from 0 to {}", count - 1)),
                    })
                })
        }
        _ => Err(Diagnostic::at(
            place,
            format!("`{walked}` is {is} and does not contain `{name}`"),
        )),
    }
}

/// Sets a var. Creates `vars` if there is none.
fn set_var(document: &mut Node, var: Entry) {
    let Value::Map(sections) = &mut document.value else {
        return;
    };
    match sections.iter_mut().find(|section| section.key == "vars") {
        Some(Entry { value: vars, .. }) if matches!(vars.value, Value::Map(_)) => insert(vars, var),
        Some(Entry { value: vars, .. }) => vars.value = Value::Map(vec![var]),
        None => {
            let place = var.key_place.clone();
            let vars = Node::new(Value::Map(vec![var]), place.clone());
            sections.push(entry("vars", &place, vars));
        }
    }
}

/// Inserts an entry into a map, or replaces the one with the same key.
fn insert(map: &mut Node, new: Entry) {
    let Value::Map(entries) = &mut map.value else {
        return;
    };
    match entries.iter_mut().find(|entry| entry.key == new.key) {
        Some(entry) => *entry = new,
        None => entries.push(new),
    }
}

fn entry(name: &str, place: &Place, value: Node) -> Entry {
    Entry {
        key: name.to_owned(),
        key_place: place.clone(),
        value,
    }
}

fn unknown_var(name: &str, place: &Place, vars: &BTreeSet<String>) -> Diagnostic {
    Diagnostic::at(place, format!("there is no var `{name}`")).hint(suggest::hint(
        "vars",
        name,
        vars.iter().map(String::as_str),
    ))
}
