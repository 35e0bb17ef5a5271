"""How cost grows: with the rows of a log, the checkpoints of curves, and the points and families of a question.

    python -m benchmarks.growth               # minutes
    python -m benchmarks.growth --fit 100000  # and a whole fit of that many runs by NUTS

Times are CPU seconds, user and system. Each line is measured in a process of its own, so that its memory is its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import bayescale as bs

ROWS = (1_000, 10_000, 100_000, 1_000_000)
CURVES, CHECKPOINTS = (100, 1_000, 10_000), 100
# Families and points of a question; each has 4 x 1,000 draws.
GRIDS = ((1, 200), (50, 20), (50, 200))
ROWS_TIMED = 2e6  # rows times evaluations of a gradient, over which one is timed


def simulate_runs(count: int, seed: int = 0) -> pd.DataFrame:
    """Return runs about Chinchilla's law over three decades of N and two of D/N, with a Student-t scatter of 0.4%."""
    rng = np.random.default_rng(seed)
    params = 10 ** rng.uniform(7, 10, count)
    tokens = params * 10 ** rng.uniform(0.5, 2.5, count)
    loss = 1.8 + 480 / params**0.34 + 2000 / tokens**0.37
    return pd.DataFrame({"params": params, "tokens": tokens, "loss": loss * np.exp(0.004 * rng.standard_t(4, count))})


def simulate_curves(count: int, seed: int = 0) -> pd.DataFrame:
    """Return learning curves of 100 checkpoints each, whose runs lie off the law by 0.3%."""
    rng = np.random.default_rng(seed)
    params = 10 ** rng.uniform(7.5, 10, count)[:, None]
    tokens = params * 10 ** rng.uniform(1.5, 2.5, count)[:, None] * np.geomspace(0.05, 1, CHECKPOINTS)
    loss = 1.8 + 480 / params**0.34 + 2000 / tokens**0.37
    loss = loss * np.exp(0.003 * rng.normal(size=(count, 1)) + 0.002 * rng.normal(size=tokens.shape))
    names = np.repeat([f"r{k:05d}" for k in range(count)], CHECKPOINTS)
    sizes = np.broadcast_to(params, tokens.shape).ravel()
    return pd.DataFrame({"run": names, "params": sizes, "tokens": tokens.ravel(), "loss": loss.ravel()})


def cpu() -> float:
    """Return the CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds that a call took, and what it gave."""
    start = cpu()
    value = function()
    return cpu() - start, value


def measure_rows(count: int, card: str = "chinchilla", curves: bool = False) -> dict[str, float]:
    """Return what one log costs to read and what its compiled gradient costs."""
    from bayescale.inference.compiled import compile_problem
    from bayescale.modeling import prepare

    frame = simulate_curves(count) if curves else simulate_runs(count)
    read = bs.read_curves if curves else bs.read_runs
    reading, runs = timed(lambda: read(frame, suspicious="keep"))
    preparing, problem = timed(lambda: prepare(bs.load_card(card), runs))
    density = compile_problem(problem).with_data(problem.arrays)
    point, repeats = density.starts(1, 1)[0], max(5, int(ROWS_TIMED / problem.runs.sizes["run"]))
    density.log_density(point)
    gradient, _ = timed(lambda: [density.log_density(point) for _ in range(repeats)])
    rows = problem.runs.sizes["run"]
    return {
        "rows": float(len(frame)),
        "fitted_rows": float(rows),
        "read": reading,
        "prepare": preparing,
        "gradient": gradient / repeats,
    }


def measure_curves(count: int) -> dict[str, float]:
    """Return the same of learning curves, which are fitted as bins of their checkpoints."""
    return measure_rows(count, "chinchilla+curve", curves=True)


def measure_fit(count: int) -> dict[str, float]:
    """Return what a whole fit by NUTS costs."""
    runs, start = bs.read_runs(simulate_runs(count), suspicious="keep"), time.perf_counter()
    took, fit = timed(lambda: bs.fit(runs, seed=1))
    wall = time.perf_counter() - start
    return {"rows": float(count), "fit": took, "wall": wall, "passed": float(bs.verdict(fit).passed)}


