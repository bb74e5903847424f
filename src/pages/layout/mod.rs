//! Computes the positions of boxes and lines in a picture. All lengths are in pixels.
//!
//! Stages are placed in columns, each to the right of all its producers (`columns`). The stages of a column
//! are ordered so that few lines cross (`order`), and moved up and down so that lines are nearly straight
//! (`heights`). Edges that leave a box with the same label form a [`Trunk`]: one line that branches. Where a
//! trunk passes a column, it has a slot of its own, and it curves only between columns. Therefore a line
//! touches no box except the one where it begins and those where it ends.

mod columns;
mod heights;
mod order;

use columns::{Columns, Item};

/// Space between the boxes of a column, and around the picture.
const GAP: f64 = 18.0;
/// Height that a line takes where it passes a column.
const LANE: f64 = 10.0;
/// Space between columns, in which lines curve.
const CURVE: f64 = 64.0;
/// Distance between lines that leave the same box. A label fits above each line.
pub(super) const EXIT: f64 = 16.0;
/// Largest distance between lines that enter the same box.
const ENTRY: f64 = 12.0;

/// All edges that leave the same box and have the same label.
#[derive(Debug)]
pub(super) struct Trunk {
    pub from: usize,
    /// Boxes that it leads to, without duplicates.
    pub to: Vec<usize>,
    /// Width of its label; 0 if it has none.
    pub label_width: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// A piece of a trunk: level from `start`, then a curve between the columns, then level to `end`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Segment {
    pub trunk: usize,
    pub start: (f64, f64),
    /// Horizontal positions where the curve begins and ends.
    pub curve: (f64, f64),
    pub end: (f64, f64),
    /// `true` if it ends at a box.
    pub arrives: bool,
}

/// The positions in a picture that extends from 0 to `width` and `height`. Boxes are in the order in which
/// they were given.
#[derive(Debug)]
pub(super) struct Layout {
    pub boxes: Vec<Rect>,
    pub segments: Vec<Segment>,
    pub width: f64,
    pub height: f64,
}

/// Lays out boxes of the given sizes (width and height). The boxes of a column become as wide as the
/// widest, and high enough for their lines.
pub(super) fn layout(sizes: &[(f64, f64)], trunks: &[Trunk]) -> Layout {
    let mut columns = Columns::new(sizes.len(), trunks);
    order::order(&mut columns);
    let heights = item_heights(&columns, sizes);
    let middles = heights::middles(&columns, &heights);
    let across = Across::new(&columns, sizes, trunks);
    let ports = Ports::new(&columns, &heights, &middles);

    let mut boxes = vec![
        Rect {
            x: 0.0,
            y: 0.0,
            width: 0.0,
            height: 0.0
        };
        sizes.len()
    ];
    for (item, kind) in columns.items.iter().enumerate() {
        if let Item::Node(node) = *kind {
            let column = columns.column[item];
            boxes[node] = Rect {
                x: across.left[column],
                y: middles[item] - heights[item] / 2.0,
                width: across.right[column] - across.left[column],
                height: heights[item],
            };
        }
    }
    let segments = columns.links.iter().enumerate().map(|(index, link)| {
        let (from, to) = (columns.column[link.from], columns.column[link.to]);
        let arrives = matches!(columns.items[link.to], Item::Node(_));
        let (start, end) = (ports.exits[index], ports.entries[index]);
        // The branches of a trunk share the level piece before them, and only the first one draws it.
        let mut siblings = columns.right[link.from]
            .iter()
            .take_while(|&&other| other < index);
        let branches = siblings.any(|&other| columns.links[other].trunk == link.trunk);
        let begin = if branches {
            across.curve[from]
        } else {
            across.right[from]
        };
        Segment {
            trunk: link.trunk,
            start: (begin, start),
            curve: (across.curve[from], across.left[to]),
            end: if arrives {
                (across.left[to], end)
            } else {
                (across.right[to], end)
            },
            arrives,
        }
    });
    let lowest = boxes.iter().map(|b| b.y + b.height).fold(0.0, f64::max);
    let lanes = middles.iter().copied().fold(lowest, f64::max);
    Layout {
        segments: segments.collect(),
        width: across.right.last().map_or(2.0 * GAP, |right| right + GAP),
        height: lanes + GAP,
        boxes,
    }
}

