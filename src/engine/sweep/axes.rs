//! Reads the axes of a sweep: what each of them varies, and over which values.

use std::collections::HashSet;
use std::fmt;

use serde_json::Number;

use super::domain::{Coordinate, Domain};
use super::record::AxisKind;
use crate::spec::{
    Assignment, Diagnostic, Entry, LONGEST_NAME, Node, Place, Plain, SweepSpec, Value, suggest,
};

/// Reserved labels: copies of a pipeline may also differ in their seeds, folds and epochs.
pub(super) const SEED: &str = "seed";
pub(super) const FOLD: &str = "fold";
pub(super) const EPOCHS: &str = "epochs";

/// Maximum number of values that a description lists.
const LISTED: usize = 8;

/// Keys that an axis may have in place of a list of values.
const FORMS: [&str; 5] = [
    "choice",
    "uniform",
    "log_uniform",
    "int_uniform",
    "log_int_uniform",
];

/// An axis of a sweep as declared.
pub(super) struct Axis {
    /// The var or parameter that the axis varies: `dropout`, `cnn.params.learning_rate`.
    pub name: String,
    /// Short name, used in instance names and tables: `learning_rate`.
    pub label: String,
    /// Place of the name.
    key: Place,
    pub domain: Domain,
    /// Listed values with their names; empty for a range.
    pub choices: Vec<(String, Node)>,
    /// Place of the values.
    range: Place,
}

impl Axis {
    /// Reads all axes of a sweep and adds their errors to `errors`.
    pub(super) fn read_all(spec: &SweepSpec, errors: &mut Vec<Diagnostic>) -> Vec<Self> {
        let entries = spec.section("axes");
        if entries.is_empty() {
            let place = spec.place_of(&["axes"]);
            errors.push(Diagnostic::at(&place, "a sweep needs at least one axis"));
        }
        let labels = labels(entries);
        let mut axes = Vec::new();
        for (entry, label) in entries.iter().zip(labels) {
            match domain(entry) {
                Ok((domain, choices)) => axes.push(Self {
                    name: entry.key.clone(),
                    label,
                    key: entry.key_place.clone(),
                    domain,
                    choices,
                    range: entry.value.place.clone(),
                }),
                Err(error) => errors.push(error),
            }
        }
        axes
    }

    /// Returns the place of the values, or of the name if the values span several lines.
    pub(super) fn place(&self) -> Place {
        match self.range.is_one_line() && !self.range.text().is_empty() {
            true => self.range.clone(),
            false => self.key.clone(),
        }
    }

    /// Describes the values in a few words: `0.001, 0.01`, `log-uniform, 0.0001 to 0.01`.
    pub(super) fn in_words(&self) -> String {
        let ends = |low: &dyn fmt::Display, high: &dyn fmt::Display| format!("{low} to {high}");
        match &self.domain {
            Domain::Values(_) => {
                let names: Vec<&str> = self.choices.iter().map(|(name, _)| name.as_str()).collect();
                match names.as_slice() {
                    few if few.len() <= LISTED => few.join(", "),
                    many => format!("{}, … ({})", many[..LISTED].join(", "), many.len()),
                }
            }
            Domain::Uniform { low, high } => format!("uniform, {}", ends(low, high)),
            Domain::LogUniform { low, high } => format!("log-uniform, {}", ends(low, high)),
            Domain::LogIntUniform { low, high } => {
                format!("log-uniform, whole, {}", ends(low, high))
            }
            Domain::Quantised { low, quantum, .. } => {
                let last = self.extremes().pop().map(|last| self.value(&last).0);
                let last = last.unwrap_or_default();
                format!("{} by {quantum}", ends(low, &last))
            }
            Domain::IntUniform { low, high, quantum } => {
                format!("whole, {} by {quantum}", ends(low, high))
            }
        }
    }

    /// Returns how values of the axis compare: as choices, as numbers or by their logarithm.
    pub(super) fn kind(&self) -> AxisKind {
        let is_number = |(_, node): &(String, Node)| matches!(node.value, Value::Number(_));
        // If 3.1 and 3.10 are on one axis, they are names, not numbers.
        let mut seen = HashSet::new();
        let mut repeats = |(_, node): &(String, Node)| match &node.value {
            Value::Number(number) => !seen.insert(number.value.to_string()),
            _ => false,
        };
        match &self.domain {
            Domain::LogUniform { .. } | Domain::LogIntUniform { .. } => AxisKind::Log,
            Domain::Values(_) if !self.choices.iter().all(is_number) => AxisKind::Choice,
            Domain::Values(_) if self.choices.iter().any(&mut repeats) => AxisKind::Choice,
            _ => AxisKind::Numeric,
        }
    }

