//! Numbers and booleans keep their spelling where they become text. Elsewhere, their value counts.

use std::fs;

use crate::sandbox::{Finished, Sandbox, TINY};

/// Plain scalars that would be spelled differently if their values were printed, and some that YAML reads as
/// text.
const SPELLINGS: [&str; 15] = [
    "-0", "+5", "3.10", "1.0", "123e4", "0e12345", "1e-7", "0x10", "0xFF", "0o755", "0b11", ".5",
    "5.", "TRUE", "False",
];

fn ran(sandbox: &Sandbox, args: &[&str]) -> Finished {
    let run = sandbox.run_json(args);
    assert_eq!(run.code, Some(0), "{run:?}");
    run
}

fn output(sandbox: &Sandbox, file: &str) -> String {
    fs::read_to_string(sandbox.path("artifacts/latest/p").join(file)).unwrap()
}

/// Returns the names of the stages of a run.
fn names(run: &Finished) -> Vec<String> {
    run.outcomes().into_iter().map(|(name, _)| name).collect()
}

/// Returns a pipeline with the placeholder `ARGS` for arguments, which the stage `it` writes to a file, one
/// per line.
fn echo(more: &str) -> String {
    format!(
        "version: 1\nname: p\n{more}\nstages:\n  it:\n    kind: command\n    params: {{ argv: [sh, -c, 'printf \"%s\\n\" \"$@\" > out', sh, ARGS], outputs: {{ o: out }} }}\n"
    )
}

fn words(sandbox: &Sandbox) -> String {
    output(sandbox, "it/o/out")
}

#[test]
fn arguments_keep_their_spelling_whatever_their_origin() {
    let listed = |form: &str| {
        let all: Vec<String> = SPELLINGS.iter().map(|it| form.replace("IT", it)).collect();
        all.join(", ")
    };
    let indexed = |form: &str| {
        let all: Vec<String> = SPELLINGS
            .iter()
            .enumerate()
            .map(|(index, it)| form.replace("N", &index.to_string()).replace("IT", it))
            .collect();
        all.join(", ")
    };
    let expected = |form: &str| {
        let all: Vec<String> = SPELLINGS
            .iter()
            .map(|it| form.replace("IT", it) + "\n")
            .collect();
        all.concat()
    };
    let none = format!("vars: {{ {} }}", indexed("vN: none"));
    let vars = format!("vars: {{ {} }}", indexed("vN: IT"));
    let profile = format!("{none}\nprofiles: {{ q: {{ {} }} }}", indexed("vN: IT"));
    let sets: Vec<String> = indexed("-SvN=IT").split(", ").map(str::to_owned).collect();
    let typed: Vec<&str> = sets.iter().map(String::as_str).collect();
    let (alone, within) = (indexed("\"${vN}\""), indexed("\"a${vN}b\""));
    let cases: [(&str, &str, &[&str], &str); 7] = [
        ("", &listed("IT"), &[], "IT"),
        (&vars, &alone, &[], "IT"),
        (&vars, &within, &[], "aITb"),
        (&profile, &alone, &["--profile", "q"], "IT"),
        (&profile, &within, &["--profile", "q"], "aITb"),
        (&none, &alone, &typed, "IT"),
        (&none, &within, &typed, "aITb"),
    ];
    for (vars, arguments, options, form) in cases {
        let sandbox = Sandbox::new(&echo(vars).replace("ARGS", arguments));
        ran(&sandbox, options);
        assert_eq!(words(&sandbox), expected(form), "{vars} {options:?}");
    }
}

#[test]
fn text_parameters_of_a_command_keep_the_spelling_of_numbers() {
    let sandbox = Sandbox::new(
        r#"
version: 1
name: p
vars: { version: 3.10 }
stages:
  it:
    kind: command
    params:
      argv: ["./3.10"]
      code: [3.10]
      files: { data: 1.0, 0x10: "${version}" }
      env: ["V=${version}"]
      outputs: { a: 5e0, b: "${version}.out" }
      ignore: [+7, TRUE]
"#,
    );
    fs::write(
        sandbox.path("3.10"),
        "#!/bin/sh\ncat data 0x10 > 5e0; echo $V > 3.10.out; touch +7 TRUE\n",
    )
    .unwrap();
    fs::write(sandbox.path("1.0"), "one\n").unwrap();
    ran(&sandbox, &[]);
    assert!(output(&sandbox, "it/a/5e0").starts_with("one\n#!/bin/sh\n"));
    assert_eq!(output(&sandbox, "it/b/3.10.out"), "3.10\n");
}

#[test]
fn two_spellings_on_an_axis_are_two_instances() {
    let pipeline = r#"
version: 1
name: p
stages:
  it:
    kind: command
    matrix: { python: [3.1, 3.10, +3, 0x3, TRUE] }
    params: { argv: "echo ${matrix.python} > out", shell: true, outputs: { o: out } }
  next:
    kind: command
    matrix: { python: [3.10] }
    inputs: { d: it.o }
    params: { argv: [cp, d/out, out], outputs: { o: out } }
"#;
    let sandbox = Sandbox::new(pipeline);
    let run = ran(&sandbox, &[]);
    let expected = [
        "it[+3]",
        "it[0x3]",
        "it[3.10]",
        "it[3.1]",
        "it[TRUE]",
        "next[3.10]",
    ];
    let mut found = names(&run);
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(output(&sandbox, "next[3.10]/o/out"), "3.10\n");
    assert_eq!(output(&sandbox, "it[0x3]/o/out"), "0x3\n");
    let twice = Sandbox::new(&pipeline.replace("+3, 0x3", "3.10"));
    let refused = twice.runner(&["validate", "pipeline.yaml"]);
    assert!(
        refused
            .stderr
            .contains("duplicate value `3.10` on the axis `python`"),
        "{refused:?}"
    );
}

