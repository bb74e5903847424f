//! The vars of a pipeline, whose values replace `${name}`.

use std::collections::BTreeMap;

use super::interpolate::{Expansion, Lookup, interpolate, var_of};
use super::node::Entry;
use super::{Diagnostic, Node, Place, suggest};

/// Prefix of the names of matrix axes: `${matrix.model}`.
pub(super) const MATRIX: &str = "matrix.";

/// Maximum length of a chain of vars that refer to one another.
const MAX_CHAIN: usize = 64;

/// All vars with their final values, in which `${…}` are replaced.
pub(crate) struct Vars {
    values: BTreeMap<String, Node>,
}

impl Vars {
    /// Resolves all vars, which may refer to one another.
    pub(crate) fn resolve(entries: &[Entry], expansion: &mut Expansion) -> Self {
        let raw = entries
            .iter()
            .map(|entry| (entry.key.as_str(), &entry.value))
            .collect();
        let mut resolver = Resolver {
            raw,
            done: BTreeMap::new(),
            open: Vec::new(),
            expansion,
        };
        for entry in entries {
            resolver.lookup(&entry.key, &entry.key_place);
        }
        Self {
            values: resolver
                .done
                .into_iter()
                .filter_map(|(name, node)| Some((name, node?)))
                .collect(),
        }
    }

    /// Replaces `${…}`. `${matrix.…}` is one of `axes`, or an error if `axes` is `None`. Returns `None` if a
    /// name has no value, which is reported.
    pub(crate) fn interpolate(
        &self,
        node: &Node,
        axes: Option<&[(String, Node)]>,
        expansion: &mut Expansion,
    ) -> Option<Node> {
        interpolate(
            node,
            &mut Scope {
                vars: self,
                axes,
                expansion,
            },
        )
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }
}

fn unknown<'a>(name: &str, place: &Place, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let hint = match suggest::nearest(name, known) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("give it a value under `vars:`, or with `-S {name}=VALUE`"),
    };
    Diagnostic::at(place, format!("unknown var `{name}`")).hint(hint)
}

/// Returns the value that a dotted name leads to in its var.
fn within<'a>(var: &'a Node, name: &str, place: &Place) -> Result<&'a Node, Diagnostic> {
    let mut walked = var_of(name).len();
    let mut node = var;
    for piece in name.split('.').skip(1) {
        node = node.step(piece).ok_or_else(|| {
            let what = &name[..walked];
            let message = format!(
                "`{what}` is {} and does not contain `{piece}`",
                node.describe()
            );
            let known = node.entries().iter().map(|entry| entry.key.as_str());
            Diagnostic::at(place, message).hint(suggest::hint("keys", piece, known))
        })?;
        walked += 1 + piece.len();
    }
    Ok(node)
}

fn misplaced_matrix(name: &str, place: &Place) -> Diagnostic {
    Diagnostic::at(place, format!("`${{{name}}}` has no value here")).hint(
        "an axis can be used in the `params` and `inputs` of the stage that has it".to_owned(),
    )
}

/// Looks up resolved vars, and the axes of one instance.
struct Scope<'a> {
    vars: &'a Vars,
    axes: Option<&'a [(String, Node)]>,
    expansion: &'a mut Expansion,
}

impl Lookup for Scope<'_> {
    fn lookup(&mut self, name: &str, place: &Place) -> Option<Node> {
        let found = match (name.strip_prefix(MATRIX), self.axes) {
            (Some(_), None) => Err(misplaced_matrix(name, place)),
            (Some(axis), Some(axes)) => match axes.iter().find(|(known, _)| known == axis) {
                Some((_, value)) => Ok(value),
                None => Err(
                    Diagnostic::at(place, format!("this stage has no axis `{axis}`")).hint(
                        suggest::hint("axes", axis, axes.iter().map(|(known, _)| known.as_str())),
                    ),
                ),
            },
            (None, _) => match self.vars.values.get(var_of(name)) {
                Some(var) => within(var, name, place),
                None => Err(unknown(name, place, self.vars.names())),
            },
        };
        match found {
            Ok(node) => Some(node.clone()),
            Err(error) => self.expansion.report(error),
        }
    }

    fn expansion(&mut self) -> &mut Expansion {
        self.expansion
    }
}

/// Resolves each var once, following the references between them.
struct Resolver<'a> {
    raw: BTreeMap<&'a str, &'a Node>,
    /// The resolved vars; `None` for a var that could not be resolved, which was reported.
    done: BTreeMap<String, Option<Node>>,
    /// The vars that are being resolved, outermost first.
    open: Vec<String>,
    expansion: &'a mut Expansion,
}

impl Lookup for Resolver<'_> {
    fn lookup(&mut self, name: &str, place: &Place) -> Option<Node> {
        if name.starts_with(MATRIX) {
            return self.expansion.report(misplaced_matrix(name, place));
        }
        let var = var_of(name);
        if !self.done.contains_key(var) {
            self.resolve(var, name, place)?;
        }
        match within(self.done.get(var)?.as_ref()?, name, place) {
            Ok(node) => Some(node.clone()),
            Err(error) => self.expansion.report(error),
        }
    }

    fn expansion(&mut self) -> &mut Expansion {
        self.expansion
    }
}

impl Resolver<'_> {
    /// Resolves the var `name` because of a reference to `used`: the var itself, or a dotted name into it.
    /// Returns `None` if there is no such var or it refers to itself, which is reported.
    fn resolve(&mut self, name: &str, used: &str, place: &Place) -> Option<()> {
        let Some(&raw) = self.raw.get(name) else {
            return self
                .expansion
                .report(unknown(used, place, self.raw.keys().copied()));
        };
        if let Some(start) = self.open.iter().position(|open| open == name) {
            let cycle: String = self.open[start..]
                .iter()
                .map(|var| format!("`{var}` → "))
                .collect();
            let message = format!("vars refer to each other in a cycle: {cycle}`{name}`");
            return self.expansion.report(Diagnostic::at(place, message));
        }
        if self.open.len() == MAX_CHAIN {
            let message = format!("more than {MAX_CHAIN} vars refer to each other in a chain");
            return self.expansion.report(Diagnostic::at(place, message));
        }
        self.open.push(name.to_owned());
        let node = interpolate(raw, self);
        self.open.pop();
        self.done.insert(name.to_owned(), node);
        Some(())
    }
}
