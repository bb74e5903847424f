"""Reads an exported run from a tracking server with MLflow's client, and compares it with the results.

    mlflow_reads.py SERVER RESULTS RUN EXPECTED

RESULTS is the folder of the pipeline in `artifacts/latest`, RUN the id of the run, and EXPECTED a JSON file: an object
with the expected parameters of each nested run.
"""

import csv
import json
import re
import sys
import tempfile
from pathlib import Path

import mlflow
from mlflow import MlflowClient


def key(name):
    name = name.replace("].", ".").replace("]", "").replace("[", ".")
    return re.sub(r"[^A-Za-z0-9_. -]", "_", name)


def histories(folder):
    if (folder / "history.csv").exists():
        return list(csv.DictReader((folder / "history.csv").open()))
    if (folder / "history.json").exists():
        return json.loads((folder / "history.json").read_text())
    return []


def expected_metrics(stage):
    """Points of each metric: steps and values."""
    metrics = {}
    for port in sorted(path for path in stage.iterdir() if path.is_dir()):
        for row in histories(port):
            for column, value in row.items():
                if column != "epoch" and value not in ("", None):
                    metrics.setdefault(f"epochs/{column}", []).append((int(row["epoch"]), float(value)))
        if (port / "metrics.json").exists():
            for name, metric in json.loads((port / "metrics.json").read_text()).items():
                if metric["value"] is None:
                    continue
                metrics[key(name)] = [(0, metric["value"])]
                if metric.get("interval"):
                    for end, value in zip(["low", "high"], metric["interval"]):
                        metrics[f"{key(name)}.{end}"] = [(0, value)]
    return metrics


def artifacts(client, run, path=""):
    for file in client.list_artifacts(run, path):
        if file.is_dir:
            yield from artifacts(client, run, file.path)
        else:
            yield file.path


def expected_files(stage):
    """Files of metrics and figures, by path."""
    files = {}
    for port in ["metrics", "history", "figure"]:
        for file in sorted((stage / port).rglob("*")):
            if file.is_file():
                files[str(file.relative_to(stage))] = file.read_bytes()
    return files


def check_child(client, run, stage, params):
    metrics = expected_metrics(stage)
    assert sorted(run.data.metrics) == sorted(metrics), (sorted(run.data.metrics), sorted(metrics))
    points = 0
    for name, expected in metrics.items():
        history = client.get_metric_history(run.info.run_id, name)
        found = sorted((point.step, point.value) for point in history)
        assert found == expected, (stage.name, name, found, expected)
        points += len(found)
    for name, value in params.items():
        assert run.data.params[name] == value, (stage.name, name, run.data.params.get(name), value)
    files = expected_files(stage)
    assert sorted(artifacts(client, run.info.run_id)) == sorted(files), stage.name
    with tempfile.TemporaryDirectory() as folder:
        for path, content in files.items():
            local = client.download_artifacts(run.info.run_id, path, folder)
            assert Path(local).read_bytes() == content, path
    assert run.info.status == "FINISHED"
    assert 0 < run.info.start_time <= run.info.end_time
    return points, len(files)


def main():
    server, results, name = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    expected = json.loads(Path(sys.argv[4]).read_text())
    mlflow.set_tracking_uri(server)
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name(results.name)
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    [parent] = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert parent.info.run_name == name
    assert parent.info.status == "FINISHED"
    tags = parent.data.tags
    assert tags["runner.run"] == name and tags["runner.export"] == "complete"
    assert list(artifacts(client, parent.info.run_id)) == ["run.json"]
    children = {run.info.run_name: run for run in runs if run is not parent}
    assert len(children) == len(runs) - 1
    assert all(run.data.tags["mlflow.parentRunId"] == parent.info.run_id for run in children.values())
    stages = {path.name for path in results.iterdir() if path.is_dir()}
    assert set(children) == stages, (set(children), stages)
    points = files = 0
    for stage, run in children.items():
        assert len(run.data.tags["runner.key"]) == 64
        more = check_child(client, run, results / stage, expected.get(stage, {}))
        points, files = points + more[0], files + more[1]
    for stage, params in expected.get("", {}).items():
        assert parent.data.params[stage] == params, (stage, parent.data.params.get(stage))
    print(f"mlflow: {len(runs)} runs, {points} points and {files} files are the same")


main()
