#!/usr/bin/env python3
"""What scikit-learn and numpy reach with the recipes of the lessons, on the same splits.

    tools/reference_lessons.py [regression]

The lessons quote these figures and check themselves against them. Needs numpy and scikit-learn
(Debian: python3-sklearn).
"""

import argparse

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split


def regression():
    """Lesson 7: least squares on the diabetes set."""
    data = load_diabetes(scaled=False)
    x, x_val, y, y_val = train_test_split(data.data, data.target, test_size=0.2, random_state=42)
    model = LinearRegression().fit(x, y)
    rmse = np.sqrt(np.mean((model.predict(x_val) - y_val) ** 2))
    print(f"regression: validation RMSE {rmse:.4f}, R^2 {model.score(x_val, y_val):.4f}")


RUNS = {"regression": regression}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", metavar="RUN", help="all of them, unless some are named: " + ", ".join(RUNS))
    arguments = parser.parse_args()
    for name in arguments.runs:
        if name not in RUNS:
            parser.error(f"there is no run called {name}: needs one of {', '.join(RUNS)}")
    for name in arguments.runs or RUNS:
        RUNS[name]()


if __name__ == "__main__":
    main()
