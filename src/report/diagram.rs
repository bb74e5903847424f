//! A pipeline as a picture: boxes for stages, arrows for what goes from one to another.
//!
//! [`Diagram::of`] says what there is to show and in which state; each format draws that in its own
//! way. A state is never told by its colour alone: it is written in the box, and has its own border.

mod dot;
mod gather;
mod json;
mod layout;
mod mermaid;
mod palette;
mod svg;

use std::fmt;

use contract::is_printable;

/// How a diagram is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A flowchart for Markdown pages.
    Mermaid,
    /// For Graphviz.
    Dot,
    /// A picture, light or dark as its page.
    Svg,
    /// One JSON object.
    Json,
}

/// Whether the instances of a matrix share a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// One box per stage.
    Stages,
    /// One box per instance.
    Instances,
}

/// What a pipeline's stages are, in which state, and what goes from one to another.
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
    /// Axes with their values; one value each for an instance.
    pub axes: Vec<(String, Vec<String>)>,
    pub tally: Tally,
    /// Why instances run or wait; nothing where all are cached.
    pub reason: Option<String>,
}

/// Something that goes from one node to another.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Producer and consumer, as positions in the nodes.
    pub from: usize,
    pub to: usize,
    pub port: String,
    pub role: String,
    /// Port and role as far as they say something; may be empty.
    pub label: String,
}

/// What is to become of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Cached,
    Runs,
    Waits,
}

/// How many instances are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub cached: usize,
    pub runs: usize,
    pub waits: usize,
}

impl Diagram {
    /// The diagram as text.
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Mermaid => mermaid::mermaid(self),
            Format::Dot => dot::dot(self),
            Format::Svg => svg::svg(self),
            Format::Json => json::json(self),
        }
    }

    /// All instances together.
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
    /// The state that asks most of a reader: a stage of which a single instance runs is one that runs.
    pub fn standing(&self) -> Standing {
        match self.tally {
            Tally { runs: 1.., .. } => Standing::Runs,
            Tally { waits: 1.., .. } => Standing::Waits,
            _ => Standing::Cached,
        }
    }

    /// The lines of its box: `cnn ×6`, `train-cnn · model`, `4 cached, 2 run`.
    fn lines(&self) -> [String; 3] {
        let count = self.tally.total();
        let title = match count {
            1 => self.name.clone(),
            _ => format!("{} ×{count}", self.name),
        };
        let state = match (count, self.standing(), &self.reason) {
            (1, Standing::Cached, _) => "cached".to_owned(),
            (1, Standing::Runs, Some(reason)) => format!("runs: {reason}"),
            (1, _, Some(reason)) => reason.clone(),
            _ => self.tally.to_string(),
        };
        [title, self.subtitle(), short(&state)]
    }

    /// The kind, and the axes of a stage that stands for several instances.
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
    pub fn add(&mut self, standing: Standing) {
        *match standing {
            Standing::Cached => &mut self.cached,
            Standing::Runs => &mut self.runs,
            Standing::Waits => &mut self.waits,
        } += 1;
    }

    pub fn total(&self) -> usize {
        self.cached + self.runs + self.waits
    }

    /// The states that occur, with their count.
    fn parts(&self) -> impl Iterator<Item = (Standing, usize)> {
        let parts = [
            (Standing::Cached, self.cached),
            (Standing::Runs, self.runs),
            (Standing::Waits, self.waits),
        ];
        parts.into_iter().filter(|&(_, count)| count > 0)
    }
}

/// `4 cached, 2 run`.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (standing, count)) in self.parts().enumerate() {
            let word = match (standing, count) {
                (Standing::Cached, _) => "cached",
                (Standing::Runs, 1) => "runs",
                (Standing::Runs, _) => "run",
                (Standing::Waits, 1) => "waits",
                (Standing::Waits, _) => "wait",
            };
            let gap = if index == 0 { "" } else { ", " };
            write!(f, "{gap}{count} {word}")?;
        }
        Ok(())
    }
}

impl Standing {
    /// As the states are called everywhere.
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

/// A text cut to what a box holds.
fn short(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return plain(text);
    }
    plain(text).chars().take(LONGEST - 1).chain(['…']).collect()
}

/// A text without line breaks and other control characters, which no format takes as they are.
fn plain(text: &str) -> String {
    let plain = |char: char| if is_printable(char) { char } else { ' ' };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests;
