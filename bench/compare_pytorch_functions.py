#!/usr/bin/python3
"""exp, tanh and their like in handgrad beside PyTorch, on one thread, in one interleaved run.

Every round times each function in both libraries, one after the other, so that a busy neighbour
slows both alike; medians over the rounds are printed. Needs Debian's python3-torch (or any PyTorch)
and the built benchmark:

    cmake --build build/release --target bench_elementwise
    bench/compare_pytorch_functions.py [--rounds 9] [--size 8MiB]
"""

import argparse
import json
import platform
import statistics
import subprocess
import time

import torch

FUNCTIONS = {
    "exp": lambda x, y: torch.exp(x, out=y),
    "tanh": lambda x, y: torch.tanh(x, out=y),
    "log": lambda x, y: torch.log(x, out=y),
    "erf": lambda x, y: torch.erf(x, out=y),
    "sigmoid": lambda x, y: torch.sigmoid(x, out=y),
    "elu": lambda x, y: torch.ops.aten.elu(x, out=y),
    "softplus": lambda x, y: torch.ops.aten.softplus(x, out=y),
    "gelu": lambda x, y: torch.ops.aten.gelu(x, out=y),
    "softmax_x10": lambda x, y: torch.softmax(x[: len(x) // 10 * 10].view(-1, 10), 1),
    "softmax_x1000": lambda x, y: torch.softmax(x[: len(x) // 1000 * 1000].view(-1, 1000), 1),
}
BYTES = {"256KiB": 256 << 10, "8MiB": 8 << 20, "128MiB": 128 << 20}


def pytorch_ns(function, x, y, seconds):
    """Median nanoseconds an element, over single calls."""
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        function(x, y)
        times.append(time.perf_counter() - start)
    return 1e9 * statistics.median(times) / len(x)


def handgrad_ns(program, name, size, seconds):
    output = subprocess.run(
        [program, f"--benchmark_filter=^{name}/{size}/threads:1/", "--benchmark_format=json",
         f"--benchmark_min_time={seconds}"],
        check=True, capture_output=True, text=True,
    ).stdout
    (result,) = json.loads(output)["benchmarks"]
    return result["ns/element"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--program", default="build/release/bench/bench_elementwise")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.05, help="for each timing")
    parser.add_argument("--size", choices=BYTES, default="8MiB", help="of input and output")
    args = parser.parse_args()

    torch.set_num_threads(1)
    x = torch.rand(BYTES[args.size] // 8) * 2 - 1
    y = torch.empty_like(x)
    times = {(library, name): [] for name in FUNCTIONS for library in ("handgrad", "pytorch")}
    for _ in range(args.rounds):
        for name, function in FUNCTIONS.items():
            times["handgrad", name].append(handgrad_ns(args.program, name, args.size, args.seconds))
            times["pytorch", name].append(pytorch_ns(function, x, y, args.seconds))

    print(f"{platform.machine()}, one thread; PyTorch {torch.__version__}; {args.size}, "
          f"median ns an element of {args.rounds} rounds")
    print(f"{'':15} handgrad  PyTorch   times as fast")
    for name in FUNCTIONS:
        ours, theirs = times["handgrad", name], times["pytorch", name]
        ratio = statistics.median(t / o for o, t in zip(ours, theirs))
        print(f"{name:15} {statistics.median(ours):8.3f} {statistics.median(theirs):8.3f}"
              f" {ratio:10.2f}")


if __name__ == "__main__":
    main()
