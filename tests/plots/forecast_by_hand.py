"""A forecast and backtests made by hand: draws of chosen centres and widths, no law and no sampling."""

import numpy as np
import xarray as xr

from bayescale.forms.backtest import PROBS

# Name: weight before, weight now, exponent of its loss in compute beyond the floor, and its spread a decade out.
FORMS = {
    "coupled+drift": (0.60, 0.52, 0.150, 0.012),
    "chinchilla+drift": (0.15, 0.04, 0.165, 0.010),
    "overtraining+drift": (0.10, 0.08, 0.155, 0.013),
    "kaplan-free+drift": (0.10, 0.35, 0.130, 0.018),
    "farseer+drift": (0.05, 0.01, 0.180, 0.030),
}
LARGEST = 3e21


def path_by_hand(decades=2.0, points=25, families=None, forms=FORMS):
    """What `forecast` gives at several computes, from four decades below the largest run on."""
    rng, shape = np.random.default_rng(3), (4, 500)
    compute = LARGEST * 10 ** np.linspace(-4, decades, points)
    beyond = np.log10(compute / LARGEST)
    each = []
    for _, _, slope, spread in forms.values():
        # The forms agree at a tenth of the largest run, and each is surer near there.
        centre = 1.75 + 0.6 * (compute / LARGEST * 10) ** -slope
        width = spread * (0.3 + np.maximum(beyond + 1, 0) ** 1.5 / 3)
        each.append(
            centre * np.exp(width * rng.standard_normal((*shape, 1)) + 0.004 * rng.standard_normal((*shape, 1)))
        )
    form_loss = xr.DataArray(np.stack(each), dims=("form", "chain", "draw", "point"), coords={"form": list(forms)})
    if families:
        form_loss = xr.concat([form_loss + 0.3 * i for i in range(len(families))], "family")
        form_loss = form_loss.assign_coords(family=families).transpose("form", "chain", "draw", "point", "family")
    weights = np.array([form[:2] for form in forms.values()])
    chosen = rng.permutation(np.repeat(np.arange(len(forms)), np.round(2000 * weights[:, 1]).astype(int))[:2000])
    place = xr.DataArray(chosen.reshape(shape), dims=("chain", "draw"))
    at = {name: xr.DataArray(np.arange(size), dims=name) for name, size in (("chain", 4), ("draw", 500))}
    loss = form_loss.isel(form=place, **at).drop_vars("form")
    values = {"expected_loss": loss, "loss": loss, "form_loss": form_loss}
    values |= {"prior_weight": ("form", weights[:, 0]), "weight": ("form", weights[:, 1])}
    coords = {"compute": ("point", compute), "decades_beyond": ("point", beyond)}
    return xr.Dataset(values, coords).assign_attrs(loss_unit="nats/token", largest_run_flop=LARGEST, model="forecast")


def runs_by_hand(count=40, families=None):
    """Runs about the first form's loss at and below the largest."""
    rng = np.random.default_rng(4)
    compute = LARGEST * 10 ** rng.uniform(-4, 0, count)
    off = np.abs(rng.normal(0, 0.02, count))
    loss = (1.75 + 0.6 * (compute / LARGEST * 10) ** -0.15) * (1 + off)
    out = xr.Dataset({"compute": ("run", compute), "loss": ("run", loss)}, {"run": np.arange(count).astype(str)})
    return out.assign_coords(family=("run", np.resize(families, count))) if families else out


def held_by_hand(share, *, bias=0.0, model="forecast", count=60, families=("all",), seed=5):
    """A backtest of runs up to two decades beyond, whose 90% bands are `share` of what they should be."""
    rng = np.random.default_rng(seed)
    beyond = rng.uniform(0.02, 1.98, count)
    width = 0.01 + 0.02 * beyond
    loss = 2.0 * np.exp(width * rng.standard_normal(count) / 1.645 - bias * beyond)
    half = 2.0 * share * width * np.array(PROBS)[:, None] / 0.9
    values = {
        "loss": ("held_out", loss),
        "median": ("held_out", np.full(count, 2.0)),
        "lower": (("prob", "held_out"), 2.0 - half),
        "upper": (("prob", "held_out"), 2.0 + half),
        "elpd": ("held_out", 3.0 - beyond),
        "crps": ("held_out", 0.6 * np.abs(loss - 2.0)),
    }
    coords = {"prob": list(PROBS), "decades_beyond": ("held_out", beyond)}
    coords |= {
        "factor": ("held_out", np.where(beyond < 1, 10.0, 100.0)),
        "family": ("held_out", np.resize(families, count)),
    }
    return xr.Dataset(values, coords).assign_attrs(model=model, response="loss", loss_unit="nats/token")
