#!/usr/bin/env python3
"""Writes the golden values of tests/golden: what PyTorch and numpy give for the calls that handgrad repeats.

The files are part of the repository, so this is run only to add calls, or with another seed to see
that the tests pass for any. Needs numpy and torch (Debian: python3-torch).

    tools/make_golden.py [--out tests/golden] [--seed 42]
"""

import argparse
import json
import pathlib

import numpy as np
import torch
from torch.utils.data import DataLoader


def call(name, n, *arguments):
    """One call on PyTorch's generator, with its result."""
    dtype = torch.float64 if name.endswith("double") else torch.float32
    if name.startswith("uniform"):
        result = torch.empty(n, dtype=dtype).uniform_(*arguments).tolist()
    elif name.startswith("normal"):
        result = torch.empty(n, dtype=dtype).normal_(*arguments).tolist()
    elif name == "permutation":
        result = torch.randperm(n).tolist()
    elif name == "int63":
        result = [torch.empty((), dtype=torch.int64).random_().item() for _ in range(n)]
    return {"call": name, "n": n, "arguments": arguments, "result": result}


# Each list runs on a generator that has just been seeded.
STREAMS = [
    [("uniform_float", 5, 0, 1), ("uniform_float", 17, -0.3, 0.8), ("uniform_float", 1, 2, 5)],
    [("uniform_double", 5, 0, 1), ("uniform_double", 17, -0.3, 0.8)],
    [("normal_float", 3, 0, 1)],
    [("normal_float", 16, 0, 1)],
    [("normal_float", 20, 0, 1)],
    [("normal_float", 37, 1.5, 0.25)],
    [("normal_float", 96, 0, 1)],
    [("normal_double", 3, 0, 1), ("normal_double", 16, 0, 1), ("normal_double", 37, -2, 3)],
    # An odd number below 16 leaves a spare, which later small calls of either type use up.
    [("normal_float", 3, 0, 1), ("normal_float", 16, 0, 1), ("normal_float", 1, 5, 2),
     ("normal_float", 15, 0, 1), ("uniform_float", 3, 0, 1), ("normal_double", 2, 0, 1),
     ("permutation", 5), ("normal_float", 33, 0, 1), ("normal_float", 4, 0, 1)],
    [("permutation", 0), ("permutation", 1), ("permutation", 2), ("permutation", 37)],
    [("int63", 5), ("uniform_double", 2, 0, 1), ("int63", 1)],
]


def digest(order):
    """A long permutation in few numbers."""
    places = np.arange(1, len(order) + 1)
    return {"n": len(order), "head": order[:5].tolist(), "weighted_sum": int((places * order).sum())}


def random_streams(seed):
    streams = []
    for calls in STREAMS:
        torch.manual_seed(seed)
        streams.append([call(*c) for c in calls])

    long_permutations = []
    for n in (1797, 60000):
        torch.manual_seed(seed)
        long_permutations.append(digest(torch.randperm(n).numpy()))

    numpy_permutations = []
    for s, n in ((42, 60000), (42, 2062), (seed, 1), (seed, 2), (seed, 1797), (seed, 4096), (seed, 4097)):
        np.random.seed(s)
        numpy_permutations.append({"seed": s, **digest(np.random.permutation(n))})

    return {"seed": seed, "streams": streams, "long_permutations": long_permutations,
            "numpy_permutations": numpy_permutations}


def linear_init(seed):
    layers = []
    for n_in, n_out in ((1, 1), (2, 5), (3, 2), (7, 5), (64, 1), (100, 1), (784, 1)):
        torch.manual_seed(seed)
        linear = torch.nn.Linear(n_in, n_out)
        layers.append({"in": n_in, "out": n_out, "weight_head": linear.weight.flatten()[:12].tolist(),
                       "bias": linear.bias.tolist()})
    return {"seed": seed, "layers": layers}


def data_loader(seed):
    loaders = []
    for n, batch_size, shuffle, drop_last in ((10, 3, True, False), (17, 4, True, True),
                                              (5, 5, True, False), (7, 2, False, False)):
        loader = DataLoader(range(n), batch_size=batch_size, shuffle=shuffle, drop_last=drop_last)
        torch.manual_seed(seed)
        epochs = [[batch.tolist() for batch in loader] for _ in range(3)]
        loaders.append({"n": n, "batch_size": batch_size, "shuffle": shuffle,
                        "drop_last": drop_last, "epochs": epochs})
    return {"seed": seed, "loaders": loaders}


