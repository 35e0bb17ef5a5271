"""`python -m benchmarks.fast_path`: scores of rehearsals by the fast path against NUTS, on the open sets.

Writes benchmarks/fast_path.csv, a row for each set, form and cut-off, and docs/fast-path.md. What the table holds
already is not computed again; ``--sets`` and ``--page`` do a part.
"""

import argparse
import json
import time
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp

from bayescale.cards import Card
from bayescale.errors import BayescaleError, DesignError
from bayescale.forms.forms_for import forms_for
from bayescale.forms.rehearse import cut
from bayescale.forms.weights import LOWEST
from bayescale.inference import COUNTED, fit, log_likelihood, verdict
from bayescale.modeling import prepare
from benchmarks.page import table
from benchmarks.resume import add_row, known_rows
from benchmarks.sets import AbsentError, open_sets, read_set

FOLDER = Path(__file__).parent
TABLE, PAGE = FOLDER / "fast_path.csv", FOLDER.parent / "docs" / "fast-path.md"
KEY = ("set", "form", "factor")
FACTORS = (10, 100)
SEEDS, DRAWS = (1, 2, 3), 1000
HEAD = """# The fast path against NUTS

Written by `python -m benchmarks.fast_path`; not edited by hand. The numbers are in
[benchmarks/fast_path.csv](../benchmarks/fast_path.csv).

Each form of a forecast is fitted to the runs with C <= Cmax / factor of a set, by NUTS and by the fast path: draws
about the mode and along the ridges of the posterior, weighed by the density that NUTS samples
([ADR 26](adr/0026-a-fast-path-that-checks-itself.md)). **score**: the mean log density of the larger runs, cut off at
-20 as in a forecast's weights. **difference**: that of the fast path, the mean of three seeds, less that of NUTS.
**error**: the Monte Carlo standard error of that difference, from the three seeds and from the four chains of NUTS.
**z**: one over the other. **k**: the highest Pareto k of the three, **ESS** their fewest effective draws. The CPU times
are those of one fit, on a machine that was busy with other things.

"""


def score_set(name: str, runs: xr.Dataset) -> None:
    """Add the rows of one set that the table does not hold."""
    done = known_rows(TABLE, KEY)
    forms, _ = forms_for(runs, None)
    for factor in FACTORS:
        try:
            train, test = cut(runs, next(iter(forms.values())), factor)
        except DesignError as error:
            print(f"{name}, {factor}x: {error}")
            continue
        for form, card in forms.items():
            if (name, form, factor) not in done:
                row = dict(zip(KEY, (name, form, factor), strict=True)) | compare_methods(train, test, card)
                add_row(TABLE, row)
                print(row, flush=True)


def compare_methods(train: xr.Dataset, test: xr.Dataset, card: Card) -> dict[str, float]:
    """Return the scores of both methods on one cut-off, and how well each is known."""
    lightly = {"draws": DRAWS, "prior_draws": 0, "limits": COUNTED, "pointwise": False}
    fast, about, fast_cpu = [], [], 0.0
    for seed in SEEDS:
        started = time.process_time()
        posterior = fit(train, card, seed=seed, method="laplace", **lightly)
        fast_cpu += (time.process_time() - started) / len(SEEDS)
        about.append(json.loads(posterior.attrs["settings"]) | {"passed": verdict(posterior).passed})
        fast.append(_score(posterior, card, train, test)[0])
    out = {"fitted": train.sizes["run"], "held_out": test.sizes["run"], "fast": np.mean(fast)}
    out |= {"fast_error": np.std(fast, ddof=1) / np.sqrt(len(fast)), "fast_cpu": fast_cpu}
    out |= {"passed": sum(a["passed"] for a in about), "k": max(a["pareto_k"] for a in about)}
    out |= {"ess": min(a["ess"] for a in about)}
    started = time.process_time()
    try:
        posterior = fit(train, card, seed=SEEDS[0], tries=2, **lightly)
    except BayescaleError as error:
        print(error)
        return out | dict.fromkeys(("nuts", "nuts_error", "nuts_cpu", "converged"), np.nan)
    spent = time.process_time() - started
    score, by_chain = _score(posterior, card, train, test)
    error = np.std(by_chain, ddof=1) / np.sqrt(len(by_chain))
    return out | {"nuts": score, "nuts_error": error, "nuts_cpu": spent, "converged": verdict(posterior).passed}


def _score(posterior: xr.DataTree, card: Card, train: xr.Dataset, test: xr.Dataset) -> tuple[float, np.ndarray]:
    """Return the mean log density of the larger runs, and the same from each chain alone."""
    problem = prepare(card, train)
    density = log_likelihood(problem, posterior["posterior"].to_dataset(), test)[problem.response]
    values = density.transpose("chain", "draw", "run").values
    chains = logsumexp(values, axis=1) - np.log(values.shape[1])
    whole = logsumexp(chains, axis=0) - np.log(len(chains))
    return float(whole.clip(LOWEST).mean()), chains.clip(LOWEST).mean(axis=1)


def write_page() -> Path:
    """Write the page from the table."""
    found = pd.read_csv(TABLE)
    found["difference"] = found["fast"] - found["nuts"]
    found["error"] = np.hypot(found["fast_error"], found["nuts_error"])
    found["z"] = found["difference"] / found["error"]
    kept = found[(found["passed"] == len(SEEDS)) & (found["converged"] == True)]  # noqa: E712
    within = (kept["difference"].abs() <= 2 * kept["error"]).mean()
    ratio = (kept["nuts_cpu"] / kept["fast_cpu"]).median()
    all_passed = (found["passed"] == len(SEEDS)).mean()
    text = (
        f"{len(found)} fits; the fast path passed its own checks with all three seeds on {all_passed:.0%} of them. "
        f"Where it did and NUTS converged ({len(kept)} fits), {within:.0%} of the scores differ by at most two Monte "
        f"Carlo errors and {(kept['z'].abs() <= 3).mean():.0%} by at most three. The median absolute difference is "
        f"{kept['difference'].abs().median():.3f} nats a run; NUTS takes {ratio:.1f} times the CPU time in the median."
    )
    columns = ["set", "form", "factor", "nuts", "difference", "error", "z", "k", "ess", "passed", "converged"]
    shown = found[[*columns, "fast_cpu", "nuts_cpu"]].copy()
    for name in ("nuts", "difference", "error"):
        shown[name] = shown[name].map("{:.3f}".format)
    for name, form in (("z", "{:.1f}"), ("k", "{:.2f}"), ("fast_cpu", "{:.2f}"), ("nuts_cpu", "{:.1f}")):
        shown[name] = shown[name].map(form.format)
    shown["passed"] = shown["passed"].map(lambda n: f"{n} of {len(SEEDS)}")
    rows = table(list(shown.columns), shown.astype(str).to_numpy().tolist())
    PAGE.write_text(HEAD + fill(text, 120) + "\n\n" + rows, encoding="utf-8")
    return PAGE


def main() -> None:
    """Score what is not scored yet and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", default=[], help="only these sets; by default all")
    parser.add_argument("--page", action="store_true", help="only write the page from the table that is there")
    arguments = parser.parse_args()
    if not arguments.page:
        try:
            for name, frame in open_sets().items():
                if name in (arguments.sets or [name]):
                    score_set(name, read_set(frame))
        except AbsentError as error:
            print(f"{error}\nThe page is written from the table that is here.")
    print(f"written: {write_page()}")


if __name__ == "__main__":
    main()
