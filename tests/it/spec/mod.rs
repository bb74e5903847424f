//! Reads pipelines from text into the checked graph, with a small catalogue of kinds.

mod assignments;
mod document;
mod includes;
mod joins;
mod kinds;
mod nested;
mod parameters;
mod references;
mod robust;
mod variables;

use std::path::Path;

use engine::graph::Graph;
use engine::spec::{Diagnostic, LoadOptions, parse};

/// Returns a pipeline with some stages.
fn with_stages(stages: &str) -> String {
    format!("version: 1\nname: test\nstages:\n{stages}")
}

fn build_with(text: &str, profile: Option<&str>, sets: &[&str]) -> Result<Graph, Vec<Diagnostic>> {
    let sets = sets.iter().map(|set| (*set).to_owned()).collect();
    let options = LoadOptions {
        profile: profile.map(str::to_owned),
        sets,
        ..LoadOptions::default()
    };
    parse(Path::new("p.yaml"), text, &options)
        .and_then(|pipeline| Graph::build(pipeline, &kinds::CATALOGUE))
}

/// Returns all errors as printed.
fn errors_with(text: &str, profile: Option<&str>, sets: &[&str]) -> String {
    match build_with(text, profile, sets) {
        Ok(_) => "no error".to_owned(),
        Err(errors) => {
            let rendered: Vec<String> = errors.iter().map(Diagnostic::to_string).collect();
            rendered.join("\n\n")
        }
    }
}

fn errors(text: &str) -> String {
    errors_with(text, None, &[])
}

fn build(text: &str) -> Graph {
    build_with(text, None, &[]).unwrap_or_else(|_| panic!("{}", errors(text)))
}

/// Returns the links of a graph as `producer.port → consumer.role#position`, in the order of the consumers.
fn links(graph: &Graph) -> Vec<String> {
    let links = graph.stages.node_indices().flat_map(|node| {
        graph.inputs(node).into_iter().map(move |(producer, link)| {
            let (producer, consumer) = (&graph.stages[producer].name, &graph.stages[node].name);
            format!(
                "{producer}.{} → {consumer}.{}#{}",
                link.port, link.role, link.position
            )
        })
    });
    links.collect()
}

/// Returns the parameters of an instance.
fn params(graph: &Graph, name: &str) -> serde_json::Value {
    graph.stages[graph.find(name)[0]].stage.canonical()
}
