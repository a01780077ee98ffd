#!/usr/bin/env python3
"""Trains a `.net` file's network by PyTorch or JAX, as undisturbed as either can be, and prints one JSON object.

The whole training set lies in memory as normalised float32; a step gathers its batch by shuffled index, computes the
loss, the gradients and the update. No DataLoader, no metric, no printing between steps. The last batch is short.

    bench/peers.py --peer torch --threads 1 --seconds 10 examples/mlp.net

Peers: torch (eager), torch-compile (the network and its loss compiled; foreach SGD), jax (one jitted step with donated
buffers), jax-scan (as many steps as a chunk has in one compiled loop). Exit status 3: the peer cannot run here; the
object then says why."""
import argparse
import json
import os
import resource
import sys
import time

START = time.perf_counter()

PEERS = ("torch", "torch-compile", "jax", "jax-scan")
CANNOT_RUN = 3
SCAN_STEPS = 50
LEAST_CALLS = 50


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("net", metavar="FILE.net")
    parser.add_argument("--peer", choices=PEERS, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10, help="run for about so long (default: %(default)s)")
    parser.add_argument("--steps", type=int, help="train for so many steps at most")
    parser.add_argument("--infer", action="store_true", help="time the forward pass of 1 and of 64 images instead")
    parser.add_argument("--losses", type=int, metavar="N", help="print the losses of N steps in the files' order")
    parser.add_argument("--init", metavar="FILE", help="start from these weights (safetensors)")
    parser.add_argument("--data", metavar="DIR", help="the folder with MNIST's four files")
    parser.add_argument("--xentc", default="xentc", help="the command that reads FILE.net (default: %(default)s)")
    return parser.parse_args()


