//! Examples shown by `--help`.

/// Examples of the main command.
pub(super) const MAIN: &str = "\
Examples:
  runner init first                                write a small pipeline to start from
  runner run pipelines/table1.yaml                 run the stages that are not cached
  runner run pipelines/table1.yaml -n              show what would run, and why
  runner run pipelines/table1.yaml --profile real -S data=/path/to/chest_xray
  runner run pipelines/table1.yaml --until cnn -S stages.cnn.params.epochs=3
  runner plan pipelines/table1.yaml                show what would run, why, and how long it takes
  runner explain pipelines/table1.yaml cnn         show which change makes `cnn` run
  runner status pipelines/table1.yaml              show what is cached and what would run
  runner table pipelines/table1.yaml --format md   show results next to the paper's
  runner metrics pipelines/table1.yaml             list all metrics
  runner validate pipelines/*.yaml                 check pipelines without running them
  runner kinds train-cnn                           show the inputs, outputs and parameters of a kind
  runner compare latest~1 latest                   compare the last two runs
  runner artifacts ls                              list the newest results
  runner predict 'cnn[model1]' path/to/images      apply a trained model to images
  runner cache gc --max-age 30d                    dry run; `--apply` deletes
  runner bench train                               measure how fast this machine trains
  runner doctor                                    check GPUs and libraries of this machine";

/// Adds the examples to every subcommand.
pub(super) fn added(command: clap::Command) -> clap::Command {
    command.mut_subcommands(|command| added_below("", command))
}

fn added_below(above: &str, command: clap::Command) -> clap::Command {
    let path = format!("{above} {}", command.get_name());
    let command = match of(path.trim_start()) {
        Some(examples) if command.get_after_help().is_none() => {
            command.after_help(format!("Examples:\n  {examples}"))
        }
        _ => command,
    };
    command.mut_subcommands(|command| added_below(&path, command))
}

/// Examples of a subcommand. `path` is its full name, such as `cache gc`.
fn of(path: &str) -> Option<&'static str> {
    Some(match path {
        "run" => {
            "\
  runner run pipelines/table1.yaml              run the stages that are not cached
  runner run pipelines/table1.yaml -n           show what would run, and why
  runner run pipelines/table1.yaml -S epochs=3  set a var
  runner run pipelines/table1.yaml --until cnn --force cnn
  runner run pipelines/table1.yaml -k --retries 2 --timeout 2h
  runner run pipelines/table1.yaml --strict --junit results.xml"
        }
        "submit" => {
            "\
  runner submit pipelines/table1.yaml
  runner submit --time 2d --partition long pipelines/table1.yaml --keep-going"
        }
        "plan" => {
            "\
  runner plan pipelines/table1.yaml
  runner plan pipelines/table1.yaml -S epochs=20 --exit-code
  runner plan pipelines/table1.yaml --out today.plan"
        }
        "serve" => {
            "\
  runner serve --open            show the runs of `artifacts` in the browser
  runner serve --allow-run       also start and cancel runs from the page
  runner serve --port 8080       use this port"
        }
        "doctor" => {
            "\
  runner doctor                     check GPUs and libraries, and test them
  runner doctor --device cuda       exit code 1 if no GPU works
  runner doctor --executor slurm    check a cluster with one small job
  runner doctor --executor ssh:lab  check a machine with one small training
  runner doctor --json              print the same as JSON"
        }
        "push" => {
            "\
  runner push pipelines/table1.yaml --remote s3://bucket/prefix
  runner push pipelines/table1.yaml cnn evaluate
  runner push --run latest
  runner push                    upload what earlier runs could not upload"
        }
        "pull" => {
            "\
  runner pull pipelines/table1.yaml --remote s3://bucket/prefix
  runner pull pipelines/table1.yaml 'cnn[model1]'"
        }
        "keys" => {
            "\
  runner keys new --comment ci >> team.keys    make a key, and let a project accept it
  runner keys show                             print the public half again"
        }
        "keys show" => {
            "\
  runner keys show >> team.keys"
        }
        "keys new" => {
            "\
  runner keys new --comment ci >> team.keys"
        }
        "explain" => {
            "\
  runner explain pipelines/table1.yaml                       show everything that makes stages run
  runner explain pipelines/table1.yaml 'evaluate[model1]'    show why this instance runs
  runner explain 1f0c9a2b 77d0e3c4                           show how two recorded actions differ"
        }
        "lineage" => {
            "\
  runner lineage artifacts/latest/table1/evaluate[model1]/metrics/metrics.json
  runner lineage pipelines/table1.yaml cnn[model1].model --downstream
  runner lineage 1f0c9a2b77d0"
        }
        "kinds" => {
            "\
  runner kinds
  runner kinds train-cnn
  runner kinds train-cnn --json | jq .params.properties.epochs"
        }
        "schema" => {
            "\
  runner schema > pipeline.schema.json"
        }
        "graph" => {
            "\
  runner graph pipelines/table1.yaml                    as Mermaid, for Markdown
  runner graph pipelines/table1.yaml -o table1.svg      a picture; colors show states
  runner graph pipelines/table1.yaml --expand --format dot"
        }
        "status" => {
            "\
  runner status pipelines/table1.yaml
  runner status pipelines/table1.yaml -S epochs=3 --json
  runner status pipelines/table1.yaml --remote    show what is here and in the shared cache"
        }
        "report" => {
            "\
  runner report pipelines/table1.yaml                   write report.html
  runner report pipelines/table1.yaml -o results.html
  runner report pipelines/table1.yaml -o results/       a folder, with pictures as files
  runner report --run latest~1                          a recorded run"
        }
        "table" => {
            "\
  runner table pipelines/table1.yaml
  runner table pipelines/table1.yaml --compare model1
  runner table pipelines/table1.yaml --format csv > table1.csv
  runner table pipelines/table1.yaml --format latex > table1.tex
  runner table pipelines/table1.yaml --strict --junit results.xml"
        }
        "metrics" => {
            "\
  runner metrics                               all metrics of the latest run
  runner metrics pipelines/table1.yaml         those of the pipeline as it is now
  runner metrics --run latest~1 -f 'evaluate*.f1' --csv"
        }
        "images" => {
            "\
  runner images pipelines/table1.yaml 'evaluate[model1]'
  runner images pipelines/table1.yaml 'evaluate[model1]' --wrong   only the misclassified ones
  runner images pipelines/cross-validation.yaml -o images.csv      out-of-fold predictions"
        }
        "sweep" => {
            "\
  runner sweep plan pipelines/sweep-asha.yaml
  runner sweep show pipelines/sweep-asha.yaml"
        }
        "sweep plan" => {
            "\
  runner sweep plan pipelines/sweep-model6.yaml
  runner sweep plan pipelines/sweep-model6.yaml -S sweep.trials=100"
        }
        "sweep show" => {
            "\
  runner sweep show pipelines/sweep-asha.yaml --limit 5
  runner sweep show pipelines/sweep-asha.yaml --figures figures
  runner sweep show pipelines/sweep-asha.yaml --format latex > sweep.tex"
        }
        "sweep promote" => {
            "\
  runner sweep promote pipelines/sweep-asha.yaml              the best trial as the profile `best`
  runner sweep promote pipelines/sweep-asha.yaml 7 --as wide  trial 7 as the profile `wide`"
        }
        "validate" => {
            "\
  runner validate pipelines/*.yaml
  runner validate pipelines/table1.yaml --profile real -S data=/path/to/chest_xray"
        }
        "runs" | "runs list" => {
            "\
  runner runs list                     the newest runs
  runner runs list --limit 100 --json
  runner runs list --columns cnn.learning_rate,evaluate.f1 --sort -evaluate.f1
  runner runs list --trials --pipeline sweep-asha
  runner runs show latest              how every stage of the newest run ended
  runner compare latest~1 latest       compare changes and results of two runs
  runner runs logs latest cnn          print the log of a stage"
        }
        "runs show" => {
            "\
  runner runs show latest
  runner runs show                             the newest run, and its progress while it runs
  runner runs show 20261124-09 --json          a run by the beginning of its id
  runner runs show latest --pipeline table1    the newest run of one pipeline"
        }
        "compare" => {
            "\
  runner compare latest~1 latest             compare changes and results of two runs
  runner compare 20261123-08 latest --json   runs by the beginning of their ids
  runner compare latest~1 latest --pipeline table1 --md"
        }
        "runs diff" => {
            "\
  runner runs diff latest~1 latest
  runner runs diff 20261123-081500-0042 latest --json"
        }
        "runs logs" => {
            "\
  runner runs logs latest
  runner runs logs latest~1 'cnn[model1]'"
        }
        "runs export" => {
            "\
  runner runs export latest logs/first --format tensorboard        then: tensorboard --logdir logs
  runner runs export latest http://127.0.0.1:5000 --format mlflow  an MLflow server
  runner runs export latest crate --format ro-crate                results with their provenance"
        }
        "runs cancel" => {
            "\
  runner runs cancel latest
  runner runs cancel 20261124-09 --again    kill the stages of a run that is stopping"
        }
        "attach" => {
            "\
  runner attach                          follow the newest run in progress
  runner attach --pipeline table1
  runner attach 20261124-09              a run by the beginning of its id"
        }
        "artifacts" | "artifacts ls" => {
            "\
  runner artifacts ls                                    the newest results of all pipelines
  runner artifacts ls table1 --json
  runner artifacts show 'cnn[model1].model'              show its files and the stage that made it
  runner artifacts export 'cnn[model1].model' exported   a copy of its files"
        }
        "artifacts show" => {
            "\
  runner artifacts show xrays.train
  runner artifacts show 'cnn[model1].model' --pipeline table1
  runner artifacts show 3b1fa20c --json                  by the beginning of its digest"
        }
        "artifacts export" => {
            "\
  runner artifacts export 'cnn[model1].model' exported
  runner artifacts export 3b1fa20c exported --force"
        }
        "predict" => {
            "\
  runner predict cnn images -o predictions.csv       the model that stage `cnn` trained
  find images -name '*.png' -mtime -1 | runner predict cnn --list -
  runner predict 'cnn[model1]' a.png b.jpeg          print a table
  runner predict exported images --json              a folder that `artifacts export` wrote"
        }
        "cache" => {
            "\
  runner cache info
  runner cache verify --repair
  runner cache gc --max-age 30d --apply"
        }
        "cache info" => {
            "\
  runner cache info
  runner cache info --json"
        }
        "cache verify" => {
            "\
  runner cache verify            list damaged files
  runner cache verify --repair   set them aside; the next run recreates what it needs"
        }
        "cache gc" => {
            "\
  runner cache gc --max-age 30d              dry run
  runner cache gc --max-age 30d --apply      delete
  runner cache gc --keep-runs 5 --max-size 20GB --apply --wait
  runner cache gc --remote --max-age 90d     the same in the shared cache"
        }
        "bench" | "bench train" => {
            "\
  runner bench train --models model1,model6
  runner bench train --pipeline my.yaml --models small --json"
        }
        "bench gan" => {
            "\
  runner bench gan --image-size 64 --batch-norm"
        }
        "bench data" => {
            "\
  runner bench data --path /path/to/chest_xray
  runner bench data --what augment --json"
        }
        "bench depthwise" => {
            "\
  runner bench depthwise --kernel 5 --image-size 14 --channels 480 --pass backward"
        }
        "bench machine" => {
            "\
  runner bench machine --threads 1"
        }
        "init" => {
            "\
  runner init            in this folder
  runner init first      in a new folder"
        }
        "config" => {
            "\
  runner config
  runner config --json
  RUNNER_JOBS=2 runner config"
        }
        "config trust" => {
            "\
  runner config trust
  runner config trust --revoke"
        }
        "completions" => {
            "\
  runner completions bash > ~/.local/share/bash-completion/completions/runner
  runner completions zsh > ~/.zfunc/_runner
  runner completions fish > ~/.config/fish/completions/runner.fish"
        }
        "man" => {
            "\
  runner man | man -l -
  runner man --dir ~/.local/share/man/man1"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::command;

    /// Collects every visible subcommand, with its path.
    fn leaves(path: &str, command: &clap::Command, found: &mut Vec<(String, clap::Command)>) {
        for inner in command
            .get_subcommands()
            .filter(|inner| !inner.is_hide_set())
        {
            let path = format!("{path} {}", inner.get_name());
            found.push((path.clone(), inner.clone()));
            leaves(&path, inner, found);
        }
    }

    #[test]
    fn every_subcommand_has_examples_that_parse() {
        let mut found = vec![("runner".to_owned(), command())];
        leaves("runner", &command(), &mut found);
        for (path, subcommand) in found {
            let help = subcommand.clone().render_long_help().to_string();
            let Some((_, examples)) = help.split_once("Examples:\n") else {
                panic!("`{path}` has no examples");
            };
            let lines = examples
                .lines()
                .map(str::trim)
                .take_while(|line| !line.is_empty());
            for line in lines {
                // Two spaces begin an explanation; `>` and `|` separate parts that the shell connects.
                let typed = line.split("  ").next().unwrap_or(line);
                let mut parts = typed.split(['>', '|']);
                let typed = parts.find(|part| part.split_whitespace().any(|w| w == "runner"));
                let typed = typed.unwrap_or_default();
                let words = typed.split_whitespace().map(|word| word.trim_matches('\''));
                let words: Vec<&str> = words.skip_while(|word| word.contains('=')).collect();
                assert_eq!(words.first(), Some(&"runner"), "`{line}` of `{path}`");
                if let Err(error) = command().try_get_matches_from(&words) {
                    panic!("`{line}` of `{path}`: {error}");
                }
            }
        }
    }
}
