//! A pipeline as a diagram: boxes for stages, and arrows for the artifacts that pass between them.
//!
//! [`Diagram::of`] collects the stages, their states and their connections; each format renders them in its
//! own way. A state is never shown by its color alone: its name is in the box, and it has its own border.

mod dot;
mod gather;
mod json;
mod mermaid;
mod palette;
mod svg;

use std::fmt;

use contract::is_printable;

/// Format of a diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Flowchart for Markdown pages
    Mermaid,
    /// Graphviz
    Dot,
    /// Picture with light or dark colors, like the page around it
    Svg,
    /// One JSON object
    Json,
}

/// `true` if the instances of a matrix share a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// One box per stage.
    Stages,
    /// One box per instance.
    Instances,
}

/// The stages of a pipeline, their states, and the connections between them.
#[derive(Debug)]
pub struct Diagram {
    pub pipeline: String,
    /// Producers before consumers.
    pub nodes: Vec<Node>,
    /// Sorted by producer, then consumer, each in the order of the nodes.
    pub edges: Vec<Edge>,
}

/// A stage, or one instance of it.
#[derive(Debug)]
pub struct Node {
    /// `cnn`, or `cnn[model1]`.
    pub name: String,
    pub kind: &'static str,
    /// Axes with their values; an instance has one value for each axis.
    pub axes: Vec<(String, Vec<String>)>,
    pub tally: Tally,
    /// The reasons why instances run or wait; `None` if all are cached.
    pub reason: Option<String>,
}

/// A connection from an output of one node to an input of another.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Producer and consumer, as positions in the nodes.
    pub from: usize,
    pub to: usize,
    pub port: String,
    pub role: String,
    /// Port and role, as far as they are informative; may be empty.
    pub label: String,
}

/// Planned state of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    Cached,
    Runs,
    Waits,
}

/// Number of instances in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub cached: usize,
    pub runs: usize,
    pub waits: usize,
}

impl Diagram {
    /// Renders the diagram as text.
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Mermaid => mermaid::mermaid(self),
            Format::Dot => dot::dot(self),
            Format::Svg => svg::svg(self),
            Format::Json => json::json(self),
        }
    }

    /// Counts the instances of all nodes by state.
    pub fn tally(&self) -> Tally {
        let mut all = Tally::default();
        for Tally {
            cached,
            runs,
            waits,
        } in self.nodes.iter().map(|node| node.tally)
        {
            all.cached += cached;
            all.runs += runs;
            all.waits += waits;
        }
        all
    }
}

impl Node {
    /// The most notable state of its instances: a stage runs if any of them runs, and else waits if any
    /// waits.
    pub fn state(&self) -> NodeState {
        match self.tally {
            Tally { runs: 1.., .. } => NodeState::Runs,
            Tally { waits: 1.., .. } => NodeState::Waits,
            _ => NodeState::Cached,
        }
    }

    /// The lines of the node's box: `cnn ×6`, `train-cnn · model`, `4 cached, 2 run`.
    fn lines(&self) -> [String; 3] {
        let count = self.tally.total();
        let title = match count {
            1 => self.name.clone(),
            _ => format!("{} ×{count}", self.name),
        };
        let state = match (count, self.state(), &self.reason) {
            (1, NodeState::Cached, _) => "cached".to_owned(),
            (1, NodeState::Runs, Some(reason)) => format!("runs: {reason}"),
            (1, _, Some(reason)) => reason.clone(),
            _ => self.tally.to_string(),
        };
        [title, self.subtitle(), short(&state)]
    }

    /// The kind, and the axes in which the instances of this node differ.
    fn subtitle(&self) -> String {
        let several: Vec<_> = self
            .axes
            .iter()
            .filter(|(_, values)| values.len() > 1)
            .collect();
        let axes: Vec<String> = match several.as_slice() {
            [(axis, _)] => vec![axis.clone()],
            some => some
                .iter()
                .map(|(axis, values)| format!("{axis} ×{}", values.len()))
                .collect(),
        };
        if axes.is_empty() {
            self.kind.to_owned()
        } else {
            format!("{} · {}", self.kind, axes.join(", "))
        }
    }
}

impl Tally {
    pub fn add(&mut self, state: NodeState) {
        *match state {
            NodeState::Cached => &mut self.cached,
            NodeState::Runs => &mut self.runs,
            NodeState::Waits => &mut self.waits,
        } += 1;
    }

    pub fn total(&self) -> usize {
        self.cached + self.runs + self.waits
    }

    /// The states that occur, with their counts.
    fn parts(&self) -> impl Iterator<Item = (NodeState, usize)> {
        let parts = [
            (NodeState::Cached, self.cached),
            (NodeState::Runs, self.runs),
            (NodeState::Waits, self.waits),
        ];
        parts.into_iter().filter(|&(_, count)| count > 0)
    }
}

/// `4 cached, 2 run`.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (state, count)) in self.parts().enumerate() {
            let word = match (state, count) {
                (NodeState::Cached, _) => "cached",
                (NodeState::Runs, 1) => "runs",
                (NodeState::Runs, _) => "run",
                (NodeState::Waits, 1) => "waits",
                (NodeState::Waits, _) => "wait",
            };
            let gap = if index == 0 { "" } else { ", " };
            write!(f, "{gap}{count} {word}")?;
        }
        Ok(())
    }
}

impl NodeState {
    /// Name of the state, as in JSON output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::Runs => "runs",
            Self::Waits => "waits",
        }
    }
}

/// Longest line of a box, in characters.
const LONGEST: usize = 44;

/// Cuts a text to the length of a line in a box, and makes it [`plain`].
fn short(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return plain(text);
    }
    plain(text).chars().take(LONGEST - 1).chain(['…']).collect()
}

/// Replaces line breaks and other control characters with spaces, because no format accepts them as they
/// are.
fn plain(text: &str) -> String {
    let plain = |char: char| if is_printable(char) { char } else { ' ' };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests;
