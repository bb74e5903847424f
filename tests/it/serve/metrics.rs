//! Metrics in the list of runs.

use super::client::Served;
use crate::sandbox::Sandbox;

/// A program that reports `x` for each of two instances, and a metric with a hostile name.
const SCORES: &str = r#"
version: 1
name: scores
vars: { x: 0.5 }
stages:
  score:
    kind: command
    matrix: { name: [a, b] }
    params:
      argv: [sh, -c, 'case $1 in a) f=$0;; *) f=0.5;; esac; echo "{\"f1\": $f, \"<script>\": 1}" > m.json', "${x}", "${matrix.name}"]
      metrics: m.json
"#;

/// Cells of the column `title`, from the first row to the last.
fn column(page: &str, title: &str) -> Vec<String> {
    let (_, table) = page.split_once("<thead>").unwrap();
    let (head, body) = table.split_once("</thead>").unwrap();
    let heads: Vec<&str> = head.split("<th ").skip(1).collect();
    let at = heads
        .iter()
        .position(|head| head.contains(&format!(">{title}</a>")))
        .unwrap_or_else(|| panic!("{title}: {head}"));
    let rows = body.split("<tr>").skip(1);
    rows.map(|row| {
        // The first cell is a header.
        let cell = row.split("<td").nth(at).unwrap();
        let (_, text) = cell.split_once('>').unwrap();
        text.split('<').next().unwrap().to_owned()
    })
    .collect()
}

#[test]
fn the_list_shows_headline_metrics_and_sorts_by_them() {
    let sandbox = Sandbox::new(SCORES);
    for x in ["0.25", "0.75", "0.5", "0.25"] {
        let done = sandbox.runner(&["run", "pipeline.yaml", "-q", "-S", &format!("x={x}")]);
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    // A run without results.
    let failed = sandbox.runner(&["run", "pipeline.yaml", "-q", "-S", "x=]"]);
    assert_ne!(failed.code, Some(0));
    let served = Served::start(&sandbox, &[]);
    let page = served.get("/").text();
    let mut shown = column(&page, "score.f1");
    shown.retain(|cell| !cell.is_empty());
    assert_eq!(
        shown,
        [
            "0.250 to 0.500",
            "0.500",
            "0.500 to 0.750",
            "0.250 to 0.500"
        ]
    );
    assert!(page.contains("score.&lt;script&gt;") || page.contains("score.&#60;script&#62;"));
    assert!(!page.contains("score.<script>"));
    let sorted = |descending: bool| {
        let query = format!("/?sort=metric%3Ascore.f1&descending={descending}&state=succeeded");
        let page = served.get(&query).text();
        assert!(page.contains("aria-sort"), "{page}");
        column(&page, "score.f1")
    };
    assert_eq!(
        sorted(true),
        [
            "0.500 to 0.750",
            "0.250 to 0.500",
            "0.500",
            "0.250 to 0.500"
        ]
    );
    assert_eq!(
        sorted(false),
        [
            "0.250 to 0.500",
            "0.250 to 0.500",
            "0.500",
            "0.500 to 0.750"
        ]
    );
    // A metric that no run has.
    let page = served.get("/?sort=metric%3Anone").text();
    assert!(column(&page, "none").iter().all(String::is_empty));
    // Those of a run that ends while the server runs.
    let done = sandbox.runner(&["run", "pipeline.yaml", "-q", "-S", "x=0.125"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    crate::sandbox::eventually("listed", || {
        let cells = column(&served.get("/").text(), "score.f1");
        (cells[0] == "0.125 to 0.500").then_some(())
    });
}
