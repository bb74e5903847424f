//! Writes a profile into the text of a pipeline without changing any other byte.
//!
//! The change consists of a few [`Edit`]s of the text. The resulting text is parsed again and must equal the
//! old document with only this profile changed. Otherwise, for example because of anchors or an unusual
//! layout, nothing is written.

mod edit;
mod given;
mod outline;
#[cfg(test)]
mod tests;
mod values;
mod written;

use std::path::Path;
use std::sync::Arc;

pub use given::with_given;
pub use values::{as_written, profile_values};

use edit::{Edit, Text};
use outline::{Form, Line, Outline};

use super::node::{Entry, Plain, Value};
use super::{Diagnostic, Node, Source, check_name, yaml};

const SECTION: &str = "profiles";

/// Sections after which a new section `profiles` is inserted.
const BEFORE: [&str; 5] = ["version", "name", "seed", "include", "vars"];

/// Writes values into a profile of a pipeline and returns the new text. Creates the section and the profile
/// if they are missing, replaces the values of existing keys, and keeps all other keys. A key is the name of
/// a var or a dotted path (`cnn.params.learning_rate`). Errors refer to the text as `file`.
///
/// # Errors
/// Fails if the text is not valid YAML, if the profile's name is invalid, or if a key is given twice or no key is
/// given. Also fails if the profile cannot be edited: it is written in flow style, is an alias, or contains an
/// anchor that is used elsewhere.
pub fn promote(
    file: &Path,
    text: &str,
    profile: &str,
    assignments: &[(String, Node)],
) -> Result<String, Diagnostic> {
    let source = Source::file(file, text);
    let before = yaml::parse(&source, source.given())?;
    check(&source, profile, assignments)?;
    let assignments = assignments.iter();
    let assignments: Vec<(String, Node)> = assignments
        .map(|(name, value)| (name.clone(), written::spelled(value)))
        .collect();
    let outline = Outline::read(source.text()).unwrap_or(Outline {
        bytes: 0..0,
        form: Form::Empty,
        anchored: false,
    });
    let writer = Writer {
        source: &source,
        text: Text::new(source.text()),
        profile,
        assignments: &assignments,
        before: &before,
    };
    let (edits, section) = writer.edits(&outline)?;
    let written = edit::apply(source.text(), edits);
    let expected = writer.expected(section);
    let is_as_expected = |written: &str| {
        let source = Source::file(file, written);
        yaml::parse(&source, source.given()).is_ok_and(|after| after == expected)
    };
    if !is_as_expected(&written) {
        return Err(writer.not_as_expected(&outline));
    }
    let byte_order_mark = &text[..text.len() - source.text().len()];
    Ok(format!("{byte_order_mark}{written}"))
}

/// Adds to the values of a trial what makes the profile this single trial: it has no sweep, and as many seeds as the
/// trials of the sweep had. A var with the name `sweep` or `seeds` cannot be told from the setting, so then the setting
/// is left out.
pub fn single_trial(file: &Path, text: &str, values: &mut Vec<(String, Node)>, seeds: usize) {
    let source = Source::file(file, text);
    let vars = yaml::parse(&source, source.given()).ok();
    let vars = vars.as_ref().and_then(|document| document.get("vars"));
    let place = source.place(0..0);
    // A number that was given with `--set` or a profile is replaced, even by 1.
    let is_given = values.iter().any(|(name, _)| name == "seeds");
    let count = Value::Number(Plain::new((seeds.max(1) as u64).into()));
    let seeds = (seeds > 1 || is_given).then_some(count);
    let settings = [("sweep", Some(Value::Null)), ("seeds", seeds)];
    for (name, value) in settings {
        let is_var = vars.is_some_and(|vars| vars.get(name).is_some());
        if let Some(value) = value.filter(|_| !is_var) {
            values.retain(|(other, _)| other != name);
            values.push((name.to_owned(), Node::new(value, place.clone())));
        }
    }
}

fn check(
    source: &Arc<Source>,
    profile: &str,
    assignments: &[(String, Node)],
) -> Result<(), Diagnostic> {
    let mut errors = Vec::new();
    check_name(profile, "a profile", &source.place(0..0), &mut errors);
    if let Some(Diagnostic { message, hint, .. }) = errors.pop() {
        // The name comes from the command line, so the error has no place in the text.
        return Err(Diagnostic::new(message).hint(hint));
    }
    if assignments.is_empty() {
        return Err(Diagnostic::new(format!(
            "there are no values to write to the profile `{profile}`"
        )));
    }
    for (index, (name, _)) in assignments.iter().enumerate() {
        if assignments[..index].iter().any(|(other, _)| other == name) {
            return Err(Diagnostic::new(format!("`{name}` is assigned twice")));
        }
    }
    Ok(())
}

