"""Write docs/curves.md, its picture and three tables: how fast one logs, where runs end, what annealing would give.

Needs the public Gemstones curves beside the repository, which are not part of it. From the root of the repository:
``make curves``; about half an hour, or ``ARGS="--only rates"``.
"""

import argparse
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr

import bayescale as bs
from bayescale.plots import plot_ends, plot_finish
from bayescale.plots.style import SIZE, style
from benchmarks import sets
from benchmarks.page import table

ROOT = Path(__file__).resolve().parents[1]
PAGE, TABLES = ROOT / "docs" / "curves.md", ROOT / "data" / "calibration"
RATES, ENDS, COOLED = (TABLES / f"{name}.csv" for name in ("logging_rates", "runs_in_progress", "runs_cooled"))
PICTURE = ROOT / "docs" / "images" / "curves.png"
MODEL, EVERY, SHARE, FOLDS, SEED, DOTS = "chinchilla+curve", (1, 5, 25), 0.3, 5, 1, 110
FOLLOWED = ("gemstones", "PyGemma-1536x50_pretrain")


def gemstones() -> xr.Dataset:
    """Return the 22 curves at a constant learning rate: every 2B tokens to 100B, every 10B to 350B."""
    return _read_gemstones({"hot_477": 1.0, "hot_100b+": 1.0}).drop_vars("lr_fraction")


def cooled_gemstones() -> xr.Dataset:
    """Return the 20 curves that were also cooled down, from every 10B tokens on for a tenth of these."""
    curves = _read_gemstones({"hot": 1.0, "cool_end": 0.0})
    ends = set(curves["run"].values[curves["lr_fraction"].values == 0])
    return curves.isel(checkpoint=np.isin(curves["run"].values, list(ends)))


def _read_gemstones(files: dict[str, float]) -> xr.Dataset:
    """Return the curves of those files, each with its learning rate as a share of the peak."""
    folder = sets.shared("data") / "gemstones"
    parts = [
        pd.read_json(folder / f"wandb_df_for_fitting_{name}.jsonl", lines=True).assign(lr_fraction=share)
        for name, share in files.items()
    ]
    table = pd.concat(parts).drop_duplicates(["run_name", "tokens"]).sort_values(["run_name", "tokens"])
    names = {"run_name": "run", "params_active_precise": "params", "final_loss": "loss"}
    table = table.rename(columns=names)[["run", "params", "tokens", "loss", "lr_fraction"]].reset_index(drop=True)
    return bs.read_curves(table, params_convention="total", loss_unit="nats/token")


def logged_every(curves: xr.Dataset, k: int) -> xr.Dataset:
    """Return every k-th checkpoint of each run, counted from its last."""
    from_end = np.concatenate([np.arange(count)[::-1] for count in bs.runs.run_segments(curves).counts])
    return curves.isel(checkpoint=np.flatnonzero(from_end % k == 0))


def logging_rates(curves: xr.Dataset) -> pd.DataFrame:
    """Return the bands of E and of the loss at 100x from every checkpoint, every 5th and every 25th."""
    rows = []
    for k in EVERY:
        some = logged_every(curves, k)
        fit = bs.fit(some, MODEL, seed=SEED, prior_draws=0)
        far = bs.extrapolate(fit, "100x", allow_unconverged=True).isel(point=0)
        row = {"every": k, "checkpoints": some.sizes["checkpoint"], "converged": bs.verdict(fit).passed}
        for name, draws in (("E", fit["posterior"]["E"]), ("expected", far["expected_loss"]), ("loss", far["loss"])):
            low, high = np.quantile(draws, [0.05, 0.95])
            row |= {f"{name}_low": low, f"{name}_high": high, f"{name}_width": high - low}
        rows.append(row)
        print(row, flush=True)
    return pd.DataFrame(rows)


def ends(name: str, curves: xr.Dataset, early: np.ndarray) -> tuple[pd.DataFrame, list[xr.Dataset]]:
    """Predict the end of each run from its early checkpoints, by fits that saw no more of it, a fifth at a time."""
    segments = bs.runs.run_segments(curves)
    order = np.random.default_rng(SEED).permutation(np.arange(segments.names.size) % FOLDS)
    final, loss = (curves[c].values[segments.last] for c in ("tokens", "loss"))
    whole = curves.drop_dims("left_out", errors="ignore").assign(total_tokens=("checkpoint", final[segments.index]))
    rows, answers = [], []
    for fold in range(FOLDS):
        held = order[segments.index] == fold
        fit = bs.fit(whole.isel(checkpoint=np.flatnonzero(~held | early)), MODEL, seed=SEED, prior_draws=0)
        answer = bs.answers.finish(fit, whole.isel(checkpoint=np.flatnonzero(held & early)), allow_unconverged=True)
        answers.append(answer)
        for run in answer["run"].values:
            draws = answer["loss"].sel(run=run).values.ravel()
            low, middle, high = np.quantile(draws, [0.05, 0.5, 0.95])
            came = float(loss[segments.names == run][0])
            row = {"set": name, "run": run, "fold": fold, "converged": bs.verdict(fit).passed, "low": low}
            rows.append(row | {"median": middle, "high": high, "came_out": came, "rank": (draws < came).mean()})
        print(name, fold, bs.verdict(fit).sentence, flush=True)
    return pd.DataFrame(rows), answers


def first_part(curves: xr.Dataset) -> np.ndarray:
    """Say which checkpoints lie in the first 30% of their run."""
    segments, tokens = bs.runs.run_segments(curves), curves["tokens"].values
    return np.asarray(tokens <= SHARE * tokens[segments.last][segments.index] * (1 + 1e-6))


