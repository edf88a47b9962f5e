#!/usr/bin/env python3
"""Writes the golden values of tests/golden: what PyTorch, numpy and scikit-learn give for the calls that handgrad repeats.

The files are part of the repository, so this is run only to add calls, or with another seed to see
that the tests pass for any. Needs numpy, torch and scikit-learn (Debian: python3-torch,
python3-sklearn).

    tools/make_golden.py
    tools/make_golden.py --seed 7 --out /tmp/golden && HANDGRAD_GOLDEN=/tmp/golden make test

The test golden_of_another_seed does so where it finds PyTorch.
"""

import argparse
import io
import json
import math
import pathlib

import numpy as np
import torch
from torch.utils.data import DataLoader


ROOT = pathlib.Path(__file__).resolve().parent.parent


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


def initialisers(seed):
    """What torch.nn.init makes of a weight, by its statistics."""
    rules = {"xavier_uniform": torch.nn.init.xavier_uniform_, "xavier_normal": torch.nn.init.xavier_normal_,
             "he_uniform": lambda w: torch.nn.init.kaiming_uniform_(w, nonlinearity="relu"),
             "he_normal": lambda w: torch.nn.init.kaiming_normal_(w, nonlinearity="relu")}
    cases = []
    for name, rule in rules.items():
        for shape in ((40, 70), (6, 5, 3, 3)):
            torch.manual_seed(seed)
            w = rule(torch.empty(shape)).double()
            cases.append({"rule": name, "shape": shape, "mean": w.mean().item(), "std": w.std().item(),
                          "min": w.min().item(), "max": w.max().item()})
    return {"seed": seed, "cases": cases}


def linear_init(seed):
    layers = []
    for n_in, n_out in ((1, 1), (2, 5), (3, 2), (7, 5), (64, 1), (100, 1), (784, 1)):
        torch.manual_seed(seed)
        linear = torch.nn.Linear(n_in, n_out)
        layers.append({"in": n_in, "out": n_out, "weight_head": linear.weight.flatten()[:12].tolist(),
                       "bias": linear.bias.tolist()})
    torch.manual_seed(seed)
    conv = torch.nn.Conv2d(4, 6, (3, 2), groups=2)
    return {"seed": seed, "layers": layers,
            "conv": {"weight": conv.weight.flatten().tolist(), "bias": conv.bias.tolist()}}


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


def training(seed):
    """Two epochs of an MLP on the embedded digits: the loss of every batch."""
    table = np.loadtxt(ROOT / "data" / "digits.csv", delimiter=",", skiprows=1)
    x = torch.tensor(table[:, :64] / 16, dtype=torch.float32)
    y = torch.tensor(table[:, 64], dtype=torch.int64)
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=16, shuffle=True)
    torch.manual_seed(seed)
    losses = []
    for _ in range(2):
        for batch_x, batch_y in loader:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(batch_x), batch_y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return {"seed": seed, "losses": losses}


def numbers(x):
    return {"shape": list(x.shape), "values": x.flatten().tolist()}


def inputs(shape, low, high):
    """Numbers that float and double hold alike, so that one file serves both."""
    return torch.empty(shape).uniform_(low, high).double()


def layer(name, module, x):
    """A layer's output and gradients for a random dy, in double."""
    module = module.double()
    x = x.clone().requires_grad_()
    y = module(x)
    dy = inputs(y.shape, -1, 1)
    y.backward(dy)
    parameters = {n: {"value": numbers(p.detach()), "grad": numbers(p.grad)}
                  for n, p in module.named_parameters()}
    # Buffers as they are afterwards; in evaluation mode that is as they were before.
    buffers = {n: numbers(b) for n, b in module.named_buffers() if "running" in n}
    return {"layer": name, "x": numbers(x.detach()), "y": numbers(y.detach()), "dy": numbers(dy),
            "dx": numbers(x.grad), "parameters": parameters, "training": module.training,
            "buffers": buffers}


