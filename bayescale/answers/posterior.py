"""What every answer asks of a posterior: its law, its draws by name, its cost model, and how far a question lies."""

import json
from typing import Any

import numpy as np
import xarray as xr

from bayescale.costs import CostModel, cost_model
from bayescale.errors import QuestionError, did_you_mean
from bayescale.laws import LAWS, Law
from bayescale.modeling import Card
from bayescale.runs import parse_number

DRAW_DIMS = ("chain", "draw")
POINT = "point"


def card_of(fit: xr.DataTree) -> Card:
    """Return the model card that the posterior was sampled from."""
    return Card.model_validate_json(fit.attrs["card"])


def law_of(fit: xr.DataTree) -> Law:
    """Return the law that was fitted."""
    return LAWS[fit.attrs["law"]]


def cost_of(fit: xr.DataTree) -> CostModel:
    """Return the cost model that ties N, D and C together in these runs."""
    return cost_model(fit.attrs["cost"])


def families_of(fit: xr.DataTree) -> list[str]:
    """Return the families by name; one unnamed where the runs have none."""
    return list(json.loads(fit.attrs["families"]))


def loss_unit(fit: xr.DataTree) -> str:
    """Return the unit of the loss."""
    return str(fit.attrs["loss_unit"])


def theta_of(fit: xr.DataTree, family: str | None = None) -> dict[str, xr.DataArray]:
    """Return the draws of the law's and the noise's parameters by name; of one family where one is named.

    Raises
    ------
    QuestionError
        If the posterior has no such family.
    """
    posterior = fit["posterior"].to_dataset()
    theta = {name: posterior[name] for name in card_of(fit).all_priors}
    if family is None:
        return theta
    known = families_of(fit)
    if family not in known:
        raise QuestionError(
            f"there is no family {family!r} in these runs.{did_you_mean(family, known)} Families: {', '.join(known)}."
        )
    return {
        name: value.sel(family=family, drop=True) if "family" in value.dims else value for name, value in theta.items()
    }


def expected_loss(fit: xr.DataTree, params: Any, tokens: Any, family: str | None = None) -> xr.DataArray:
    """Return the law's loss at N `params` and D `tokens` for every draw, in the runs' unit, without run noise."""
    n, d = params / fit.attrs["params0"], tokens / fit.attrs["tokens0"]
    return law_of(fit).mean(np, n, d, theta_of(fit, family))


def compute_points(fit: xr.DataTree, compute: Any) -> xr.DataArray:
    """Return compute in FLOP, dims ``point``, from ``"100x"`` (of the largest run), numbers, or a list of either.

    Raises
    ------
    QuestionError
        If an entry is neither, or is not positive.
    """
    entries = np.atleast_1d(np.asarray(compute, dtype=object)).ravel()
    largest = fit.attrs["max_compute"]
    return xr.DataArray([parse_compute(entry, largest) for entry in entries], dims=POINT, attrs={"units": "FLOP"})


def parse_compute(entry: Any, largest: float) -> float:
    """Return compute in FLOP from ``"100x"`` of the largest run, a number, or a number as people write it."""
    text = str(entry).strip()
    multiple = text[-1:] in ("x", "X", "×")
    try:
        value = parse_number(text[:-1] if multiple else entry)
    except ValueError:
        value = np.nan
    if not (np.isfinite(value) and value > 0):
        raise QuestionError(
            f"compute {entry!r} is not understood. Accepted: a multiple of the largest run such as 100x, "
            "or FLOP such as 1e26."
        )
    return value * largest if multiple else value


def scale_points(values: Any, name: str) -> xr.DataArray:
    """Return N or D as given, dims ``point``, checked to be positive numbers."""
    entries = np.atleast_1d(np.asarray(values, dtype=object)).ravel()
    try:
        numbers = np.array([parse_number(entry) for entry in entries], dtype=float)
    except ValueError as error:
        raise QuestionError(f"{name}: {error}.") from None
    if not (np.isfinite(numbers).all() and (numbers > 0).all()):
        raise QuestionError(f"{name}: every value must be a positive number, got {values!r}.")
    return xr.DataArray(numbers, dims=POINT)


def decades_beyond(fit: xr.DataTree, compute: xr.DataArray) -> xr.DataArray:
    """Return how many decades of compute a question lies beyond the largest run; negative inside the data."""
    return np.log10(compute / fit.attrs["max_compute"])


def answer_attrs(fit: xr.DataTree, question: str, quotable: str) -> dict[str, Any]:
    """Return what every answer carries: the question, the model, the verdict and where the runs came from."""
    return {
        "question": question,
        "model": fit.attrs["model"],
        "verdict": quotable,
        "runs_sha256": fit.attrs.get("sha256", ""),
        "loss_unit": fit.attrs["loss_unit"],
        "cost": fit.attrs["cost"],
        "largest_run_flop": fit.attrs["max_compute"],
    }