struct Writer<'a> {
    source: &'a Arc<Source>,
    text: Text<'a>,
    profile: &'a str,
    assignments: &'a [(String, Node)],
    before: &'a Node,
}

impl Writer<'_> {
    /// Returns the edits, and the index that `profiles` has among the sections of the edited document.
    fn edits(&self, root: &Outline) -> Result<(Vec<Edit>, usize), Diagnostic> {
        let Form::Block(sections) = &root.form else {
            let place = self.source.place(root.bytes.clone());
            return Err(Diagnostic::at(
                &place,
                "a profile can only be written to a pipeline with one section per line",
            ));
        };
        let Some(index) = sections.iter().position(|line| line.key == SECTION) else {
            let last = sections
                .iter()
                .rposition(|line| BEFORE.contains(&line.key.as_str()))
                .unwrap_or(sections.len() - 1);
            return Ok((vec![self.new_section(&sections[last])], last + 1));
        };
        Ok((self.in_section(&sections[index])?, index))
    }

    fn new_section(&self, after: &Line) -> Edit {
        let at = self.text.line_after(after.value_end(), 1);
        let unit = " ".repeat(self.text.indentation);
        let mut lines = vec![format!("{SECTION}:"), format!("{unit}{}:", self.name())];
        lines.extend(self.assigned(&unit.repeat(2)));
        self.text.insert(at, &lines, self.text.is_spaced(at))
    }

    fn in_section(&self, section: &Line) -> Result<Vec<Edit>, Diagnostic> {
        self.check_plain(section)?;
        let unit = self.text.indentation;
        match &section.value.form {
            Form::Empty | Form::Flow(0) => {
                let column = self.text.column(section) + unit;
                Ok(self.fill(section, &self.new_profile(column)))
            }
            Form::Block(profiles) => {
                if let Some(profile) = profiles.iter().find(|line| line.key == self.profile) {
                    return self.in_profile(profile);
                }
                let column = self.text.column(&profiles[0]);
                let last = profiles[profiles.len() - 1].value_end();
                let at = self.text.line_after(last, column + 1);
                let lines = self.new_profile(column);
                Ok(vec![self.text.insert(at, &lines, false)])
            }
            _ => Err(self.not_editable(section)),
        }
    }

    fn in_profile(&self, profile: &Line) -> Result<Vec<Edit>, Diagnostic> {
        self.check_plain(profile)?;
        let lines = match &profile.value.form {
            Form::Empty | Form::Flow(0) => {
                let indent = " ".repeat(self.text.column(profile) + self.text.indentation);
                let lines: Vec<String> = self.assigned(&indent).collect();
                return Ok(self.fill(profile, &lines));
            }
            Form::Block(lines) => lines,
            _ => return Err(self.not_editable(profile)),
        };
        let old = self.before.get(SECTION).and_then(|s| s.get(self.profile));
        let old = |name: &str| old?.get(name).map(written::spelled);
        let mut edits = Vec::new();
        let column = self.text.column(&lines[0]);
        let mut new = Vec::new();
        for (name, value) in self.assignments {
            match lines.iter().find(|line| line.key == *name) {
                Some(_) if old(name).as_ref() == Some(value) => {}
                Some(line) => {
                    self.check_plain(line)?;
                    edits.extend(self.text.replace(line, &written::value(value)));
                }
                None => new.push(assigned(&" ".repeat(column), name, value)),
            }
        }
        if !new.is_empty() {
            let last = lines[lines.len() - 1].value_end();
            let at = self.text.line_after(last, column);
            edits.push(self.text.insert(at, &new, false));
        }
        Ok(edits)
    }

    /// Creates the edits that put lines under a key that has no value or the value `{}`.
    fn fill(&self, line: &Line, lines: &[String]) -> Vec<Edit> {
        let mut edits = Vec::new();
        if !matches!(line.value.form, Form::Empty) {
            edits.push(Edit::at(
                self.text.colon(line) + 1..line.value_end(),
                String::new(),
            ));
        }
        let at = self
            .text
            .line_after(line.value_end(), self.text.column(line) + 1);
        edits.push(self.text.insert(at, lines, false));
        edits
    }

    fn new_profile(&self, column: usize) -> Vec<String> {
        let [indent, inner] = [column, column + self.text.indentation].map(|n| " ".repeat(n));
        let head = format!("{indent}{}:", self.name());
        std::iter::once(head).chain(self.assigned(&inner)).collect()
    }

    fn name(&self) -> String {
        written::key(self.profile)
    }

    fn assigned(&self, indent: &str) -> impl Iterator<Item = String> {
        let assignments = self.assignments.iter();
        assignments.map(move |(name, value)| assigned(indent, name, value))
    }

    /// Returns the expected new document, in which `profiles` is the section at index `section`.
    fn expected(&self, section: usize) -> Node {
        let place = self.source.place(0..0);
        let entry = |key: &str, value: Value| Entry {
            key: key.to_owned(),
            key_place: place.clone(),
            value: Node::new(value, place.clone()),
        };
        let mut document = self.before.clone();
        let sections = entries(&mut document);
        if sections.get(section).is_none_or(|s| s.key != SECTION) {
            sections.insert(section, entry(SECTION, Value::Null));
        }
        let profiles = entries(&mut sections[section].value);
        let at = profiles.iter().position(|p| p.key == self.profile);
        let at = at.unwrap_or_else(|| {
            profiles.push(entry(self.profile, Value::Null));
            profiles.len() - 1
        });
        let keys = entries(&mut profiles[at].value);
        for (name, value) in self.assignments {
            let new = entry(name, value.value.clone());
            match keys.iter_mut().find(|key| key.key == *name) {
                Some(key) => *key = new,
                None => keys.push(new),
            }
        }
        document
    }

    /// Fails unless a key is written as `key:` at the start of its line.
    fn check_plain(&self, line: &Line) -> Result<(), Diagnostic> {
        if self.text.is_plain(line) {
            return Ok(());
        }
        Err(self.not_editable(line))
    }

    fn not_editable(&self, line: &Line) -> Diagnostic {
        let key = &line.key;
        let message = match line.value.form {
            Form::Flow(_) => format!("`{key}` is written as `{{…}}`, which cannot be edited"),
            Form::Alias => format!("`{key}` is an alias, which cannot be edited"),
            _ => format!("`{key}` is not a map with one key per line, so it cannot be edited"),
        };
        let hint = if key == SECTION {
            "write each profile on its own lines below it".to_owned()
        } else {
            "write its values below it, one per line, or choose another profile".to_owned()
        };
        Diagnostic::at(&self.source.place(line.key_bytes.clone()), message).hint(hint)
    }

    /// Creates the error for edits that do not result in the expected document.
    fn not_as_expected(&self, root: &Outline) -> Diagnostic {
        let section = root.lines().iter().find(|line| line.key == SECTION);
        let profile = |section: &Line| {
            let profiles = section.value.lines();
            let at = profiles.iter().find(|line| line.key == self.profile);
            at.map(|line| (line.key_bytes.clone(), line.value.anchored))
        };
        let whole = |section: &Line| (section.key_bytes.clone(), section.value.anchored);
        let (bytes, anchored) = section
            .map(|section| profile(section).unwrap_or_else(|| whole(section)))
            .unwrap_or((0..0, false));
        let place = self.source.place(bytes);
        let name = self.profile;
        if anchored {
            return Diagnostic::at(
                &place,
                format!(
                    "the profile `{name}` cannot be written: an anchor in it is used elsewhere"
                ),
            )
            .hint("put the shared value under `vars`, or choose another profile".to_owned());
        }
        Diagnostic::at(
            &place,
            format!("the profile `{name}` cannot be written without changing something else"),
        )
        .hint("edit the file by hand".to_owned())
    }
}

impl Line {
    /// Returns the end of the key's value, or of the key if no value is written.
    fn value_end(&self) -> usize {
        match self.value.form {
            Form::Empty => self.key_bytes.end,
            _ => self.value.bytes.end,
        }
    }
}

fn assigned(indent: &str, name: &str, value: &Node) -> String {
    format!("{indent}{}: {}", written::key(name), written::value(value))
}

/// Returns the entries of a map. Any other value is first replaced by an empty map.
fn entries(node: &mut Node) -> &mut Vec<Entry> {
    if !matches!(node.value, Value::Map(_)) {
        node.value = Value::Map(Vec::new());
    }
    match &mut node.value {
        Value::Map(entries) => entries,
        _ => unreachable!("it is a map"),
    }
}