def use_cores(threads):
    """Every contender gets so many cores, before it counts them."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:threads])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NPROC"):
        os.environ[name] = str(threads)


# ---- PyTorch ----


class Torch:
    """A contender has: step(index), which returns when the step is done; loss(index), the same with the loss before the
    update; infer(images); chunk, how many steps one call of step makes."""

    chunk = 1

    def __init__(self, network, weights, images, labels, threads, compiled):
        import torch

        torch.set_num_threads(threads)
        self.torch, self.version = torch, torch.__version__
        self.images, self.labels = torch.from_numpy(images), torch.from_numpy(labels)
        self.model = torch.nn.Sequential(*self._layers(network, weights))
        self.criterion = torch.nn.CrossEntropyLoss(label_smoothing=network.label_smoothing)
        self.optimizer = torch.optim.SGD(self.model.parameters(), foreach=True, **network.optimizer)
        self.objective = self._objective
        if compiled:
            self.model_call = torch.compile(self.model, dynamic=False)
            self.objective = torch.compile(self._objective, dynamic=False)
        else:
            self.model_call = self.model

    def _layers(self, network, weights):
        torch, nn = self.torch, self.torch.nn
        shape = list(self.images.shape[1:])
        for layer in network.layers:
            a, parameters = layer.attributes, [torch.from_numpy(weights[name]) for name in layer.parameters]
            bias = len(parameters) > 1
            if layer.op == "linear":
                made = nn.Linear(shape[0], a["features"], bias=bias)
            elif layer.op == "conv2d":
                made = nn.Conv2d(shape[0], a["channels"], tuple(a["kernel"]), tuple(a.get("stride", [1])),
                                 tuple(a.get("padding", [0])), bias=bias)
            elif layer.op == "max_pool2d":
                made = nn.MaxPool2d(tuple(a["kernel"]), tuple(a.get("stride", a["kernel"])),
                                    tuple(a.get("padding", [0, 0])))
            else:
                made = nn.ReLU() if layer.op == "relu" else nn.Flatten()
            with torch.no_grad():
                for parameter, value in zip(made.parameters(), parameters, strict=True):
                    parameter.copy_(value)
            shape = layer.shape
            yield made

    def _objective(self, images, labels):
        return self.criterion(self.model(images), labels)

    def step(self, index):
        index = self.torch.from_numpy(index)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.objective(self.images[index], self.labels[index])
        loss.backward()
        self.optimizer.step()
        return loss

    def loss(self, index):
        return float(self.step(index).detach())

    def infer(self, count):
        images = self.images[:count].contiguous()
        with self.torch.inference_mode():
            return lambda: self.model_call(images)


# ---- JAX ----


class Jax:
    def __init__(self, network, weights, images, labels, threads, scanned):
        import jax

        if network.optimizer["dampening"]:
            raise NotImplementedError("sgd with dampening is not written for JAX here")
        jax.config.update("jax_cpu_enable_async_dispatch", False)  # no second thread between Python and the kernels
        self.jax, self.version = jax, jax.__version__
        self.network, self.chunk = network, SCAN_STEPS if scanned else 1
        self.images, self.labels = jax.device_put(images), jax.device_put(labels)
        # [in, out], as JAX's own libraries have it: x @ W.T would read W across its rows
        turned = {layer.parameters[0] for layer in network.layers if layer.op == "linear"}
        self.parameters = {name: jax.device_put(value.T.copy() if name in turned else value)
                           for name, value in weights.items()}
        self.velocity = jax.tree.map(jax.numpy.zeros_like, self.parameters)
        self.train = jax.jit(self._step, donate_argnums=(0, 1))
        self.train_chunk = jax.jit(self._chunk, donate_argnums=(0, 1))

    def _forward(self, parameters, x):
        jax, lax = self.jax, self.jax.lax
        for layer in self.network.layers:
            a = layer.attributes
            weight, bias = [parameters[name] for name in layer.parameters] + [None] * (2 - len(layer.parameters))
            if layer.op == "linear":
                x = x @ weight
                x = x if bias is None else x + bias
            elif layer.op == "conv2d":
                stride, padding = both(a.get("stride", [1])), both(a.get("padding", [0]))
                x = lax.conv_general_dilated(x, weight, stride, [(p, p) for p in padding],
                                             dimension_numbers=("NCHW", "OIHW", "NCHW"))
                x = x if bias is None else x + bias[:, None, None]
            elif layer.op == "max_pool2d":
                window, padding = both(a["kernel"]), both(a.get("padding", [0]))
                stride = both(a.get("stride", window))
                x = lax.reduce_window(x, -jax.numpy.inf, lax.max, (1, 1, *window), (1, 1, *stride),
                                      [(0, 0), (0, 0), *((p, p) for p in padding)])
            elif layer.op == "relu":
                x = jax.nn.relu(x)
            else:
                x = x.reshape(x.shape[0], -1)
        return x

    def _loss(self, parameters, images, labels):
        smoothing = self.network.label_smoothing
        log_p = self.jax.nn.log_softmax(self._forward(parameters, images))
        picked = self.jax.numpy.take_along_axis(log_p, labels[:, None], axis=1).mean()
        return -(1 - smoothing) * picked - (smoothing * log_p.mean() if smoothing else 0.0)

    def _step(self, parameters, velocity, all_images, all_labels, index):
        o, tree = self.network.optimizer, self.jax.tree
        loss, gradient = self.jax.value_and_grad(self._loss)(parameters, all_images[index], all_labels[index])
        if o["weight_decay"]:
            gradient = tree.map(lambda g, w: g + o["weight_decay"] * w, gradient, parameters)
        if o["momentum"]:
            velocity = tree.map(lambda v, g: o["momentum"] * v + g, velocity, gradient)
            direction = velocity
            if o["nesterov"]:
                direction = tree.map(lambda g, v: g + o["momentum"] * v, gradient, velocity)
        else:
            direction = gradient
        return tree.map(lambda w, d: w - o["lr"] * d, parameters, direction), velocity, loss

    def _chunk(self, parameters, velocity, all_images, all_labels, indices):
        def body(state, index):
            parameters, velocity, loss = self._step(*state, all_images, all_labels, index)
            return (parameters, velocity), loss

        (parameters, velocity), losses = self.jax.lax.scan(body, (parameters, velocity), indices)
        return parameters, velocity, losses

    def step(self, index):
        train = self.train if index.ndim == 1 else self.train_chunk
        self.parameters, self.velocity, loss = train(self.parameters, self.velocity, self.images, self.labels, index)
        loss.block_until_ready()
        return loss

    def loss(self, index):
        return float(self.step(index))

    def infer(self, count):
        forward, images = self.jax.jit(self._forward), self.jax.device_put(self.images[:count])
        return lambda: forward(self.parameters, images).block_until_ready()


def both(values):
    return tuple(values) if len(values) == 2 else (values[0],) * 2


# ---- measuring ----


def batches(random, examples, batch, chunk):
    """One epoch's shuffled indices: chunks of whole batches, what is left of them singly, the short batch last."""
    order = random.permutation(examples)
    whole = examples // batch
    at = 0
    while at < whole:
        steps = chunk if at + chunk <= whole else 1
        index = order[at * batch : (at + steps) * batch]
        yield steps, index.reshape(steps, batch) if chunk > 1 and steps > 1 else index
        at += steps
    if examples % batch:
        yield 1, order[whole * batch :]


