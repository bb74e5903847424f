//! Conventions of command line programs: help, version, completions, man pages, colors.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::pty::Terminal;
use crate::sandbox::{Finished, Sandbox, TINY, files, finish, list};

#[test]
fn the_version_is_one_line_and_verbose_adds_details() {
    let sandbox = Sandbox::new("");
    let line = format!("runner {}\n", env!("CARGO_PKG_VERSION"));
    for flag in ["--version", "-V"] {
        let version = sandbox.runner(&[flag]);
        assert_eq!(
            (version.code, version.stdout.as_str()),
            (Some(0), line.as_str())
        );
    }
    let version = sandbox.runner(&["--version", "--verbose"]);
    assert!(version.stdout.starts_with(&line), "{version:?}");
    for expected in [
        "devices: cpu",
        "allocator: mimalloc",
        "store: v1",
        "pipeline documents: version 1",
        "target: ",
    ] {
        assert!(version.stdout.contains(expected), "{version:?}");
    }
    assert_eq!(sandbox.runner(&["-Vv"]).stdout, version.stdout);
}

#[test]
fn the_version_is_printed_quickly() {
    let sandbox = Sandbox::new("");
    let took = |_| {
        let started = Instant::now();
        assert_eq!(sandbox.runner(&["--version"]).code, Some(0));
        started.elapsed()
    };
    // Takes the quickest of many runs, because the machine may be busy. On an idle one, a run takes 2 ms.
    let quickest = (0..20).map(took).min().unwrap();
    assert!(quickest < Duration::from_millis(20), "{quickest:?}");
}

#[test]
fn a_subcommand_is_required() {
    let sandbox = Sandbox::new("");
    let alone = sandbox.runner(&["--quiet"]);
    assert_eq!(alone.code, Some(2), "{alone:?}");
    assert!(
        alone.stderr.starts_with("error: a subcommand is missing"),
        "{alone:?}"
    );
    let bare = sandbox.runner(&[]);
    assert_eq!(bare.code, Some(2), "{bare:?}");
    assert!(bare.stderr.contains("Usage: runner"), "{bare:?}");
}

#[test]
fn help_lists_examples_exit_codes_and_variables() {
    let sandbox = Sandbox::new("");
    let help = sandbox.runner(&["--help"]).stdout;
    for expected in [
        "Examples:",
        "Exit codes:",
        "  75 ",
        "  100 ",
        "RUNNER_QUIET",
    ] {
        assert!(help.contains(expected), "`{expected}`: {help}");
    }
    let run = sandbox.runner(&["run", "--help"]).stdout;
    for variable in [
        "ARTIFACTS",
        "JOBS",
        "PROFILE",
        "KEEP_GOING",
        "TIMEOUT",
        "RETRIES",
    ] {
        assert!(run.contains(&format!("RUNNER_{variable}=]")), "{run}");
    }
}