def philox(seed, call, n):
    """The first n numbers of a call, as kernels/backend.h says at DropoutDraw: Philox4x32-10."""
    drawn = []
    for group in range((n + 3) // 4):
        c = [call & 0xffffffff, call >> 32, group & 0xffffffff, group >> 32]
        key = [seed & 0xffffffff, seed >> 32]
        for _ in range(10):
            a, b = 0xd2511f53 * c[0], 0xcd9e8d57 * c[2]
            c = [b >> 32 ^ c[1] ^ key[0], b & 0xffffffff, a >> 32 ^ c[3] ^ key[1], a & 0xffffffff]
            key = [(key[0] + 0x9e3779b9) & 0xffffffff, (key[1] + 0xbb67ae85) & 0xffffffff]
        drawn += c
    return drawn[:n]


class Drop(torch.nn.Module):
    """torch.nn.Dropout or torchvision's StochasticDepth (mode "row" or "batch"), but for the numbers
    drawn: PyTorch's differ from device to device."""

    def __init__(self, seed, p=torch.nn.Dropout().p, mode=None):
        super().__init__()
        self.p, self.seed, self.mode = p, seed, mode

    def forward(self, x):
        if not self.training:
            return x
        rows = {"row": x.shape[0], "batch": 1}
        shape = [rows[self.mode]] + [1] * (x.ndim - 1) if self.mode else x.shape
        drawn = torch.tensor(philox(self.seed, 1, math.prod(shape)), dtype=torch.float64)
        kept = (drawn < (1 - self.p) * 2**32).reshape(shape).to(x.dtype)
        return x * kept / (1 - self.p)


class Residual(torch.nn.Module):
    """He et al. 2016."""

    def __init__(self, inner, shortcut=torch.nn.Identity()):
        super().__init__()
        self.inner, self.shortcut = inner, shortcut

    def forward(self, x):
        return self.shortcut(x) + self.inner(x)


def layers(seed):
    """Each layer under the name that it has in handgrad, on ordinary and on far-out inputs."""
    torch.manual_seed(seed)
    nn = torch.nn
    x = torch.cat([torch.tensor([[0, 1e-3, -1e-3, 30, -30]]).float().double(),
                   inputs((3, 5), -4, 4)])
    prelu = nn.PReLU(5)
    with torch.no_grad():
        prelu.weight.uniform_(0.1, 0.9)

    def drawn(module):
        """With weights and running statistics at which it is not the identity."""
        with torch.no_grad():
            for value in (*module.parameters(), *module.buffers()):
                if value.is_floating_point():
                    value.uniform_(0.5, 2)
        return module

    def normalisations():
        bn = nn.BatchNorm1d(5)
        bn.weight.data, bn.bias.data = inputs(5, 0.5, 2), inputs(5, -1, 1)
        options = {"eps": 0.01, "momentum": 0.3, "affine": False}
        yield layer("BatchNorm1d(5)", bn, inputs((4, 5), -4, 4))
        yield layer("BatchNorm1d(5, eps 0.01, momentum 0.3, not affine)",
                    nn.BatchNorm1d(5, **options), inputs((2, 5, 3), -4, 4))
        yield layer("BatchNorm1d(5)", drawn(nn.BatchNorm1d(5)).eval(), inputs((4, 5), -4, 4))
        for train in (True, False):
            yield layer("BatchNorm1d(5, no running statistics)",
                        drawn(nn.BatchNorm1d(5, track_running_stats=False)).train(train),
                        inputs((4, 5), -4, 4))
        yield layer("BatchNorm2d(2)", nn.BatchNorm2d(2), inputs((2, 2, 3, 2), -4, 4))
        yield layer("BatchNorm2d(2)", drawn(nn.BatchNorm2d(2)).eval(), inputs((2, 2, 3, 2), -4, 4))
        yield layer("LayerNorm((5))", drawn(nn.LayerNorm(5)), x)
        yield layer("LayerNorm((3, 4), eps 0.01, not affine)",
                    nn.LayerNorm((3, 4), eps=0.01, elementwise_affine=False),
                    inputs((2, 3, 4), -4, 4))

    def images():
        def conv(name, shape, *arguments, **options):
            return layer(name, nn.Conv2d(*arguments, **options), inputs(shape, -1, 1))

        yield conv("Conv2d(2, 3, 3)", (2, 2, 5, 4), 2, 3, 3)
        yield conv("Conv2d(3, 2, 1, {.bias = false})", (2, 3, 2, 3), 3, 2, 1, bias=False)
        yield conv("Conv2d(2, 4, {3, 2}, {.stride = {1, 2}, .padding = {2, 1}, "
                   ".dilation = {2, 1}, .groups = 2})", (2, 2, 5, 4), 2, 4, (3, 2), stride=(1, 2),
                   padding=(2, 1), dilation=(2, 1), groups=2)
        x = inputs((1, 2, 5, 6), -4, 4).round()  # many are equal
        yield layer("MaxPool2d(2)", nn.MaxPool2d(2), x)
        yield layer("MaxPool2d(3, {2, 1}, 1)", nn.MaxPool2d(3, (2, 1), 1), x)
        yield layer("AvgPool2d({2, 3})", nn.AvgPool2d((2, 3)), x)
        yield layer("AvgPool2d(3, 2, 1)", nn.AvgPool2d(3, 2, 1), x)
        yield layer("AvgPool2d(3, 2, 1, false)",
                    nn.AvgPool2d(3, 2, 1, count_include_pad=False), x)
        yield layer("Flatten()", nn.Flatten(), x)
        yield layer("Flatten(-2)", nn.Flatten(-2), x)

    def along_axes():
        x = inputs((2, 3, 4), -4, 4)
        yield layer("Linear(5, 3, {.bias = false})", nn.Linear(5, 3, bias=False), inputs((4, 5), -1, 1))
        yield layer("Softmax(0)", nn.Softmax(dim=0), x)
        yield layer("Softmax(1)", nn.Softmax(dim=1), x)
        yield layer("LogSoftmax(-2)", nn.LogSoftmax(dim=-2), x)
        yield layer("Flatten(0, 2)", nn.Flatten(0, 2), x.reshape(2, 3, 2, 2))

    def drops():  # seeded as the layers in the test are
        x = inputs((4, 3, 2), -4, 4)
        yield layer("Dropout(0.5)", Drop(7), x)
        yield layer("Dropout(0.25)", Drop(7, 0.25), x)
        yield layer("Dropout(0.25)", Drop(7, 0.25).eval(), x)
        yield layer("StochasticDepth(0.4, row)", Drop(7, 0.4, "row"), x)
        yield layer("StochasticDepth(0.4, row)", Drop(7, 0.4, "row").eval(), x)
        for p in (0.1, 0.9):  # one keeps the batch, one drops it
            yield layer(f"StochasticDepth({p}, batch)", Drop(7, p, "batch"), x)

    def composed():
        x = inputs((6, 5), -1, 1)

        def three(*middle, bias=True):
            return nn.Sequential(nn.Linear(5, 4, bias), *middle, nn.Linear(4, 5))

        yield layer("Sequential(Linear(5, 4), ReLU(), Linear(4, 5))", three(nn.ReLU()), x)
        yield layer("Residual(Sequential(Linear(5, 4), Tanh(), Linear(4, 5)))",
                    Residual(three(nn.Tanh())), x)
        for train in (True, False):  # no bias before BatchNorm: its gradient is 0 but for rounding
            inner = three(nn.BatchNorm1d(4), nn.ReLU(), bias=False).append(Drop(7, 0.4, "row"))
            model = nn.Sequential(Residual(inner, nn.Linear(5, 5, bias=False)), nn.Linear(5, 2))
            yield layer("Sequential(Residual(Sequential(Linear(5, 4, {.bias = false}), BatchNorm1d(4), ReLU(), "
                        "Linear(4, 5), StochasticDepth(0.4, row)), Linear(5, 5, {.bias = false})), Linear(5, 2))",
                        model if train else drawn(model).eval(), x)

    return {"seed": seed, "cases": [
        layer("Linear(5, 3)", nn.Linear(5, 3), inputs((4, 5), -1, 1)),
        layer("ReLU()", nn.ReLU(), x),
        layer("LeakyReLU(0.01)", nn.LeakyReLU(), x),
        layer("LeakyReLU(0.3)", nn.LeakyReLU(0.3), x),
        layer("PReLU(1)", nn.PReLU(), x),
        layer("PReLU(5)", prelu, inputs((2, 5, 3), -4, 4)),
        layer("ELU(1)", nn.ELU(), x),
        layer("ELU(0.5)", nn.ELU(0.5), x),
        layer("Softplus(1, 20)", nn.Softplus(), x),
        layer("Softplus(2, 1)", nn.Softplus(2, 1), x),
        layer("Sigmoid()", nn.Sigmoid(), x),
        layer("Tanh()", nn.Tanh(), x),
        layer("SiLU()", nn.SiLU(), x),
        layer("GELU()", nn.GELU(), x),
        layer("GELU(tanh)", nn.GELU(approximate="tanh"), x),
        layer("Identity()", nn.Identity(), x),
        layer("Softmax()", nn.Softmax(dim=-1), x),
        layer("Softmax()", nn.Softmax(dim=-1), inputs((2, 3, 4), -4, 4)),
        layer("LogSoftmax()", nn.LogSoftmax(dim=-1), x),
        layer("LogSoftmax()", nn.LogSoftmax(dim=-1), inputs((2, 3, 4), -4, 4)),
        *normalisations(),
        *images(),
        *drops(),
        *along_axes(),
        *composed(),
    ]}


def loss(name, module, x, target, **arguments):
    """A loss and its gradient by x, reduced in each of the three ways, in double."""
    arguments = {key: torch.tensor(value, dtype=torch.float64) if isinstance(value, list) else value
                 for key, value in arguments.items()}
    x = x.clone().requires_grad_()
    reductions = {}
    for reduction in ("none", "mean", "sum"):
        x.grad = None
        value = module(**arguments, reduction=reduction)(x, target)
        dloss = inputs(value.shape, 0.5, 1.5)
        value.backward(dloss)
        reductions[reduction] = {"loss": numbers(value.detach()), "dloss": numbers(dloss),
                                 "dx": numbers(x.grad)}
    return {"loss": name, "x": numbers(x.detach()), "target": numbers(target), **reductions}


def losses(seed):
    """Each loss under a name that tests/losses/golden_test.cpp knows."""
    torch.manual_seed(seed)
    nn = torch.nn
    shape = (4, 3)
    x, target, p = inputs(shape, -2, 2), inputs(shape, -2, 2), inputs(shape, 0.05, 0.95)
    binary, logits, labels = inputs(shape, 0, 1), inputs(shape, -4, 4), torch.randint(3, (4,))
    one_hot = nn.functional.one_hot(labels, 3).double()
    soft = inputs(shape, 0, 1)
    weight = [0.5, 1.0, 2.5]
    cases = [
        loss("MSELoss", nn.MSELoss, x, target),
        loss("L1Loss", nn.L1Loss, x, target),
        loss("SmoothL1Loss", nn.SmoothL1Loss, x, target),
        loss("SmoothL1Loss(0.5)", nn.SmoothL1Loss, x, target, beta=0.5),
        loss("BCELoss", nn.BCELoss, p, binary),
        loss("BCELoss at 0 and 1", nn.BCELoss, torch.tensor([0, 1, 0, 1.0]).double(),
             torch.tensor([0, 1, 1, 0.0]).double()),
        loss("BCEWithLogitsLoss", nn.BCEWithLogitsLoss, logits, binary),
        loss("BCEWithLogitsLoss(pos_weight)", nn.BCEWithLogitsLoss, logits, binary,
             pos_weight=weight),
        loss("NLLLoss", nn.NLLLoss, logits, labels),
        loss("NLLLoss(weight)", nn.NLLLoss, logits, labels, weight=weight),
    ]
    for name, to in ((" of labels", labels), (" of one-hot", one_hot), (" of soft targets", soft)):
        cases += [
            loss("CrossEntropyLoss" + name, nn.CrossEntropyLoss, logits, to),
            loss("CrossEntropyLoss(0.2)" + name, nn.CrossEntropyLoss, logits, to,
                 label_smoothing=0.2),
            loss("CrossEntropyLoss(weight)" + name, nn.CrossEntropyLoss, logits, to, weight=weight),
            loss("CrossEntropyLoss(0.2, weight)" + name, nn.CrossEntropyLoss, logits, to,
                 label_smoothing=0.2, weight=weight),
        ]
    pixels = inputs((2, 3, 2, 2), -4, 4)
    pixel_labels, pixel_shares = torch.randint(3, (2, 2, 2)), inputs((2, 3, 2, 2), 0, 1)
    cases += [
        loss("NLLLoss(weight)", nn.NLLLoss, pixels, pixel_labels, weight=weight),
        loss("CrossEntropyLoss of labels", nn.CrossEntropyLoss, pixels, pixel_labels),
        loss("CrossEntropyLoss(0.2, weight) of labels", nn.CrossEntropyLoss, pixels, pixel_labels,
             label_smoothing=0.2, weight=weight),
        loss("CrossEntropyLoss(0.2, weight) of soft targets", nn.CrossEntropyLoss, pixels,
             pixel_shares, label_smoothing=0.2, weight=weight),
    ]

    def scalar(name, function, x):
        x = x.clone().requires_grad_()
        value = function(x)
        value.backward()
        return {"loss": name, "x": numbers(x.detach()), "value": value.item(), "dx": numbers(x.grad)}

    def donsker_varadhan(t):
        return -(t[:5].mean() - (t[5:].logsumexp(dim=0).sum() - np.log(len(t) - 5)))

    return {"seed": seed, "weight": weight, "cases": cases, "scalars": [
        scalar("DonskerVaradhan", donsker_varadhan, inputs((12, 1), -4, 4)),
        scalar("L1Penalty", lambda w: 0.25 * w.abs().sum(), inputs((4, 3), -2, 2)),
        scalar("L2Penalty", lambda w: 0.25 * w.pow(2).sum(), inputs((4, 3), -2, 2)),
    ]}


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
    index = torch.tensor([1, 0, 0, 1, 1, 1, 0, 1]).reshape(2, 4, 1)
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
        case("gather of labels", lambda x: x.gather(1, labels[:, None])[:, 0], numbers(4, 3)),
        case("gather", lambda x: x.gather(1, index), numbers(3, 2, 3)),
        case("gather along the last axis", lambda x: x.gather(-1, index), numbers(3, 5, 2)),
        case("index_select", lambda x: x.index_select(0, rows), numbers(2, 3)),
        case("index_select along the last axis", lambda x: x.index_select(-1, rows), numbers(2, 3, 2)),
        case("unfold", lambda x: torch.nn.functional.unfold(x, **window), numbers(2, 2, 4, 3)),
    ]}