def warm_up(contender, random, examples, batch):
    """Every shape that an epoch has, twice; returns the time from the program's start to the first step's end."""
    first = None
    shapes = {}
    for _, index in batches(random, examples, batch, contender.chunk):
        shapes.setdefault(index.shape, index)
    for index in shapes.values():
        for _ in range(2):
            contender.step(index)
            first = first or time.perf_counter() - START
    return first


def train(contender, random, examples, batch, seconds, limit):
    """Whole epochs until the time is over; the epoch that it ends in counts for the step times alone."""
    first_step = warm_up(contender, random, examples, batch)
    steps_of_epoch = -(-examples // batch)
    times, epochs, done, clock = [], [], 0, time.perf_counter
    begin, begin_cpu = clock(), time.process_time()
    over = False
    while not over:
        epoch_begin = clock()
        for steps, index in batches(random, examples, batch, contender.chunk):
            before = clock()
            contender.step(index)
            after = clock()
            if len(index) == batch or steps > 1:
                times.append((after - before) / steps)
            done += steps
            if after - begin > seconds or (limit and done >= limit):
                over = True
                break
        else:
            epochs.append(clock() - epoch_begin)
    cpu = (time.process_time() - begin_cpu) / done * steps_of_epoch
    whole = len(epochs)
    if not epochs:
        epochs = [(clock() - begin) / done * steps_of_epoch]
    times.sort()
    return {"steps": done, "whole_epochs": whole, "epoch_min": min(epochs), "epoch_median": median(sorted(epochs)),
            "s_epoch_p05": times[len(times) // 20] * steps_of_epoch, "s_epoch_p50": median(times) * steps_of_epoch,
            "cpu_epoch": cpu, "first_step_s": first_step}


def median(ordered):
    n = len(ordered)
    return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2


def infer(contender, seconds):
    """Calls with one image and with 64, for half of the time each; the first tenth of it counts for nothing."""
    result = {}
    for count in (1, 64):
        call, times, clock = contender.infer(count), [], time.perf_counter
        for _ in range(3):
            call()
        begin = clock()
        while (now := clock()) - begin < seconds / 2 or len(times) < LEAST_CALLS:
            call()
            if now - begin > seconds / 20:
                times.append((clock() - now) * 1e6)
        times.sort()
        result[f"us_p05_{count}"], result[f"us_p50_{count}"] = times[len(times) // 20], median(times)
    return result


def make(options):
    import numpy

    sys.dont_write_bytecode = True
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import mnist
    import network as networks

    network = networks.read(options.xentc, options.net)
    pixels, labels = mnist.load(options.data)
    images = ((pixels[:, None].astype(numpy.float32) / 255 - network.mean) / network.std).astype(numpy.float32)
    weights = networks.load_weights(options.init) if options.init else networks.random_weights(network)
    kind, variant = (Torch if options.peer.startswith("torch") else Jax), options.peer.endswith(("compile", "scan"))
    labels = labels.astype(numpy.int64 if kind is Torch else numpy.int32)
    return network, kind(network, weights, images, labels, options.threads, variant)


def main():
    options = arguments()
    use_cores(options.threads)
    import numpy

    result = {"contender": options.peer, "threads": options.threads}
    try:
        network, contender = make(options)
        batch, examples = network.batch, len(contender.labels)
        result |= {"model": network.name, "batch": batch, "version": contender.version}
        random = numpy.random.default_rng(1)
        if options.losses:
            result["losses"] = [contender.loss(numpy.arange(i * batch, min((i + 1) * batch, examples)))
                                for i in range(options.losses)]
        elif options.infer:
            result |= infer(contender, options.seconds)
        else:
            result |= train(contender, random, examples, batch, options.seconds, options.steps)
    except Exception as error:  # what a peer stumbles over is its own; the comparison goes on without it
        reason = str(error).strip().splitlines()
        result["skipped"] = f"{type(error).__name__}: {reason[0] if reason else ''}"[:200]
    result["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(result), flush=True)
    return CANNOT_RUN if "skipped" in result else 0


if __name__ == "__main__":
    sys.exit(main())
