//! Checks that the README is right: its commands, its pipeline and its error message.

use std::fs;
use std::path::Path;

use crate::sandbox::{Finished, Sandbox};

const TABLE1: &str = include_str!("../../pipelines/table1.yaml");
const SWEEP: &str = include_str!("../../pipelines/sweep-asha.yaml");

/// Assignments that make `table1.yaml` small: the commands must work, not give good results. Added last,
/// they win over assignments in the README.
const SMALL: [&str; 6] = [
    "source={phantom: {images: 48, test_images: 24}}",
    "epochs=1",
    "gan_epochs=1",
    "gan_batch_size=4",
    "synthetic_images=8",
    "retrain_epochs=1",
];

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// Returns the fenced code blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let text = readme();
    let fence = format!("\n```{language}\n");
    let blocks = text.split(&fence).skip(1);
    blocks
        .map(|rest| {
            rest.split_once("```")
                .expect("a code block must end with a fence")
                .0
                .to_owned()
        })
        .collect()
}

/// Returns the commands of all `sh` blocks without comments, split into words.
fn commands() -> Vec<Vec<String>> {
    let blocks = blocks("sh");
    let lines = blocks.iter().flat_map(|block| block.lines());
    let commands = lines.map(|line| line.split_once(" #").map_or(line, |(command, _)| command));
    commands
        .map(|line| {
            let words = line.split_whitespace();
            words
                .map(|word| word.trim_matches('\'').to_owned())
                .collect()
        })
        .filter(|words: &Vec<String>| !words.is_empty())
        .collect()
}

/// Returns the arguments of runner, or `None` if the command runs another program.
fn arguments(command: &[String]) -> Option<&[String]> {
    match command {
        [program, args @ ..] if program == "runner" => Some(args),
        [cargo, run, release, dashes, args @ ..]
            if [cargo, run, release, dashes] == ["cargo", "run", "--release", "--"] =>
        {
            Some(args)
        }
        _ => None,
    }
}

/// Returns a sandbox with the pipelines and the images that the commands name.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new("");
    let images = sandbox.path("path/to/images");
    fs::create_dir_all(&images).unwrap();
    let phantom = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images/phantom.png");
    fs::copy(phantom, images.join("phantom.png")).unwrap();
    fs::create_dir(sandbox.path("pipelines")).unwrap();
    fs::write(sandbox.path("pipelines/table1.yaml"), TABLE1).unwrap();
    fs::write(sandbox.path("pipelines/sweep-asha.yaml"), SWEEP).unwrap();
    sandbox
}

fn succeed(sandbox: &Sandbox, args: &[&str]) -> Finished {
    let finished = sandbox.runner(args);
    assert_eq!(finished.code, Some(0), "{args:?}: {finished:?}");
    finished
}

#[test]
fn every_command_of_the_readme_parses() {
    let commands = commands();
    let ours: Vec<&[String]> = commands
        .iter()
        .filter_map(|words| arguments(words))
        .collect();
    assert!(ours.len() > 5, "{commands:?}");
    for args in ours {
        let words = ["runner"]
            .into_iter()
            .chain(args.iter().map(String::as_str));
        if let Err(error) = runner::cli::command().try_get_matches_from(words) {
            panic!("{args:?}: {error}");
        }
    }
}

/// Runs all commands in order, in one folder, except for benchmarks, servers, and those that need external data or a
/// cluster.
#[test]
fn the_commands_of_the_readme_work() {
    let sandbox = sandbox();
    let mut ran = Vec::new();
    for command in commands() {
        let Some(args) = arguments(&command) else {
            continue;
        };
        let subcommand = args[0].as_str();
        let needs_more = |arg: &String| {
            ["--profile", "--executor"].contains(&arg.as_str())
                || arg.ends_with("path/to/chest_xray")
        };
        if ["bench", "serve", "submit"].contains(&subcommand) || args.iter().any(needs_more) {
            continue;
        }
        // Expands `*` as a shell would if `table1.yaml` were the only pipeline.
        let args: Vec<String> = args.iter().map(|arg| arg.replace('*', "table1")).collect();
        let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
        let takes_sets = [
            "run", "plan", "explain", "graph", "images", "lineage", "status", "table", "validate",
        ];
        let is_table1 = args.iter().any(|arg| arg.contains("table1"));
        if is_table1 && takes_sets.contains(&subcommand) {
            args.extend(SMALL.iter().flat_map(|set| ["-S", *set]));
        }
        let finished = succeed(&sandbox, &args);
        ran.push(subcommand.to_owned());
        if ran.len() == 1 {
            ends_as_shown(&finished);
        }
    }
    for subcommand in [
        "run", "plan", "explain", "graph", "status", "table", "compare", "sweep", "cache",
        "predict",
    ] {
        assert!(
            ran.iter().any(|ran| ran == subcommand),
            "the README does not run `{subcommand}`"
        );
    }
}