def tape(seed):
    """Values of operations, and the gradients of sum(weights * value) with respect to their inputs."""
    torch.manual_seed(seed)

    def numbers(*shape, low=-2.0):
        # Multiples of 1/16: short in the file, and often equal to each other and to zero.
        return (16 * torch.empty(shape, dtype=torch.float64).uniform_(low, 2)).round() / 16

    def flat(tensor):
        return {"shape": list(tensor.shape), "values": tensor.flatten().tolist()}

    def case(operation, f, *inputs):
        inputs = [x.requires_grad_() for x in inputs]
        y = f(*inputs)
        weights = numbers(*y.shape)
        (y * weights).sum().backward()
        return {"operation": operation, "inputs": [flat(x) for x in inputs], "value": flat(y),
                "weights": flat(weights), "gradients": [flat(x.grad) for x in inputs]}

    labels, rows = torch.tensor([2, 0, 1, 1]), torch.tensor([1, 0, 1, 1])
    window = {"kernel_size": (2, 3), "stride": (2, 1), "padding": (1, 2), "dilation": (2, 1)}
    return {"seed": seed, "cases": [
        case("add", torch.add, numbers(2, 1, 3), numbers(4, 1)),
        case("sub", torch.sub, numbers(2, 3), numbers(3)),
        case("mul", torch.mul, numbers(2, 3), numbers()),
        case("div", torch.div, numbers(2, 3), numbers(2, 1, low=0.5)),
        case("pow", torch.pow, numbers(3, 4, low=0.0), numbers(4, low=0.0).round()),
        case("cube", lambda x: x ** 3, numbers(7)),
        case("maximum", torch.maximum, (2 * numbers(5, 9)).round(), (2 * numbers(9)).round()),
        case("where", lambda a, b: torch.where(a.detach() > 0, a, b), numbers(3, 4), numbers(4)),
        case("neg", torch.neg, numbers(7)),
        case("exp", torch.exp, numbers(7)),
        case("log", torch.log, numbers(7, low=0.5)),
        case("sqrt", torch.sqrt, numbers(7, low=0.5)),
        case("tanh", torch.tanh, numbers(7)),
        case("erf", torch.erf, numbers(7)),
        case("abs", torch.abs, numbers(3).round()),
        case("matmul", lambda a, b: a @ b, numbers(2, 3), numbers(3, 4)),
        case("matmul_nt", lambda a, b: a @ b.T, numbers(2, 3), numbers(4, 3)),
        case("matmul_tn", lambda a, b: a.T @ b, numbers(3, 2), numbers(3, 4)),
        case("matmul_tt", lambda a, b: a.T @ b.T, numbers(3, 2), numbers(4, 3)),
        case("sum", lambda x: x.sum((0, 2)), numbers(2, 3, 2)),
        case("mean", lambda x: x.mean(1, keepdim=True), numbers(2, 3, 2)),
        case("max", lambda x: x.amax((0, -1)), (2 * numbers(3, 2, 3)).round()),
        case("logsumexp", lambda x: x.logsumexp(-1), numbers(3, 4)),
        case("permute", lambda x: x.permute(2, 0, 1), numbers(2, 3, 4)),
        case("transpose", lambda x: x.transpose(0, -1), numbers(2, 3, 4)),
        case("slice", lambda x: x[:, 1:3], numbers(2, 4, 3)),
        case("concat", lambda a, b: torch.cat((a, b, a), 1), numbers(2, 1, 3), numbers(2, 2, 3)),
        case("gather", lambda x: x.gather(1, labels[:, None])[:, 0], numbers(4, 3)),
        case("gather_rows", lambda x: x.index_select(0, rows), numbers(2, 3)),
        case("unfold", lambda x: torch.nn.functional.unfold(x, **window), numbers(2, 2, 4, 3)),
    ]}


def write(path, values):
    """JSON with one line for each member of a list, for diffs that can be read."""
    def text(value):
        if isinstance(value, list):
            return "[\n  " + ",\n  ".join(json.dumps(v) for v in value) + "]"
        return json.dumps(value)
    lines = [f" {json.dumps(key)}: {text(value)}" for key, value in values.items()]
    temporary = path.with_suffix(".tmp")
    temporary.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    temporary.replace(path)


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=root / "tests" / "golden", metavar="DIR")
    parser.add_argument("--seed", type=int, default=42)
    arguments = parser.parse_args()
    if not 0 <= arguments.seed < 2**32:
        parser.error(f"--seed {arguments.seed}: needs a number from 0 to 2^32 - 1, as numpy does")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, make in (("random", random_streams), ("linear_init", linear_init),
                       ("data_loader", data_loader), ("tape", tape)):
        write(arguments.out / f"{name}.json", make(arguments.seed))


if __name__ == "__main__":
    main()