# What a case leaves out keeps PyTorch's default. Options in the third place are those that the bias
# has otherwise. Rates are low, so that no case circles its minimum: there, adaptive steps multiply
# the rounding of floats, and PyTorch's own float and double part by more than the tests allow.
OPTIMIZERS = [
    ("SGD", {"lr": 0.1}, {"lr": 0.01}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.02, "momentum": 0.9}, {"lr": 0.05, "momentum": 0.5}),
    ("SGD", {"lr": 0.02, "momentum": 0.9, "dampening": 0.5}),
    ("SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "moving_average": True}, {"weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "moving_average": True, "nesterov": True}, {"weight_decay": 0.1}),
    ("SGD", {"lr": 0.02, "dampening": 0.5}, {"momentum": 0.9, "dampening": 1}),
    ("SGD", {"lr": 0.001, "momentum": 1}, {"momentum": 0.9, "dampening": -0.5}),
    ("Adam", {}, {"lr": 0.02}),
    ("Adam", {"lr": 0.005, "betas": [0.8, 0.99]}),
    ("Adam", {"lr": 0.02, "eps": 0.1}),
    ("Adam", {"lr": 0.02, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05, "amsgrad": True, "betas": [0.9, 0.9]}),
    ("Adam", {"lr": 0.05, "amsgrad": True, "betas": [0.9, 0.9], "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.02}, {"weight_decay": 0.3}),
    ("AdamW", {"lr": 0.02, "eps": 0.1}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True, "betas": [0.9, 0.9]}),
    ("Adagrad", {}, {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.05}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5}),
    ("Adagrad", {"lr": 0.1, "weight_decay": 0.1, "eps": 0.1}),
    ("RMSprop", {"lr": 0.002}, {"lr": 0.001}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.9, "eps": 0.1}),
    ("RMSprop", {"lr": 0.002, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.001, "centered": True}),
    ("RMSprop", {"lr": 0.002, "momentum": 0.9}),
    ("RMSprop", {"lr": 0.001, "centered": True, "momentum": 0.9}),
    ("RMSprop", {"lr": 0.002, "centered": True, "momentum": 0.8, "weight_decay": 0.1, "alpha": 0.9,
                 "eps": 0.01}),
]


