//! Resolves references between stages into links: which output of which instance feeds which input.

use std::rc::Rc;

use contract::{Accepts, IndexEntry, Input};

use super::expand::Draft;
use super::gather::{self, Partners};
use super::ports::Ports;
use super::reference::{self, Referred};
use super::{InstanceName, Link};
use crate::spec::{
    Diagnostic, Entry, Node, Pipeline, Place, StageSpec, Value, check_name, suggest,
};

/// Maximum number of links in a pipeline.
const MAX_LINKS: usize = 200_000;

/// A link between two drafts, by their index.
pub(super) struct Wire {
    pub producer: usize,
    pub consumer: usize,
    pub link: Link,
    /// Place of the reference.
    pub place: Place,
}

/// The links of all drafts.
pub(super) struct Wiring {
    pub wires: Vec<Wire>,
    /// For each draft, by its index, whether all its inputs could be connected.
    pub complete: Vec<bool>,
}

/// Resolves the references in the inputs of all drafts.
pub(super) fn connect<'d>(
    pipeline: &Pipeline,
    drafts: &'d [Draft<'d>],
    ports: &Ports<'_>,
    errors: &mut Vec<Diagnostic>,
) -> Wiring {
    let mut wiring = Wiring {
        wires: Vec::new(),
        complete: Vec::new(),
    };
    let mut partners = Partners::default();
    for (consumer, draft) in drafts.iter().enumerate() {
        let mut connector = Connector {
            pipeline,
            drafts,
            ports,
            partners: &mut partners,
            consumer,
            draft,
            errors,
            complete: true,
            meant: Vec::new(),
        };
        let entries = draft
            .inputs
            .as_ref()
            .map(|inputs| inputs.value.entries())
            .unwrap_or_default();
        for entry in entries {
            connector.role(entry, &mut wiring.wires);
        }
        if wiring.wires.len() > MAX_LINKS {
            wiring.complete.resize(drafts.len(), false);
            break;
        }
        for input in draft.kind.inputs {
            connector.require(input, entries);
        }
        wiring.complete.push(connector.complete);
    }
    wiring
}

/// Connects the inputs of one draft.
struct Connector<'a, 'd> {
    pipeline: &'a Pipeline,
    drafts: &'d [Draft<'d>],
    ports: &'a Ports<'a>,
    partners: &'a mut Partners<'d>,
    consumer: usize,
    draft: &'d Draft<'d>,
    errors: &'a mut Vec<Diagnostic>,
    complete: bool,
    /// Inputs that misspelt names probably meant. The misspelt names were reported.
    meant: Vec<&'static str>,
}

/// The producers that a reference means, by index, and their port.
struct Producers<'a> {
    found: Rc<[usize]>,
    port: &'a str,
    /// `true` if the reference names one instance.
    is_named: bool,
}

/// Name and requirements of an input.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    role: &'a str,
    /// Accepted types; `None` accepts any.
    accepts: Option<Accepts>,
    many: bool,
}

