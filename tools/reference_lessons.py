#!/usr/bin/env python3
"""What numpy, and for lesson 7 scikit-learn, reach with the recipes of the lessons, on the same splits.

    tools/reference_lessons.py --data DIR              the sign digits, and dogs and cats
    tools/reference_lessons.py --data embedded --quick logistic
    tools/reference_lessons.py --data DIR --decoded out/cache logistic

The lessons quote these figures and check themselves against them. DIR is the folder that lessons get
as --data or HANDGRAD_DATA. Pillow decodes the JPEGs of the sign digits, unless --decoded names the
folder where a lesson left them decoded: Pillow shrinks images by a filter of its own, and figures
agree to the last digit on equal pixels only. Weights start as PyTorch draws them, which are the
lessons' own. Needs numpy, torch, scikit-learn and Pillow (Debian: python3-torch, python3-sklearn,
python3-pil), the latter two only where they are used.
"""

import argparse
import math
import os
import pathlib

import numpy as np
import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent


def regression(_):
    """Lesson 7: least squares on the diabetes set."""
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import train_test_split

    data = load_diabetes(scaled=False)
    x, x_val, y, y_val = train_test_split(data.data, data.target, test_size=0.2, random_state=42)
    model = LinearRegression().fit(x, y)
    rmse = np.sqrt(np.mean((model.predict(x_val) - y_val) ** 2))
    print(f"regression: validation RMSE {rmse:.4f}, R^2 {model.score(x_val, y_val):.4f}")


def get_dataset(x, y):
    """The notebook's: scaled by all rows to [-.5, .5], then split as train_test_split(random_state=42) does."""
    low, high = x.min(axis=0), x.max(axis=0)
    x = (x - low) / np.where(high > low, high - low, 1) - np.float32(0.5)
    rows = np.random.RandomState(42).permutation(len(x))
    val, train = np.split(rows, [math.ceil(0.2 * len(x))])
    return x[train], x[val], y[train], y[val]


def embedded_digits():
    table = np.loadtxt(ROOT / "data" / "digits.csv", delimiter=",", skiprows=1, dtype=np.float32)
    return table[:, :-1] / 16, table[:, -1].astype(np.int64)


def sign_digits(options):
    if options.data == "embedded":
        return embedded_digits()
    folder = pathlib.Path(options.data) / "sign-language-digits" / "Dataset"
    files = [(path, digit) for digit in range(10) for path in sorted((folder / str(digit)).glob("*.JPG"))]
    y = np.array([digit for _, digit in files])
    if options.decoded:
        arrays = [np.load(path) for path in options.decoded.glob("images-*.npy")]
        return next(x for x in arrays if x.shape == (len(y), 4096)), y
    from PIL import Image

    images = [Image.open(path).convert("L").resize((64, 64), Image.BICUBIC) for path, _ in files]
    return np.stack([np.asarray(image, dtype=np.float32).ravel() / 255 for image in images]), y


def of_two(x, y, first, second):
    """Samples of one class before those of the other, as the lessons have them."""
    return get_dataset(np.concatenate([x[first], x[second]]),
                       np.repeat(np.float32([0, 1]), [first.sum(), second.sum()]))


def two_signs(options):
    x, y = sign_digits(options)
    return of_two(x, y, y == 0, y == 1)


def dogs_cats(options):
    if options.data == "embedded":
        x, y = embedded_digits()
        return of_two(x, y, y % 2 == 0, y % 2 == 1)
    folder = pathlib.Path(options.data) / "dogs-cats"
    x = np.load(folder / "X.npy").reshape(-1, 4096)
    return get_dataset(x.astype(np.float32) / 255, np.load(folder / "Y.npy").astype(np.float32))


def normal(std, *shapes):
    """Weights as torch.manual_seed(42) gives them, one array after another."""
    torch.manual_seed(42)
    return [torch.empty(shape).normal_(0, std).numpy() for shape in shapes]


def logistic(o):
    return 1 / (1 + np.exp(-o))


def binary_loss(o, y):
    return np.mean(np.maximum(o, 0) - y * o + np.log1p(np.exp(-np.abs(o))), dtype=np.float64)


def print_scores(name, scores):
    print(f"{name}: " + ", ".join(f"{part} loss {loss:.6f} accuracy {accuracy:.5f}"
                                 for part, loss, accuracy in scores))