class MovingAverageSGD(torch.optim.SGD):
    """The notebook's momentum: the velocity averages the gradients instead of summing them up."""

    def __init__(self, groups, moving_average, **options):
        groups = [{name: value for name, value in group.items() if name != "moving_average"} for group in groups]
        super().__init__(groups, **options)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            b = group["momentum"]
            for w in group["params"]:
                v = self.state[w].setdefault("v", torch.zeros_like(w))
                g = (1 - b) * (w.grad + group["weight_decay"] * w)
                v.mul_(b).add_(g)
                w.sub_(b * v + g if group["nesterov"] else v, alpha=group["lr"])


def optimizers(seed):
    """Linear regression, 16 samples of 3 numbers to 2; weight and bias after some steps."""
    torch.manual_seed(seed)
    problem = {name: torch.randn(shape) for name, shape in
               (("x", (16, 3)), ("target", (16, 2)), ("weight", (2, 3)), ("bias", (2,)))}

    def run(name, options, bias_options, dtype):
        x, target, weight, bias = (value.to(dtype, copy=True) for value in problem.values())
        weight.requires_grad_()
        bias.requires_grad_()
        groups = [{"params": [weight]}, {"params": [bias], **bias_options}]
        rule = MovingAverageSGD if "moving_average" in options else getattr(torch.optim, name)
        optimizer = rule(groups, **options)
        after = {}
        for step in range(1, 101):
            optimizer.zero_grad()
            y = torch.nn.functional.linear(x, weight, bias)
            torch.nn.functional.mse_loss(y, target).backward()
            optimizer.step()
            if step in (1, 10, 100):
                after[step] = weight.flatten().tolist() + bias.tolist()
        return after

    cases = []
    for name, options, *rest in OPTIMIZERS:
        bias_options = {**options, **(rest[0] if rest else {})}
        cases.append({"optimizer": name, "options": options, "bias_options": bias_options,
                      "double": run(name, options, bias_options, torch.float64),
                      "float": run(name, options, bias_options, torch.float32)})
    return {"seed": seed, "problem": [value.flatten().tolist() for value in problem.values()],
            "cases": cases}