/// Returns the completions that bash offers after these words, with our script loaded.
fn completed(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    let script = r#"
        source runner.bash
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _runner runner "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let mut bash = Command::new("bash");
    bash.args(["-c", script, "bash"])
        .args(words)
        .current_dir(sandbox.path(""));
    let output = bash.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes_subcommands_and_options() {
    let sandbox = Sandbox::new("");
    let script = sandbox.runner(&["completions", "bash"]);
    assert_eq!(script.code, Some(0), "{script:?}");
    fs::write(sandbox.path("runner.bash"), script.stdout).unwrap();
    assert_eq!(completed(&sandbox, &["runner", "stat"]), ["status"]);
    assert_eq!(completed(&sandbox, &["runner", "cache", "ver"]), ["verify"]);
    assert_eq!(
        completed(&sandbox, &["runner", "run", "--keep"]),
        ["--keep-going"]
    );
    // Internal subcommands are not offered.
    let all = completed(&sandbox, &["runner", ""]);
    assert!(
        all.contains(&"run".to_owned()) && !all.contains(&"worker".to_owned()),
        "{all:?}"
    );
}

#[test]
fn zsh_and_fish_get_scripts_and_no_other_shell_does() {
    let sandbox = Sandbox::new("");
    let zsh = sandbox.runner(&["completions", "zsh"]);
    assert!(zsh.stdout.starts_with("#compdef runner"), "{zsh:?}");
    let fish = sandbox.runner(&["completions", "fish"]);
    assert!(fish.stdout.contains("complete -c runner"), "{fish:?}");
    for script in [&zsh.stdout, &fish.stdout] {
        assert!(
            script.contains("artifacts") && !script.contains("worker"),
            "{script}"
        );
    }
    assert_eq!(sandbox.runner(&["completions", "csh"]).code, Some(2));
}

#[test]
fn man_prints_one_page_or_writes_a_page_for_each_command() {
    let sandbox = Sandbox::new("");
    let page = sandbox.runner(&["man"]);
    assert!(page.stdout.contains(".TH runner 1"), "{page:?}");
    for expected in [
        "RUNNER CACHE GC",
        "keep\\-going",
        "EXIT CODES",
        "RUNNER_JOBS",
    ] {
        assert!(
            page.stdout.contains(expected),
            "`{expected}`: {}",
            page.stdout
        );
    }
    assert!(!page.stdout.contains("RUNNER WORKER"));

    let written = sandbox.runner(&["man", "--dir", "man1"]);
    assert_eq!(written.code, Some(0), "{written:?}");
    let pages = files(&sandbox.path("man1"));
    let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    for name in [
        "runner.1",
        "runner-run.1",
        "runner-cache-gc.1",
        "runner-artifacts-ls.1",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(
        !names
            .iter()
            .any(|name| name.contains("worker") || name.contains("help")),
        "{names:?}"
    );
    let printed = format!("wrote {} pages to `man1`\n", pages.len());
    assert_eq!(written.stderr, printed);
}

/// Runs `command` with a terminal as standard error and returns what it prints there.
fn on_a_terminal(command: Command) -> String {
    let (child, terminal) = Terminal::start(command, 100);
    assert_eq!(finish(child).code, Some(0));
    terminal.end().0
}

#[test]
fn colors_follow_the_option_the_environment_and_the_terminal() {
    let help = |args: &[&str], no_color: bool| {
        let sandbox = Sandbox::new("");
        let mut command = sandbox.command(&[&["run", "--help"], args].concat());
        if no_color {
            command.env("NO_COLOR", "1");
        }
        command.output().unwrap().stdout.contains(&0x1b)
    };
    assert!(!help(&[], false), "colors were printed into a pipe");
    assert!(
        help(&["--color", "always"], true),
        "`--color always` must print colors into a pipe"
    );
    assert!(!help(&["--color=never"], false));

    let bars = |args: &[&str], no_color: bool| {
        let sandbox = Sandbox::new(TINY);
        let mut command = sandbox.command(&[&["run", "pipeline.yaml"], args].concat());
        if no_color {
            command.env("NO_COLOR", "1");
        }
        let printed = on_a_terminal(command);
        assert!(printed.contains("stages"), "there are no bars: {printed:?}");
        printed.contains("\u{1b}[36m")
    };
    assert!(bars(&[], false), "no colors were printed on a terminal");
    assert!(!bars(&[], true));
    assert!(!bars(&["--color", "never"], false));
    assert!(bars(&["--color", "always"], true));

    let sandbox = Sandbox::new(TINY);
    let refused = sandbox.runner(&["status", "pipeline.yaml", "--color", "blue"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
}

#[test]
fn init_writes_a_pipeline_that_runs_and_overwrites_nothing() {
    let sandbox = Sandbox::new("");
    let init = sandbox.runner(&["init", "new/first"]);
    assert_eq!((init.code, init.stdout.as_str()), (Some(0), ""), "{init:?}");
    assert!(init.stderr.contains("cd new/first\n"), "{init:?}");
    assert_eq!(list(&sandbox.path("new/first")).len(), 1);

    let mut run = sandbox.command(&["run", "pipeline.yaml"]);
    let run = run.current_dir(sandbox.path("new/first")).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    let table = String::from_utf8(run.stdout).unwrap();
    let rows = table
        .lines()
        .filter(|line| line.contains("small") || line.contains("large"));
    let accuracies: Vec<f64> = rows
        .map(|row| {
            row.split_whitespace()
                .find_map(|word| word.parse().ok())
                .unwrap()
        })
        .collect();
    // Both models are better than chance.
    assert_eq!(accuracies.len(), 2, "{table}");
    assert!(accuracies.iter().all(|&accuracy| accuracy > 0.6), "{table}");

    // The commands that it prints work one after the other.
    let commands = init.stderr.lines().filter_map(|line| {
        // Two spaces separate a command from its description.
        let (command, _) = line.strip_prefix("  runner ")?.split_once("  ")?;
        let words = command.split_whitespace();
        Some(
            words
                .map(|word| word.trim_matches('\''))
                .collect::<Vec<_>>(),
        )
    });
    let commands: Vec<_> = commands.collect();
    assert_eq!(commands.len(), 7, "{init:?}");
    assert!(
        commands.contains(&vec!["table", "pipeline.yaml"]),
        "{init:?}"
    );
    // This one does not end by itself.
    assert!(init.stderr.contains("`runner serve --open`"), "{init:?}");
    let images = sandbox.path("new/first/path/to/images");
    fs::create_dir_all(&images).unwrap();
    let pixels = sandbox.path("new/first/artifacts/latest/first/xrays/test/images.bin");
    for (number, pixels) in fs::read(pixels).unwrap().chunks(32 * 32).enumerate() {
        let image = image::GrayImage::from_raw(32, 32, pixels.to_vec()).unwrap();
        image.save(images.join(format!("{number}.png"))).unwrap();
    }
    for command in commands {
        let mut next = sandbox.command(&command);
        let next = next.current_dir(sandbox.path("new/first"));
        let done: Finished = next.output().unwrap().into();
        assert_eq!(done.code, Some(0), "{command:?}: {done:?}");
        assert!(!done.stderr.contains("warning"), "{command:?}: {done:?}");
    }
    assert!(sandbox.path("new/first/report.html").is_file());
    let predictions = fs::read_to_string(sandbox.path("new/first/predictions.csv")).unwrap();
    assert_eq!(predictions.lines().count(), 101, "{predictions}");

    // The existing `pipeline.yaml` is not overwritten.
    let refused = sandbox.runner(&["init"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("`pipeline.yaml` already exists"),
        "{refused:?}"
    );
    assert_eq!(fs::read(sandbox.path("pipeline.yaml")).unwrap(), b"");
}

#[test]
fn validate_lists_valid_and_invalid_files_as_json() {
    let sandbox = Sandbox::new(TINY);
    fs::write(
        sandbox.path("bad.yaml"),
        TINY.replace("kind: dataset", "kind: datasets"),
    )
    .unwrap();
    let both = sandbox.runner(&["validate", "--json", "pipeline.yaml", "bad.yaml"]);
    assert_eq!(both.code, Some(2), "{both:?}");
    let files = &both.json()["files"];
    assert_eq!(files[0]["stages"], 3);
    assert_eq!(files[1]["ok"], false);
    assert_eq!(files[1]["errors"][0]["place"]["line"], 8);
}
