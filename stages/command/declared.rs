//! The parameter `metrics`: the file that a program writes its numbers to, and declarations of these numbers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use contract::{ANY, Direction, Invalid, Metric, MetricInfo, Metrics, Text};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// The file of metrics, with declarations or without.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricsFile {
    pub file: PathBuf,
    /// The metrics by name; `None` if their names are not known before the program has run.
    pub names: Option<BTreeMap<String, Declaration>>,
}

/// The parameter `metrics` as written.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "exists only for its schema")]
pub(super) enum MetricsForm {
    /// A JSON file of numbers.
    File(#[schemars(with = "Text")] PathBuf),
    /// A JSON file of numbers whose names are known.
    Declared(DeclaredForm),
}

/// A JSON file of numbers whose names are known.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct DeclaredForm {
    /// The file.
    #[schemars(with = "Text")]
    file: PathBuf,
    /// All metrics by name. It is an error if the program does not write one of them, or writes another one.
    #[schemars(extend("minProperties" = 1))]
    names: BTreeMap<String, Declaration>,
}

/// A metric that a program measures. `direction` and `range` are part of the key, because they determine what is
/// recorded.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "DeclaredMetric")]
pub struct Declaration {
    /// Direction in which the metric improves. Without it, neither higher nor lower values are better.
    #[schemars(with = "Option<DirectionForm>")]
    pub direction: Option<Direction>,
    /// Lowest and highest possible value, `null` for no limit: `[0, null]`. Any other value is an error.
    #[schemars(with = "Option<[Option<f64>; 2]>")]
    pub range: Option<[Option<f64>; 2]>,
    /// Unit of the values, such as `s`.
    pub unit: Option<String>,
    /// Show the metric after a run of a pipeline without tables.
    pub headline: bool,
}

impl Default for Declaration {
    fn default() -> Self {
        Self {
            direction: None,
            range: None,
            unit: None,
            headline: true,
        }
    }
}

/// Direction in which a metric improves.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
#[expect(dead_code, reason = "exists only for its schema")]
enum DirectionForm {
    Maximize,
    Minimize,
}

impl<'de> Deserialize<'de> for MetricsFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> serde::de::Visitor<'de> for Read {
            type Value = MetricsFile;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a path, or a map with `file` and `names`")
            }

            fn visit_str<E: serde::de::Error>(self, path: &str) -> Result<MetricsFile, E> {
                Ok(MetricsFile {
                    file: path.into(),
                    names: None,
                })
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                map: A,
            ) -> Result<MetricsFile, A::Error> {
                let read = serde::de::value::MapAccessDeserializer::new(map);
                let DeclaredForm { file, names } = Deserialize::deserialize(read)?;
                Ok(MetricsFile {
                    file,
                    names: Some(names),
                })
            }
        }

        deserializer.deserialize_any(Read)
    }
}

impl MetricsFile {
    /// Checks the declarations.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let Some(names) = &self.names else {
            return Ok(());
        };
        if names.is_empty() {
            let error = Invalid::new("`names` declares no metric");
            return Err(error.hint("write only the path of the file").under("names"));
        }
        for (name, declaration) in names {
            let [least, most] = declaration.range();
            if name.is_empty() {
                return Err(Invalid::new("a metric needs a name").under("names"));
            }
            if least > most || least == f64::INFINITY || most == f64::NEG_INFINITY {
                let message = format!("the range of `{name}` is empty: {least} is above {most}");
                let error = Invalid::new(message).hint("write the lowest value first");
                return Err(error.under("range").under(name).under("names"));
            }
        }
        Ok(())
    }

    /// Returns the parameter in the form that enters the key. Units and headlines do not change what is recorded.
    pub(super) fn canonical(&self) -> Value {
        let Some(names) = &self.names else {
            return json!(self.file);
        };
        let names = names.iter().map(|(name, declaration)| {
            let direction = declaration.direction;
            let range = declaration.range.filter(|range| *range != [None; 2]);
            (
                name.clone(),
                json!({ "direction": direction, "range": range }),
            )
        });
        let names: serde_json::Map<String, Value> = names.collect();
        json!({ "file": self.file, "names": names })
    }

    /// Returns the declared metrics; `None` if their names are not known.
    pub(super) fn infos(&self) -> Option<Vec<MetricInfo>> {
        let names = self.names.as_ref()?.iter();
        let info = |(name, declaration): (&String, &Declaration)| MetricInfo {
            name: Cow::Owned(name.clone()),
            direction: declaration.direction,
            unit: declaration.unit.clone().map(Cow::Owned),
            headline: declaration.headline,
            ..MetricInfo::new("", "", declaration.range())
        };
        Some(names.map(info).collect())
    }

    /// Checks what the program wrote against the declarations, and adds their directions.
    ///
    /// # Errors
    /// A part of a sentence that begins with a verb.
    pub(super) fn apply(&self, measured: &mut Metrics) -> Result<(), String> {
        let Some(names) = &self.names else {
            return Ok(());
        };
        if let Some(name) = names.keys().find(|name| !measured.contains_key(*name)) {
            let written: Vec<String> = measured.keys().map(|name| format!("`{name}`")).collect();
            let written = match written.as_slice() {
                [] => "nothing".to_owned(),
                written => written.join(", "),
            };
            return Err(format!(
                "do not contain `{name}`, which the pipeline declares; they contain {written}"
            ));
        }
        for (name, metric) in measured {
            let Some(declaration) = names.get(name) else {
                return Err(format!(
                    "contain `{name}`, which the pipeline does not declare; add it to `metrics.names`"
                ));
            };
            declaration.check(name, metric)?;
            metric.direction = declaration.direction;
        }
        Ok(())
    }
}

