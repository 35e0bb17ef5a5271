"""The numbers of the first answer: the stacked band, what each form says alone, the weights, the grade."""

from dataclasses import asdict
from typing import Any

import xarray as xr

from bayescale.answers import bands
from bayescale.forms import unpack_skipped
from bayescale.studies.stack import Stack
from bayescale.studies.study import Study
from bayescale.trust import Grade, most_influential

Numbers = dict[str, Any]
# What the width of a band is made of, in the order in which it is told, with how a table calls it.
PARTS = {
    "form": "forms' disagreement",
    "parameters": "parameters",
    "drift": "drift",
    "errors": "shared errors",
    "noise": "run noise",
}


def stack_numbers(study: Study) -> Numbers:
    """Return the numbers of the stacked forms; only why there are none, where no form could be fitted."""
    stack = study.stack
    if stack is None:
        return {"possible": False, "why_not": study.not_stacked}
    far = stack.far.isel(point=-1)
    forms = [str(name) for name in far["form"].values]
    return {
        "possible": True,
        "why_not": "",
        "asked": list(stack.asked),
        "leading": stack.leading,
        "evidence": float(far["evidence"]),
        "rehearsals": [float(10**reach) for reach in far["reach"].values],
        "skipped": [asdict(record) for record in unpack_skipped(far)],
        "not_checked": list(stack.not_checked),
        "forms": {name: _form(stack, far, name, study.families) for name in forms},
        "families": {family: _family(stack, of_family(far, family), family) for family in study.families},
        "prior_sensitivity": sensitivity_numbers(stack.sensitivity),
        "single_runs": _single_runs(stack.moved),
        "predicted_without": _checked(stack.checked),
    }


def of_family(answer: xr.Dataset, family: str) -> xr.Dataset:
    """Return one family's part of an answer; as it is where there are no families."""
    return answer.sel(family=family, drop=True) if "family" in answer.dims else answer


def shares_of(far: xr.Dataset) -> dict[str, float]:
    """Return what the width of a band is made of, of the parts that it has."""
    return {part: float(far[f"share_{part}"]) for part in PARTS if f"share_{part}" in far}


def banded(draws: xr.DataArray) -> Numbers:
    """Return the median and the limits of the bands of draws."""
    found = bands(draws)
    limits = {
        f"{100 * p:g}": [float(found[side].sel(prob=p)) for side in ("lower", "upper")] for p in found["prob"].values
    }
    return {"median": float(found["median"]), "bands": limits}


def _form(stack: Stack, far: xr.Dataset, name: str, families: list[str]) -> Numbers:
    one = far.sel(form=name)
    return {
        "weight": float(one["weight"]),
        "prior_weight": float(one["prior_weight"]),
        "scores": [float(score) for score in one["score"].values],
        "loss": {family: banded(of_family(one, family)["form_loss"]) for family in families},
    }


def _family(stack: Stack, far: xr.Dataset, family: str) -> Numbers:
    return {
        "params": float(far["params"]),
        "tokens": float(far["tokens"]),
        "loss": banded(far["loss"]),
        "expected_loss": banded(far["expected_loss"]),
        "shares": shares_of(far),
        "grade": graded(stack.grades[family]),
    }


def graded(given: Grade) -> Numbers:
    """Return a grade's letter, sentence and parts."""
    return {
        "letter": given.letter,
        "sentence": given.sentence,
        "parts": [part._asdict() for part in given.parts],
    }


def sensitivity_numbers(found: xr.Dataset | None) -> list[Numbers]:
    """Return how far each answer leans on the priors, a row each; none where that was not asked."""
    if found is None:
        return []
    return [
        {
            "answer": str(name),
            "quantity": str(found["quantity"].sel(answer=name).item()),
            "family": str(found["family"].sel(answer=name).item()),
            "leans": bool(found["leans"].sel(answer=name)),
            "leans_on": str(found["leans_on"].sel(answer=name).item()),
            "diagnosis": str(found["diagnosis"].sel(answer=name).item()),
            "prior_sensitivity": float(found["prior_sensitivity"].sel(answer=name)),
            "likelihood_sensitivity": float(found["likelihood_sensitivity"].sel(answer=name)),
            "sentence": str(found["sentence"].sel(answer=name).item()),
        }
        for name in found["answer"].values
    ]


def _single_runs(moved: xr.Dataset | None) -> Numbers:
    if moved is None:
        return {"sentence": "", "most": []}
    table = most_influential(moved).reset_index()
    columns = [name for name in ("run", "answer_family", "shift", "of_band", "pareto_k", "reliable") if name in table]
    return {"sentence": moved.attrs["sentence"], "most": table[columns].to_dict("records")}


def _checked(checked: xr.Dataset | None) -> list[str]:
    return [] if checked is None else [str(text) for text in checked["sentence"].values]
