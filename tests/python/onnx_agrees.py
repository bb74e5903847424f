"""Checks ONNX files, and that ONNX Runtime and tract compute from them what runner computed.

    onnx_agrees.py MODEL.onnx INPUT EXPECTED [MODEL.onnx INPUT EXPECTED ...]

INPUT and EXPECTED are files of 32-bit floats: the model's input and its first output for any number of examples.
Prints the largest differences, and fails if one exceeds 1e-5.
"""

import sys

import numpy as np
import onnx
import onnxruntime
import tract

MOST = 1e-5


def sides(value):
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim[1:]]


def onnx_runtime(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch})[0]


def tract_runnable(path):
    runnable = tract.onnx().load(path).into_model().into_runnable()
    return lambda batch: runnable.run([batch])[0].to_numpy()


def check(path, given, expected):
    """Returns the largest difference."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    graph = model.graph
    batch = graph.input[0].type.tensor_type.shape.dim[0]
    assert batch.dim_param == "batch", "the size of a batch must not be fixed"
    given = np.fromfile(given, "<f4").reshape(-1, *sides(graph.input[0]))
    expected = np.fromfile(expected, "<f4").reshape(-1, *sides(graph.output[0]))
    assert len(given) == len(expected) > 0
    worst = {}
    for name, program in [("onnxruntime", onnx_runtime(path)), ("tract", tract_runnable(path))]:
        batches = np.array_split(given, len(given) // 64 + 1)
        found = np.concatenate([program(batch) for batch in batches])
        one = program(given[:1])
        # Not a number, if any value is none.
        worst[name] = max(np.abs(found - expected).max(), np.abs(one - expected[:1]).max())
    print(f"{path}: {len(given)} examples,", ", ".join(f"{name} {most:.2g}" for name, most in worst.items()))
    assert all(most <= MOST for most in worst.values()), worst


def main():
    arguments = sys.argv[1:]
    for first in range(0, len(arguments), 3):
        check(*arguments[first : first + 3])


main()
