"""Reads event files with TensorBoard's own readers, and compares them with the results that they were made from.

    tensorboard_reads.py LOGS RESULTS SESSIONS

LOGS is an exported folder, RESULTS the folder of the pipeline in `artifacts/latest`, and SESSIONS a JSON file: an object
with the expected hyperparameters of each session.
"""

import csv
import io
import json
import re
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, list_session_groups
from tensorboard.plugins.hparams.backend_context import Context


def value_of(message):
    return getattr(message, message.WhichOneof("kind"))


def histories(folder):
    """Rows of the history of a training."""
    if (folder / "history.csv").exists():
        return list(csv.DictReader((folder / "history.csv").open()))
    if (folder / "history.json").exists():
        return json.loads((folder / "history.json").read_text())
    return []


def expected(stage):
    """Scalars and images of a stage, by tag."""
    scalars, images = {}, {}
    for port in sorted(path for path in stage.iterdir() if path.is_dir()):
        for row in histories(port):
            for column, value in row.items():
                if column != "epoch" and value not in ("", None):
                    points = scalars.setdefault(f"epochs/{column}", [])
                    points.append((int(row["epoch"]), np.float32(value)))
        if (port / "metrics.json").exists():
            for name, metric in json.loads((port / "metrics.json").read_text()).items():
                if metric["value"] is None:
                    continue
                values = {"": metric["value"]}
                if metric.get("interval"):
                    values[".low"], values[".high"] = metric["interval"]
                for end, value in values.items():
                    scalars[f"metrics/{name}{end}"] = [(0, np.float32(value))]
        if port.name == "figure":
            for file in sorted(port.glob("*.png")):
                series = re.fullmatch(r"(.+)-(\d{4,})", file.stem)
                name, step = (series[1], int(series[2])) if series else (file.stem, 0)
                images.setdefault(f"figure/{name}", []).append((step, file.read_bytes()))
    return scalars, images


def check_run(logs, stage):
    """Compares a run with the results of a stage. Returns the numbers of points and images."""
    events = EventAccumulator(str(logs), size_guidance={"scalars": 0, "images": 0}).Reload()
    scalars, images = expected(stage)
    tags = events.Tags()
    assert sorted(tags["scalars"]) == sorted(scalars), (tags["scalars"], sorted(scalars))
    assert sorted(tags["images"]) == sorted(images), (tags["images"], sorted(images))
    for tag, points in scalars.items():
        found = [(event.step, np.float32(event.value)) for event in events.Scalars(tag)]
        assert found == points, (tag, found, points)
    for tag, pictures in images.items():
        found = events.Images(tag)
        assert [(event.step, event.encoded_image_string) for event in found] == pictures, tag
        for event in found:
            picture = Image.open(io.BytesIO(event.encoded_image_string))
            picture.load()
            assert picture.size == (event.width, event.height), tag
    return sum(map(len, scalars.values())), sum(map(len, images.values()))


def sessions(logs):
    """Reads what the HParams tab shows."""
    multiplexer = EventMultiplexer()
    multiplexer.AddRunsFromDirectory(logs)
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, logs)
    context = Context(TBContext(data_provider=provider, logdir=logs))
    request = RequestContext()
    metadata = context.hparams_metadata(request, "")
    hparams = context.hparams_from_data_provider(request, "", limit=1000)
    experiment = context.experiment_from_metadata(request, "", True, metadata, hparams)
    query = api_pb2.ListSessionGroupsRequest(
        start_index=0,
        slice_size=1000,
        allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING],
        col_params=[api_pb2.ColParams(hparam=info.name) for info in experiment.hparam_infos]
        + [api_pb2.ColParams(metric=info.name) for info in experiment.metric_infos],
    )
    groups = list_session_groups.Handler(request, context, "", query).run().session_groups
    return experiment, {group.sessions[0].name: group for group in groups}


def check_sessions(logs, results, expected_sessions):
    experiment, groups = sessions(logs)
    assert experiment.name == results.name
    assert sorted(groups) == sorted(expected_sessions), (sorted(groups), sorted(expected_sessions))
    known = {info.name for info in experiment.hparam_infos}
    differing = {info.name for info in experiment.hparam_infos if info.differs}
    values = {}
    for name, params in expected_sessions.items():
        group = groups[name]
        found = {key: value_of(value) for key, value in group.hparams.items()}
        assert set(found) <= known
        for key, value in params.items():
            assert found[key] == value, (name, key, found.get(key), value)
        for key, value in found.items():
            values.setdefault(key, []).append(value)
        session = group.sessions[0]
        assert session.status == api_pb2.STATUS_SUCCESS
        assert 0 < session.start_time_secs <= session.end_time_secs
        scalars, _ = expected(results / name)
        shown = {value.name.tag: value.value for value in session.metric_values}
        for info in experiment.metric_infos:
            if info.name.tag in scalars:
                [(_, value)] = scalars[info.name.tag]
                assert np.float32(shown[info.name.tag]) == value, (name, info.name.tag)
        assert shown, f"{name} shows no metrics"
    for key, found in values.items():
        is_same = len(found) == len(groups) and all(value == found[0] for value in found)
        assert (key not in differing) == is_same, key


def main():
    logs, results = Path(sys.argv[1]), Path(sys.argv[2])
    points = images = 0
    runs = sorted(path for path in logs.iterdir() if path.is_dir())
    for run in runs:
        more = check_run(run, results / run.name)
        points, images = points + more[0], images + more[1]
    for stage in results.iterdir():
        has_data = stage.is_dir() and any(expected(stage))
        assert not has_data or (logs / stage.name).is_dir(), f"{stage.name} is missing"
    check_sessions(str(logs), results, json.loads(Path(sys.argv[3]).read_text()))
    print(f"tensorboard: {len(runs)} runs, {points} points and {images} images are the same")


main()