SCHEDULES = [
    ("StepLR", {"step_size": 1}),
    ("StepLR", {"step_size": 7, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [3, 10, 10, 40]}),
    ("MultiStepLR", {"milestones": [], "gamma": 0.5}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("CosineAnnealingLR", {"T_max": 50}),
    ("CosineAnnealingLR", {"T_max": 17, "eta_min": 0.001}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.01, "end_factor": 0.5, "total_iters": 30}),
]

PLATEAUS = [
    {"patience": 0},
    {"patience": 2, "factor": 0.5},
    {"patience": 1, "threshold": 0.2},
    {"patience": 1, "threshold": 0.05, "threshold_mode": "abs", "cooldown": 4},
    {"patience": 2, "mode": "max", "factor": 0.3},
    {"patience": 1, "mode": "max", "threshold_mode": "abs", "threshold": 0.01, "min_lr": 0.002},
    {"patience": 0, "eps": 0.001},
]


def schedules(seed):
    """The learning rate over 50 epochs."""
    torch.manual_seed(seed)
    start = torch.rand((), dtype=torch.float64).item() + 0.05
    metrics = (torch.rand(50, dtype=torch.float64) + 5 / torch.arange(5, 55)).tolist()

    def run(name, options, arguments):
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=start)
        schedule = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
        rates = [optimizer.param_groups[0]["lr"]]
        for argument in arguments:
            optimizer.step()
            schedule.step(*argument)
            rates.append(optimizer.param_groups[0]["lr"])
        return {"schedule": name, "options": options, "rates": rates}

    return {"seed": seed, "start": start,
            "cases": [run(name, options, [()] * 50) for name, options in SCHEDULES],
            "metrics": metrics,
            "plateaus": [run("ReduceLROnPlateau", options, [(m,) for m in metrics])
                         for options in PLATEAUS]}


