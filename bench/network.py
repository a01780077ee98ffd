"""A `.net` file as data for the peers, read from what xentc itself prints of it: the graph as the source has it
(`--emit=graph --stop-after=infer_shapes`) and the file in its canonical form (`--emit=ast`). So the peers train the
network that the file says, not a copy of it in another language."""
import dataclasses
import json
import re
import struct
import subprocess

import numpy


class Unsupported(Exception):
    """A network that the peers' side has no words for."""


@dataclasses.dataclass
class Layer:
    op: str
    attributes: dict
    parameters: list  # names: weight, then bias where there is one
    shape: list  # of one example's result


@dataclasses.dataclass
class Network:
    name: str
    layers: list
    parameters: dict  # name -> (shape, bound): starts uniform in [-bound, bound)
    mean: float
    std: float
    label_smoothing: float
    batch: int
    optimizer: dict  # lr, momentum, weight_decay, nesterov, dampening


NODE = re.compile(r'^  (?P<values>%.*?) : (?P<types>.*?) = (?P<op>\w+)(?: "(?P<name>[^"]*)")?'
                  r"(?P<inputs>(?: %[\w.]+,?)*)(?: \{(?P<attributes>.*)\})?\s*(?:#.*)?$")
LOSSES = ("cross_entropy", "nll")
COMPUTED = ("linear", "conv2d", "relu", "max_pool2d", "flatten")


def _print(xentc, path, *options):
    done = subprocess.run([xentc, *options, path], capture_output=True, text=True)
    if done.returncode:
        raise Unsupported(done.stderr.strip())
    return done.stdout


def _attributes(text):
    pairs = re.findall(r"(\w+) = (\[[^\]]*\]|[^,\s]+)", text or "")
    return {key: json.loads(value) if re.match(r"[-\[\d]|true|false", value) else value for key, value in pairs}


def _shape(types):
    return [int(d) for d in re.findall(r"\[(.*?)\]", types)[0].split(", ") if d not in ("", "N")]


def _optimizer(ast):
    found = re.search(r"optimizer\s*=\s*sgd(?:\((.*?)\))?", ast)
    if not found:
        raise Unsupported("no optimizer")
    return {"lr": 0.001, "momentum": 0.0, "weight_decay": 0.0, "dampening": 0.0, "nesterov": False,
            **_attributes(found[1])}


def read(xentc, path):
    ast = _print(xentc, path, "--emit=ast")
    graph = _print(xentc, path, "--emit=graph", "--stop-after=infer_shapes", "--entry=step")
    batch = re.search(r"^\s*batch\s*=\s*(\d+)", ast, re.M)
    network = Network(re.search(r"graph @(\w+)\.", graph)[1], [], {}, 0.0, 1.0, 0.0,
                      int(batch[1]) if batch else 64, _optimizer(ast))
    last, parameter_of = None, {}
    for line in graph.splitlines():
        node = NODE.match(line)
        if not node:
            continue
        op, attributes = node["op"], _attributes(node["attributes"])
        value, inputs = node["values"].split(", ")[0], re.findall(r"%[\w.]+", node["inputs"])
        if op == "param":
            network.parameters[node["name"]] = (_shape(node["types"]), attributes["bound"])
            parameter_of[value] = node["name"]
            continue
        if op == "target":
            continue
        if last is not None and (not inputs or inputs[0] != last):
            raise Unsupported(f"{op}: the peers' side knows chains of layers only")
        last = value
        if op == "normalize":
            if len(attributes["mean"]) != 1 or len(attributes["std"]) != 1:
                raise Unsupported("normalize with several channels")
            network.mean, network.std = attributes["mean"][0], attributes["std"][0]
        elif op in COMPUTED:
            names = [parameter_of[i] for i in inputs[1:]]
            network.layers.append(Layer(op, attributes, names, _shape(node["types"])))
        elif op in LOSSES:
            if set(attributes) - {"label_smoothing"}:
                raise Unsupported(f"{op} with {', '.join(attributes)}")
            network.label_smoothing = attributes.get("label_smoothing", 0.0)
        elif op not in ("input", "to_float", "log_softmax"):
            raise Unsupported(f"the op {op}")
    return network


def load_weights(path):
    """name -> array, from a safetensors file of float32."""
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    weights = {}
    for name, tensor in header.items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in tensor["data_offsets"])
            weights[name] = numpy.frombuffer(data[begin:end], numpy.float32).reshape(tensor["shape"]).copy()
    return weights


def random_weights(network, seed=1):
    random = numpy.random.default_rng(seed)
    return {name: random.uniform(-bound, bound, shape).astype(numpy.float32)
            for name, (shape, bound) in network.parameters.items()}
