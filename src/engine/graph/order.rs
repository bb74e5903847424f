//! Topological order of the stages, and the cycles that prevent one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use petgraph::Direction::{Incoming, Outgoing};
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::spec::{Diagnostic, Place};

/// Returns the nodes with producers before consumers, otherwise in declared order. Nodes in a cycle or
/// downstream of one are left out.
pub(super) fn topological<N, E>(graph: &DiGraph<N, E>) -> Vec<NodeIndex> {
    let mut waiting: Vec<usize> = graph
        .node_indices()
        .map(|node| graph.neighbors_directed(node, Incoming).count())
        .collect();
    let mut ready: BinaryHeap<_> = graph
        .node_indices()
        .filter(|node| waiting[node.index()] == 0)
        .map(Reverse)
        .collect();
    let mut order = Vec::with_capacity(graph.node_count());
    while let Some(Reverse(node)) = ready.pop() {
        order.push(node);
        for consumer in graph.neighbors_directed(node, Outgoing) {
            waiting[consumer.index()] -= 1;
            if waiting[consumer.index()] == 0 {
                ready.push(Reverse(consumer));
            }
        }
    }
    order
}

/// Returns an error for each group of stages that depend on each other in a cycle, at the first reference of the
/// cycle. Nodes are instances, labeled with the names of their stages; edges are the places of references.
pub(super) fn cycles(graph: &DiGraph<&str, &Place>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for component in tarjan_scc(graph) {
        let Some(&start) = component.iter().min() else {
            continue;
        };
        if component.len() == 1 && !graph.contains_edge(start, start) {
            continue;
        }
        let cycle = shortest_cycle(graph, start);
        let places = cycle.windows(2).filter_map(|pair| {
            let references = graph.edges_connecting(pair[0], pair[1]);
            references.map(|edge| *edge.weight()).min()
        });
        let names: Vec<String> = cycle
            .iter()
            .map(|&node| format!("`{}`", graph[node]))
            .collect();
        if let Some(place) = places.min() {
            let message = format!(
                "stages depend on each other in a cycle: {}",
                names.join(" → ")
            );
            found.push(Diagnostic::at(place, message));
        }
    }
    found
}

/// Returns the shortest path from a node back to itself, including both ends.
fn shortest_cycle(graph: &DiGraph<&str, &Place>, start: NodeIndex) -> Vec<NodeIndex> {
    let mut came_from = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        let mut next: Vec<NodeIndex> = graph.edges(node).map(|edge| edge.target()).collect();
        next.sort();
        for target in next {
            if target == start {
                let mut cycle = vec![start];
                let mut at = node;
                while at != start {
                    cycle.push(at);
                    at = came_from[&at];
                }
                cycle.push(start);
                cycle.reverse();
                return cycle;
            }
            came_from.entry(target).or_insert_with(|| {
                queue.push_back(target);
                node
            });
        }
    }
    vec![start]
}
