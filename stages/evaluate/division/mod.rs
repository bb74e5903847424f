//! Divisions of the measured images into subgroups: the parameter `subgroups`, and the value of each image.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use contract::{Failure, Invalid, Segment, ShowPath, Source, Text};
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::delimited::Table;

/// Largest number of values of a division.
const MOST_VALUES: usize = 50;
/// Column with the names of images or groups, unless `key` is set.
const NAME: &str = "name";

/// A way to divide the images into subgroups: by a part of their names (`pattern`), or by a column of a CSV file
/// (`table` and `column`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Division {
    /// Regular expression on the names of images with one pair of parentheses, such as `_(AP|PA)_`. The text in
    /// parentheses is the image's subgroup.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text>")]
    pub pattern: Option<String>,
    /// CSV file with a header, separated by `,`, `;` or tabs; relative to the working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text>")]
    pub table: Option<PathBuf>,
    /// Column of the table with the names of images, their file names without folders, or groups such as patients. By
    /// default, `name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text>")]
    pub key: Option<String>,
    /// Column of the table with the subgroups. Images with an empty value are in none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text>")]
    pub column: Option<String>,
}

impl Division {
    /// Checks the parameters without looking at the table.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let hint = "write `{ pattern: '_(AP|PA)_' }` or `{ table: patients.csv, key: patient, column: sex }`";
        match (&self.pattern, &self.table) {
            (Some(_), Some(_)) => Err(Invalid::new(
                "a division has either a `pattern` or a `table`, not both",
            )
            .hint(hint)
            .under("table")),
            (None, None) => {
                Err(Invalid::new("a division needs a `pattern` or a `table`").hint(hint))
            }
            (Some(pattern), None) => {
                for (name, given) in [("key", &self.key), ("column", &self.column)] {
                    if given.is_some() {
                        return Err(Invalid::new(format!("`{name}` needs a `table`"))
                            .hint(hint)
                            .under(name));
                    }
                }
                expression(pattern).map(drop)
            }
            (None, Some(_)) if self.column.is_none() => Err(Invalid::new(
                "a `table` needs the name of the `column` with the subgroups",
            )
            .hint(hint)),
            (None, Some(_)) => Ok(()),
        }
    }

    /// Returns the table as a source of the stage. `name` is that of the division.
    pub(super) fn source(&self, name: &str) -> Option<Source> {
        let param = ["subgroups", name, "table"];
        let param = param.map(|key| Segment::Key(key.to_owned())).to_vec();
        Some(Source::new(param, self.table.as_ref()?))
    }

    /// Checks the table before the run.
    pub(super) fn preflight(&self) -> Result<(), Invalid> {
        match self.table.as_deref() {
            Some(path) => self.rows(path).map(drop).map_err(Invalid::new),
            None => Ok(()),
        }
    }

    /// Returns the value of each image; `None` for images that are in no subgroup.
    pub(super) fn values(
        &self,
        by: &str,
        names: &[String],
        groups: &[String],
    ) -> Result<Vec<Option<String>>, Failure> {
        let values: Vec<Option<String>> = match (&self.pattern, &self.table) {
            (Some(pattern), _) => {
                let expression =
                    expression(pattern).map_err(|e| Failure::Internal(e.to_string()))?;
                let value = |name: &String| {
                    let found = expression.captures(name)?.get(1)?;
                    Some(found.as_str().to_owned())
                };
                names.iter().map(value).collect()
            }
            (None, Some(path)) => {
                let rows = self.rows(path).map_err(Failure::Data)?;
                looked_up(&rows, names, groups)
            }
            (None, None) => Vec::new(),
        };
        let values: Vec<_> = values
            .into_iter()
            .map(|value| value.filter(|value| !value.is_empty()))
            .collect();
        self.check_values(by, &values, names)?;
        Ok(values)
    }

    fn check_values(
        &self,
        by: &str,
        values: &[Option<String>],
        names: &[String],
    ) -> Result<(), Failure> {
        let distinct: HashSet<&String> = values.iter().flatten().collect();
        if distinct.len() > MOST_VALUES {
            return Err(Failure::Data(format!(
                "`subgroups`: `{by}` has {} values, more than {MOST_VALUES}: choose a coarser division",
                distinct.len()
            )));
        }
        let example = names.first().map_or("", String::as_str);
        if distinct.is_empty() && !names.is_empty() {
            return Err(Failure::Data(match &self.pattern {
                Some(pattern) => format!(
                    "`subgroups`: the pattern of `{by}`, `{pattern}`, matches no name of an image, such as `{example}`"
                ),
                None => format!(
                    "`subgroups`: the table of `{by}` has a value for no image: its column `{}` must have names of images, \
                     such as `{example}`, or their groups",
                    self.key()
                ),
            }));
        }
        Ok(())
    }

    fn key(&self) -> &str {
        self.key.as_deref().unwrap_or(NAME)
    }

    /// Reads the value of each key of the table.
    fn rows(&self, path: &Path) -> Result<HashMap<String, String>, String> {
        let shown = format!("`{}`", path.shown());
        let table = Table::read(path, &shown)?;
        let place = |column: &str| {
            table.column(column).ok_or_else(|| {
                format!(
                    "{shown} has no column `{column}`; its columns are {}",
                    table.listed_columns()
                )
            })
        };
        let (key, column) = (self.key(), self.column.as_deref().unwrap_or_default());
        let (key_place, value_place) = (place(key)?, place(column)?);
        let mut rows: HashMap<String, String> = HashMap::new();
        for row in &table.rows {
            let [name, value] = [key_place, value_place].map(|place| row.fields[place].trim());
            if name.is_empty() {
                continue;
            }
            let before = rows.insert(name.to_owned(), value.to_owned());
            if let Some(before) = before.filter(|before| before != value) {
                return Err(format!(
                    "{shown}, line {}: `{name}` has the `{column}` `{value}`, but `{before}` in an earlier line",
                    row.line
                ));
            }
        }
        Ok(rows)
    }
}