def measure_grid(families: int, points: int) -> dict[str, float]:
    """Return what bands at so many points cost; the posterior is made by hand, each draw a law."""
    fit = wide_fit(families)
    computes = list(np.geomspace(1e21, 1e25, points))
    took, _ = timed(lambda: bs.answers.bands_on_grid(bs.extrapolate, fit, compute=computes, prob=[0.9]))
    return {"families": float(families), "points": float(points), "bands": took}


def wide_fit(families: int) -> xr.DataTree:
    """Return the posterior of a shipped log with 4 x 1,000 draws of so many families about it."""
    fit = bs.fit(bs.load_shipped("tinylm"), seed=1, prior_draws=0)
    posterior, names = fit["posterior"].to_dataset().isel(family=0, drop=True), [f"f{k:03d}" for k in range(families)]
    spread = xr.DataArray(np.linspace(0.95, 1.05, families), {"family": names}, "family")
    fit["posterior"] = posterior * spread
    fit["constant_data"] = fit["constant_data"].to_dataset().drop_vars("family")
    fit.attrs["families"] = json.dumps(names)
    return fit


MEASURES: dict[str, Callable[..., dict[str, float]]] = {
    "rows": measure_rows,
    "curves": measure_curves,
    "fit": measure_fit,
    "grid": measure_grid,
}


def apart(measure: str, *words: int) -> dict[str, float]:
    """Measure in a process of its own; return that with the most memory that the process took, in GB."""
    arguments = [sys.executable, "-m", "benchmarks.growth", "--measure", measure, *map(str, words)]
    said = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(json.loads(said.splitlines()[-1]))


def exponent(found: list[dict[str, float]], count: str, cost: str) -> float:
    """Return the slope of log cost over log count."""
    return float(np.polyfit(np.log([row[count] for row in found]), np.log([row[cost] for row in found]), 1)[0])


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", type=int, metavar="RUNS", help="also fit a log of so many runs")
    parser.add_argument("--most", type=int, default=ROWS[-1], help="leave longer logs out")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        found = MEASURES[given.measure[0]](*map(int, given.measure[1:]))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        print(json.dumps(found | {"memory": memory}))
        return
    for title, measure, counts in (
        ("runs", "rows", [count for count in ROWS if count <= given.most]),
        ("learning curves of 100 checkpoints", "curves", [n for n in CURVES if n * CHECKPOINTS <= given.most]),
    ):
        print(f"{title}: rows, rows that are fitted, CPU-s to read, to prepare, ms a gradient, GB at most")
        found = []
        for count in counts:
            row = apart(measure, count)
            found.append(row)
            print(
                f"{row['rows']:>12,.0f}{row['fitted_rows']:>12,.0f}{row['read']:>9.2f}{row['prepare']:>7.2f}"
                f"{1e3 * row['gradient']:>10.3f}{row['memory']:>7.2f}",
                flush=True,
            )
        print(f"growth of a gradient with rows: exponent {exponent(found, 'fitted_rows', 'gradient'):.2f}\n")
    print("bands of 4 x 1,000 draws: families, points, CPU-s, microseconds a point and family, GB at most")
    for families, points in GRIDS:
        row = apart("grid", families, points)
        each = 1e6 * row["bands"] / families / points
        print(f"{families:>12}{points:>8}{row['bands']:>9.2f}{each:>9.0f}{row['memory']:>7.2f}", flush=True)
    if given.fit:
        row = apart("fit", given.fit)
        print(
            f"\na fit of {given.fit:,} runs by NUTS, 4 x (1,000 + 1,000): {row['fit']:.0f} CPU-s, {row['wall']:.0f} s, "
            f"{row['memory']:.2f} GB at most, {'converged' if row['passed'] else 'not converged'}"
        )


if __name__ == "__main__":
    main()