def clipping(seed):
    """Gradients of three parameters, clipped by their norm and by value."""
    torch.manual_seed(seed)
    gradients = [torch.randn(n, dtype=torch.float64) for n in (1, 7, 20)]

    def run(clip, limit):
        parameters = [torch.zeros(len(g), dtype=torch.float64) for g in gradients]
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient.clone()
        norm = clip(parameters, limit)
        return {"limit": limit, "norm": None if norm is None else norm.item(),
                "clipped": [parameter.grad.tolist() for parameter in parameters]}

    utils = torch.nn.utils
    return {"seed": seed, "gradients": [g.tolist() for g in gradients],
            "norm": [run(utils.clip_grad_norm_, limit) for limit in (0.01, 1, 100)],
            "value": [run(utils.clip_grad_value_, limit) for limit in (0.01, 0.5, 100)]}


def npy(seed):
    """Files that numpy writes, as hexadecimal digits, with what they hold."""
    rng = np.random.default_rng(seed)
    cases = []

    def add(x, version=None):
        file = io.BytesIO()
        np.lib.format.write_array(file, x, version)
        cases.append({"dtype": x.dtype.str, "fortran": not x.flags.c_contiguous, "version": version,
                      "file": file.getvalue().hex(), "shape": x.shape,
                      "values": x.astype("float64").ravel().tolist()})

    whole = rng.integers(0, 100, (2, 3))
    for kind in ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"):
        for order in "<>":
            add((whole % 2 if kind == "b1" else whole).astype(order + kind))
    for shape in ((), (0,), (1,), (5,), (3, 0, 2), (2, 3, 4), (1, 2, 1, 3, 1, 2)):
        x = rng.integers(-9, 9, shape).astype("float32")
        add(np.asarray(x, order="C"))
        if x.ndim > 1 and x.size > 0:
            add(np.asfortranarray(x))
    for version in ((1, 0), (2, 0), (3, 0)):
        add(whole.astype("<f8"), version)
    add(np.array([0.1, 2**-24, 3 * 2**-20, 65504, -0.0, -2.5], dtype="float16"))

    archives = []
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, images=whole.astype("uint8"), labels=np.arange(3))
        archives.append(file.getvalue().hex())
    return {"cases": cases, "images": whole.ravel().tolist(), "archives": archives}


