"""MNIST's idx files as arrays: looked for where `xentc --data` looks for them."""
import gzip
import os
import struct
import sys

import numpy

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")


def _places(folder):
    if folder:
        return [folder]
    data = os.environ.get("XENT_DATA")
    places = [data, os.path.join(data, "mnist")] if data else []
    return places + [os.path.expanduser("~/.cache/xent/mnist")]


def _read(folder, name):
    for path, opener in ((os.path.join(folder, name), open), (os.path.join(folder, name + ".gz"), gzip.open)):
        if os.path.exists(path):
            with opener(path, "rb") as file:
                data = file.read()
            rank = data[3]
            shape = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
            return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * rank).reshape(shape)
    return None


def load(folder=None):
    """The training split: images u8[60000, 28, 28], labels u8[60000]."""
    for place in _places(folder):
        arrays = [_read(place, name) for name in FILES]
        if all(array is not None for array in arrays):
            return arrays
    sys.exit(f"mnist: no {FILES[0]}[.gz] in {', '.join(_places(folder))}: give --data DIR or set XENT_DATA")