impl<'a> Connector<'a, '_> {
    fn report(&mut self, error: Diagnostic) {
        self.complete = false;
        self.errors.push(error);
    }

    /// Connects one role, `role: reference` or `role: [reference, …]`.
    fn role(&mut self, entry: &Entry, wires: &mut Vec<Wire>) {
        let Some(input) = self.wanted(entry) else {
            return;
        };
        let (references, is_list) = match &entry.value.value {
            Value::List(items) => (items.as_slice(), true),
            _ => (std::slice::from_ref(&entry.value), false),
        };
        let before = wires.len();
        for (number, reference) in references.iter().enumerate() {
            match self.reference(reference, &input) {
                Ok(Producers {
                    found,
                    port,
                    is_named,
                }) => {
                    let item = is_list.then_some(number);
                    for &producer in &*found {
                        let link = Link {
                            role: input.role.to_owned(),
                            position: wires.len() - before,
                            port: port.to_owned(),
                            entry: self.entry(producer, item, is_named),
                        };
                        let place = reference.place.clone();
                        wires.push(Wire {
                            producer,
                            consumer: self.consumer,
                            link,
                            place,
                        });
                    }
                }
                Err(None) => self.complete = false,
                Err(Some(error)) => self.report(error),
            }
            if wires.len() > MAX_LINKS {
                let message =
                    format!("the pipeline has more than {MAX_LINKS} links between stages");
                return self.report(Diagnostic::at(&reference.place, message));
            }
        }
        if let Some(accepts) = input
            .accepts
            .filter(|_| !input.many && references.len() > 1)
        {
            let message = format!(
                "the input `{}` takes one {accepts}, but {} are given",
                input.role,
                references.len()
            );
            self.report(Diagnostic::at(&entry.value.place, message));
        }
    }

    /// Returns the requirements of an input, or `None` if the stage has no such input, which is reported.
    fn wanted<'e>(&mut self, entry: &'e Entry) -> Option<Wanted<'e>> {
        let kind = self.draft.kind;
        if kind.declares_ports {
            let before = self.errors.len();
            check_name(&entry.key, "an input", &entry.key_place, self.errors);
            self.complete &= self.errors.len() == before;
            return Some(Wanted {
                role: &entry.key,
                accepts: None,
                many: true,
            });
        }
        if let Some(input) = kind.inputs.iter().find(|input| input.role == entry.key) {
            return Some(Wanted {
                role: input.role,
                accepts: Some(input.accepts),
                many: input.many,
            });
        }
        let message = if kind.inputs.is_empty() {
            format!("a stage of kind `{}` has no inputs", kind.name)
        } else {
            format!(
                "a stage of kind `{}` has no input `{}`",
                kind.name, entry.key
            )
        };
        let roles = kind.inputs.iter().map(|input| input.role);
        let hint = suggest::hint("inputs", &entry.key, roles.clone());
        self.meant.extend(suggest::nearest(&entry.key, roles));
        self.report(Diagnostic::at(&entry.key_place, message).hint(hint));
        None
    }

    /// Returns the producers and the port that a reference means. `Err(None)` means that the
    /// referenced stage has an error of its own.
    fn reference(
        &mut self,
        node: &Node,
        input: &Wanted<'_>,
    ) -> Result<Producers<'a>, Option<Diagnostic>> {
        let place = &node.place;
        let text = node.as_text().ok_or_else(|| {
            Diagnostic::at(
                place,
                format!("expected a reference to a stage, found {}", node.describe()),
            )
            .hint(
                "write `STAGE.PORT`, or only `STAGE` if the stage has a primary output".to_owned(),
            )
        })?;
        let scope = self.draft.spec.scope;
        let Referred {
            spec,
            name,
            port,
            axes,
        } = reference::read(self.pipeline, scope, text, place)?;
        let stage = self.ports.get(&spec.name).ok_or(None)?;
        let outputs = stage.outputs.as_ref().ok_or(None)?;
        let output = reference::output(stage, outputs, name, port, place)?;
        if let Some(accepts) = input
            .accepts
            .filter(|accepts| !accepts.includes(output.yields))
        {
            return Err(Some(Diagnostic::at(
                place,
                format!(
                    "the input `{}` takes a {accepts}, but `{text}` is a {}",
                    input.role, output.yields
                ),
            )));
        }
        let instances = stage.instances.clone();
        if let Some(axes) = axes {
            let mut instances = instances;
            // An instance that is missing has an error of its own.
            let found = instances.find(|&index| self.drafts[index].name.axes == axes);
            return Ok(Producers {
                found: Rc::new([found.ok_or(None)?]),
                port: &output.name,
                is_named: true,
            });
        }
        let found = self.partners.of(&self.draft.name, instances, self.drafts);
        if found.is_empty() {
            return Err(self.no_partner(spec, place));
        }
        if let Some(accepts) = input.accepts.filter(|_| found.len() > 1 && !input.many) {
            let example = &self.drafts[found[0]].name;
            return Err(Some(self.needless_fan_in(
                spec,
                example,
                (input.role, accepts),
                place,
            )));
        }
        Ok(Producers {
            found,
            port: &output.name,
            is_named: false,
        })
    }

    /// Returns the entry of an artifact in the index of its role. Only lists and gathered inputs of programs have
    /// an index; for other inputs, returns `None`. `item` is the number of the reference in a list.
    fn entry(
        &self,
        producer: usize,
        item: Option<usize>,
        is_named: bool,
    ) -> Option<Box<IndexEntry>> {
        if !self.draft.kind.declares_ports {
            return None;
        }
        let producer = &self.drafts[producer].name;
        gather::entry(&self.draft.name, producer, item, is_named).map(Box::new)
    }

    /// Returns the error for a producer of which no instance has the consumer's values on shared axes, or `None` if
    /// the instance with these values is missing because of its own error.
    fn no_partner(&self, producer: &StageSpec, place: &Place) -> Option<Diagnostic> {
        let (axis, value) = self.draft.name.axes.iter().find(|(axis, value)| {
            let theirs = producer.matrix.iter().find(|theirs| theirs.name == *axis);
            theirs.is_some_and(|theirs| theirs.values.iter().all(|(known, _)| known != value))
        })?;
        let message = format!(
            "`{}` has no instance with `{axis}` = `{value}`",
            producer.name
        );
        Some(Diagnostic::at(place, message).note(format!(
            "`{}` is joined with it on the axis `{axis}`",
            self.draft.spec.name
        )))
    }

    fn needless_fan_in(
        &self,
        producer: &StageSpec,
        example: &InstanceName,
        (role, accepts): (&str, Accepts),
        place: &Place,
    ) -> Diagnostic {
        let ours = &self.draft.spec.matrix;
        let only: Vec<_> = producer
            .matrix
            .iter()
            .filter(|theirs| ours.iter().all(|axis| axis.name != theirs.name))
            .collect();
        let names: Vec<&str> = only.iter().map(|axis| axis.name.as_str()).collect();
        let count: usize = only.iter().map(|axis| axis.values.len()).product();
        let stage = &self.draft.spec.name;
        Diagnostic::at(
            place,
            format!(
                "the input `{role}` takes one {accepts}, but `{}` makes {count} of them here",
                producer.name
            ),
        )
        .hint(format!(
            "add {} to the `matrix` of `{stage}`, as in `{}`, or name one, such as `{example}`",
            suggest::quoted(&names),
            producer.name
        ))
    }

    /// Reports a required input that is missing.
    fn require(&mut self, input: &Input, entries: &[Entry]) {
        let given = entries.iter().find(|entry| entry.key == input.role);
        let is_empty = given.is_some_and(
            |entry| matches!(&entry.value.value, Value::List(items) if items.is_empty()),
        );
        let is_meant = self.meant.contains(&input.role);
        if input.optional || is_meant || (given.is_some() && !is_empty) {
            return;
        }
        let place = match (given, &self.draft.inputs) {
            (Some(entry), _) => &entry.key_place,
            (None, Some(inputs)) => &inputs.key_place,
            (None, None) => &self.draft.spec.place,
        };
        let message = format!(
            "the stage `{}` needs an input `{}` with a {}",
            self.draft.spec.name, input.role, input.accepts
        );
        let candidates = self.outputs_of(input.accepts);
        let hint = match candidates.as_slice() {
            [] => format!("no stage of this pipeline makes a {}", input.accepts),
            some => format!(
                "outputs with a {}: {}",
                input.accepts,
                suggest::quoted(&some.iter().map(String::as_str).collect::<Vec<_>>())
            ),
        };
        self.report(Diagnostic::at(place, message).hint(hint));
    }

    /// Returns the first few outputs of these types as `stage.port`, without those of the stage itself.
    fn outputs_of(&self, wanted: Accepts) -> Vec<String> {
        let prefix = &self.pipeline.scopes[self.draft.spec.scope].prefix;
        let stages = self.ports.stages.iter();
        let others = stages.filter(|stage| stage.name != self.draft.spec.name);
        let outputs = others.flat_map(|stage| {
            let name = stage.name.strip_prefix(prefix.as_str());
            let outputs = stage.outputs.iter().flat_map(|outputs| outputs.iter());
            let outputs = outputs.filter(|port| wanted.includes(port.yields));
            outputs.filter_map(move |port| Some(format!("{}.{}", name?, port.name)))
        });
        outputs.take(suggest::LISTED).collect()
    }
}
