"""The package's own predictions of the open sets: every form at every cut-off, once, and what follows from it."""

import pandas as pd
import xarray as xr

from bayescale.forms import held_out, rehearse, shipped_forms, unpack_skipped
from benchmarks.resume import BUILD, keep
from benchmarks.scores import PROB
from benchmarks.sets import read_set

# Draws of every form at every cut-off take an hour and more: they are kept, and a run that was stopped goes on.
KEPT = BUILD / "benchmark"
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
        said, weights = _rehearse_forms(name, runs, PLAIN, FACTORS, "plain"), {method.removeprefix("plain "): 1.0}
    else:
        said = _rehearse_forms(name, runs, tuple(forms), REHEARSED, "drift")
        weights = {FORECAST: forms, EQUAL: dict.fromkeys(forms, 1.0)}.get(method, {method: 1.0})
    held = held_out(said, weights, [factor]).sel(prob=PROB)
    if not held.sizes["held_out"]:
        return None
    columns = {"C": "compute", "loss": "loss", "low": "lower", "median": "median", "high": "upper", "crps": "crps"}
    return pd.DataFrame({ours: held[theirs].values for ours, theirs in columns.items()})


def _rehearse_forms(
    name: str, runs: pd.DataFrame, forms: tuple[str, ...], factors: tuple[float, ...], kind: str
) -> xr.Dataset:
    def rehearse_set() -> xr.Dataset:
        said = rehearse(read_set(runs.astype(float)), forms, factors)
        for skipped in unpack_skipped(said):
            print(f"{name}, {skipped}", flush=True)
        return said.assign(predicted=said["predicted"].astype("float32"))

    return keep(KEPT / f"{name.replace(' ', '_')}-{kind}.nc", rehearse_set)
