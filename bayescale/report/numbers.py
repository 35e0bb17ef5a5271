"""Every number of the report, once: the page, the terminal and answers.json all read from here."""

import json
from typing import Any

import numpy as np
import xarray as xr

import bayescale
from bayescale.answers import bands, card_of, families_of, law_of, parse_compute, reference_of, seen
from bayescale.design import identified, ridge_of, unidentified
from bayescale.forms import FACTORS, FORECAST, HEADLINE, score
from bayescale.inference import verdict
from bayescale.report.numbers_stack import (
    Numbers,
    banded,
    graded,
    of_family,
    sensitivity_numbers,
    shares_of,
    stack_numbers,
)
from bayescale.studies.study import PLAIN_FACTORS, Study
from bayescale.trust import Grade, dependence, dependence_warnings, grade
from bayescale.trust.grade import was_put_in
from bayescale.trust.record import ABOUT, about, record_of, worst_of

# LOO differences below 4 are small whatever their error (Sivula et al. 2020, arXiv 2008.10296); two errors are clear.
SMALL_ELPD, CLEAR_ERRORS = 4.0, 2.0


def collect_numbers(study: Study) -> Numbers:
    """Return every number of the report as plain dicts, lists, floats, strings and None.

    Parameters
    ----------
    study : Study
        From `run_study`.

    Returns
    -------
    dict
        Strict JSON: what is not a number is None.
    """
    smallest, largest = seen(next(iter(study.every_fit.values())))["compute"]
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
    found = {
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
        "forecast": stack_numbers(study),
        "identifiability": {name: _identifiability(found, study.families) for name, found in study.design.items()},
        "convergence": {name: _convergence(fit) for name, fit in study.every_fit.items()},
        "not_quoted": study.not_quoted,
        "extrapolation": {name: _extrapolation(study, name) for name in study.fits},
        "backtest": {name: _backtest(name, held, question) for name, held in study.held.items()},
        "forms": _forms(study),
        "prior_sensitivity": {name: sensitivity_numbers(found) for name, found in study.leans.items()},
        "dependence": {name: _dependence(fit) for name, fit in study.fits.items()},
        "irreducible_loss": {name: _floor(study, name) for name in study.fits},
        "provenance": _provenance(study),
    }
    return dict(_strict(found))


def _strict(value: Any) -> Any:
    """Return the value as JSON has it: no NumPy types, no NaN, no infinity."""
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_strict(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value if value is None else str(value)


def _own_distance(runs: xr.Dataset, family: str, compute: float) -> float:
    mine = runs.isel(run=runs["family"].values == family) if "family" in runs.coords else runs
    return float(np.log10(compute / mine["compute"].values.max()))


def _identifiability(found: xr.Dataset, families: list[str]) -> Numbers:
    each = {family: of_family(found, family) for family in families}
    return {
        "identified": not unidentified(found),
        "sentences": unidentified(found) or [identified(found)],
        "least_learned": {family: float(one["direction_learned"]) for family, one in each.items()},
        "ridge": {
            family: ridge_of(one)
            for family, one in each.items()
            if one.sizes["parameter"] > 1 and np.isfinite(one["direction_learned"])
        },
    }


def _dependence(fit: xr.DataTree) -> list[str]:
    return dependence_warnings(dependence(fit, allow_unconverged=True))


def _convergence(fit: xr.DataTree) -> Numbers:
    found = verdict(fit)
    checks = [
        {"check": c.name, "value": c.value, "limit": c.limit, "passed": c.passed, "worst": c.worst}
        for c in found.checks
    ]
    return {"passed": found.passed, "sentence": found.sentence, "checks": checks}


def _extrapolation(study: Study, model: str) -> Numbers:
    out = {}
    for family in study.families:
        far = of_family(study.far[model], family).isel(point=0)
        split = of_family(study.split[model], family).isel(point=-1)
        out[family] = {
            "params": float(far["params"]),
            "tokens": float(far["tokens"]),
            "loss": banded(far["loss"]),
            "expected_loss": banded(far["expected_loss"]),
            "shares": shares_of(far),
            "grade": graded(_graded(study, model, study.far[model], family, 0)),
            "optimal_grade": graded(_graded(study, model, study.split[model], family, -1)),
            "optimal": {name: banded(split[name]) for name in ("params", "tokens", "tokens_per_param")}
            | {"exponent_params": banded(split["a"]), "exponent_tokens": banded(split["b"])},
        }
    return out


def _graded(study: Study, model: str, answer: xr.Dataset, family: str, point: int) -> Grade:
    named = family if "family" in answer.dims else None
    return grade(answer, study.held.get(model), study.leans.get(model), point=point, family=named)


def _backtest(name: str, held: xr.Dataset, question: Numbers) -> Numbers:
    asked = [f"{f:g}" for f in (FACTORS if name == FORECAST else PLAIN_FACTORS)]
    out: Numbers = {"band": HEADLINE, "asked": asked, "skipped": held.attrs.get("skipped", "")}
    out["record"] = _record(held, question)
    out["by_factor"] = scores_by_factor(held)
    families = sorted(set(held["family"].values.tolist())) if held.sizes["held_out"] else []
    if len(families) > 1:
        out["by_family"] = {
            name: scores_by_factor(held.isel(held_out=held["family"].values == name)) for name in families
        }
    return out


def _record(held: xr.Dataset, question: Numbers) -> Numbers:
    """Return the verdict on the bands that the families' grades are made of, and of whose runs it is at which factor.

    Told of all runs together where these say the same as the family that came out worst.
    """
    own = [record_of(held, beyond, family) for family, beyond in question["family_decades_beyond"].items()]
    judged = worst_of(own).verdict
    found = next(r for r in [record_of(held, question["decades_beyond"]), *own] if r.verdict == judged)
    factor = None if found.factor is None else f"{found.factor:g}"
    return {"verdict": judged, "factor": factor, "family": found.family}


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
            **_score(part),
            "at_distance": {"decades_from": float(np.log10(factor) - ABOUT), **_score(distant)},
        }
    return out


