"""Do bands hold where runs share errors, some are badly tuned and seeds scatter, with a model of it and without?

Each replicate draws a law, how large each error is and a run log from the beliefs of one card, in NumPy, and fits the
log twice: by that card, and by one that takes its rows as independent. What is done lies in build/shared_errors; a call
that was interrupted goes on from there.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.inference.diagnostics import COUNTED
from bayescale.runs.sharing import shared_labels

ROOT = Path(__file__).resolve().parents[1]
DONE, TABLE = ROOT / "build" / "shared_errors", ROOT / "data" / "calibration" / "shared_errors.csv"
PAGE = ROOT / "docs" / "shared-errors.md"
REPLICATES, MASS = 200, 0.9
BUDGETS, SIZES, EVERY = 6, 10, 5
FARTHER = 10.0  # the run that is asked about has so many times the compute of the largest
PRIORS: dict[str, Any] = {
    "E": {"dist": "LogNormal", "median": 1.7, "sigma": 0.15},
    "from_params": {"dist": "LogNormal", "median": 0.3, "sigma": 0.3},
    "from_tokens": {"dist": "LogNormal", "median": 0.3, "sigma": 0.3},
    "alpha": {"dist": "LogNormal", "median": 0.35, "sigma": 0.2},
    "beta": {"dist": "LogNormal", "median": 0.35, "sigma": 0.2},
}
WITH = {
    "extends": "chinchilla",
    "priors": PRIORS,
    "noise": {
        "family": "Undertuned",
        "sigma": {"dist": "LogNormal", "median": 0.003, "sigma": 0.3},
        "undertuned": {"dist": "Beta", "a": 2, "b": 14},
        "excess": {"dist": "LogNormal", "median": 0.05, "sigma": 0.3},
    },
    "errors": {
        "budget": {"dist": "LogNormal", "median": 0.015, "sigma": 0.3},
        "lean": {"dist": "LogNormal", "median": 0.03, "sigma": 0.3},
        "design": {"dist": "LogNormal", "median": 0.004, "sigma": 0.3},
    },
}
WITHOUT = {"extends": "chinchilla", "priors": PRIORS}
CARDS = {"with": WITH, "without": WITHOUT}


def places() -> pd.DataFrame:
    """Return where the runs lie: IsoFLOP budgets, and every fifth design with a second seed."""
    compute = np.geomspace(1e19, 3e21, BUDGETS)[:, None]
    params = 0.1 * compute**0.5 * np.geomspace(0.25, 4, SIZES)
    first = pd.DataFrame({"params": params.ravel(), "tokens": (compute / (6 * params)).ravel(), "seed": 1})
    return pd.concat([first, first.iloc[2::EVERY].assign(seed=2)], ignore_index=True)


def simulate(replicate: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return a run log and what is true of it: the floor, what is expected farther out, and a run there."""
    rng, frame, card = np.random.default_rng([replicate, 77]), places(), bs.make_card(WITH)
    theta = {name: float(prior.scipy.rvs(random_state=rng)) for name, prior in card.all_priors.items()}
    law, inputs = card.get_law(), {name: frame[name].to_numpy() for name in ("params", "tokens")}
    reference = law.reference(inputs)
    compute = (frame["params"] * frame["tokens"]).round(-10).astype(str)
    decades = np.log10(frame["params"])
    off = decades - decades.groupby(compute).transform("mean")
    design = compute + frame["params"].round().astype(str)
    error = _of_groups(rng, compute, theta["budget_sd"]) + off * _of_groups(rng, compute, theta["lean_sd"])
    error += _of_groups(rng, design, theta["design_sd"])
    mean = law.at(np, inputs, theta, reference)
    frame["loss"] = mean * np.exp(error + _scatter(rng, theta, len(frame)))
    far = {name: value.max() * np.sqrt(FARTHER) for name, value in inputs.items()}
    expected = float(law.at(np, far, theta, reference))
    own = rng.normal(0, np.hypot(theta["budget_sd"], theta["design_sd"])) + _scatter(rng, theta, 1)[0]
    return frame, {"E": theta["E"], "expected_loss": expected, "loss": expected * np.exp(own)}


def _of_groups(rng: np.random.Generator, labels: pd.Series, sd: float) -> pd.Series:
    names = labels.unique()
    return labels.map(dict(zip(names, rng.normal(0, sd, len(names)), strict=True)))


