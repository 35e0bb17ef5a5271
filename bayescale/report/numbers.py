"""Every number of the report, once: the page, the terminal and answers.json all read from here."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr

import bayescale
from bayescale.answers import bands
from bayescale.design import identified, ridge_of, unidentified
from bayescale.forms import FACTORS, FORECAST, HEADLINE, score, unpack_skipped
from bayescale.inference import verdict
from bayescale.numbers import parse_compute
from bayescale.posterior import Posterior
from bayescale.studies.stack import Stack
from bayescale.studies.study import PLAIN_FACTORS, Study
from bayescale.trust import Grade, dependence, dependence_warnings, grade, most_influential
from bayescale.trust.grade import was_put_in
from bayescale.trust.record import ABOUT, about, record_of, worst_of

Numbers = dict[str, Any]
# What the width of a band is made of, in the order in which it is told, with how a table calls it.
PARTS = {
    "form": "forms' disagreement",
    "parameters": "parameters",
    "drift": "drift",
    "errors": "shared errors",
    "noise": "run noise",
}
# What a backtest's scores are called, and their columns in `score`.
SCORES = {
    "coverage": "coverage",
    "mean_interval_score_percent": "winkler",
    "median_width_percent": "width",
    "median_error_percent": "error",
    "mean_bias_percent": "bias",
    "mean_crps_percent": "crps",
    "elpd": "elpd",
}
# LOO differences below 4 are small whatever their error (Sivula et al. 2020, arXiv 2008.10296); two errors are clear.
SMALL_ELPD, CLEAR_ERRORS = 4.0, 2.0


def collect_numbers(study: Study) -> Numbers:
    """Return every number of the report as plain dicts, lists, floats, strings and None.

    Parameters
    ----------
    study : Study
        From `bayescale.study`.

    Returns
    -------
    dict
        Strict JSON: what is not a number is None.
    """
    smallest, largest = Posterior(next(iter(study.every_fit.values()))).seen["compute"]
    compute = parse_compute(study.at, largest)
    question = {
        "at": study.at,
        "compute_flop": compute,
        "largest_run_flop": largest,
        "smallest_run_flop": smallest,
        "times_largest_run": compute / largest,
        "decades_beyond": float(np.log10(compute / largest)),
        "family_decades_beyond": {name: _own_distance(study.runs, name, compute) for name in study.families},
        "model": study.model,
        "against": study.against,
    }
    numbers = {
        "bayescale": bayescale.__version__,
        "title": study.runs.attrs.get("title", ""),
        "runs": int(study.runs.sizes["run"]),
        "families": study.families,
        "units": {
            "loss": study.runs.attrs["loss_unit"],
            "params": "parameters",
            "params_convention": study.runs.attrs.get("params_convention", "unknown"),
            "tokens": "tokens",
            "compute": "FLOP",
            "cost": study.runs.attrs.get("cost", ""),
        },
        "question": question,
        "forecast": _stack_numbers(study),
        "identifiability": {name: _design_numbers(design, study.families) for name, design in study.design.items()},
        "convergence": {name: _list_checks(fit) for name, fit in study.every_fit.items()},
        "not_quoted": study.not_quoted,
        "extrapolation": {name: _plain_numbers(study, name) for name in study.fits},
        "backtest": {name: backtest_numbers(name, held, question) for name, held in study.held.items()},
        "forms": _compare_forms(study),
        "prior_sensitivity": {name: _sensitivity_numbers(leans) for name, leans in study.leans.items()},
        "dependence": {name: _list_dependence(fit) for name, fit in study.fits.items()},
        "irreducible_loss": {name: _floor_numbers(study, name) for name in study.fits},
        "provenance": _list_provenance(study),
    }
    return dict(_to_json(numbers))


def _to_json(value: Any) -> Any:
    """Return the value as JSON has it: no arrays, no NumPy types, no NaN, no infinity."""
    if isinstance(value, dict):
        return {str(key): _to_json(item) for key, item in value.items()}
    if isinstance(value, xr.DataArray | np.ndarray | np.generic):
        return _to_json(value.values.tolist() if isinstance(value, xr.DataArray) else value.tolist())
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int) else str(value)


def _own_distance(runs: xr.Dataset, family: str, compute: float) -> float:
    own = runs.isel(run=runs["family"].values == family) if "family" in runs.coords else runs
    return float(np.log10(compute / own["compute"].values.max()))


def of_family(answer: xr.Dataset, family: str) -> xr.Dataset:
    """Return one family's part of an answer; as it is where there are no families."""
    return answer.sel(family=family, drop=True) if "family" in answer.dims else answer