#[test]
fn spelling_identifies_rows_and_paper_values_and_expectations() {
    let sandbox = Sandbox::new(
        r#"
version: 1
name: p
stages:
  it:
    kind: command
    matrix: { python: [3.1, 3.10] }
    params: { argv: "echo '{\"n\": 1}' > m.json", shell: true, metrics: m.json }
tables:
  t: { title: 1.0, rows: python, columns: [{ title: 2.50, metric: it.n, paper: { 3.1: 5, 3.10: 1 } }] }
expect:
  "it[3.10].n": { value: 1, within: 0 }
"#,
    );
    ran(&sandbox, &[]);
    let table = sandbox.runner(&["table", "pipeline.yaml", "--format", "csv"]);
    assert_eq!(table.code, Some(0), "{table:?}");
    assert!(
        table.stdout.contains("\n3.1,") && table.stdout.contains("\n3.10,"),
        "{table:?}"
    );
    assert!(table.stdout.contains("2.50"), "{table:?}");
}

#[test]
fn an_included_file_gets_vars_as_they_are_written() {
    let sandbox = Sandbox::new(
        "version: 1\nname: p\ninclude: { in: { file: in.yaml, vars: { v: 3.10 } } }\n",
    );
    let included = echo("vars: { v: none }").replace("ARGS", "\"${v}\", \"${v}-slim\"");
    fs::write(sandbox.path("in.yaml"), included).unwrap();
    ran(&sandbox, &[]);
    assert_eq!(output(&sandbox, "in.it/o/out"), "3.10\n3.10-slim\n");
    ran(&sandbox, &["-S", "include.in.vars.v=0x1F"]);
    assert_eq!(output(&sandbox, "in.it/o/out"), "0x1F\n0x1F-slim\n");
}

#[test]
fn a_saved_plan_keeps_the_typed_spelling() {
    let sandbox = Sandbox::new(&echo("vars: { v: 0 }").replace("ARGS", "\"${v}\""));
    let plan = sandbox.runner(&["plan", "pipeline.yaml", "-S", "v=3.10", "--out", "it.plan"]);
    assert_eq!(plan.code, Some(0), "{plan:?}");
    let run = sandbox.runner(&["run", "--plan", "it.plan"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(words(&sandbox), "3.10\n");
}

const SWEEP: &str = r#"
version: 1
name: p
vars: { python: 0, width: 1, extra: 0 }
stages:
  it:
    kind: command
    params:
      argv: "echo '{\"n\": ${width}}' > m.json; echo ${python} ${extra} > out"
      shell: true
      metrics: m.json
      outputs: { o: out }
sweep:
  axes: { python: [3.1, 3.10, 3.9], width: { choice: { one: 1e0, two: 2.0 } }, extra: [0x10] }
  exclude: [{ python: 3.1, width: two }, { python: 3.90 }]
  when: { extra: { python: 3.10 } }
  objective: { metric: it.n, direction: maximize }
"#;

#[test]
fn a_sweep_distinguishes_trials_by_spelling_and_keeps_it() {
    let sandbox = Sandbox::new(SWEEP);
    let mut found = names(&ran(&sandbox, &[]));
    found.sort();
    let expected = [
        "it[python=3.1,width=one]",
        "it[python=3.10,width=one,extra=0x10]",
        "it[python=3.10,width=two,extra=0x10]",
    ];
    assert_eq!(found, expected);
    for format in ["csv", "md"] {
        let shown = sandbox.runner(&["sweep", "show", "pipeline.yaml", "--format", format]);
        assert!(
            shown.stdout.contains("3.10") && shown.stdout.contains("0x10"),
            "{shown:?}"
        );
    }
    let promoted = sandbox.runner(&["sweep", "promote", "pipeline.yaml"]);
    assert_eq!(promoted.code, Some(0), "{promoted:?}");
    let text = fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap();
    for line in [
        "    python: 3.10\n",
        "    width: 2.0\n",
        "    extra: 0x10\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    let alone = ran(&sandbox, &["--profile", "best", "-S", "sweep=null"]);
    assert_eq!(alone.outcomes()[0].1, "cached", "{alone:?}");
    assert_eq!(words(&sandbox), "3.10 0x10\n");
}

#[test]
fn an_axis_value_in_an_ambiguous_spelling_is_refused() {
    let sandbox = Sandbox::new(&SWEEP.replace("{ python: 3.90 }", "{ python: 3.100 }"));
    let refused = sandbox.runner(&["validate", "pipeline.yaml"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let message = "the number `3.100` is ambiguous: it may be `3.1` or `3.10` of the axis `python`";
    assert!(refused.stderr.contains(message), "{refused:?}");
    assert!(refused.stderr.contains("pipeline.yaml:15:"), "{refused:?}");
}

#[test]
fn the_spelling_of_a_numeric_parameter_does_not_change_the_key() {
    let sandbox = Sandbox::new(TINY);
    ran(&sandbox, &[]);
    let spelled = [
        "stages.xrays.params.image_size=0x10",
        "stages.xrays.params.validation=2e-1",
        "images=+40",
        "test_images=0o24",
        "epochs=0b10",
    ];
    let again: Vec<&str> = spelled.iter().flat_map(|set| ["-S", *set]).collect();
    let outcomes = ran(&sandbox, &again).outcomes();
    assert!(
        outcomes.iter().all(|(_, outcome)| outcome == "cached"),
        "{outcomes:?}"
    );
}
