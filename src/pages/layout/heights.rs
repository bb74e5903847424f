//! Computes the vertical position of every item.

use super::columns::{Columns, Item};
use super::{GAP, LANE};

/// Number of passes over all columns.
const PASSES: usize = 12;
/// Weight of a slot relative to a box. It is above 1 because straight lines matter more than the places of
/// boxes.
const STRAIGHT: f64 = 4.0;

/// The middle of every item, measured down from the top of the picture.
pub(super) fn middles(columns: &Columns, heights: &[f64]) -> Vec<f64> {
    let mut middles = vec![0.0; columns.items.len()];
    for column in &columns.order {
        let mut previous = None;
        for &item in column {
            let above = previous.map_or(0.0, |above| {
                middles[above] + apart(columns, heights, above, item)
            });
            middles[item] = above;
            previous = Some(item);
        }
    }
    let count = columns.order.len();
    for pass in 0..PASSES {
        for step in 0..count {
            let (column, sides) = match pass % 3 {
                0 => (step, Sides::Left),
                1 => (count - 1 - step, Sides::Right),
                _ => (step, Sides::Both),
            };
            align_column(
                columns,
                heights,
                &columns.order[column],
                sides,
                &mut middles,
            );
        }
    }
    let top = |item: usize| middles[item] - heights[item] / 2.0;
    let top = (0..middles.len()).map(top).fold(f64::INFINITY, f64::min);
    middles.iter().map(|middle| middle - top + GAP).collect()
}

#[derive(Clone, Copy)]
enum Sides {
    Left,
    Right,
    Both,
}

/// Smallest allowed distance between the middles of two neighbours in a column.
fn apart(columns: &Columns, heights: &[f64], above: usize, below: usize) -> f64 {
    let gap = match (columns.items[above], columns.items[below]) {
        (Item::Bend, Item::Bend) => LANE / 2.0,
        _ => GAP,
    };
    (heights[above] + heights[below]) / 2.0 + gap
}

/// Moves the items of a column as close as possible to the mean vertical position of their neighbours, while
/// keeping their order and at least the smallest allowed distances. This is a least-squares problem, solved
/// by pooling adjacent violators.
fn align_column(
    columns: &Columns,
    heights: &[f64],
    column: &[usize],
    sides: Sides,
    middles: &mut [f64],
) {
    struct Pool {
        sum: f64,
        weight: f64,
        count: usize,
    }
    let mut offsets = Vec::with_capacity(column.len());
    let mut pools: Vec<Pool> = Vec::with_capacity(column.len());
    let mut offset = 0.0;
    for (index, &item) in column.iter().enumerate() {
        if index > 0 {
            offset += apart(columns, heights, column[index - 1], item);
        }
        offsets.push(offset);
        let weight = match columns.items[item] {
            Item::Bend => STRAIGHT,
            Item::Node(_) => 1.0,
        };
        // After subtracting the space taken above, the only constraint left is the order of the items.
        let wish = wish(columns, item, sides, middles) - offset;
        let mut pool = Pool {
            sum: wish * weight,
            weight,
            count: 1,
        };
        while let Some(last) = pools.pop_if(|last| last.sum / last.weight > pool.sum / pool.weight)
        {
            pool.sum += last.sum;
            pool.weight += last.weight;
            pool.count += last.count;
        }
        pools.push(pool);
    }
    let levels = pools
        .iter()
        .flat_map(|pool| std::iter::repeat_n(pool.sum / pool.weight, pool.count));
    for ((&item, offset), level) in column.iter().zip(offsets).zip(levels) {
        middles[item] = level + offset;
    }
}

/// The mean vertical position of an item's neighbours on the given sides, or its own if it has none.
fn wish(columns: &Columns, item: usize, sides: Sides, middles: &[f64]) -> f64 {
    let left = columns.left[item].iter().map(|&l| columns.links[l].from);
    let right = columns.right[item].iter().map(|&l| columns.links[l].to);
    let (mut sum, mut count) = (0.0, 0);
    let mut add = |neighbour: usize| {
        sum += middles[neighbour];
        count += 1;
    };
    if !matches!(sides, Sides::Right) {
        left.for_each(&mut add);
    }
    if !matches!(sides, Sides::Left) {
        right.for_each(&mut add);
    }
    match count {
        0 => middles[item],
        count => sum / f64::from(count),
    }
}