def _score(held: xr.Dataset) -> Numbers:
    if not held.sizes["held_out"]:
        return {"held_out_runs": 0, "inside": 0}
    row = score(held).iloc[0]
    return {
        "held_out_runs": int(row["runs"]),
        "inside": int(row["inside"]),
        "coverage": row["coverage"],
        "mean_interval_score_percent": row["winkler"],
        "median_width_percent": row["width"],
        "median_error_percent": row["error"],
        "mean_bias_percent": row["bias"],
        "mean_crps_percent": row["crps"],
        "elpd": row["elpd"],
    }


def _forms(study: Study) -> Numbers:
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
    ahead = {f"{factor:g}": _ahead(study, factor) for factor in PLAIN_FACTORS}
    tested = [found for found in reversed(ahead.values()) if found]
    ahead_says = next((t["better"] for t in tested[:1]), None)
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


def _ahead(study: Study, factor: float) -> Numbers | None:
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


def _floor(study: Study, model: str) -> Numbers:
    answer = study.floor[model]
    out: Numbers = {
        "a_parameter": law_of(study.fits[model]).has_floor,
        "warning": answer.attrs["warning"],
        "families": {},
    }
    for family in study.families:
        one = of_family(answer, family)
        found = banded(one["irreducible_loss"]) | {
            "lowest_seen": float(one["lowest_seen"]),
            "identified": bool(one["identified"]) if "identified" in one else None,
            "learned": float(one["learned"]) if "learned" in one else None,
        }
        if not was_put_in(one):
            named = family if "family" in answer.dims else None
            held, leans = study.held.get(model), study.leans.get(model)
            found["grade"] = graded(grade(answer, held, leans, family=named))
            found["bands_failed"] = held is not None and record_of(held, np.inf, named).verdict == "failed"
        if "prior" in one:
            found["prior"] = _prior(one["prior"])
        if (truth := study.truth.get(family)) is not None:
            low, high = found["bands"]["95"]
            found |= {"truth": float(truth), "truth_inside_95": bool(low <= truth <= high)}
        out["families"][family] = found
    for name in ("population", "new_family"):
        if name in answer:
            out[name] = banded(answer[name])
    return out


def _prior(draws: xr.DataArray) -> Numbers:
    found = bands(draws, dim=draws.dims)  # type: ignore[arg-type]
    return {
        "median": float(found["median"]),
        "bands": {
            f"{100 * p:g}": [float(found[side].sel(prob=p)) for side in ("lower", "upper")]
            for p in found["prob"].values
        },
    }


def _provenance(study: Study) -> Numbers:
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
        "cards": {name: card_of(fit).model_dump(mode="json") for name, fit in fits.items()},
        "laws": {name: law_of(fit).equation for name, fit in fits.items()},
        "reference_run": {name: reference_of(fit) for name, fit in fits.items()},
        "families": {name: families_of(fit) for name, fit in fits.items()},
        "findings": [
            {"level": item["level"], "message": item["message"]} for item in json.loads(attrs.get("findings", "[]"))
        ],
    }