/// Checks that the first run ends with the table in the README, except for the numbers.
fn ends_as_shown(finished: &Finished) {
    let shown = &blocks("text")[0];
    let printed = format!("{}{}", finished.stderr, finished.stdout);
    let title = shown.lines().find(|line| line.starts_with("F1")).unwrap();
    assert!(
        printed.contains(title),
        "the title `{title}` is missing: {printed}"
    );
    let columns = shown
        .lines()
        .find(|line| line.starts_with("│ model"))
        .unwrap();
    for column in columns.split(['│', '┆']).map(str::trim) {
        assert!(
            printed.contains(column),
            "the column `{column}` is missing: {printed}"
        );
    }
    for row in shown
        .lines()
        .filter_map(|line| line.strip_prefix("│ model"))
    {
        let row = format!("model{}", row.split(' ').next().unwrap());
        assert!(
            printed.contains(&row),
            "the row `{row}` is missing: {printed}"
        );
    }
}

#[test]
fn the_pipeline_of_the_readme_runs_and_its_error_is_quoted_correctly() {
    let pipeline = &blocks("yaml")[0];
    let sandbox = Sandbox::new("");
    fs::write(sandbox.path("first.yaml"), pipeline).unwrap();
    let images = "stages.xrays.params.source={phantom: {images: 40, test_images: 20}}";
    let small = ["run", "first.yaml", "-S", images, "-S", "epochs=1"];
    succeed(&sandbox, &small);

    let wrong = pipeline.replace("max_pool: 4", "max_pool: 64");
    assert_ne!(wrong, *pipeline);
    fs::write(sandbox.path("first.yaml"), wrong).unwrap();
    let finished = sandbox.runner(&["validate", "first.yaml"]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert_eq!(finished.stderr, blocks("text")[1]);
}

#[test]
#[expect(clippy::print_stdout, reason = "tests print what they skip")]
fn the_command_stage_of_the_readme_runs() {
    let sandbox = Sandbox::new("");
    let points = "version: 1\nname: p\nstages:\n  points: { kind: command, params: { shell: true, \
                  argv: \"echo 1,2 > points.csv\", outputs: { points: points.csv } } }\n";
    let pipeline = format!("{points}{}", blocks("yaml")[2]);
    let script = "import sys\nopen('model.pt', 'w').write(open(sys.argv[1]).read())\nopen('labels')\n\
                  open('metrics.json', 'w').write('{\"rate\": ' + sys.argv[3] + '}')\n";
    fs::create_dir(sandbox.path("data")).unwrap();
    for (file, text) in [
        ("p.yaml", pipeline.as_str()),
        ("train.py", script),
        ("data/labels.csv", "a\n"),
    ] {
        fs::write(sandbox.path(file), text).unwrap();
    }
    succeed(&sandbox, &["validate", "p.yaml"]);
    let python = std::process::Command::new("python3")
        .arg("--version")
        .output();
    if python.is_err() {
        println!("skipped: `python3` is not installed");
        return;
    }
    succeed(&sandbox, &["run", "p.yaml"]);
}

#[test]
fn every_stage_kind_is_in_the_readme() {
    let text = readme();
    for kind in stages::kinds() {
        let row = format!("| `{}` |", kind.name);
        assert!(
            text.contains(&row),
            "the README has no row for `{}`",
            kind.name
        );
    }
}
