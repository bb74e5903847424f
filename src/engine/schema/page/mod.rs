//! Describes a stage kind as text, like a page of a manual.

mod sections;
mod writer;

use std::collections::BTreeSet;

use contract::{KindInfo, MetricInfo};
use serde_json::{Map, Value};

pub use writer::Layout;

use super::choice::{Choice, choices};
use super::{Params, parameters, wording};
use sections::{referred, sections};
use writer::PageWriter;

/// Returns the page of a kind: its description, ports and parameters.
pub fn page(kind: &KindInfo, params: Params, layout: Layout) -> String {
    let schema = parameters(kind, params);
    let definitions = schema["$defs"].as_object().cloned().unwrap_or_default();
    let mut page = Page {
        writer: PageWriter::new(layout),
        sections: sections(&schema),
        definitions,
    };
    let name = page.writer.strong(kind.name);
    page.writer.write(0, HANG, &format!("{name}: {}", kind.doc));
    page.inputs(kind);
    page.outputs(kind);
    page.writer.heading("Parameters");
    page.parameters(&schema, INDENT);
    for (name, definition) in page.definitions.clone() {
        if page.sections.contains(&name) {
            page.writer.heading(&name);
            page.writer
                .paragraphs(INDENT, text(&definition, "description"));
            page.details(&definition, INDENT);
        }
    }
    page.writer.text
}

const INDENT: usize = 2;
/// Indentation of later lines of a name and its type.
const HANG: usize = 2;
/// Indentation of a description below its subject.
const DEEPER: usize = 4;

fn text<'a>(schema: &'a Value, keyword: &str) -> &'a str {
    schema[keyword].as_str().unwrap_or_default()
}

struct Page {
    writer: PageWriter,
    definitions: Map<String, Value>,
    /// The definitions that have a section of their own.
    sections: BTreeSet<String>,
}

impl Page {
    fn inputs(&mut self, kind: &KindInfo) {
        self.writer.heading("Inputs");
        if kind.declares_ports {
            let any = "any, under names of your choice; the parameter `outputs` says where the program finds them";
            self.writer.write(INDENT, HANG, any);
        } else if kind.inputs.is_empty() {
            self.writer.write(INDENT, HANG, "none");
        }
        for input in kind.inputs {
            let name = self.writer.strong(input.role);
            self.writer
                .write(INDENT, HANG, &format!("{name}: {}", wording::port(input)));
            self.writer.paragraphs(INDENT + DEEPER, input.doc);
        }
    }

    fn outputs(&mut self, kind: &KindInfo) {
        self.writer.heading("Outputs");
        if kind.declares_ports {
            let declared = "the outputs that its parameters declare";
            self.writer.write(INDENT, HANG, declared);
        }
        for (index, output) in kind.outputs.iter().enumerate() {
            let name = self.writer.strong(output.port);
            let primary = if kind.has_primary && index == 0 {
                ", the one that `STAGE` without a port refers to"
            } else {
                ""
            };
            self.writer
                .write(INDENT, HANG, &format!("{name}: {}{primary}", output.yields));
            self.writer.paragraphs(INDENT + DEEPER, output.doc);
            self.metrics(output.metrics);
        }
    }

    fn metrics(&mut self, metrics: &[MetricInfo]) {
        for metric in metrics {
            let name = self.writer.strong(&metric.name);
            let line = format!("- {name}: {}", wording::metric(metric));
            self.writer.write(INDENT + DEEPER, DEEPER, &line);
        }
        if let Some(metric) = metrics.iter().find(|metric| metric.per_class) {
            let name = &metric.name;
            let line = format!(
                "A metric of the positive class also exists for each class, such as `{name}[CLASS]`. A value that the \
                 images do not define is `undefined`, not 0."
            );
            self.writer.paragraphs(INDENT + DEEPER, &line);
        }
    }

    /// Writes the entries of a map's schema.
    fn parameters(&mut self, schema: &Value, indent: usize) {
        let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
        for (name, parameter) in schema["properties"].as_object().into_iter().flatten() {
            let standing = match parameter.get("default") {
                _ if required.iter().any(|one| one == name) => "[required]".to_owned(),
                None => "[optional]".to_owned(),
                Some(default) => format!("[default: {}]", self.default(parameter, default)),
            };
            let name = self.writer.strong(name);
            let line = format!("{name}: {} {standing}", self.what(parameter));
            self.writer.write(indent, HANG, &line);
            self.writer
                .paragraphs(indent + DEEPER, text(parameter, "description"));
            if self.section(parameter).is_none() {
                let resolved = self.resolved(parameter).clone();
                self.details(&resolved, indent + DEEPER);
            }
        }
    }

