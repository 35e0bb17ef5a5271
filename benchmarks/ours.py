"""The package's own predictions of the open sets: every form at every cut-off, once, and what follows from it."""

from pathlib import Path

import pandas as pd
import xarray as xr

import bayescale as bs
from bayescale.forms import held_out, rehearse, shipped_forms, unpack_skipped
from benchmarks.scores import PROB

# Draws of every form at every cut-off take an hour and more: they are kept, and a run that was stopped goes on.
KEPT = Path(__file__).parents[1] / "build" / "benchmark"
# The largest factors are rehearsals of the one at 100x.
FACTORS, REHEARSED = (10.0, 30.0, 100.0), (10.0, 30.0, 100.0, 300.0, 1000.0)
PLAIN = ("chinchilla", "coupled-public", "kaplan")
FORECAST, EQUAL = "stacked forecast", "the same forms, alike before"


def methods() -> list[str]:
    """Return the names of what is scored: forms as they are, forms that may be wrong, and all of these together."""
    return [*(f"plain {name}" for name in PLAIN), *shipped_forms(), EQUAL, FORECAST]


def predict(name: str, runs: pd.DataFrame, factor: float, method: str) -> pd.DataFrame | None:
    """Return the prediction of the runs above Cmax / factor as a backtest makes it; None where it could not be had."""
    forms = shipped_forms()
    if method.startswith("plain "):
        said, weights = _said(name, runs, PLAIN, FACTORS, "plain"), {method.removeprefix("plain "): 1.0}
    else:
        said = _said(name, runs, tuple(forms), REHEARSED, "drift")
        weights = {FORECAST: forms, EQUAL: dict.fromkeys(forms, 1.0)}.get(method, {method: 1.0})
    held = held_out(said, weights, [factor]).sel(prob=PROB)
    if not held.sizes["held_out"]:
        return None
    columns = {"C": "compute", "loss": "loss", "low": "lower", "median": "median", "high": "upper", "crps": "crps"}
    return pd.DataFrame({ours: held[theirs].values for ours, theirs in columns.items()})


def _said(name: str, runs: pd.DataFrame, forms: tuple[str, ...], factors: tuple[float, ...], kind: str) -> xr.Dataset:
    path = KEPT / f"{name.replace(' ', '_')}-{kind}.nc"
    if not path.exists():
        named = runs.rename(columns={"N": "params", "D": "tokens", "C": "compute"}).astype(float).dropna()
        said = rehearse(bs.read_runs(named, suspicious="keep"), forms, factors)
        KEPT.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        said.assign(predicted=said["predicted"].astype("float32")).to_netcdf(part)
        part.rename(path)
        for line in unpack_skipped(said):
            print(f"{name}, {line}", flush=True)
    return xr.load_dataset(path)
