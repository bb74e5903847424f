//! Orders the items of each column so that few links cross.

use super::columns::Columns;

/// Number of passes over all columns.
const PASSES: usize = 24;

/// Orders the items of every column by the mean position of their producers, then of their consumers, in
/// alternating passes, and keeps the order with the fewest crossings. This is the barycentre method of
/// Sugiyama, Tagawa and Toda (1981).
pub(super) fn order(columns: &mut Columns) {
    let mut position = positions(columns);
    let mut best = columns.order.clone();
    let mut fewest = crossings(columns, &position);
    for pass in 0..PASSES {
        if fewest == 0 {
            break;
        }
        let rightwards = pass % 2 == 0;
        let count = columns.order.len();
        for step in 1..count {
            let column = if rightwards { step } else { count - 1 - step };
            sort(columns, column, rightwards, &mut position);
        }
        let found = crossings(columns, &position);
        if found < fewest {
            fewest = found;
            best.clone_from(&columns.order);
        }
    }
    columns.order = best;
}

fn positions(columns: &Columns) -> Vec<usize> {
    let mut position = vec![0; columns.items.len()];
    for column in &columns.order {
        for (place, &item) in column.iter().enumerate() {
            position[item] = place;
        }
    }
    position
}

/// Sorts a column by the mean position of each item's neighbours on one side. An item without neighbours
/// there stays about where it is.
fn sort(columns: &mut Columns, column: usize, rightwards: bool, position: &mut [usize]) {
    let mut items: Vec<(f64, usize)> = columns.order[column]
        .iter()
        .map(|&item| {
            let links = if rightwards {
                &columns.left[item]
            } else {
                &columns.right[item]
            };
            let places = links.iter().map(|&link| {
                let link = &columns.links[link];
                position[if rightwards { link.from } else { link.to }] as f64
            });
            let mean = match links.len() {
                0 => position[item] as f64,
                count => places.sum::<f64>() / count as f64,
            };
            (mean, item)
        })
        .collect();
    items.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    columns.order[column] = items.into_iter().map(|(_, item)| item).collect();
    for (place, &item) in columns.order[column].iter().enumerate() {
        position[item] = place;
    }
}

/// Counts the pairs of links that cross.
fn crossings(columns: &Columns, position: &[usize]) -> usize {
    let mut count = 0;
    for pair in columns.order.windows(2) {
        let mut ends: Vec<(usize, usize)> = pair[0]
            .iter()
            .flat_map(|&item| &columns.right[item])
            .map(|&link| {
                let link = &columns.links[link];
                (position[link.from], position[link.to])
            })
            .collect();
        ends.sort_unstable();
        // A Fenwick tree over the right column. It counts the links seen so far that end at or above a
        // position.
        let mut tree = vec![0_usize; pair[1].len() + 1];
        for (drawn, &(_, end)) in ends.iter().enumerate() {
            let mut at = end + 1;
            let mut above = 0;
            while at > 0 {
                above += tree[at];
                at &= at - 1;
            }
            count += drawn - above;
            at = end + 1;
            while at < tree.len() {
                tree[at] += 1;
                at += at & at.wrapping_neg();
            }
        }
    }
    count
}