/// Height that each item takes in its column.
fn item_heights(columns: &Columns, sizes: &[(f64, f64)]) -> Vec<f64> {
    let items = columns.items.iter().enumerate();
    items
        .map(|(item, kind)| match *kind {
            Item::Node(node) => sizes[node]
                .1
                .max(columns.exits(item).len() as f64 * EXIT + GAP),
            Item::Bend => LANE,
        })
        .collect()
}

/// Horizontal positions of the columns, from left to right.
struct Across {
    left: Vec<f64>,
    right: Vec<f64>,
    /// The place where lines begin to curve: to the right of all labels next to the column.
    curve: Vec<f64>,
}

impl Across {
    fn new(columns: &Columns, sizes: &[(f64, f64)], trunks: &[Trunk]) -> Self {
        let count = columns.order.len();
        let (mut widths, mut labels) = (vec![0.0_f64; count], vec![0.0_f64; count]);
        for (item, kind) in columns.items.iter().enumerate() {
            if let Item::Node(node) = *kind {
                let width = &mut widths[columns.column[item]];
                *width = width.max(sizes[node].0);
            }
        }
        for trunk in trunks {
            let label = &mut labels[columns.column[trunk.from]];
            *label = label.max(trunk.label_width);
        }
        let mut across = Self {
            left: Vec::new(),
            right: Vec::new(),
            curve: Vec::new(),
        };
        let mut x = GAP;
        for (width, label) in widths.into_iter().zip(labels) {
            across.left.push(x);
            across.right.push(x + width);
            across.curve.push(x + width + label);
            x += width + label + CURVE;
        }
        across
    }
}

/// Vertical positions at which each link begins and ends, by index of the link.
struct Ports {
    exits: Vec<f64>,
    entries: Vec<f64>,
}

impl Ports {
    fn new(columns: &Columns, heights: &[f64], middles: &[f64]) -> Self {
        let mut ports = Self {
            exits: vec![0.0; columns.links.len()],
            entries: vec![0.0; columns.links.len()],
        };
        for item in 0..columns.items.len() {
            // Exits are sorted by the vertical positions where their lines arrive, so that the lines do not
            // cross right after the exits.
            let mut trunks = columns.exits(item);
            let aim = |trunk: &usize| {
                let links = columns.right[item].iter().map(|&link| &columns.links[link]);
                let ends = links.filter(|link| link.trunk == *trunk);
                let ends: Vec<f64> = ends.map(|link| middles[link.to]).collect();
                ends.iter().sum::<f64>() / ends.len() as f64
            };
            trunks.sort_by(|a, b| aim(a).total_cmp(&aim(b)).then(a.cmp(b)));
            for &link in &columns.right[item] {
                let trunk = columns.links[link].trunk;
                let position = trunks.iter().position(|&other| other == trunk);
                let position = position.unwrap_or_default();
                ports.exits[link] = spread(middles[item], EXIT, position, trunks.len());
            }
        }
        for item in 0..columns.items.len() {
            let mut links = columns.left[item].clone();
            links.sort_by(|&a, &b| {
                let height = |link: usize| (middles[columns.links[link].from], ports.exits[link]);
                let ((from_a, exit_a), (from_b, exit_b)) = (height(a), height(b));
                let order = from_a.total_cmp(&from_b).then(exit_a.total_cmp(&exit_b));
                order.then(a.cmp(&b))
            });
            let room = (heights[item] - GAP).max(0.0) / (links.len().max(2) - 1) as f64;
            for (position, &link) in links.iter().enumerate() {
                ports.entries[link] = spread(middles[item], ENTRY.min(room), position, links.len());
            }
        }
        ports
    }
}

/// Vertical position of the line at `position` among `count` lines that are centred on `middle`.
fn spread(middle: f64, step: f64, position: usize, count: usize) -> f64 {
    middle + step * (position as f64 - (count - 1) as f64 / 2.0)
}

#[cfg(test)]
mod properties;
