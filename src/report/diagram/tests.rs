use super::{Diagram, Edge, Format, Node, Tally};

/// Two stages whose texts contain characters that are special in each format.
fn odd() -> Diagram {
    let node = |name: &str, reason: Option<&str>, tally: Tally| Node {
        name: name.to_owned(),
        kind: "kind",
        axes: vec![("axis".to_owned(), vec!["1".to_owned(), "2".to_owned()])],
        tally,
        reason: reason.map(str::to_owned),
    };
    let cached = Tally {
        cached: 2,
        ..Tally::default()
    };
    let runs = Tally {
        runs: 1,
        ..Tally::default()
    };
    Diagram {
        pipeline: "odd".to_owned(),
        nodes: vec![
            node("end", None, cached),
            node("b[a+b.c-1]", Some("\"<b>`#35;\\n\u{1b}&amp;\n€"), runs),
        ],
        edges: vec![Edge {
            from: 0,
            to: 1,
            port: "port".to_owned(),
            role: "role".to_owned(),
            label: "port → role".to_owned(),
        }],
    }
}

#[test]
fn mermaid_shows_every_text_as_it_is() {
    assert_eq!(
        odd().render(Format::Mermaid),
        "\
---
title: \"odd: 2 cached, 1 runs\"
---
flowchart LR
  n0[\"end ×2<br/>kind · axis<br/>2 cached\"]:::cached
  n1[\"b[a+b.c-1]<br/>kind · axis<br/>runs: #34;#60;b#62;#96;#35;35;#92;n #38;amp; €\"]:::runs
  n0 -->|\"port → role\"| n1
  classDef cached fill:#d6e8f7,stroke:#0b62a4,color:#1a1a1a,stroke-width:1.2px
  classDef runs fill:#fde3b8,stroke:#b35c00,color:#1a1a1a,stroke-width:2.5px
  classDef waits fill:#eeeeee,stroke:#6b6b6b,color:#1a1a1a,stroke-width:1.2px,stroke-dasharray:5 3
"
    );
}

#[test]
fn dot_shows_every_text_as_it_is() {
    let dot = odd().render(Format::Dot);
    let line = r##"  "b[a+b.c-1]" [label="b[a+b.c-1]\nkind · axis\nruns: \"<b>`#35;\\n &amp; €", tooltip="\"<b>`#35;\\n &amp; €", style="rounded,filled", fillcolor="#fde3b8", color="#b35c00", fontcolor="#1a1a1a", penwidth=2.5]"##;
    assert!(dot.lines().any(|found| found == line), "{dot}");
    assert!(dot.contains("\n  \"end\" -> \"b[a+b.c-1]\" [label=\"port → role\"]\n"));
}

#[test]
fn svg_shows_every_text_as_it_is() {
    let svg = odd().render(Format::Svg);
    assert!(
        svg.contains(">runs: &quot;&lt;b&gt;`#35;\\n &amp;amp; €</text>"),
        "{svg}"
    );
    assert!(!svg.contains('\u{1b}'));
}

#[test]
fn json_has_every_text_as_it_is() {
    let json: serde_json::Value = serde_json::from_str(&odd().render(Format::Json)).unwrap();
    assert_eq!(json["nodes"][1]["reason"], "\"<b>`#35;\\n\u{1b}&amp;\n€");
}

#[test]
fn long_reasons_are_cut_in_boxes_and_whole_elsewhere() {
    let mut diagram = odd();
    let long = "x".repeat(500);
    diagram.nodes[1].reason = Some(long.clone());
    assert!(!diagram.render(Format::Mermaid).contains(&"x".repeat(50)));
    for format in [Format::Svg, Format::Dot, Format::Json] {
        assert!(diagram.render(format).contains(&long), "{format:?}");
    }
}