def shares_of(far: xr.Dataset) -> dict[str, float]:
    """Return what the width of a band is made of, of the parts that it has."""
    return {part: float(far[f"share_{part}"]) for part in PARTS if f"share_{part}" in far}


def _band_numbers(draws: xr.DataArray, **options: Any) -> Numbers:
    """Return the median and the limits of the bands of draws."""
    quantiles = bands(draws, **options)
    limits = {
        f"{100 * p:g}": [quantiles[side].sel(prob=p) for side in ("lower", "upper")] for p in quantiles["prob"].values
    }
    return {"median": quantiles["median"], "bands": limits}


def _grade_numbers(given: Grade) -> Numbers:
    """Return a grade's letter, sentence and parts."""
    return {"letter": given.letter, "sentence": given.sentence, "parts": [part._asdict() for part in given.parts]}


def _loss_numbers(far: xr.Dataset) -> Numbers:
    """Return the run that was asked about, its loss, and what the width of the band is made of."""
    columns = {name: far[name] for name in ("params", "tokens")}
    return columns | {name: _band_numbers(far[name]) for name in ("loss", "expected_loss")} | {"shares": shares_of(far)}


def _stack_numbers(study: Study) -> Numbers:
    """Return the numbers of the stacked forms; only why there are none, where no form could be fitted."""
    stack = study.stack
    if stack is None:
        return {"possible": False, "why_not": study.not_stacked}
    far = stack.far.isel(point=-1)
    return {
        "possible": True,
        "why_not": "",
        "asked": stack.asked,
        "leading": stack.leading,
        "evidence": far["evidence"],
        "rehearsals": 10 ** far["reach"],
        "skipped": [asdict(record) for record in unpack_skipped(far)],
        "not_checked": stack.not_checked,
        "forms": {str(name): _form_numbers(far.sel(form=name), study.families) for name in far["form"].values},
        "families": {
            family: _loss_numbers(of_family(far, family)) | {"grade": _grade_numbers(stack.grades[family])}
            for family in study.families
        },
        "prior_sensitivity": _sensitivity_numbers(stack.sensitivity),
        "single_runs": _influence_numbers(stack),
        "predicted_without": [] if stack.checked is None else stack.checked["sentence"],
    }


def _form_numbers(alone: xr.Dataset, families: list[str]) -> Numbers:
    return {
        "weight": alone["weight"],
        "prior_weight": alone["prior_weight"],
        "scores": alone["score"],
        "loss": {family: _band_numbers(of_family(alone, family)["form_loss"]) for family in families},
    }


def _sensitivity_numbers(leans: xr.Dataset | None) -> list[Numbers]:
    """Return how far each answer leans on the priors, a row each; none where that was not asked."""
    if leans is None:
        return []
    columns = ["answer", "quantity", "family", "leans", "leans_on", "diagnosis", "prior_sensitivity"]
    columns += ["likelihood_sensitivity", "sentence"]
    return [{name: leans[name].sel(answer=answer) for name in columns} for answer in leans["answer"].values]


def _influence_numbers(stack: Stack) -> Numbers:
    if stack.moved is None:
        return {"sentence": "", "most": []}
    table = most_influential(stack.moved).reset_index()
    columns = [name for name in ("run", "answer_family", "shift", "of_band", "pareto_k", "reliable") if name in table]
    return {"sentence": stack.moved.attrs["sentence"], "most": table[columns].to_dict("records")}


def _design_numbers(design: xr.Dataset, families: list[str]) -> Numbers:
    each = {family: of_family(design, family) for family in families}
    return {
        "identified": not unidentified(design),
        "sentences": unidentified(design) or [identified(design)],
        "least_learned": {family: own["direction_learned"] for family, own in each.items()},
        "ridge": {
            family: ridge_of(own)
            for family, own in each.items()
            if own.sizes["parameter"] > 1 and np.isfinite(own["direction_learned"])
        },
    }