/// Looks up each image by its name, its group, or its file name if no two images share one.
fn looked_up(
    rows: &HashMap<String, String>,
    names: &[String],
    groups: &[String],
) -> Vec<Option<String>> {
    let file = |name: &String| name.rsplit('/').next().unwrap_or_default().to_owned();
    let files: HashSet<String> = names.iter().map(file).collect();
    let are_distinct = files.len() == names.len();
    let value = |(place, name): (usize, &String)| {
        let by_file = || rows.get(&file(name)).filter(|_| are_distinct);
        let by_group = || rows.get(groups.get(place)?);
        rows.get(name).or_else(by_group).or_else(by_file).cloned()
    };
    names.iter().enumerate().map(value).collect()
}

fn expression(pattern: &str) -> Result<Regex, Invalid> {
    let regex = Regex::new(pattern).map_err(|e| {
        let text = e.to_string();
        let cause = text.lines().last().unwrap_or_default();
        let cause = cause.trim_start_matches("error: ");
        Invalid::new(format!("`pattern` is not a regular expression: {cause}")).under("pattern")
    })?;
    match regex.captures_len() {
        2 => Ok(regex),
        1 => Err(
            Invalid::new("`pattern` has no parentheses around the subgroup")
                .hint("write, for example, `_(AP|PA)_`")
                .under("pattern"),
        ),
        _ => Err(
            Invalid::new("`pattern` has more than one pair of parentheses")
                .hint("write `(?:…)` for parentheses that are not around the subgroup")
                .under("pattern"),
        ),
    }
}

/// Checks all divisions.
pub(super) fn check(divisions: &BTreeMap<String, Division>) -> Result<(), Invalid> {
    for (name, division) in divisions {
        division
            .check()
            .map_err(|e| e.under(name).under("subgroups"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
