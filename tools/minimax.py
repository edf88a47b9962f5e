#!/usr/bin/python3
"""Find the polynomials of kernels/cpu/math.h. Needs mpmath (python3-mpmath).

For each function f, the polynomial p of a given degree with the least max |w(x) (f(x) - p(x))| over
an interval, by the exchange algorithm of Remez (1934): p is best where the error reaches its
maximum at degree + 2 points with alternating signs; so solve for p and the maximum at guessed
points, move the points to where the error is extreme, and repeat. w makes the error relative to the
result that the polynomial is part of. Coefficients are printed from the constant up, and the error
that is left once they are rounded to float or double.

    tools/minimax.py [NAME ...]
"""

import sys

from mpmath import (atanh, cos, erf, erfc, exp, expm1, linspace, log, lu_solve, matrix, mp, mpf,
                    nstr, pi, polyval, sqrt, tanh)

mp.dps = 50


def remez(f, w, low, high, degree):
    """The minimax polynomial's coefficients, constant first."""
    count = degree + 2
    middle, half = (low + high) / 2, (high - low) / 2
    # Dense towards the ends, as the extremes are.
    points = [middle - half * cos(pi * k / (count - 1)) for k in range(count)]
    grid = [middle - half * cos(pi * k / (40 * count)) for k in range(40 * count + 1)]
    values = [(x, f(x), w(x)) for x in grid]
    for _ in range(30):
        rows = [
            [x**k for k in range(degree + 1)] + [(-1) ** i / w(x)] for i, x in enumerate(points)
        ]
        solution = lu_solve(matrix(rows), matrix([f(x) for x in points]))
        coefficients = list(solution)[:-1]
        error = [(x, wx * (fx - polyval(coefficients[::-1], x))) for x, fx, wx in values]
        # The largest error of each run of one sign.
        extremes = [error[0]]
        for x, e in error[1:]:
            if (e > 0) != (extremes[-1][1] > 0):
                extremes.append((x, e))
            elif abs(e) > abs(extremes[-1][1]):
                extremes[-1] = (x, e)
        while len(extremes) > count:
            extremes.pop(0 if abs(extremes[0][1]) < abs(extremes[-1][1]) else -1)
        if len(extremes) < count:
            raise SystemExit(f"only {len(extremes)} alternations where {count} are needed")
        points = [x for x, _ in extremes]
        sizes = [abs(e) for _, e in extremes]
        if max(sizes) < 1.001 * min(sizes):
            return coefficients
    raise SystemExit("the exchange does not come to an end")


def rounded(c, bits):
    saved = mp.prec
    mp.prec = bits
    c = +c
    mp.prec = saved
    return c


def report(name, f, w, low, high, degrees):
    for kind, bits, digits in ("float", 24, 9), ("double", 53, 17):
        top = high[kind] if isinstance(high, dict) else high
        coefficients = [rounded(c, bits) for c in remez(f, w, low, top, degrees[kind])]
        worst = max(
            abs(w(x) * (f(x) - polyval(coefficients[::-1], x))) for x in linspace(low, top, 2001)
        )
        print(f"{name}, {kind}: degree {degrees[kind]}, error 2^{nstr(log(worst, 2), 4)}")
        print("   ", ", ".join(nstr(c, digits, min_fixed=0, max_fixed=0) for c in coefficients))


def series_near_zero(f, at_zero):
    return lambda x: at_zero if abs(x) < mpf(10) ** -15 else f(x)


K = mpf(5)


def tail(t):
    """(a + K) Phi(-a) / exp(-a^2 / 2) with Phi(-a) = erfc(a / sqrt 2) / 2."""
    a = K * (1 + t) / (1 - t)
    return (a + K) * exp(a * a / 2) * erfc(a / sqrt(2)) / 2


polynomials = {
    # exp(r) = 1 + r + r^2 p(r) for |r| <= log(2) / 2; relative to exp(r) - 1, the smaller number.
    "exp": (
        series_near_zero(lambda r: (expm1(r) - r) / r**2, mpf(1) / 2),
        series_near_zero(lambda r: r**2 / abs(expm1(r)), mpf(10) ** -15),
        -log(2) / 2, log(2) / 2, {"float": 4, "double": 9},
    ),
    # log((1 + s) / (1 - s)) = 2 s + s z p(z) with z = s^2, s = f / (2 + f), f from sqrt(1/2) - 1
    # to 1/2.
    "log": (
        series_near_zero(lambda z: (2 * atanh(sqrt(z)) / sqrt(z) - 2) / z, mpf(2) / 3),
        lambda z: z / 2,
        mpf(10) ** -6, mpf(0.2) ** 2, {"float": 3, "double": 7},
    ),
    # The same for f from 0 to 1.
    "softplus": (
        series_near_zero(lambda z: (2 * atanh(sqrt(z)) / sqrt(z) - 2) / z, mpf(2) / 3),
        lambda z: z / 2,
        mpf(10) ** -6, mpf(1) / 9, {"float": 4, "double": 10},
    ),
    # tanh(x) = x + x z p(z) with z = x^2, |x| <= 0.625
    "tanh": (
        series_near_zero(lambda z: (tanh(sqrt(z)) / sqrt(z) - 1) / z, mpf(-1) / 3),
        lambda z: z,
        mpf(10) ** -6, mpf(0.625) ** 2, {"float": 4, "double": 10},
    ),
    # erf(x) = x + x p(z) with z = x^2, |x| <= 1
    "erf": (
        series_near_zero(lambda z: erf(sqrt(z)) / sqrt(z) - 1, 2 / sqrt(pi) - 1),
        lambda z: mpf(1),
        mpf(0), mpf(1), {"float": 6, "double": 12},
    ),
    # Phi(-a) / exp(-a^2 / 2) = p(t) / (a + K) with t = (a - K) / (a + K), K = 5, a from 0 to where
    # the exponential vanishes
    "tail": (
        tail,
        lambda t: 1 / tail(t),
        mpf(-1), {"float": (14.5 - K) / (14.5 + K), "double": (39 - K) / (39 + K)},
        {"float": 9, "double": 23},
    ),
}


def main():
    for name in sys.argv[1:] or polynomials:
        report(name, *polynomials[name])


if __name__ == "__main__":
    main()