def _scatter(rng: np.random.Generator, theta: dict[str, float], count: int) -> np.ndarray:
    worse = (rng.random(count) < theta["undertuned"]) * rng.exponential(theta["excess"], count)
    return rng.normal(0, theta["sigma"], count) + worse


def judge(replicate: int) -> list[dict[str, Any]]:
    """Fit one replicate with and without the terms; return a row for each quantity."""
    frame, truth = simulate(replicate)
    runs = bs.read_runs(frame, suspicious="keep")
    assert len(set(shared_labels(runs, "budget"))) == BUDGETS
    far = {name: [float(frame[name].max() * np.sqrt(FARTHER))] for name in ("params", "tokens")}
    rows = []
    for name, content in CARDS.items():
        card = bs.make_card(content, name)
        fit = bs.fit(
            runs, card, seed=replicate + 1, draws=750, tune=500, chains=2, prior_draws=0, tries=2, limits=COUNTED
        )
        asked = bs.extrapolate(fit, **far, allow_unconverged=True)
        draws = {"E": fit["posterior"]["E"], "expected_loss": asked["expected_loss"], "loss": asked["loss"]}
        for quantity, value in draws.items():
            low, high = np.quantile(value.values, [(1 - MASS) / 2, (1 + MASS) / 2])
            rows.append({
                "replicate": replicate, "terms": name, "quantity": quantity, "truth": truth[quantity],
                "lower": low, "upper": high, "inside": bool(low <= truth[quantity] <= high),
                "converged": bs.verdict(fit).passed,
            })  # fmt: skip
    return rows


def run(replicates: int) -> pd.DataFrame:
    """Judge the replicates that are not done yet; return all rows."""
    DONE.mkdir(parents=True, exist_ok=True)
    for k in range(replicates):
        path = DONE / f"{k}.json"
        if not path.exists():
            path.with_suffix(".tmp").write_text(json.dumps(judge(k)))
            path.with_suffix(".tmp").rename(path)
    found = [json.loads((DONE / f"{k}.json").read_text()) for k in range(replicates)]
    return pd.DataFrame([row for rows in found for row in rows])


def counted(rows: pd.DataFrame) -> pd.DataFrame:
    """Return how many bands of each quantity held, and their median width in % of the truth."""
    rows = rows.assign(width=100 * (rows["upper"] - rows["lower"]) / rows["truth"])
    found = rows.groupby(["quantity", "terms"], sort=False).agg(
        replicates=("inside", "size"),
        inside=("inside", "mean"),
        width=("width", "median"),
        converged=("converged", "mean"),
    )
    return found.reset_index()


HEAD = f"""# Do bands hold where runs err alike?

Written by `python -m benchmarks.shared_errors`; not edited by hand.

Simulated run logs of {BUDGETS} IsoFLOP budgets of {SIZES} sizes, every fifth design with a second seed. All that is
true of a log is drawn from the beliefs of one card, in NumPy: the law (Chinchilla's), an error that the runs of a
budget share (a standard deviation of about 1.5%) and the lean of its profile (3% a decade of N), lack of fit that seeds
share (0.4%), the scatter of seeds (0.3%), and undertuned runs (one in eight, 5% worse on average). Each log is fitted
by that card (`with`) and by plain Chinchilla with Student-t noise and the same priors of the law (`without`). How often
did the 90% band hold the floor, what is expected at {FARTHER:g} times the compute of the largest run, and the loss of a
run made there? Width: the median over logs, in % of the truth.

"""


def page(found: pd.DataFrame) -> str:
    """Return the text of docs/shared-errors.md."""
    names = {
        "E": "floor E",
        "expected_loss": f"expected loss at {FARTHER:g}x",
        "loss": f"loss of a run at {FARTHER:g}x",
    }
    head = ["quantity", "terms", "logs", "90% bands that held", "width", "fits that converged"]
    rows = [
        [names[r.quantity], r.terms, f"{r.replicates}", f"{r.inside:.1%}", f"{r.width:.1f}%", f"{r.converged:.0%}"]
        for r in found.itertuples()
    ]
    table = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    error = 100 * np.sqrt(MASS * (1 - MASS) / found["replicates"].min())
    return HEAD + "\n".join(table) + f"\n\nOf sound bands the count has a standard error of {error:.1f} points.\n"


def main() -> int:
    """Judge, write the table and the page and print the table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replicates", type=int, default=REPLICATES)
    found = counted(run(parser.parse_args().replicates))
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    found.round(4).to_csv(TABLE, index=False)
    PAGE.write_text(page(found), encoding="utf-8")
    print(found.to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
