//! Facts about the images of stages' inputs that are known before the run: the names of their classes, and inputs
//! without images. Training without images is an error.

use std::collections::{HashMap, HashSet};

use contract::{Input, Invalid, Usage};

use super::Instance;
use super::connect::{Wire, Wiring};
use super::empty_input::EmptyInput;
use crate::spec::Diagnostic;

/// Stores in each instance what is known about the images of its inputs. Reports names of classes in parameters that
/// the training images do not have.
pub(super) fn learn(
    instances: &mut [Option<Instance>],
    wiring: &Wiring,
    errors: &mut Vec<Diagnostic>,
) {
    let origins = Origins::of(instances, wiring);
    learn_classes(instances, wiring, &origins, errors);
    let mut known = HashMap::new();
    for wire in &wiring.wires {
        if usage(instances, wire) == Some(Usage::Trains) {
            errors.extend(no_training_images(instances, &origins, wire, &mut known));
        }
    }
    for consumer in 0..instances.len() {
        let empty = empty_inputs(instances, wiring, &origins, consumer, &mut known);
        if let Some(instance) = &mut instances[consumer] {
            instance.empty_inputs = empty;
        }
    }
}

/// Stores the names of the classes in each instance that measures on images whose classes are known, and checks the
/// parameters of those that are trained on such images.
fn learn_classes(
    instances: &mut [Option<Instance>],
    wiring: &Wiring,
    origins: &Origins<'_>,
    errors: &mut Vec<Diagnostic>,
) {
    let mut known = HashMap::new();
    for wire in &wiring.wires {
        let usage = usage(instances, wire);
        if !matches!(usage, Some(Usage::Measures | Usage::Trains)) {
            continue;
        }
        let (source, _) = origins.find(wire);
        let classes: &mut Option<Vec<String>> = known.entry(source).or_insert_with(|| {
            let instance = instances[source].as_ref();
            instance.and_then(|instance| instance.stage.class_names())
        });
        let (Some(classes), Some(instance)) = (classes.as_ref(), &mut instances[wire.consumer])
        else {
            continue;
        };
        if usage == Some(Usage::Measures) {
            instance.classes = Some(classes.clone());
        } else if let Err(invalid) = instance.stage.check_classes(classes) {
            errors.push(instance.params.diagnose(&invalid));
        }
    }
    learn_own_classes(instances, wiring);
}

/// Stores the names of the classes in each instance that measures predictions in a file of the user, without images.
fn learn_own_classes(instances: &mut [Option<Instance>], wiring: &Wiring) {
    let has_images = |wire: &&Wire| usage(instances, wire) == Some(Usage::Measures);
    let with_images: HashSet<usize> = wiring
        .wires
        .iter()
        .filter(has_images)
        .map(|wire| wire.consumer)
        .collect();
    for (at, instance) in instances.iter_mut().enumerate() {
        if let Some(instance) = instance
            && instance.kind.positive_param.is_some()
            && !with_images.contains(&at)
        {
            instance.classes = instance.stage.class_names();
        }
    }
}

/// Returns the optional inputs of an instance that are not connected, or whose dataset will be empty. Returns none if
/// some of its inputs have errors. `known` has the answers of datasets that were asked before.
fn empty_inputs<'a>(
    instances: &[Option<Instance>],
    wiring: &Wiring,
    origins: &Origins<'a>,
    consumer: usize,
    known: &mut HashMap<(usize, &'a str), Option<Invalid>>,
) -> Vec<EmptyInput> {
    let is_complete = wiring.complete.get(consumer) == Some(&true);
    let Some(instance) = instances[consumer].as_ref().filter(|_| is_complete) else {
        return Vec::new();
    };
    let mut empty = |input: &&'static Input| {
        let role = input.role;
        let Some(wire) = origins.wire(consumer, role) else {
            return Some(EmptyInput {
                role,
                why: format!("its input `{role}` is not connected"),
                hint: Some(format!("connect the input `{role}`")),
            });
        };
        let (source, port) = origins.find(wire);
        let dataset = instances[source].as_ref()?;
        let lack = known.entry((source, port));
        let lack = lack.or_insert_with(|| dataset.stage.lacks_images(port));
        let invalid = lack.as_ref()?;
        let name = &dataset.name.stage;
        Some(EmptyInput {
            role,
            why: format!("`{name}.{port}` has no images: {}", invalid.message),
            hint: invalid.hint.clone(),
        })
    };
    let inputs: &'static [Input] = instance.kind.inputs;
    let optional = inputs.iter().filter(|input| input.optional);
    optional.filter_map(|input| empty(&input)).collect()
}

/// Returns the error for a wire with images to train on whose dataset will be empty. `known` has the answers of datasets
/// that were asked before.
fn no_training_images<'a>(
    instances: &[Option<Instance>],
    origins: &Origins<'a>,
    wire: &'a Wire,
    known: &mut HashMap<(usize, &'a str), Option<Invalid>>,
) -> Option<Diagnostic> {
    let (source, port) = origins.find(wire);
    let dataset = instances[source].as_ref()?;
    let lack = known.entry((source, port));
    let lack = lack.or_insert_with(|| dataset.stage.lacks_images(port));
    let invalid = lack.as_ref()?;
    let message = format!(
        "`{}.{port}` has no images to train on: {}",
        dataset.name.stage, invalid.message
    );
    Some(Diagnostic::at(&wire.place, message).hint(invalid.hint.clone()))
}

/// Leads from inputs to the stages that their images come from.
struct Origins<'a> {
    /// The first wire of each input, by consumer and role.
    wires: HashMap<(usize, &'a str), &'a Wire>,
    /// The wires whose images the consumer passes on, by consumer.
    forwards: HashMap<usize, &'a Wire>,
}

impl<'a> Origins<'a> {
    fn of(instances: &[Option<Instance>], wiring: &'a Wiring) -> Self {
        let mut wires = HashMap::new();
        for wire in &wiring.wires {
            let input = (wire.consumer, wire.link.role.as_str());
            wires.entry(input).or_insert(wire);
        }
        let forwards = wiring.wires.iter();
        let forwards = forwards.filter(|wire| usage(instances, wire) == Some(Usage::Forwards));
        Self {
            wires,
            forwards: forwards.map(|wire| (wire.consumer, wire)).collect(),
        }
    }

    /// Returns the first wire of an input; `None` if the input is not connected.
    fn wire(&self, consumer: usize, role: &str) -> Option<&'a Wire> {
        self.wires.get(&(consumer, role)).copied()
    }

    /// Returns the instance and the output port where the images of a wire come from: its producer, unless that passes
    /// on the images of another one.
    fn find(&self, wire: &'a Wire) -> (usize, &'a str) {
        let mut wire = wire;
        // There may be circles, which are reported elsewhere.
        for _ in 0..self.forwards.len() {
            match self.forwards.get(&wire.producer) {
                Some(before) => wire = before,
                None => break,
            }
        }
        (wire.producer, &wire.link.port)
    }
}

fn usage(instances: &[Option<Instance>], wire: &Wire) -> Option<Usage> {
    let mut inputs = instances[wire.consumer].as_ref()?.kind.inputs.iter();
    let input = inputs.find(|input| input.role == wire.link.role)?;
    Some(input.usage)
}
