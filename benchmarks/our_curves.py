"""The package's own predictions of the 92 curves: the forms of a forecast in one variable, weighted by a rehearsal."""

import hashlib
import re

import numpy as np
import pandas as pd
import xarray as xr

import bayescale as bs
from bayescale.cards import Card, load_card
from bayescale.forms import held_out, pack_skipped, rehearse, shipped_forms, unpack_skipped
from benchmarks.curves import Curve, rmsle
from benchmarks.ours import EQUAL, FORECAST, KEPT
from benchmarks.resume import keep

METHODS = (FORECAST, EQUAL)
# How far below the fitted points the forms are rehearsed: as far as the points to predict lie beyond them.
REHEARSED = 2.0


def scores(method: str, curve: Curve) -> dict[str, float] | None:
    """Return both scores of our forecast on one curve, its median as the centre; None where it could not be had."""
    said, forms = predictions(curve), shipped_forms("examples")
    weights = forms if method == FORECAST else dict.fromkeys(forms, 1.0)
    held = held_out(said, weights, [_find_factor(curve)])
    if not held.sizes["held_out"]:
        return None
    return {"rmsle": rmsle(np.log(held["median"].values), held["loss"].values), "log_score": float(held["elpd"].mean())}


def predictions(curve: Curve) -> xr.Dataset:
    """Return what every form says of the held-out part, and of the top of the fitted part from its bottom."""
    said = [_rehearse_form(curve, load_card(form)) for form in shipped_forms("examples")]
    found = xr.concat(said, dim="form", join="outer")
    factor, run = zip(*(str(label).split(" ", 1) for label in found["held_out"].values), strict=True)
    runs = runs_of(curve).sel(run=list(run))
    coords = {"factor": [float(f) for f in factor], "run": list(run), "examples": runs["examples"].values}
    found = found.drop_vars("held_out").assign_coords({name: ("held_out", values) for name, values in coords.items()})
    about = {"measure": "examples", "response": "loss", "largest": float(curve.x_out.max()), **pack_skipped([])}
    return found.assign(loss=("held_out", runs["loss"].values)).assign_attrs(about)


def _rehearse_form(curve: Curve, card: Card) -> xr.Dataset:
    """Return what one form says, its points labelled by cut-off and run; kept until the card changes."""
    version = hashlib.sha256(card.model_dump_json(exclude_none=True).encode()).hexdigest()[:8]
    name = re.sub(r"[^\w.+-]+", "_", f"{curve.domain}_{curve.name}_{card.name}_{version}")

    def rehearse_curve() -> xr.Dataset:
        first = _find_factor(curve)
        said = rehearse(runs_of(curve), [card], [first, first * REHEARSED])
        for skipped in unpack_skipped(said):
            print(f"{curve.domain}, {curve.name}, {skipped}", flush=True)
        labels = [f"{f!r} {run}" for f, run in zip(said["factor"].values.tolist(), said["run"].values, strict=True)]
        drawn = said[["predicted", "log_density"]].reset_coords(drop=True).assign_coords(held_out=np.array(labels, str))
        return drawn.assign(predicted=drawn["predicted"].astype("float32"))

    return keep(KEPT / "curves" / f"{name}.nc", rehearse_curve)


def runs_of(curve: Curve) -> xr.Dataset:
    """Return the whole curve as a run log: what is fitted and what is predicted."""
    parts = {"examples": (curve.x, curve.x_out), "loss": (curve.loss, curve.loss_out)}
    return bs.read_runs(pd.DataFrame({name: np.concatenate(part) for name, part in parts.items()}), suspicious="keep")


def _find_factor(curve: Curve) -> float:
    """Return the cut-off, as a multiple, that parts what is fitted from what is predicted."""
    return float(curve.x_out.max() / curve.x.max())