    /// Describes in a few words what a schema accepts.
    fn what(&self, schema: &Value) -> String {
        if let Some(section) = self.section(schema) {
            return format!("see {section}");
        }
        let resolved = self.resolved(schema);
        if resolved.get("oneOf").or(resolved.get("anyOf")).is_some() {
            return "one of".to_owned();
        }
        if let Some(section) = self.section(&resolved["items"]) {
            return format!("list; for its items, see {section}");
        }
        if let Some(section) = self.section(&resolved["additionalProperties"]) {
            return format!("map from names to values; for the values, see {section}");
        }
        wording::kind_of_value(resolved)
    }

    /// Returns the section of the definition that a schema refers to, if it has one.
    fn section<'a>(&self, schema: &'a Value) -> Option<&'a str> {
        referred(schema).filter(|name| self.sections.contains(*name))
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        referred(schema)
            .and_then(|name| self.definitions.get(name))
            .unwrap_or(schema)
    }

    /// Writes what is in a schema: parameters of a map, and choices.
    fn details(&mut self, schema: &Value, indent: usize) {
        self.parameters(schema, indent);
        for choice in choices(schema) {
            self.choice(&choice, indent);
        }
    }

    fn choice(&mut self, choice: &Choice<'_>, indent: usize) {
        match choice {
            Choice::Name { name, doc } => {
                let name = self.writer.strong(name);
                let line = if doc.is_empty() {
                    name
                } else {
                    format!("{name}: {doc}")
                };
                self.item(indent, &line);
            }
            Choice::Value(schema) => {
                let doc = text(schema, "description");
                let what = self.what(schema);
                let line = if doc.is_empty() {
                    what
                } else {
                    format!("{what}: {doc}")
                };
                self.item(indent, &line);
                self.parameters(schema, indent + DEEPER);
            }
            Choice::Tagged {
                name,
                payload,
                alone,
            } => {
                let line = self.written(name, payload, *alone);
                self.item(indent, &line);
                self.writer
                    .paragraphs(indent + DEEPER, text(payload, "description"));
                if self.section(payload).is_none() {
                    let resolved = self.resolved(payload).clone();
                    self.details(&resolved, indent + DEEPER);
                }
            }
        }
    }

    fn item(&mut self, indent: usize, line: &str) {
        self.writer.write(indent, DEEPER, &format!("- {line}"));
    }

    /// Formats a choice with parameters as it is written: `step: { every, factor }`.
    fn written(&self, name: &str, payload: &Value, alone: bool) -> String {
        let name = self.writer.strong(name);
        let resolved = self.resolved(payload);
        if self.section(payload).is_some() || wording::the_type(resolved) != "object" {
            return format!("{name}: {}", self.what(payload));
        }
        let all = resolved["properties"].as_object();
        let required: Vec<&str> = resolved["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let more = all.map_or(0, Map::len) > required.len();
        match (alone, more) {
            (true, false) => name,
            (true, true) => format!("{name}, or {name}: {{ … }}"),
            (false, _) => {
                let rest = if more { &["…"][..] } else { &[] };
                format!(
                    "{name}: {{ {} }}",
                    [&required[..], rest].concat().join(", ")
                )
            }
        }
    }

    /// Formats a default as it would be written, without parameters whose values are their own defaults.
    fn default(&self, parameter: &Value, default: &Value) -> String {
        let entry = default.as_object().filter(|map| map.len() == 1);
        let Some((name, chosen)) = entry.and_then(|map| map.iter().next()) else {
            return wording::value(default);
        };
        for choice in choices(self.resolved(parameter)) {
            if let Choice::Tagged {
                name: tag,
                payload,
                alone,
            } = choice
                && tag == name
                && is_default(self.resolved(payload), chosen)
            {
                return if alone {
                    name.clone()
                } else {
                    format!("{name}: {{}}")
                };
            }
        }
        wording::value(default)
    }
}

/// Returns whether all entries of a value are the defaults of a schema's parameters.
fn is_default(schema: &Value, value: &Value) -> bool {
    let mut entries = value.as_object().into_iter().flatten();
    entries.all(|(key, value)| schema["properties"][key]["default"] == *value)
}