def logistic_regression(options):
    """Lesson 3: one layer by hand, 400 epochs at 0.05; then the equations solved exactly."""
    epochs = 60 if options.quick else 400
    for name, load in (("two signs", two_signs), ("dogs and cats", dogs_cats)):
        x, x_val, y, y_val = load(options)
        w, b = normal(0.1, x.shape[1], 1)
        for _ in range(epochs):
            d_o = (logistic(x @ w + b) - y) / np.float32(len(y))
            w -= np.float32(0.05) * (x.T @ d_o)
            b -= np.float32(0.05) * d_o.sum()
        print_scores(f"logistic, {name}", [(part, binary_loss(xs @ w + b, ys), np.mean((xs @ w + b >= 0) == ys))
                                           for part, xs, ys in (("train", x, y), ("val", x_val, y_val))])

        if x.shape[1] < len(x):
            continue  # more equations than unknowns
        # The least weights with w x + b = +-1 on every training image: the gap is 1 / |w| wide to either side.
        a = np.hstack([x, np.ones((len(x), 1))]).astype(np.float64)
        for labels, targets in (("true", y), ("shuffled", np.random.RandomState(0).permutation(y))):
            solution = a.T @ np.linalg.solve(a @ a.T, 2 * targets - 1.0)
            fitted = np.mean((a @ solution > 0) == targets)
            val = np.mean((x_val @ solution[:-1] + solution[-1] > 0) == y_val)
            print(f"solved, {name}, {labels} labels: training accuracy {fitted:.3f}, validation {val:.3f}, "
                  f"gap {1 / np.linalg.norm(solution[:-1]):.4f}")


def softmax_regression(options):
    """Lesson 4: ten classes by hand, 300 epochs at 0.1; ten one-against-all classifiers beside it."""
    x, x_val, y, y_val = get_dataset(*sign_digits(options))
    one_hot = np.eye(10, dtype=np.float32)[y]
    for name in ("softmax", "one against all"):
        w, b = normal(0.1, (10, x.shape[1]), 10)

        def probabilities(xs):
            o = xs @ w.T + b
            e = np.exp(o - o.max(axis=1, keepdims=True))
            return e / e.sum(axis=1, keepdims=True) if name == "softmax" else logistic(o)

        for _ in range(60 if options.quick else 300):
            d_o = (probabilities(x) - one_hot) / np.float32(len(y))
            w -= np.float32(0.1) * (d_o.T @ x)
            b -= np.float32(0.1) * d_o.sum(axis=0)
        scores = []
        for part, xs, ys in (("train", x, y), ("val", x_val, y_val)):
            q = probabilities(xs)
            scores.append((part, -np.mean(np.log(q[np.arange(len(ys)), ys])), np.mean(q.argmax(axis=1) == ys)))
        print_scores(name, scores)


def two_layers(options):
    """Lesson 5: five hidden units 2 logistic(o) - 1 by hand, the hidden layer at a tenth of the rate."""
    runs = (("two signs", two_signs, 10_000, 0.001), ("two signs", two_signs, 1000, 0.05),
            ("dogs and cats", dogs_cats, 500, 0.5), ("dogs and cats", dogs_cats, 5000, 0.05))
    if options.quick:
        runs = (("two signs", two_signs, 500, 0.02), ("two signs", two_signs, 500, 0.05),
                ("dogs and cats", dogs_cats, 25, 0.5))
    for name, load, epochs, rate in runs:
        x, x_val, y, y_val = load(options)
        rate *= math.sqrt(4096 / x.shape[1])  # as lesson 5 has it
        w1, b1, w2, b2 = normal(0.01, (5, x.shape[1]), 5, (1, 5), 1)

        def forward(xs):
            h = 2 * logistic(xs @ w1.T + b1) - 1
            return h, (h @ w2.T)[:, 0] + b2

        lr, hidden_lr = np.float32(rate), np.float32(rate / 10)
        for _ in range(epochs):
            h, o = forward(x)
            d = ((logistic(o) - y) / np.float32(len(y)))[:, None]
            d1 = (d @ w2) * (1 - h * h) / 2
            w1 -= hidden_lr * (d1.T @ x)
            b1 -= hidden_lr * d1.sum(axis=0)
            w2 -= lr * (d.T @ h)
            b2 -= lr * d.sum()
        print_scores(f"two layers, {name}, {epochs} at {rate:g}",
                     [(part, binary_loss(forward(xs)[1], ys), np.mean((forward(xs)[1] >= 0) == ys))
                      for part, xs, ys in (("train", x, y), ("val", x_val, y_val))])


RUNS = {"regression": regression, "logistic": logistic_regression, "softmax": softmax_regression,
        "two_layers": two_layers}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", metavar="RUN", help="all of them, unless some are named: " + ", ".join(RUNS))
    parser.add_argument("--data", default=os.environ.get("HANDGRAD_DATA", "data/downloads"),
                        help="the folder of the sets, or embedded: the digits in their place [%(default)s]")
    parser.add_argument("--decoded", type=pathlib.Path, metavar="FOLDER", help="images as a lesson left them")
    parser.add_argument("--quick", action="store_true", help="as many epochs as lessons take with --quick")
    arguments = parser.parse_args()
    for name in arguments.runs:
        if name not in RUNS:
            parser.error(f"there is no run called {name}: needs one of {', '.join(RUNS)}")
    for name in arguments.runs or RUNS:
        RUNS[name](arguments)


if __name__ == "__main__":
    main()
