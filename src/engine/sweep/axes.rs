//! The axes of a sweep as they are written: what they vary, and over which values.

use std::collections::HashSet;
use std::fmt;

use serde_json::Number;

use super::domain::{Coordinate, Domain};
use super::record::AxisKind;
use crate::spec::{
    Assignment, Diagnostic, Entry, LONGEST_NAME, Node, Place, Plain, SweepSpec, Value, suggest,
};

/// Labels that are not an axis' own: what else tells copies of a pipeline apart.
pub(super) const SEED: &str = "seed";
pub(super) const EPOCHS: &str = "epochs";

/// Values that are told one by one.
const LISTED: usize = 8;

/// The forms of a range.
const FORMS: [&str; 5] = [
    "choice",
    "uniform",
    "log_uniform",
    "int_uniform",
    "log_int_uniform",
];

/// An axis as it is written.
pub(super) struct Axis {
    /// The var or parameter that it varies: `dropout`, `cnn.params.learning_rate`.
    pub name: String,
    /// What it is called in names and tables: `learning_rate`.
    pub label: String,
    /// Of its name.
    key: Place,
    pub domain: Domain,
    /// Values by what they are called, where there are single ones.
    pub choices: Vec<(String, Node)>,
    /// Of its values.
    range: Place,
}

impl Axis {
    /// All axes of a sweep; what is wrong with one is reported.
    pub fn read_all(spec: &SweepSpec, errors: &mut Vec<Diagnostic>) -> Vec<Self> {
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

    /// Where its values stand; its name if they go over several lines.
    pub fn place(&self) -> Place {
        match self.range.is_one_line() && !self.range.text().is_empty() {
            true => self.range.clone(),
            false => self.key.clone(),
        }
    }

    /// Its values in a few words: `0.001, 0.01`, `log_uniform 0.0001 to 0.01`.
    pub fn in_words(&self) -> String {
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

    /// How its values are compared.
    pub fn kind(&self) -> AxisKind {
        let is_number = |(_, node): &(String, Node)| matches!(node.value, Value::Number(_));
        // 3.1 and 3.10 on one axis are names, not numbers.
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

    /// What a coordinate is called, and the value that it stands for.
    pub fn value(&self, at: &Coordinate) -> (String, Node) {
        match at {
            Coordinate::Choice(index) => self.choices[*index].clone(),
            Coordinate::Number(number) => {
                let value = Value::Number(Plain::new(number.clone()));
                (number.to_string(), Node::new(value, self.range.clone()))
            }
        }
    }

    /// Puts a coordinate's value into the pipeline.
    pub fn assign(&self, at: &Coordinate) -> Assignment {
        let (_, value) = self.value(at);
        Assignment::of(&self.name, &self.key, value)
    }

    /// The coordinate of a value, as it stands in `include`, `exclude` or `when`.
    pub fn coordinate(&self, value: &Node) -> Result<Coordinate, Diagnostic> {
        if self.choices.is_empty() {
            let found = match &value.value {
                Value::Number(number) => self.domain.find(&number.value),
                _ => None,
            };
            let message = || format!("{} is no value of `{}`", value.describe(), self.name);
            return found.ok_or_else(|| Diagnostic::at(&value.place, message()));
        }
        let is_written = |(name, known): &(String, Node)| {
            known == value || value.as_text().is_some_and(|text| text == name)
        };
        let mut choices = self.choices.iter();
        if let Some(index) = choices.position(is_written) {
            return Ok(Coordinate::Choice(index));
        }
        // Spelled in another way it must leave no doubt: on an axis of 3.1 and 3.10, 3.100 does.
        let choices = self.choices.iter().enumerate();
        let same: Vec<_> = choices
            .filter(|(_, (_, known))| known.means(value))
            .collect();
        match same.as_slice() {
            [(index, _)] => Ok(Coordinate::Choice(*index)),
            [(_, (first, _)), (_, (second, _)), ..] => {
                let message = format!(
                    "{} may be `{first}` or `{second}` of `{}`",
                    value.describe(),
                    self.name
                );
                let hint = "spell it as the axis does".to_owned();
                Err(Diagnostic::at(&value.place, message).hint(hint))
            }
            [] => {
                let message = format!("{} is no value of `{}`", value.describe(), self.name);
                let known = self.choices.iter().map(|(name, _)| name.as_str());
                let known: Vec<&str> = known.collect();
                let hint = suggest::hint("values", value.as_text().unwrap_or_default(), known);
                Err(Diagnostic::at(&value.place, message).hint(hint))
            }
        }
    }

    /// Single values, or the ends of a range: what is to be looked at before any trial starts.
    pub fn extremes(&self) -> Vec<Coordinate> {
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

/// What each axis is called: the last piece of its name, unless another one ends alike.
fn labels(entries: &[Entry]) -> Vec<String> {
    let last = |entry: &Entry| {
        let name = entry.key.as_str();
        name.rsplit('.').next().unwrap_or(name).to_owned()
    };
    let (mut seen, mut twice) = (HashSet::new(), HashSet::new());
    twice.extend([SEED.to_owned(), EPOCHS.to_owned()]);
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

/// The values of an axis.
fn domain(entry: &Entry) -> Result<(Domain, Vec<(String, Node)>), Diagnostic> {
    let node = &entry.value;
    if let Value::List(items) = &node.value {
        let choices = items.iter().map(|item| Ok((called(item)?, item.clone())));
        return choices_of(entry, choices.collect::<Result<_, _>>()?);
    }
    let [form] = node.entries() else {
        let message = format!(
            "expected a list of values or a range for `{}`, found {}",
            entry.key,
            node.describe()
        );
        let hint = "as `[0.1, 0.2]`, or `{ log_uniform: [1e-4, 1e-2] }`".to_owned();
        return Err(Diagnostic::at(place(entry), message).hint(hint));
    };
    let name = form.key.as_str();
    if name == "choice" {
        let choices = form.value.entries().iter();
        let choices = choices.map(|choice| {
            let name = Node::new(Value::Text(choice.key.clone()), choice.key_place.clone());
            Ok((called(&name)?, choice.value.clone()))
        });
        return choices_of(entry, choices.collect::<Result<_, _>>()?);
    }
    let numbers = numbers(form)?;
    let place = place(form);
    let whole = |number: &Number| {
        let message = || format!("`{number}` is no whole number");
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

/// Low, high and perhaps a quantum.
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

/// What a value is called that has no name of its own.
fn called(item: &Node) -> Result<String, Diagnostic> {
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
            let message = format!("{} tells no trial from another", item.describe());
            let hint = "give values names: `choice: { small: […], large: […] }`".to_owned();
            Err(Diagnostic::at(&item.place, message).hint(hint))
        }
    }
}

/// Where an axis' values stand; its name if they go over several lines.
fn place(entry: &Entry) -> &Place {
    match entry.value.place.is_one_line() && !entry.value.place.text().is_empty() {
        true => &entry.value.place,
        false => &entry.key_place,
    }
}
