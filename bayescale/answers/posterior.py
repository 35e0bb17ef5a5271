"""What every answer asks of a posterior: its law, its draws by name, its cost model, and how far a question lies."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.cards import Card
from bayescale.costs import CostModel, cost_model
from bayescale.errors import QuestionError, did_you_mean
from bayescale.inference import by_run, runs_of
from bayescale.laws import SCALES, Law, scale_of
from bayescale.layers import Span, read_inputs, respond, sampled_names
from bayescale.numbers import parse_number

DRAW_DIMS = ("chain", "draw")
POINT = "point"


def card_of(fit: xr.DataTree) -> Card:
    """Return the model card that the posterior was sampled from."""
    return Card.model_validate_json(fit.attrs["card"])


def law_of(fit: xr.DataTree) -> Law:
    """Return the law that was fitted."""
    return card_of(fit).get_law()


def cost_of(fit: xr.DataTree) -> CostModel:
    """Return the cost model that ties N, D and C together in these runs."""
    return cost_model(fit.attrs["cost"])


def reference_of(fit: xr.DataTree) -> dict[str, float]:
    """Return the reference run: the geometric mean of the fitted runs, by column."""
    return dict(json.loads(fit.attrs["reference"]))


def seen(fit: xr.DataTree) -> dict[str, tuple[float, float]]:
    """Return the smallest and largest compute, and the same of everything that the law takes, in the fitted runs."""
    return {name: (low, high) for name, (low, high) in json.loads(fit.attrs["seen"]).items()}


def families_of(fit: xr.DataTree) -> list[str]:
    """Return the families by name; one unnamed where the runs have none."""
    return list(json.loads(fit.attrs["families"]))


def loss_unit(fit: xr.DataTree) -> str:
    """Return the unit of the loss; a share has none."""
    return str(fit.attrs["loss_unit"]) if law_of(fit).response == "loss" else "1"


def theta_of(fit: xr.DataTree, family: str | None = None) -> dict[str, xr.DataArray]:
    """Return the draws of the law's and the noise's parameters by name; of one family where one is named.

    Raises
    ------
    QuestionError
        If the posterior has no such family.
    """
    posterior = fit["posterior"].to_dataset()
    theta = {name: posterior[name] for name in sampled_names(card_of(fit))}
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


def law_theta(fit: xr.DataTree, family: str | None = None) -> dict[str, xr.DataArray]:
    """Return the draws of the law's parameters alone."""
    theta = theta_of(fit, family)
    return {name: theta[name] for name in law_of(fit).parameter_names}


def expected_loss(fit: xr.DataTree, inputs: Mapping[str, Any], family: str | None = None) -> xr.DataArray:
    """Return what is expected for every draw, without run noise, at `inputs` by column in their own units.

    Whatever follows from the inputs given is worked out: C from N and D, steps from tokens and batch. A card with a
    discrepancy adds its drift to the law.
    """
    return respond_at(fit, inputs, family)[0]


def respond_at(
    fit: xr.DataTree, inputs: Mapping[str, Any], family: str | None = None
) -> tuple[xr.DataArray, dict[str, xr.DataArray]]:
    """Return what is expected for every draw at `inputs`, and the parameters as they hold there."""
    card = card_of(fit)
    inputs = complete_inputs(card.get_law(), inputs, cost_of(fit))
    return respond(card, theta_of(fit, family), inputs, reference_of(fit), spans_of(fit))


def respond_at_runs(fit: xr.DataTree) -> tuple[xr.DataArray, dict[str, xr.DataArray]]:
    """Return what is expected of each fitted run for every draw, and the parameters as they hold there."""
    card, runs, spans = card_of(fit), runs_of(fit), spans_of(fit)
    inputs = read_inputs(card, runs)
    theta = by_run(theta_of(fit), runs["family"] if "family" in runs.coords else None)
    return respond(card, theta, inputs, reference_of(fit), spans)


def spans_of(fit: xr.DataTree) -> dict[str, Span]:
    """Return where the fitted runs lie along each scale of the drift; empty where the card has none."""
    return {name: Span(*span) for name, span in json.loads(fit.attrs.get("spans", "{}")).items()}


def complete_inputs(law: Law, known: Mapping[str, Any], cost: CostModel) -> dict[str, Any]:
    """Return the inputs given and those that follow from them.

    Raises
    ------
    QuestionError
        If something that the law takes is neither given nor follows.
    """
    values = dict(known)
    ways: tuple[tuple[str, tuple[str, str], Any], ...] = (
        ("tokens", ("step", "batch"), lambda step, batch: step * batch),
        ("tokens", ("params", "compute"), cost.tokens),
        ("params", ("tokens", "compute"), cost.params),
        ("compute", ("params", "tokens"), cost.compute),
        ("step", ("tokens", "batch"), lambda tokens, batch: tokens / batch),
    )
    for _ in range(2):
        for name, (first, second), follow in ways:
            if name not in values and first in values and second in values:
                values[name] = follow(values[first], values[second])
    missing = [name for name in law.inputs if name not in values]
    if missing:
        said = ", ".join(f"{name} ({scale_of(name).meaning})" for name in missing)
        raise QuestionError(
            f"say where: the law {law.name!r} takes {', '.join(law.inputs)}; not said: {said}; "
            f"got {', '.join(known) or 'none of them'}. Two of params, tokens and compute give the third; anything "
            f"else is given as at={{'name': value}} (--at name=value)."
        )
    return values


