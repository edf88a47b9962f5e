#!/usr/bin/python3
"""One training step on a GPU: handgrad beside PyTorch, each launched step by step and as a CUDA graph.

The step of 784-128-10: the batch copied to its place on the device, zero_grad, forward, cross
entropy, backward, SGD. Bursts of 50 steps, after each of which the program waits for the device.
Every round times all four, one after the other; medians over the rounds are printed. Needs an
NVIDIA GPU, a PyTorch that can use it, and

    make cuda
    bench/compare_pytorch_gpu.py [--rounds 5] [--seconds 0.5]

Without a GPU it says so and ends with 2. With --device emulated it times handgrad alone, on the
emulator: that shows that the script works, and nothing about a GPU, on which nobody has run it yet.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

STEPS = 50
LIBRARIES = ("handgrad", "handgrad graph", "PyTorch", "PyTorch graph")


def handgrad_us(program, device, batch, seconds):
    run = subprocess.run([program, device, str(batch), str(seconds)],
                         capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"{program}: {run.stderr}")
    result = json.loads(run.stdout)
    return {"handgrad": result["eager_us"], "handgrad graph": result["graph_us"]}


def pytorch_us(torch, batch, seconds):
    device = torch.device("cuda")
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)).to(device)
    loss_function = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.005)
    next_x = torch.rand(batch, 784, device=device)
    next_y = torch.arange(batch, device=device) % 10
    x, y = next_x.clone(), next_y.clone()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss_function(model(x), y).backward()
        optimizer.step()

    def timed(run):
        bursts = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(bursts) < 2:
            start = time.perf_counter()
            for _ in range(STEPS):
                x.copy_(next_x)
                y.copy_(next_y)
                run()
            torch.cuda.synchronize()
            bursts.append(1e6 * (time.perf_counter() - start) / STEPS)
        return statistics.median(bursts[1:])

    times = {"PyTorch": timed(step)}
    # As PyTorch's notes on CUDA graphs have it: warmed up on another stream, then captured.
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    optimizer.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        step()
    times["PyTorch graph"] = timed(graph.replay)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--program", default="build/cuda/bench/bench_device_step")
    parser.add_argument("--device", default="cuda", choices=("cuda", "emulated"))
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 64, 256, 1024])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each timing")
    args = parser.parse_args()

    if not pathlib.Path(args.program).exists():
        print(f"compare_pytorch_gpu: {args.program} is not there; make cuda builds it", file=sys.stderr)
        sys.exit(2)
    torch = None
    if args.device == "cuda":
        try:
            import torch
        except ImportError:
            pass
        if torch is None or not torch.cuda.is_available():
            print("compare_pytorch_gpu: " +
                  ("no PyTorch found" if torch is None else "PyTorch sees no NVIDIA GPU") +
                  "; this compares steps on one", file=sys.stderr)
            sys.exit(2)
        print(f"{torch.cuda.get_device_name()}; PyTorch {torch.__version__}, CUDA {torch.version.cuda}")
    else:
        print("handgrad's emulator: these times say nothing about a GPU")

    print("us a step of 784-128-10, SGD; medians of", args.rounds, "rounds\n")
    print(f"{'batch':>6}" + "".join(f"{name:>16}" for name in LIBRARIES) + "  graph over PyTorch's best")
    for batch in args.batches:
        rounds = []
        for _ in range(args.rounds):
            times = handgrad_us(args.program, args.device, batch, args.seconds)
            if torch is not None:
                times.update(pytorch_us(torch, batch, args.seconds))
            rounds.append(times)
        median = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
        line = f"{batch:6}" + "".join(f"{median[n]:16.1f}" if n in median else f"{'-':>16}"
                                      for n in LIBRARIES)
        if torch is not None:
            ratio = statistics.median(min(r["PyTorch"], r["PyTorch graph"]) / r["handgrad graph"]
                                      for r in rounds)
            line += f"  {ratio:.2f} times as fast"
        print(line, flush=True)


if __name__ == "__main__":
    main()