def _list_dependence(fit: xr.DataTree) -> list[str]:
    return dependence_warnings(dependence(fit, allow_unconverged=True))


def _list_checks(fit: xr.DataTree) -> Numbers:
    judged = verdict(fit)
    checks = [
        {"check": c.name, "value": c.value, "limit": c.limit, "passed": c.passed, "worst": c.worst}
        for c in judged.checks
    ]
    return {"passed": judged.passed, "sentence": judged.sentence, "checks": checks}


def _plain_numbers(study: Study, model: str) -> Numbers:
    out = {}
    for family in study.families:
        split = of_family(study.split[model], family).isel(point=-1)
        out[family] = {
            **_loss_numbers(of_family(study.far[model], family).isel(point=0)),
            "grade": _grade_plain(study, model, study.far[model], family, 0),
            "optimal_grade": _grade_plain(study, model, study.split[model], family, -1),
            "optimal": {name: _band_numbers(split[name]) for name in ("params", "tokens", "tokens_per_param")}
            | {"exponent_params": _band_numbers(split["a"]), "exponent_tokens": _band_numbers(split["b"])},
        }
    return out


def _grade_plain(study: Study, model: str, answer: xr.Dataset, family: str, point: int = 0) -> Numbers:
    named = family if "family" in answer.dims else None
    return _grade_numbers(grade(answer, study.held.get(model), study.leans.get(model), point=point, family=named))


def backtest_numbers(name: str, held: xr.Dataset, question: Numbers) -> Numbers:
    """Return the scores of a backtest by factor and family, what could not be tested, and the verdict on its bands."""
    asked = [f"{f:g}" for f in (FACTORS if name == FORECAST else PLAIN_FACTORS)]
    out: Numbers = {"band": HEADLINE, "asked": asked, "skipped": [asdict(r) for r in unpack_skipped(held)]}
    out["record"] = _judge_bands(held, question)
    out["by_factor"] = scores_by_factor(held)
    families = sorted(set(held["family"].values.tolist())) if held.sizes["held_out"] else []
    if len(families) > 1:
        out["by_family"] = {
            name: scores_by_factor(held.isel(held_out=held["family"].values == name)) for name in families
        }
    return out


def _judge_bands(held: xr.Dataset, question: Numbers) -> Numbers:
    """Return the verdict on the bands that the families' grades are made of, and of whose runs it is at which factor.

    Told of all runs together where these say the same as the family that came out worst.
    """
    own = [record_of(held, beyond, family) for family, beyond in question["family_decades_beyond"].items()]
    judged = worst_of(own).verdict
    told = next(r for r in [record_of(held, question["decades_beyond"]), *own] if r.verdict == judged)
    factor = None if told.factor is None else f"{told.factor:g}"
    return {"verdict": judged, "factor": factor, "family": told.family}


def scores_by_factor(held: xr.Dataset) -> Numbers:
    """Return the scores of a backtest by its factors, of all runs and of those about as far out as the factor says."""
    if not held.sizes["held_out"]:
        return {}
    out = {}
    for factor in sorted(set(held["factor"].values.tolist())):
        part = held.isel(held_out=held["factor"].values == factor)
        distant = about(part, factor)
        out[f"{factor:g}"] = {
            "fitted_runs": int(part["fitted"].max()) if "fitted" in part.coords else None,
            **_score_runs(part),
            "at_distance": {"decades_from": float(np.log10(factor) - ABOUT), **_score_runs(distant)},
        }
    return out


def _score_runs(held: xr.Dataset) -> Numbers:
    if not held.sizes["held_out"]:
        return {"held_out_runs": 0, "inside": 0}
    row = score(held).iloc[0]
    return {
        "held_out_runs": int(row["runs"]),
        "inside": int(row["inside"]),
        **{name: row[column] for name, column in SCORES.items()},
    }


