#!/usr/bin/python3
"""One training step of handgrad beside the same step in PyTorch, in one interleaved run.

The step: zero_grad, forward, cross entropy, backward, SGD, and the loss read back. Every round
times both libraries on one thread and on all, one after the other, so that a busy neighbour slows
all alike; medians over the rounds are printed. Needs Debian's python3-torch (or any PyTorch) and
the built benchmarks:

    cmake --build build/release --target bench_training_step
    bench/compare_pytorch.py [--rounds 9] [--batch 16]
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import time

import torch

MODEL = "784-128-10"


def pytorch_step_us(batch, threads, seconds):
    """Median microseconds a step, over bursts of 20 steps."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    widths = [int(width) for width in MODEL.split("-")]
    model = torch.nn.Sequential(
        torch.nn.Linear(widths[0], widths[1]), torch.nn.ReLU(), torch.nn.Linear(widths[1], widths[2])
    )
    loss_function = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.005)
    x = torch.rand(batch, widths[0])
    y = torch.arange(batch) % widths[-1]
    bursts = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(20):
            optimizer.zero_grad()
            loss = loss_function(model(x), y)
            loss.backward()
            optimizer.step()
            loss.item()
        bursts.append((time.perf_counter() - start) / 20)
    return 1e6 * statistics.median(bursts[len(bursts) // 10 :])  # the first tenth warms up


def handgrad_step_us(program, batch, threads, seconds):
    output = subprocess.run(
        [program, f"--benchmark_filter={MODEL}/{batch}/threads:{threads}/", "--benchmark_format=json",
         f"--benchmark_min_time={seconds}"],
        check=True, capture_output=True, text=True,
    ).stdout
    (result,) = json.loads(output)["benchmarks"]
    if result.get("error_occurred"):
        raise SystemExit(f"{program}: {result['error_message']}")
    return result["real_time"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--program", default="build/release/bench/bench_training_step")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each timing")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--require", type=float, metavar="X",
                        help="exit with 1 unless handgrad on one thread is X times as fast")
    args = parser.parse_args()

    cores = len(os.sched_getaffinity(0))
    threads = [1, cores] if cores > 1 else [1]
    times = {(library, n): [] for n in threads for library in ("handgrad", "pytorch")}
    for _ in range(args.rounds):
        for n in threads:
            times["handgrad", n].append(handgrad_step_us(args.program, args.batch, n, args.seconds))
            times["pytorch", n].append(pytorch_step_us(args.batch, n, args.seconds))

    median = {key: statistics.median(values) for key, values in times.items()}
    print(f"{platform.machine()}, {cores} cores; PyTorch {torch.__version__}; {args.rounds} rounds")
    print(f"training step {MODEL}, batch {args.batch}, SGD: median us (fastest - slowest round)")
    for (library, n), values in times.items():
        print(f"  {library:9} {n} thread{'s' if n > 1 else ' '}  {median[library, n]:8.1f}"
              f"  ({min(values):.1f} - {max(values):.1f})")
    best = min(threads, key=lambda n: median["pytorch", n])
    for n in threads:
        ratios = [p / h for p, h in zip(times["pytorch", best], times["handgrad", n])]
        ratio = statistics.median(ratios)
        print(f"  handgrad on {n} is {ratio:.2f} times as fast as PyTorch at its best, on {best}"
              " (median of paired rounds)")
        if n == 1 and args.require and not ratio >= args.require:
            raise SystemExit(f"compare_pytorch: {ratio:.2f} is below {args.require}")


if __name__ == "__main__":
    main()