def notebook_sets(seed):
    """The notebook's get_dataset on the embedded digits, scikit-learn's splits, and its diabetes set."""
    from sklearn.datasets import load_diabetes
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import MinMaxScaler

    splits = []
    for n in (2, 5, 10, 11, 411, 442, 1797, 2062, 4000):
        for state in (42, seed + 1):
            train, val = train_test_split(np.arange(n), test_size=0.2, random_state=state)
            splits.append({"seed": state, "train": digest(train), "val": digest(val)})
    table = np.loadtxt(ROOT / "data" / "digits.csv", delimiter=",", skiprows=1)
    x = MinMaxScaler(feature_range=(-0.5, 0.5)).fit_transform(table[:, :64] / 16)
    x_train, x_val, y_train, y_val = train_test_split(x, table[:, 64], test_size=0.2, random_state=42)
    parts = [{"part": name, "shape": part.shape, "first_row": part[0].tolist(), "column_sums": part.sum(axis=0).tolist(),
              "labels": labels[:20].astype(int).tolist()}
             for name, part, labels in (("train", x_train, y_train), ("val", x_val, y_val))]
    diabetes = load_diabetes(scaled=False)
    columns = np.column_stack([diabetes.data, diabetes.target])
    return {"splits": splits, "digits": parts,
            "diabetes": {"names": list(diabetes.feature_names), "mean": columns.mean(axis=0).tolist(),
                         "std": columns.std(axis=0, ddof=1).tolist(), "last_row": columns[-1].tolist()}}


