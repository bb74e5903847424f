//! References between stages: which instance's port feeds which role of which instance.

use stages::contract::{ArtifactType, Input, KindInfo};

use super::Link;
use super::expand::Draft;
use crate::spec::{Diagnostic, Entry, Node, Pipeline, Place, StageSpec, Value, suggest};

/// Links that a pipeline may have.
const MAX_LINKS: usize = 200_000;

/// A link between two drafts, by their index.
pub(super) struct Wire {
    pub producer: usize,
    pub consumer: usize,
    pub link: Link,
    /// Where the reference stands.
    pub place: Place,
}

/// The links of all drafts.
pub(super) struct Wiring {
    pub wires: Vec<Wire>,
    /// Whether all inputs of a draft are there; by its index.
    pub complete: Vec<bool>,
}

/// Follows every reference.
pub(super) fn connect(
    pipeline: &Pipeline,
    drafts: &[Draft<'_>],
    errors: &mut Vec<Diagnostic>,
) -> Wiring {
    let mut wiring = Wiring {
        wires: Vec::new(),
        complete: Vec::new(),
    };
    for (consumer, draft) in drafts.iter().enumerate() {
        let mut connector = Connector {
            pipeline,
            drafts,
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
struct Connector<'a> {
    pipeline: &'a Pipeline,
    drafts: &'a [Draft<'a>],
    consumer: usize,
    draft: &'a Draft<'a>,
    errors: &'a mut Vec<Diagnostic>,
    complete: bool,
    /// Inputs that are given under a name that is none of theirs, which was reported.
    meant: Vec<&'static str>,
}

impl Connector<'_> {
    fn report(&mut self, error: Diagnostic) {
        self.complete = false;
        self.errors.push(error);
    }

    /// Connects one role, `role: reference` or `role: [reference, …]`.
    fn role(&mut self, entry: &Entry, wires: &mut Vec<Wire>) {
        let kind = self.draft.kind;
        let Some(input) = kind.inputs.iter().find(|input| input.role == entry.key) else {
            let message = if kind.inputs.is_empty() {
                format!("a stage of kind `{}` has no inputs", kind.name)
            } else {
                format!(
                    "a stage of kind `{}` has no input `{}`",
                    kind.name, entry.key
                )
            };
            let hint = suggest::hint(
                "inputs",
                &entry.key,
                kind.inputs.iter().map(|input| input.role),
            );
            let roles = kind.inputs.iter().map(|input| input.role);
            self.meant.extend(suggest::nearest(&entry.key, roles));
            return self.report(Diagnostic::at(&entry.key_place, message).hint(hint));
        };
        let references = match &entry.value.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(&entry.value),
        };
        let before = wires.len();
        for reference in references {
            match self.reference(reference, input) {
                Ok(found) => {
                    for (producer, port) in found {
                        let link = Link {
                            role: input.role.to_owned(),
                            position: wires.len() - before,
                            port: port.to_owned(),
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
        if !input.many && references.len() > 1 {
            let message = format!(
                "the input `{}` takes one {}, and {} are given",
                input.role,
                input.accepts,
                references.len()
            );
            self.report(Diagnostic::at(&entry.value.place, message));
        }
    }

    /// The producers (by index) and port that a reference means. `Err(None)` if the stage referred
    /// to has an error of its own.
    fn reference(
        &self,
        node: &Node,
        input: &Input,
    ) -> Result<Vec<(usize, &'static str)>, Option<Diagnostic>> {
        let place = &node.place;
        let text = node.as_text().ok_or_else(|| {
            Diagnostic::at(
                place,
                format!("expected a reference to a stage, found {}", node.describe()),
            )
            .hint("as `STAGE.PORT`, or `STAGE` where it has one obvious output".to_owned())
        })?;
        let (stage, port) = text
            .split_once('.')
            .map_or((text, None), |(stage, port)| (stage, Some(port)));
        let known = || self.pipeline.stages.iter().map(|stage| stage.name.as_str());
        let Some(spec) = self
            .pipeline
            .stages
            .iter()
            .find(|known| known.name == stage)
        else {
            if self.pipeline.is_broken(stage) {
                return Err(None);
            }
            return Err(Some(
                Diagnostic::at(&place.find(stage), format!("there is no stage `{stage}`"))
                    .hint(suggest::hint("stages", stage, known())),
            ));
        };
        let all: Vec<usize> = (0..self.drafts.len())
            .filter(|&draft| self.drafts[draft].spec.name == stage)
            .collect();
        let Some(&first) = all.first() else {
            return Err(None);
        };
        let output = output(self.drafts[first].kind, stage, port, place)?;
        if output.yields != input.accepts {
            return Err(Some(Diagnostic::at(
                place,
                format!(
                    "the input `{}` takes a {}, and `{text}` is a {}",
                    input.role, input.accepts, output.yields
                ),
            )));
        }
        let found: Vec<usize> = all.into_iter().filter(|&draft| self.joins(draft)).collect();
        if found.is_empty() {
            return Err(self.no_partner(spec, place));
        }
        if found.len() > 1 && !input.many {
            return Err(Some(self.needless_fan_in(spec, input, place)));
        }
        Ok(found
            .into_iter()
            .map(|draft| (draft, output.port))
            .collect())
    }

    /// Whether a producer has the same values on all axes that both have.
    fn joins(&self, producer: usize) -> bool {
        let producer = &self.drafts[producer].name;
        self.draft
            .name
            .axes
            .iter()
            .all(|(axis, value)| producer.axis(axis).is_none_or(|theirs| theirs == value))
    }

    /// No instance has our values: an error, unless the one that has them has an error of its own.
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
            "`{}` joins it on the axis `{axis}`",
            self.draft.spec.name
        )))
    }

    fn needless_fan_in(&self, producer: &StageSpec, input: &Input, place: &Place) -> Diagnostic {
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
                "the input `{}` takes one {}, and `{}` makes {count} of them here",
                input.role, input.accepts, producer.name
            ),
        )
        .hint(format!(
            "`{}` has the axis {}, which `{stage}` has not: add it to the `matrix` of `{stage}`",
            producer.name,
            suggest::quoted(&names)
        ))
    }

    /// Reports an input that must be there and is not.
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
            "the stage `{}` lacks its input `{}`, a {}",
            self.draft.spec.name, input.role, input.accepts
        );
        let candidates = self.outputs_of(input.accepts);
        let hint = match candidates.as_slice() {
            [] => format!("no stage of this pipeline makes a {}", input.accepts),
            some => format!(
                "a {} is: {}",
                input.accepts,
                suggest::quoted(&some.iter().map(String::as_str).collect::<Vec<_>>())
            ),
        };
        self.report(Diagnostic::at(place, message).hint(hint));
    }

    /// The first few `stage.port` of a type, but for the stage's own.
    fn outputs_of(&self, wanted: ArtifactType) -> Vec<String> {
        // The instances of a stage follow one another.
        let stages = self.drafts.chunk_by(|a, b| a.spec.name == b.spec.name);
        let others = stages
            .filter_map(|instances| instances.first())
            .filter(|draft| draft.spec.name != self.draft.spec.name);
        let outputs = others.flat_map(|draft| {
            let outputs = draft.kind.outputs.iter();
            let outputs = outputs.filter(|output| output.yields == wanted);
            outputs.map(|output| format!("{}.{}", draft.spec.name, output.port))
        });
        outputs.take(suggest::LISTED).collect()
    }
}

/// The port that a reference names, or the one that is meant where it names none.
fn output(
    kind: &'static KindInfo,
    stage: &str,
    port: Option<&str>,
    place: &Place,
) -> Result<&'static stages::contract::Output, Diagnostic> {
    let ports = || kind.outputs.iter().map(|output| output.port);
    match port {
        Some(port) => kind
            .outputs
            .iter()
            .find(|output| output.port == port)
            .ok_or_else(|| {
                Diagnostic::at(
                    &place.find(port),
                    format!("`{stage}` has no output `{port}`"),
                )
                .hint(suggest::hint("outputs", port, ports()))
            }),
        None if kind.has_primary || kind.outputs.len() == 1 => kind
            .outputs
            .first()
            .ok_or_else(|| Diagnostic::at(place, format!("`{stage}` has no outputs"))),
        None => {
            let full: Vec<String> = ports().map(|port| format!("`{stage}.{port}`")).collect();
            Err(Diagnostic::at(
                place,
                format!("`{stage}` has several outputs, and none that is meant by its name alone"),
            )
            .hint(format!("write one of {}", full.join(", "))))
        }
    }
}