impl Declaration {
    fn range(&self) -> [f64; 2] {
        let Some([least, most]) = self.range else {
            return ANY;
        };
        [least.unwrap_or(ANY[0]), most.unwrap_or(ANY[1])]
    }

    fn check(&self, name: &str, metric: &Metric) -> Result<(), String> {
        let [least, most] = self.range();
        let ends = metric.interval.into_iter().flatten();
        for value in std::iter::once(metric.value).chain(ends) {
            if value < least || value > most {
                return Err(format!(
                    "contain the value {value} of `{name}`, which is outside of the declared range from {least} to \
                     {most}"
                ));
            }
        }
        let written = metric
            .direction
            .filter(|_| metric.direction != self.direction);
        if let Some(written) = written {
            let name_of = |direction| match direction {
                Some(Direction::Maximize) => "the direction `maximize`",
                Some(Direction::Minimize) => "the direction `minimize`",
                None => "no direction",
            };
            return Err(format!(
                "give `{name}` {}, but the pipeline declares {}",
                name_of(Some(written)),
                name_of(self.direction)
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(value: &Value) -> MetricsFile {
        serde_json::from_value(value.clone()).unwrap()
    }

    fn declared() -> MetricsFile {
        file(&json!({ "file": "m.json", "names": {
            "loss": { "direction": "minimize", "range": [0, null], "unit": "nats" },
            "n": {},
        } }))
    }

    fn applied(metrics: &[(&str, f64)]) -> Result<Metrics, String> {
        let metrics = metrics.iter();
        let mut metrics: Metrics = metrics
            .map(|(name, value)| ((*name).to_owned(), Metric::new(*value, None)))
            .collect();
        declared().apply(&mut metrics).map(|()| metrics)
    }

    #[test]
    fn what_a_program_writes_must_be_as_declared() {
        let found = applied(&[("loss", 0.5), ("n", -3.0)]).unwrap();
        assert_eq!(found["loss"].direction, Some(Direction::Minimize));
        assert_eq!(found["n"].direction, None);
        assert!(applied(&[("loss", f64::NAN), ("n", 0.0)]).is_ok());
        let error = |metrics: &[(&str, f64)]| applied(metrics).unwrap_err();
        assert_eq!(
            error(&[("lost", 0.5), ("n", 1.0)]),
            "do not contain `loss`, which the pipeline declares; they contain `lost`, `n`"
        );
        assert_eq!(
            error(&[("acc", 0.5), ("loss", 0.5), ("n", 1.0)]),
            "contain `acc`, which the pipeline does not declare; add it to `metrics.names`"
        );
        assert_eq!(
            error(&[("loss", -0.5), ("n", 1.0)]),
            "contain the value -0.5 of `loss`, which is outside of the declared range from 0 to inf"
        );
    }

    #[test]
    fn a_written_direction_must_not_contradict_the_declaration() {
        let mut metrics = applied(&[("loss", 0.5), ("n", 1.0)]).unwrap();
        assert_eq!(declared().apply(&mut metrics), Ok(()));
        metrics.get_mut("loss").unwrap().direction = Some(Direction::Maximize);
        let error = declared().apply(&mut metrics).unwrap_err();
        assert!(error.contains("`maximize`, but the pipeline declares the direction `minimize`"));
    }

    #[test]
    fn only_what_changes_the_result_is_in_the_key() {
        let short = file(&json!("m.json"));
        assert_eq!(short.canonical(), json!("m.json"));
        assert_eq!(short.infos(), None);
        let expected = json!({ "file": "m.json", "names": {
            "loss": { "direction": "minimize", "range": [0.0, null] },
            "n": { "direction": null, "range": null },
        } });
        assert_eq!(declared().canonical(), expected);
        let infos = declared().infos().unwrap();
        assert_eq!(infos[0].unit.as_deref(), Some("nats"));
        assert_eq!(infos[0].range, [0.0, f64::INFINITY]);
        assert!(infos.iter().all(|info| info.headline));
    }

    #[test]
    fn an_empty_range_is_refused() {
        let range = |range: Value| {
            file(&json!({ "file": "m", "names": { "a": { "range": range } } })).check()
        };
        assert_eq!(range(json!([0, 1])), Ok(()));
        assert_eq!(range(json!([1, 1])), Ok(()));
        let error = range(json!([1, 0])).unwrap_err();
        assert_eq!(error.message, "the range of `a` is empty: 1 is above 0");
        assert_eq!(error.path.len(), 3);
    }
}