def take_arrays(value, arrays):
    """The value without its tensors and lists of fractions, each of which becomes one of `arrays`
    and leaves {"array": its name}, or {"list": its name}, in its place."""
    def put(kind, numbers, shape):
        x = np.asarray(numbers, np.float64).reshape(shape)
        if np.array_equal(x, x.astype(np.float32), equal_nan=True):
            x = x.astype(np.float32)
        arrays[str(len(arrays))] = x
        return {kind: str(len(arrays) - 1)}
    if isinstance(value, dict):
        if value.keys() == {"shape", "values"}:
            return put("array", value["values"], value["shape"])
        return {key: take_arrays(v, arrays) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        if len(value) >= 8 and all(isinstance(v, float) for v in value):
            return put("list", value, -1)
        return [take_arrays(v, arrays) for v in value]
    return value


def write(folder, name, values):
    """An .npz file of arrays, with a text in JSON, "index", that says what they are."""
    temporary = folder / f"{name}.tmp"
    if name == "npy":  # a reader is not tested by itself
        path = folder / f"{name}.json"
        temporary.write_text(json.dumps(values, indent=1) + "\n")
    else:
        path = folder / f"{name}.npz"
        arrays = {}
        index = json.dumps(take_arrays(values, arrays)).encode()
        with temporary.open("wb") as file:
            np.savez_compressed(file, index=np.frombuffer(index, np.uint8), **arrays)
    temporary.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "tests" / "golden", metavar="DIR")
    parser.add_argument("--seed", type=int, default=42)
    arguments = parser.parse_args()
    if not 0 <= arguments.seed < 2**32:
        parser.error(f"--seed {arguments.seed}: needs a number from 0 to 2^32 - 1, as numpy does")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, make in (("random", random_streams), ("linear_init", linear_init),
                       ("initialisers", initialisers),
                       ("data_loader", data_loader), ("training", training), ("layers", layers),
                       ("losses", losses), ("tape", tape), ("optimizers", optimizers),
                       ("schedules", schedules), ("clipping", clipping), ("npy", npy),
                       ("notebook_sets", notebook_sets)):
        try:
            values = make(arguments.seed)
        except ModuleNotFoundError as error:
            print(f"{name}: left out, since there is {error}".replace("No module", "no module"))
            continue
        write(arguments.out, name, values)


if __name__ == "__main__":
    main()
