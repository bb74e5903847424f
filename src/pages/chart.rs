//! The graph of a run as SVG: stages, how they ended, and how long they took.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

use engine::wording;

use crate::drawing::{Connection, Shape, draw};
use crate::escape::escaped;
use crate::links::Links;
use crate::stage::{StageState, StageView};

/// Most instances that get a box of their own.
const INSTANCES: usize = 80;
/// Longest line of a box, in characters.
const LONGEST: usize = 44;

/// Number of boxes of a graph: one for each stage, or one for each of its instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    Stages,
    Instances,
}

/// Draws the graph of a run. `None` if there is nothing to draw, or too much: every instance of a large run.
pub fn chart(stages: &[StageView], links: &Links, detail: Detail) -> Option<String> {
    let (groups, place_of) = groups(stages, detail);
    if groups.is_empty() || detail == Detail::Instances && groups.len() > INSTANCES {
        return None;
    }
    let shapes: Vec<Shape> = groups
        .iter()
        .map(|members| shape(stages, members, links))
        .collect();
    let drawing = draw(&shapes, &connections(stages, &place_of));
    let (width, height) = (drawing.width, drawing.height);
    let label = escaped(&label(stages));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"group\" aria-label=\"{label}\">"
    );
    let tip = match detail {
        Detail::Stages => "tip",
        Detail::Instances => "tip-instances",
    };
    let _ = writeln!(
        svg,
        "<defs><marker id=\"{tip}\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
         markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"tip\" d=\"M0 0.5 L8 4 L0 7.5 z\"/></marker></defs>"
    );
    svg.push_str(&drawing.body.replace("url(#tip)", &format!("url(#{tip})")));
    svg.push_str("</svg>");
    Some(svg)
}

/// The graph in words: `graph of 30 stages: 28 succeeded, 2 failed; each box leads to a stage`.
fn label(stages: &[StageView]) -> String {
    let counts = tally(stages.iter()).into_iter();
    let counts: Vec<String> = counts
        .map(|(state, count)| format!("{count} {}", state.word()))
        .collect();
    let all = wording::stages(stages.len());
    format!(
        "graph of {all}: {}; each box leads to a stage, and lines lead from stages to those that use their outputs",
        counts.join(", ")
    )
}

/// The number of stages in each state.
fn tally<'a>(stages: impl Iterator<Item = &'a StageView>) -> BTreeMap<StageState, usize> {
    let mut tally = BTreeMap::new();
    for stage in stages {
        *tally.entry(stage.state).or_default() += 1;
    }
    tally
}

/// `true` if the chart of instances would show more than the chart of stages.
pub fn has_instances(stages: &[StageView]) -> bool {
    let names: BTreeSet<&str> = stages.iter().map(|stage| stage.stage.as_str()).collect();
    names.len() < stages.len() && stages.len() <= INSTANCES
}

/// The members of each box, and the box of each stage.
fn groups(stages: &[StageView], detail: Detail) -> (Vec<Vec<usize>>, Vec<usize>) {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    let place_of = stages.iter().enumerate().map(|(at, stage)| {
        let name = match detail {
            Detail::Stages => &stage.stage,
            Detail::Instances => &stage.name,
        };
        let place = *known.entry(name).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[place].push(at);
        place
    });
    let place_of: Vec<usize> = place_of.collect();
    (groups, place_of)
}

fn shape(stages: &[StageView], members: &[usize], links: &Links) -> Shape {
    let of = |at: &usize| &stages[*at];
    let first = of(&members[0]);
    let tally = tally(members.iter().map(of));
    let worst = *tally.keys().next().unwrap_or(&first.state);
    let seconds: f64 = members.iter().filter_map(|at| of(at).seconds).sum();
    let time = match seconds {
        0.0 => String::new(),
        seconds => format!(" · {}", wording::duration(seconds)),
    };
    let (title, state) = match members {
        [_] => (
            first.name.clone(),
            format!("{} {}", worst.sign(), worst.word()),
        ),
        several => {
            let parts = tally
                .iter()
                .map(|(state, count)| format!("{count} {}", state.word()));
            let parts: Vec<String> = parts.collect();
            let title = format!("{} ×{}", first.stage, several.len());
            (title, format!("{} {}", worst.sign(), parts.join(", ")))
        }
    };
    let error = first.error.as_deref().filter(|_| members.len() == 1);
    let mut tooltip = format!("{title} ({}): {state}{time}", first.kind);
    if let Some(error) = error {
        let _ = write!(tooltip, "\n{}", error.lines().next().unwrap_or_default());
    }
    Shape {
        lines: [
            short(&title),
            short(&first.kind),
            short(&format!("{state}{time}")),
        ],
        class: worst.class(),
        tooltip,
        link: Some(links.stage(&first.id)),
    }
}

/// The connections between boxes, sorted by producer.
fn connections(stages: &[StageView], place_of: &[usize]) -> Vec<Connection> {
    let mut distinct: BTreeSet<(usize, usize, &str)> = BTreeSet::new();
    for (at, stage) in stages.iter().enumerate() {
        let roles: BTreeSet<&str> = stage.inputs.iter().map(|input| &*input.role).collect();
        for input in &stage.inputs {
            let Some(maker) = input.maker else { continue };
            let (from, to) = (place_of[maker], place_of[at]);
            // Stages are recorded with producers first, so boxes are too, unless a record is damaged.
            if from < to {
                let label = if roles.len() > 1 { &*input.role } else { "" };
                distinct.insert((from, to, label));
            }
        }
    }
    let connections = distinct.into_iter();
    connections
        .map(|(from, to, label)| Connection {
            from,
            to,
            label: label.to_owned(),
        })
        .collect()
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The legend: for each state its CSS class, its escaped text and its number of stages.
pub fn legend(stages: &[StageView]) -> Vec<(&'static str, String, usize)> {
    let entries = tally(stages.iter()).into_iter();
    entries
        .map(|(state, count)| {
            let text = format!("{} {}", state.sign(), escaped(state.word()));
            (state.class(), text, count)
        })
        .collect()
}