def runs_in_progress() -> tuple[pd.DataFrame, list[xr.Dataset]]:
    """Predict where the runs of both logs end from their first part."""
    logs = {"gemstones": gemstones(), "tinylm": bs.runs.load_shipped_curves("tinylm")}
    found, answers = zip(*(ends(name, log, first_part(log)) for name, log in logs.items()), strict=True)
    return pd.concat(found, ignore_index=True), [answer for some in answers for answer in some]


def runs_cooled() -> pd.DataFrame:
    """Predict what each run cools down to from its checkpoints at the constant rate."""
    curves = cooled_gemstones()
    return ends("gemstones", curves, curves["lr_fraction"].values == 1)[0]


def shares(found: pd.DataFrame) -> pd.DataFrame:
    """Return how many of the bands held, of each log and of all together, and their width in % of the loss."""
    held = (found["low"] <= found["came_out"]) & (found["came_out"] <= found["high"])
    rows = found.assign(held=held, width=100 * (found["high"] - found["low"]) / found["median"])
    every = list(rows.groupby("set"))
    every += [("together", rows)] if len(every) > 1 else []
    return pd.DataFrame([
        {
            "runs": name,
            "held": f"{part['held'].sum()}",
            "in all": f"{len(part)}",
            "share": f"{100 * part['held'].mean():.1f}%",
            "median width": f"{part['width'].median():.1f}%",
            "fits that converged": "{} of {}".format(*_count_fits(part)),
        }
        for name, part in every
    ])  # fmt: skip


def _count_fits(part: pd.DataFrame) -> tuple[int, int]:
    converged = part.groupby(["set", "fold"])["converged"].first()
    return int(converged.sum()), len(converged)


def write() -> None:
    """Write the page from the three tables."""
    rates, found, cooled = (pd.read_csv(path) for path in (RATES, ENDS, COOLED))
    names = {"E": "E, 90%", "expected": "expected loss at 100x", "loss": "loss of a run there"}
    cells = []
    for r in rates.to_dict("records"):
        cells.append([f"{r['every']}", f"{r['checkpoints']}"])
        for name in names:
            low, high = r[f"{name}_low"], r[f"{name}_high"]
            cells[-1] += [f"{low:.3f} to {high:.3f}", f"{high - low:.3f}"]
    head = ["every", "checkpoints", *(part for name in names.values() for part in (name, "width"))]
    spread = max(rates[f"{name}_width"].max() / rates[f"{name}_width"].min() - 1 for name in names)
    told = {"rates": table(head, cells)}
    for name, rows in (("ends", shares(found)), ("cooled", shares(cooled))):
        told[name] = table(list(rows), rows.to_numpy().tolist())
    told = {name: text.rstrip() for name, text in told.items()}
    PAGE.write_text(
        TEXT.format(spread=100 * spread, converged=rates["converged"].sum(), fits=len(rates), **told), encoding="utf-8"
    )


TEXT = """# Learning curves

Written by `make curves`; not edited by hand. Model `chinchilla+curve`; why it is as it is:
[ADR 19](adr/0019-checkpoints-are-not-runs.md).

## How fast one logs

The 22 Gemstones curves (McLeish et al. 2025, [arXiv 2502.06857](https://arxiv.org/abs/2502.06857)) at a constant
learning rate, 10B to 350B tokens, from every checkpoint and from fewer. 90% bands, widest and narrowest of each column
within {spread:.0f}% of one another; {converged} of {fits} fits converged.

{rates}

## Where a run will end

Each run's last loss from its first 30%, by a fit to the other runs whole and to this one no further; a fifth of the
runs at a time. How often the 90% band held it:

{ends}

![Bands from the first 30% of each run against how it came out](images/curves.png)

Every run has its row in [data/calibration/runs_in_progress.csv](../data/calibration/runs_in_progress.csv).

## What annealing would give

Twenty of the Gemstones were also cooled down, from every 10B tokens of the constant rate on, over a tenth as many. What
each run cools down to from its last 100B, from its checkpoints at the constant rate alone and the other runs whole; a
fifth of the runs at a time. How often the 90% band held it:

{cooled}

Every run has its row in [data/calibration/runs_cooled.csv](../data/calibration/runs_cooled.csv).
"""


def picture(found: pd.DataFrame, answers: list[xr.Dataset]) -> None:
    """Draw all ends against how they came out, and one run as it trained."""
    run = FOLLOWED[1]
    followed = next(answer for answer in answers if run in answer["run"].values)
    came = float(found.loc[found["run"] == run, "came_out"].iloc[0])
    with style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(2 * SIZE[0], SIZE[1]), layout="constrained")
        plot_ends(found, ax=left)
        plot_finish(followed, run=run, known=came, ax=right)
        PICTURE.parent.mkdir(exist_ok=True)
        figure.savefig(PICTURE, dpi=DOTS, metadata={"Software": None})
    plt.close(figure)


def main() -> int:
    """Fit, write and draw; return the exit status."""
    mpl.use("agg")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=("rates", "ends", "cooled", "page"), help="leave the other tables")
    only = parser.parse_args().only
    TABLES.mkdir(parents=True, exist_ok=True)
    if only in (None, "rates"):
        logging_rates(gemstones()).round(5).to_csv(RATES, index=False)
    if only in (None, "ends"):
        found, answers = runs_in_progress()
        found.round(5).to_csv(ENDS, index=False)
        picture(found, answers)
    if only in (None, "cooled"):
        runs_cooled().round(5).to_csv(COOLED, index=False)
    write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