    /// Returns the name of a coordinate and its value.
    pub(super) fn value(&self, at: &Coordinate) -> (String, Node) {
        match at {
            Coordinate::Choice(index) => self.choices[*index].clone(),
            Coordinate::Number(number) => {
                let value = Value::Number(Plain::new(number.clone()));
                (number.to_string(), Node::new(value, self.range.clone()))
            }
        }
    }

    /// Returns the assignment that sets a coordinate's value in the pipeline.
    pub(super) fn assign(&self, at: &Coordinate) -> Assignment {
        let (_, value) = self.value(at);
        Assignment::of(&self.name, &self.key, value)
    }

    /// Returns the coordinate of a value in `include`, `exclude` or `when`.
    pub(super) fn coordinate(&self, value: &Node) -> Result<Coordinate, Diagnostic> {
        if self.choices.is_empty() {
            let found = match &value.value {
                Value::Number(number) => self.domain.find(&number.value),
                _ => None,
            };
            let message = || {
                format!(
                    "{} is not a value of the axis `{}`",
                    value.describe(),
                    self.name
                )
            };
            return found.ok_or_else(|| Diagnostic::at(&value.place, message()));
        }
        let is_written = |(name, known): &(String, Node)| {
            known == value || value.as_text().is_some_and(|text| text == name)
        };
        let mut choices = self.choices.iter();
        if let Some(index) = choices.position(is_written) {
            return Ok(Coordinate::Choice(index));
        }
        // A value with another spelling must match only one choice: on an axis of 3.1 and 3.10, 3.100 is
        // ambiguous.
        let choices = self.choices.iter().enumerate();
        let same: Vec<_> = choices
            .filter(|(_, (_, known))| known.has_same_value(value))
            .collect();
        match same.as_slice() {
            [(index, _)] => Ok(Coordinate::Choice(*index)),
            [(_, (first, _)), (_, (second, _)), ..] => {
                let message = format!(
                    "{} is ambiguous: it may be `{first}` or `{second}` of the axis `{}`",
                    value.describe(),
                    self.name
                );
                let hint = "spell it as in `axes`".to_owned();
                Err(Diagnostic::at(&value.place, message).hint(hint))
            }
            [] => {
                let message = format!(
                    "{} is not a value of the axis `{}`",
                    value.describe(),
                    self.name
                );
                let known = self.choices.iter().map(|(name, _)| name.as_str());
                let known: Vec<&str> = known.collect();
                let hint = suggest::hint("values", value.as_text().unwrap_or_default(), known);
                Err(Diagnostic::at(&value.place, message).hint(hint))
            }
        }
    }

    /// Returns all listed values, or both ends of a range. They are checked before any trial starts.
    pub(super) fn extremes(&self) -> Vec<Coordinate> {
        let number = |value: f64| Number::from_f64(value).map(Coordinate::Number);
        let ends = match &self.domain {
            Domain::Values(count) => return (0..*count).map(Coordinate::Choice).collect(),
            Domain::Uniform { low, high } | Domain::LogUniform { low, high } => {
                [number(*low), number(*high)]
            }
            finite => {
                let last = finite.count().unwrap_or(1) - 1;
                [finite.nth(0), finite.nth(last)]
            }
        };
        ends.into_iter().flatten().collect()
    }
}

/// Returns the label of each axis: the last piece of its name, or the whole name if that piece is reserved or
/// ambiguous.
fn labels(entries: &[Entry]) -> Vec<String> {
    let last = |entry: &Entry| {
        let name = entry.key.as_str();
        name.rsplit('.').next().unwrap_or(name).to_owned()
    };
    let (mut seen, mut twice) = (HashSet::new(), HashSet::new());
    twice.extend([SEED, FOLD, EPOCHS].map(str::to_owned));
    for label in entries.iter().map(last) {
        if !seen.insert(label.clone()) {
            twice.insert(label);
        }
    }
    let label = |entry: &Entry| match last(entry) {
        label if twice.contains(&label) => entry.key.clone(),
        label => label,
    };
    entries.iter().map(label).collect()
}