def _compare_forms(study: Study) -> Numbers:
    """Hold one plain form against the other; that takes two that may be quoted."""
    loo = study.loo
    if loo is None:
        return {"loo": None, "largest_left_out": {}, "largest_left_out_better": None, "agree": None}
    columns = ("elpd_loo", "se", "elpd_diff", "dse", "p_loo", "weight", "bad_k", "refitted")
    table: list[Numbers] = [
        {"model": str(name)} | {c: float(loo[c].sel(model=name)) for c in columns} for name in loo["model"].values
    ]
    best, other = table[0], table[1]
    gap = abs(other["elpd_loo"] - best["elpd_loo"])
    loo_clear = gap > SMALL_ELPD and gap > CLEAR_ERRORS * other["dse"]
    ahead = {f"{factor:g}": _compare_beyond(study, factor) for factor in PLAIN_FACTORS}
    ahead_says = next((test["better"] for test in reversed(ahead.values()) if test), None)
    return {
        "loo": {
            "table": table,
            "better": best["model"],
            "elpd_difference": gap,
            "standard_error": other["dse"],
            "clear": loo_clear,
        },
        "largest_left_out": ahead,
        "largest_left_out_better": ahead_says,
        "agree": None if ahead_says is None else ahead_says == best["model"],
    }


def _compare_beyond(study: Study, factor: float) -> Numbers | None:
    """Say which form predicted the runs beyond a cut better, on the runs that both predicted."""
    parts = {}
    for name in (study.model, study.against):
        held = study.held[name]
        part = held.isel(held_out=held["factor"].values == factor)
        parts[name] = dict(zip(part["run"].values.tolist(), part["elpd"].values.tolist(), strict=True))
    first, second = parts.values()
    common = [run for run in first if run in second]
    if not common:
        return None
    difference = np.array([first[run] - second[run] for run in common])
    error = float(np.sqrt(len(common)) * difference.std(ddof=1)) if len(common) > 1 else float("nan")
    total = float(difference.sum())
    return {
        "better": study.model if total >= 0 else study.against,
        "elpd_difference": abs(total),
        "standard_error": error,
        "runs": len(common),
        "clear": bool(abs(total) > SMALL_ELPD and abs(total) > CLEAR_ERRORS * error),
    }


def _floor_numbers(study: Study, model: str) -> Numbers:
    answer = study.floor[model]
    out: Numbers = {
        "a_parameter": Posterior(study.fits[model]).law.has_floor,
        "warning": answer.attrs["warning"],
        "families": {},
    }
    for family in study.families:
        floor = of_family(answer, family)
        numbers = _band_numbers(floor["irreducible_loss"]) | {
            "lowest_seen": floor["lowest_seen"],
            **{name: floor.get(name) for name in ("identified", "learned")},
        }
        if not was_put_in(floor):
            named, held = family if "family" in answer.dims else None, study.held.get(model)
            numbers["grade"] = _grade_plain(study, model, answer, family)
            numbers["bands_failed"] = held is not None and record_of(held, np.inf, named).verdict == "failed"
        if "prior" in floor:
            numbers["prior"] = _band_numbers(floor["prior"], dim=floor["prior"].dims)
        if (truth := study.truth.get(family)) is not None:
            low, high = numbers["bands"]["95"]
            numbers |= {"truth": float(truth), "truth_inside_95": bool(low <= truth <= high)}
        out["families"][family] = numbers
    return out | {name: _band_numbers(answer[name]) for name in ("population", "new_family") if name in answer}


def _list_provenance(study: Study) -> Numbers:
    attrs = study.runs.attrs
    fits = study.every_fit
    first = next(iter(fits.values())).attrs
    settings = {name: json.loads(fit.attrs["settings"]) for name, fit in fits.items()}
    return {
        "source": attrs.get("source", ""),
        "licence": attrs.get("licence", ""),
        "sha256": attrs.get("sha256", first.get("sha256", "")),
        "seed": next(iter(settings.values())).get("seed"),
        "settings": settings,
        "versions": json.loads(first["versions"]),
        "cards": {name: Posterior(fit).card.model_dump(mode="json") for name, fit in fits.items()},
        "laws": {name: Posterior(fit).law.equation for name, fit in fits.items()},
        "reference_run": {name: Posterior(fit).reference for name, fit in fits.items()},
        "families": {name: Posterior(fit).families for name, fit in fits.items()},
        "findings": [
            {"level": item["level"], "message": item["message"]} for item in json.loads(attrs.get("findings", "[]"))
        ],
    }