def compute_points(fit: xr.DataTree, compute: Any) -> xr.DataArray:
    """Return compute in FLOP, dims ``point``, from ``"100x"`` (of the largest run), numbers, or a list of either.

    Raises
    ------
    QuestionError
        If an entry is neither, or is not positive, or is a multiple where the runs' compute is not known.
    """
    entries = np.atleast_1d(np.asarray(compute, dtype=object)).ravel()
    largest = seen(fit).get("compute", (None, None))[1]
    return xr.DataArray([parse_compute(entry, largest) for entry in entries], dims=POINT, attrs={"units": "FLOP"})


def is_multiple(entry: Any) -> bool:
    """Return whether the entry is a multiple of the largest run, such as ``"100x"``."""
    return str(entry).strip()[-1:] in ("x", "X", "×")


def parse_compute(entry: Any, largest: float | None) -> float:
    """Return compute in FLOP from ``"100x"`` of the largest run, a number, or a number as people write it."""
    text = str(entry).strip()
    multiple = is_multiple(entry)
    try:
        value = parse_number(text[:-1] if multiple else entry)
    except ValueError:
        value = np.nan
    if not (np.isfinite(value) and value > 0):
        raise QuestionError(
            f"compute {entry!r} is not understood. Accepted: a multiple of the largest run such as 100x, "
            "or FLOP such as 1e26."
        )
    if multiple and largest is None:
        raise QuestionError(
            f"compute {entry!r} is a multiple of the largest run, but the compute of these runs is not known. Give "
            "FLOP, or what the law takes."
        )
    return value * largest if multiple and largest is not None else value


def scale_points(fit: xr.DataTree, values: Any, name: str) -> xr.DataArray:
    """Return N, D or anything else that a law takes, dims ``point``, from numbers or multiples of the largest seen.

    Raises
    ------
    QuestionError
        If there is no such quantity, or a value is not a number that it may take.
    """
    if name not in SCALES:
        raise QuestionError(f"there is no {name!r} to give.{did_you_mean(name, SCALES)} Accepted: {', '.join(SCALES)}.")
    if name == "compute":
        return compute_points(fit, values)
    scale, entries = SCALES[name], np.atleast_1d(np.asarray(values, dtype=object)).ravel()
    numbers = []
    for entry in entries:
        if is_multiple(entry) and name not in seen(fit):
            raise QuestionError(
                f"{name}: {entry!r} is a multiple of the largest run, but the law does not take {name}."
            )
        largest = seen(fit)[name][1] if is_multiple(entry) else 1.0
        try:
            number = parse_number(str(entry).strip()[:-1] if is_multiple(entry) else entry) * largest
        except ValueError as error:
            raise QuestionError(f"{name}: {error}.") from None
        if not (np.isfinite(number) and scale.lower < number < scale.upper):
            raise QuestionError(f"{name}: got {entry!r}; accepted: {scale.accepted}.")
        numbers.append(number)
    return xr.DataArray(np.array(numbers, dtype=float), dims=POINT)


def same_length(points: Mapping[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """Return the points with a single value repeated for every value of the others.

    Raises
    ------
    QuestionError
        If two of them have several values, and not equally many.
    """
    length = max((values.sizes[POINT] for values in points.values()), default=1)
    odd = [name for name, values in points.items() if values.sizes[POINT] not in (1, length)]
    if odd:
        longest = next(name for name, values in points.items() if values.sizes[POINT] == length)
        both = " and ".join(name for name in points if name in (longest, odd[0]))
        raise QuestionError(f"{both} must be of equal length, or one of them a single value.")
    return {name: values.isel({POINT: np.arange(length) % values.sizes[POINT]}) for name, values in points.items()}


def decades_beyond(fit: xr.DataTree, inputs: Mapping[str, Any]) -> xr.DataArray:
    """Return how many decades a question lies beyond the largest run; negative inside the data.

    In compute where that is known, else in the first quantity that the law takes.
    """
    measure = distance_in(fit, inputs)
    return np.log10(inputs[measure] / seen(fit)[measure][1])


def own_distance(
    fit: xr.DataTree, inputs: Mapping[str, Any], answer: xr.Dataset, family: str | None
) -> dict[str, xr.DataArray]:
    """Return how many decades a question lies beyond the largest run of its own family, as a coord by its name.

    Of each family that the answer has, or of the one that was asked; nothing where the runs have no families.
    """
    runs, measure = runs_of(fit), distance_in(fit, inputs)
    names = [family] if family else answer["family"].values.tolist() if "family" in answer.dims else []
    if not names or "family" not in runs.coords or measure not in runs:
        return {}
    each = [float(runs[measure].values[runs["family"].values == name].max()) for name in names]
    largest = each[0] if family else xr.DataArray(each, dims="family", coords={"family": names})
    return {"family_decades_beyond": np.log10(inputs[measure] / largest)}


def distance_in(fit: xr.DataTree, inputs: Mapping[str, Any]) -> str:
    """Return the column in which a question's distance from the runs is measured."""
    return "compute" if "compute" in inputs and "compute" in seen(fit) else law_of(fit).inputs[0]


def answer_attrs(fit: xr.DataTree, question: str, quotable: str) -> dict[str, Any]:
    """Return what every answer carries: the question, the model, the verdict and where the runs came from."""
    attrs = {
        "question": question,
        "model": fit.attrs["model"],
        "verdict": quotable,
        "runs_sha256": fit.attrs.get("sha256", ""),
        "loss_unit": loss_unit(fit),
        "cost": fit.attrs["cost"],
    }
    return attrs | ({"largest_run_flop": seen(fit)["compute"][1]} if "compute" in seen(fit) else {})