/// Reads the values of an axis.
fn domain(entry: &Entry) -> Result<(Domain, Vec<(String, Node)>), Diagnostic> {
    let node = &entry.value;
    if let Value::List(items) = &node.value {
        let choices = items
            .iter()
            .map(|item| Ok((value_name(item)?, item.clone())));
        return choices_of(entry, choices.collect::<Result<_, _>>()?);
    }
    let [form] = node.entries() else {
        let message = format!(
            "expected a list of values or a range for `{}`, found {}",
            entry.key,
            node.describe()
        );
        let hint = "for example `[0.1, 0.2]` or `{ log_uniform: [1e-4, 1e-2] }`".to_owned();
        return Err(Diagnostic::at(place(entry), message).hint(hint));
    };
    let name = form.key.as_str();
    if name == "choice" {
        let choices = form.value.entries().iter();
        let choices = choices.map(|choice| {
            let name = Node::new(Value::Text(choice.key.clone()), choice.key_place.clone());
            Ok((value_name(&name)?, choice.value.clone()))
        });
        return choices_of(entry, choices.collect::<Result<_, _>>()?);
    }
    let numbers = numbers(form)?;
    let place = place(form);
    let whole = |number: &Number| {
        let message = || format!("`{number}` is not a whole number");
        number
            .as_i64()
            .ok_or_else(|| Diagnostic::at(place, message()))
    };
    let float = |number: &Number| number.as_f64().unwrap_or(f64::NAN);
    let domain = match (name, numbers.as_slice()) {
        ("uniform", [low, high]) => Domain::uniform(low, high, None),
        ("uniform", [low, high, quantum]) => Domain::uniform(low, high, Some(quantum)),
        ("log_uniform", [low, high]) => Domain::log_uniform(float(low), float(high)),
        ("int_uniform", [low, high]) => Domain::int_uniform(whole(low)?, whole(high)?, 1),
        ("int_uniform", [low, high, quantum]) => {
            Domain::int_uniform(whole(low)?, whole(high)?, whole(quantum)?)
        }
        ("log_int_uniform", [low, high]) => Domain::log_int_uniform(whole(low)?, whole(high)?),
        (name, _) => {
            let wanted = match name.starts_with("log") {
                true => "`[LOW, HIGH]`",
                false => "`[LOW, HIGH]` or `[LOW, HIGH, QUANTUM]`",
            };
            return Err(Diagnostic::at(place, format!("`{name}` takes {wanted}")));
        }
    };
    let domain = domain.map_err(|error| Diagnostic::at(place, error.to_string()))?;
    Ok((domain, Vec::new()))
}

/// Reads the numbers of a range: low, high and maybe a quantum.
fn numbers(form: &Entry) -> Result<Vec<&Number>, Diagnostic> {
    if !FORMS.contains(&form.key.as_str()) {
        let message = format!("there is no range `{}`", form.key);
        let hint = suggest::hint("ranges", &form.key, FORMS);
        return Err(Diagnostic::at(&form.key_place, message).hint(hint));
    }
    let number = |item: &'_ Node| match &item.value {
        Value::Number(_) => Ok(()),
        _ => {
            let message = format!("expected a number, found {}", item.describe());
            Err(Diagnostic::at(&item.place, message))
        }
    };
    let items = form.value.items();
    items.iter().try_for_each(number)?;
    let numbers = items.iter().filter_map(|item| match &item.value {
        Value::Number(number) => Some(&number.value),
        _ => None,
    });
    Ok(numbers.collect())
}

fn choices_of(
    entry: &Entry,
    choices: Vec<(String, Node)>,
) -> Result<(Domain, Vec<(String, Node)>), Diagnostic> {
    if choices.is_empty() {
        let message = format!("the axis `{}` has no values", entry.key);
        return Err(Diagnostic::at(place(entry), message));
    }
    let mut seen = HashSet::new();
    if let Some((name, node)) = choices.iter().find(|(name, _)| !seen.insert(name)) {
        let message = format!("duplicate value `{name}` on the axis `{}`", entry.key);
        return Err(Diagnostic::at(&node.place, message));
    }
    Ok((Domain::Values(choices.len()), choices))
}

/// Returns the name of a value, which is its text. Fails if the text cannot be part of a trial's name.
fn value_name(item: &Node) -> Result<String, Diagnostic> {
    let text = match &item.value {
        Value::Null => Some("none".to_owned()),
        _ => item.scalar_text(),
    };
    let fits = |char: char| !char.is_control() && !"[],=/".contains(char);
    match text {
        Some(text) if !text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(fits) => {
            Ok(text)
        }
        _ => {
            let message = format!("{} cannot be part of a trial's name", item.describe());
            let hint = "give the values names: `choice: { small: […], large: […] }`".to_owned();
            Err(Diagnostic::at(&item.place, message).hint(hint))
        }
    }
}

/// Returns the place of an entry's value, or of its key if the value spans several lines.
fn place(entry: &Entry) -> &Place {
    match entry.value.place.is_one_line() && !entry.value.place.text().is_empty() {
        true => &entry.value.place,
        false => &entry.key_place,
    }
}
