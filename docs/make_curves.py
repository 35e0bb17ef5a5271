"""Write docs/curves.md, its pictures and data/calibration/runs_in_progress.csv: how fast one logs, where runs end.

Needs the public Gemstones curves beside the repository, which are not part of it. From the root of the repository:
``PYTHONPATH=. python docs/make_curves.py``; about half an hour.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr

import bayescale as bs
from bayescale.plots.finish import plot_ends, plot_finish
from bayescale.plots.style import SIZE, style
from benchmarks import sets

ROOT = Path(__file__).resolve().parents[1]
PAGE, TABLE = ROOT / "docs" / "curves.md", ROOT / "data" / "calibration" / "runs_in_progress.csv"
PICTURE = ROOT / "docs" / "images" / "curves.png"
MODEL, EVERY, SHARE, FOLDS, SEED, DOTS = "chinchilla+curve", (1, 5, 25), 0.3, 5, 1, 110
FOLLOWED = ("gemstones", "PyGemma-1536x50_pretrain")


def gemstones() -> xr.Dataset:
    """Return the 22 curves at a constant learning rate: every 2B tokens to 100B, every 10B to 350B."""
    folder = sets.shared("data") / "gemstones"
    parts = [
        pd.read_json(folder / f"wandb_df_for_fitting_{name}.jsonl", lines=True) for name in ("hot_477", "hot_100b+")
    ]
    table = pd.concat(parts).drop_duplicates(["run_name", "tokens"]).reset_index(drop=True)
    names = {"run_name": "run", "params_active_precise": "params", "final_loss": "loss"}
    table = table.rename(columns=names)[["run", "params", "tokens", "loss"]]
    return bs.read_curves(table, params_convention="total", loss_unit="nats/token")


def logged_every(curves: xr.Dataset, k: int) -> xr.Dataset:
    """Return every k-th checkpoint of each run, counted from its last."""
    from_end = np.concatenate([np.arange(count)[::-1] for count in bs.run_segments(curves).counts])
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


def ends(name: str, curves: xr.Dataset) -> tuple[pd.DataFrame, list[xr.Dataset]]:
    """Predict the end of each run from its first 30%, by fits that saw no more of it, a fifth of them at a time."""
    segments = bs.run_segments(curves)
    order = np.random.default_rng(SEED).permutation(np.arange(segments.names.size) % FOLDS)
    final, loss = (curves[c].values[segments.last] for c in ("tokens", "loss"))
    early = curves["tokens"].values <= SHARE * final[segments.index] * (1 + 1e-6)
    whole = curves.drop_dims("left_out", errors="ignore").assign(total_tokens=("checkpoint", final[segments.index]))
    rows, answers = [], []
    for fold in range(FOLDS):
        held = order[segments.index] == fold
        fit = bs.fit(whole.isel(checkpoint=np.flatnonzero(~held | early)), MODEL, seed=SEED, prior_draws=0)
        answer = bs.finish(fit, whole.isel(checkpoint=np.flatnonzero(held & early)), allow_unconverged=True)
        answers.append(answer)
        for run in answer["run"].values:
            draws = answer["loss"].sel(run=run).values.ravel()
            low, middle, high = np.quantile(draws, [0.05, 0.5, 0.95])
            came = float(loss[segments.names == run][0])
            row = {"set": name, "run": run, "fold": fold, "converged": bs.verdict(fit).passed, "low": low}
            rows.append(row | {"median": middle, "high": high, "came_out": came, "rank": (draws < came).mean()})
        print(name, fold, bs.verdict(fit).sentence, flush=True)
    return pd.DataFrame(rows), answers


def write(rates: pd.DataFrame, found: pd.DataFrame) -> None:
    """Write the page and the table."""
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    found.round(5).to_csv(TABLE, index=False)
    held = found.assign(held=(found["low"] <= found["came_out"]) & (found["came_out"] <= found["high"]))
    held["width"] = (held["high"] - held["low"]) / held["median"]
    lines = ["| every | checkpoints | E, 90% | width | expected loss at 100x | width | loss of a run there | width |"]
    lines += ["|" + "---|" * 8]
    for r in rates.itertuples():
        cells = [f"{r.every}", f"{r.checkpoints}"]
        for low, high in ((r.E_low, r.E_high), (r.expected_low, r.expected_high), (r.loss_low, r.loss_high)):
            cells += [f"{low:.3f} to {high:.3f}", f"{high - low:.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
    ended = ["| runs | held | in all | share | median width |", "|" + "---|" * 5]
    for name, rows in [*held.groupby("set"), ("together", held)]:
        share = f"{100 * rows['held'].mean():.1f}%"
        ended.append(f"| {name} | {rows['held'].sum()} | {len(rows)} | {share} | {100 * rows['width'].median():.1f}% |")
    spread = max(rates[f"{n}_width"].max() / rates[f"{n}_width"].min() - 1 for n in ("E", "expected", "loss"))
    PAGE.write_text(TEXT.format(rates="\n".join(lines), ends="\n".join(ended), spread=100 * spread), encoding="utf-8")


TEXT = """# Learning curves

Written by `docs/make_curves.py`; not edited by hand. Model `chinchilla+curve`; why it is as it is:
[ADR 21](adr/0021-checkpoints-are-not-runs.md).

## How fast one logs

The 22 Gemstones curves (McLeish et al. 2025, [arXiv 2502.06857](https://arxiv.org/abs/2502.06857)) at a constant
learning rate, 10B to 350B tokens, from every checkpoint and from fewer. 90% bands, widest and narrowest of each column
within {spread:.0f}% of one another.

{rates}

## Where a run will end

Each run's last loss from its first 30%, by a fit to the other runs whole and to this one no further; a fifth of the
runs at a time. How often the 90% band held it:

{ends}

![Bands from the first 30% of each run against how it came out](images/curves.png)

Every run has its row in [data/calibration/runs_in_progress.csv](../data/calibration/runs_in_progress.csv).
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
    curves = gemstones()
    rates = logging_rates(curves)
    logs = {"gemstones": curves, "tinylm": bs.load_shipped_curves("tinylm")}
    found, answers = zip(*(ends(name, log) for name, log in logs.items()), strict=True)
    table = pd.concat(found, ignore_index=True)
    write(rates, table)
    picture(table, [answer for some in answers for answer in some])
    return 0


if __name__ == "__main__":
    sys.exit(main())
