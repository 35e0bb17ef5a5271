"""Do bands hold where rows are anything but independent, with a model of it and without?

Each replicate draws a law, how large each error is and a log from the beliefs of one card, in NumPy, and fits the log
twice: by that card, and by one that takes its rows as independent. What is done lies in build/simulated_truth; a call
that was interrupted goes on from there.
"""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.inference import COUNTED
from benchmarks import simulated_curves, simulated_runs
from benchmarks.resume import BUILD, keep
from benchmarks.simulated_runs import beyond

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "data" / "calibration" / "simulated_truth.csv"
PAGE = ROOT / "docs" / "simulated-truth.md"
REPLICATES, MASS = 200, 0.9
LOGS = {"runs": simulated_runs, "curves": simulated_curves}
TITLES = {"runs": "Runs that err alike", "curves": "Checkpoints of one run"}


def judge(log: str, replicate: int) -> list[dict[str, Any]]:
    """Fit one replicate with and without the terms; return a row for each quantity."""
    kind = LOGS[log]
    frame, truth = kind.simulate(replicate)
    far = {name: [value] for name, value in simulated_runs.farther(frame).items()}
    rows = []
    for terms, content in {"with": kind.WITH, "without": kind.WITHOUT}.items():
        fit = bs.fit(
            kind.read(frame, terms),
            bs.cards.make_card(content, f"{log} {terms}"),
            seed=replicate + 1,
            draws=750,
            tune=500,
            chains=2,
            prior_draws=0,
            tries=2,
            limits=COUNTED,
        )
        asked = bs.extrapolate(fit, **far, allow_unconverged=True)
        draws = {"E": fit["posterior"]["E"], "expected_loss": asked["expected_loss"], "loss": asked["loss"]}
        for quantity, value in draws.items():
            low, high = np.quantile(value.values, [(1 - MASS) / 2, (1 + MASS) / 2])
            rows.append({
                "log": log, "replicate": replicate, "terms": terms, "quantity": quantity, "truth": truth[quantity],
                "lower": low, "upper": high, "inside": bool(low <= truth[quantity] <= high),
                "converged": bs.verdict(fit).passed,
            })  # fmt: skip
    return rows


def run(log: str, replicates: int) -> pd.DataFrame:
    """Judge the replicates that are not done yet; return all rows."""
    path = BUILD / "simulated_truth"
    found = [keep(path / f"{log}-{k}.json", partial(judge, log, k)) for k in range(replicates)]
    return pd.DataFrame([row for rows in found for row in rows])


def counted(rows: pd.DataFrame) -> pd.DataFrame:
    """Return how many bands of each quantity held, and their median width in % of the truth."""
    rows = rows.assign(width=100 * (rows["upper"] - rows["lower"]) / rows["truth"])
    found = rows.groupby(["log", "quantity", "terms"], sort=False).agg(
        replicates=("inside", "size"),
        inside=("inside", "mean"),
        width=("width", "median"),
        converged=("converged", "mean"),
    )
    return found.reset_index()


HEAD = """# Do bands hold where rows are not independent?

Written by `make simulated-truth`; not edited by hand.

How often did the 90% band of simulated logs hold the floor, what is expected of a run of 3.2 times the largest N and
the largest D, and the loss of a run made there? Width: the median over logs, in % of the truth. Of sound bands the
count has a standard error of {error:.1f} points.
"""


def page(found: pd.DataFrame) -> str:
    """Return the text of docs/simulated-truth.md."""
    parts = [HEAD.format(error=100 * np.sqrt(MASS * (1 - MASS) / found["replicates"].min()))]
    for log, rows in found.groupby("log", sort=False):
        kind = LOGS[str(log)]
        far = f"The run that is asked about has {beyond(kind.places()):.0f} times the compute of the largest one."
        parts.append(f"## {TITLES[str(log)]}\n\n{kind.ABOUT}\n{far}\n\n{_write_lines(rows)}\n")
    return "\n".join(parts)


def _write_lines(found: pd.DataFrame) -> str:
    names = {
        "E": "floor E",
        "expected_loss": "expected loss far out",
        "loss": "loss of a run far out",
    }
    head = ["quantity", "terms", "logs", "90% bands that held", "width", "fits that converged"]
    rows = [
        [
            *(names[r.quantity], r.terms, f"{r.replicates}", f"{r.inside:.1%}", f"{r.width:.1f}%"),
            f"{round(r.converged * r.replicates)} of {r.replicates}",
        ]
        for r in found.itertuples()
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def main() -> int:
    """Judge, write the table and the page and print the table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replicates", type=int, default=REPLICATES)
    replicates = parser.parse_args().replicates
    found = counted(pd.concat([run(log, replicates) for log in LOGS], ignore_index=True))
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    found.round(4).to_csv(TABLE, index=False)
    PAGE.write_text(page(found), encoding="utf-8")
    print(found.to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
