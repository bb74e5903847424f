//! Assigns boxes to columns, and adds a slot wherever a trunk passes a column.

use super::Trunk;

/// An item in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Node(usize),
    /// A slot for a trunk that passes the column.
    Bend,
}

/// A piece of a trunk, from an item of one column to an item of the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub from: usize,
    pub to: usize,
    pub trunk: usize,
}

/// Items in columns and the links between them. Both are referred to by index.
pub(super) struct Columns {
    pub items: Vec<Item>,
    /// The column of every item.
    pub column: Vec<usize>,
    /// The items of every column, from top to bottom.
    pub order: Vec<Vec<usize>>,
    pub links: Vec<Link>,
    /// The links that end at each item; `right` has those that begin there.
    pub left: Vec<Vec<usize>>,
    pub right: Vec<Vec<usize>>,
}

impl Columns {
    /// Assigns `nodes` nodes to columns. Producers must come before consumers.
    pub(super) fn new(nodes: usize, trunks: &[Trunk]) -> Self {
        let ranks = ranks(nodes, trunks);
        let count = ranks.iter().max().map_or(0, |last| last + 1);
        let mut columns = Self {
            items: Vec::new(),
            column: Vec::new(),
            order: vec![Vec::new(); count],
            links: Vec::new(),
            left: Vec::new(),
            right: Vec::new(),
        };
        for (node, &rank) in ranks.iter().enumerate() {
            columns.add(Item::Node(node), rank);
        }
        for (index, trunk) in trunks.iter().enumerate() {
            let mut targets = trunk.to.clone();
            targets.sort_by_key(|&node| ranks[node]);
            let mut at = trunk.from;
            for target in targets {
                while columns.column[at] + 1 < ranks[target] {
                    let bend = columns.add(Item::Bend, columns.column[at] + 1);
                    columns.link(at, bend, index);
                    at = bend;
                }
                columns.link(at, target, index);
            }
        }
        columns
    }

    /// The trunks that leave an item.
    pub(super) fn exits(&self, item: usize) -> Vec<usize> {
        let links = self.right[item].iter();
        let mut trunks: Vec<usize> = links.map(|&link| self.links[link].trunk).collect();
        trunks.sort_unstable();
        trunks.dedup();
        trunks
    }

    fn add(&mut self, item: Item, column: usize) -> usize {
        let index = self.items.len();
        self.items.push(item);
        self.column.push(column);
        self.order[column].push(index);
        self.left.push(Vec::new());
        self.right.push(Vec::new());
        index
    }

    fn link(&mut self, from: usize, to: usize, trunk: usize) {
        self.right[from].push(self.links.len());
        self.left[to].push(self.links.len());
        self.links.push(Link { from, to, trunk });
    }
}

/// The column of each node: the one after its last producer. A node without producers is placed right
/// before its first consumer.
fn ranks(nodes: usize, trunks: &[Trunk]) -> Vec<usize> {
    let mut ranks = vec![0; nodes];
    let mut has_input = vec![false; nodes];
    let mut leaving: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for trunk in trunks {
        leaving[trunk.from].extend(&trunk.to);
    }
    // Producers come before consumers, so one pass is enough.
    for node in 0..nodes {
        for &to in &leaving[node] {
            ranks[to] = ranks[to].max(ranks[node] + 1);
            has_input[to] = true;
        }
    }
    for node in 0..nodes {
        let nearest = leaving[node].iter().map(|&to| ranks[to]).min();
        if let (false, Some(nearest)) = (has_input[node], nearest) {
            ranks[node] = nearest - 1;
        }
    }
    ranks
}
