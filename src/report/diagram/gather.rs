//! Builds a diagram from a graph and its plan.

use std::collections::{BTreeSet, HashMap};

use engine::graph::{Graph, Instance, InstanceName, Link};
use engine::plan::{Plan, State};
use petgraph::graph::NodeIndex;
use petgraph::visit::{Dfs, EdgeRef, Reversed};

use super::{Detail, Diagram, Edge, Node, NodeState, Tally};

/// Maximum number of distinct reasons that are shown for one node.
const REASONS: usize = 3;

impl Diagram {
    /// Builds the diagram of a plan. Without a store there is no plan. Then all stages, or only `until` and
    /// its ancestors, have the state `Runs`.
    pub fn of(
        graph: &Graph,
        plan: Option<&Plan>,
        until: Option<&[NodeIndex]>,
        detail: Detail,
    ) -> Self {
        let shown = shown(graph, plan, until);
        let mut nodes: Vec<Node> = Vec::new();
        let mut reasons: Vec<BTreeSet<String>> = Vec::new();
        let mut stages: HashMap<&str, usize> = HashMap::new();
        let mut places: HashMap<NodeIndex, usize> = HashMap::new();
        for &index in &shown {
            let instance = &graph.stages[index];
            let known = match detail {
                Detail::Stages => stages.get(instance.name.stage.as_str()).copied(),
                Detail::Instances => None,
            };
            let place = known.unwrap_or_else(|| {
                nodes.push(blank(instance, detail));
                reasons.push(BTreeSet::new());
                stages.insert(&instance.name.stage, nodes.len() - 1);
                nodes.len() - 1
            });
            places.insert(index, place);
            let (state, reason) = state(graph, plan, index);
            nodes[place].tally.add(state);
            reasons[place].extend(reason);
            add_values(&mut nodes[place].axes, &instance.name);
        }
        for (node, reasons) in nodes.iter_mut().zip(&reasons) {
            node.reason = joined(reasons);
        }
        Self {
            pipeline: graph.pipeline.clone(),
            edges: edges(graph, &places),
            nodes,
        }
    }
}

/// The instances to show, producers first.
fn shown(graph: &Graph, plan: Option<&Plan>, until: Option<&[NodeIndex]>) -> Vec<NodeIndex> {
    if let Some(plan) = plan {
        return plan.actions.iter().map(|action| action.node).collect();
    }
    let Some(until) = until else {
        return graph.order.clone();
    };
    let upstream = Reversed(&graph.stages);
    let mut search = Dfs::empty(upstream);
    search.stack.extend(until);
    while search.next(upstream).is_some() {}
    let order = graph.order.iter().copied();
    order
        .filter(|node| search.discovered.contains(node.index()))
        .collect()
}

fn blank(instance: &Instance, detail: Detail) -> Node {
    Node {
        name: match detail {
            Detail::Stages => instance.name.stage.clone(),
            Detail::Instances => instance.name.to_string(),
        },
        kind: instance.kind.name,
        axes: Vec::new(),
        tally: Tally::default(),
        reason: None,
    }
}

fn state(graph: &Graph, plan: Option<&Plan>, node: NodeIndex) -> (NodeState, Option<String>) {
    let Some(plan) = plan else {
        return (NodeState::Runs, Some("first run".to_owned()));
    };
    match &plan.action(node).state {
        State::Cached(_) => (NodeState::Cached, None),
        State::Runs(reason) => (NodeState::Runs, Some(reason.to_string())),
        State::Waits(upstream) => {
            let name = &graph.stages[*upstream].name;
            (NodeState::Waits, Some(format!("waits on {name}")))
        }
    }
}

fn add_values(axes: &mut Vec<(String, Vec<String>)>, name: &InstanceName) {
    for (axis, value) in name.axes.iter().chain(&name.copy) {
        match axes.iter_mut().find(|(known, _)| known == axis) {
            Some((_, values)) if values.contains(value) => {}
            Some((_, values)) => values.push(value.clone()),
            None => axes.push((axis.clone(), vec![value.clone()])),
        }
    }
}

/// Joins the first few distinct reasons; `None` if there are none.
fn joined(reasons: &BTreeSet<String>) -> Option<String> {
    let first: Vec<&str> = reasons.iter().take(REASONS).map(String::as_str).collect();
    let more = reasons.len() - first.len();
    match (first.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(first.join("; ")),
        (false, more) => Some(format!("{}; {more} more", first.join("; "))),
    }
}

fn edges(graph: &Graph, places: &HashMap<NodeIndex, usize>) -> Vec<Edge> {
    let all = graph.stages.edge_references().filter_map(|edge| {
        let (from, to) = (places.get(&edge.source())?, places.get(&edge.target())?);
        let link = edge.weight();
        Some(Edge {
            from: *from,
            to: *to,
            port: link.port.clone(),
            role: link.role.clone(),
            label: label(
                &graph.stages[edge.source()],
                &graph.stages[edge.target()],
                link,
            ),
        })
    });
    // Instances in one box have the same links, so duplicates are dropped.
    let distinct: BTreeSet<Edge> = all.collect();
    distinct.into_iter().collect()
}

/// Label of an edge: the port unless it is the default one, and the role unless the consumer has only one
/// input.
fn label(producer: &Instance, consumer: &Instance, link: &Link) -> String {
    let (outputs, inputs) = (&producer.outputs, consumer.kind.inputs);
    let meant = producer.kind.has_primary || outputs.len() == 1;
    let is_meant = meant
        && outputs
            .first()
            .is_some_and(|output| output.name == link.port);
    let Link { port, role, .. } = link;
    match (!is_meant, inputs.len() != 1) {
        (false, false) => String::new(),
        (false, true) => role.clone(),
        (true, true) if port != role => format!("{port} → {role}"),
        (true, _) => port.clone(),
    }
}
