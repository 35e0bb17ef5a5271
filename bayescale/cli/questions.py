"""Questions of `bayescale ask` that put several public functions together, or ask the runs of a posterior."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

import bayescale as bs
from bayescale.answers import time_and_compute
from bayescale.errors import DesignError, QuestionError


def find_front_ends(fit: xr.DataTree, loss: float, params: Any, **options: Any) -> xr.Dataset:
    """Return the two ends of time against compute."""
    from bayescale.answers import fastest_and_cheapest

    return fastest_and_cheapest(time_and_compute(fit, loss, params, **options))


def price_deadline(fit: xr.DataTree, loss: float, params: Any, deadline: Any, **options: Any) -> xr.Dataset:
    """Return the smallest batch that is in time, and what it costs."""
    from bayescale.answers import cost_of_deadline

    return cost_of_deadline(time_and_compute(fit, loss, params, **options), deadline)


def ask_loss_by_domain(params: str | None = None, compute: str | None = None) -> xr.Dataset:
    """Return the published loss of every domain at a size or at a compute."""
    from bayescale.numbers import parse_number
    from bayescale.papers import loss_by_domain

    given = {"params": params, "compute": compute}
    try:
        return loss_by_domain(**{name: parse_number(text) for name, text in given.items() if text is not None})
    except ValueError as error:
        raise QuestionError(str(error)) from None


def load_forms(fit: xr.DataTree, beside: Sequence[str] | None) -> dict[str, xr.DataTree]:
    """Return a posterior and further ones from files, by the names of their models."""
    fits = {str(fit.attrs["model"]): fit}
    for file in beside or ():
        other = bs.load_fit(file)
        name = str(other.attrs["model"])
        fits[Path(file).stem if name in fits else name] = other
    return fits


def ask_known_models(fit: xr.DataTree, beside: Sequence[str] | None = None, **options: Any) -> xr.Dataset:
    """Return what one or several forms expect of well-known models."""
    from bayescale.answers import known_models

    return known_models(load_forms(fit, beside), **options)


def ask_better(
    fit: xr.DataTree, models: Sequence[str], beside: Sequence[str] | None = None, **options: Any
) -> xr.Dataset:
    """Return the probability that the first of two known models has the lower loss."""
    from bayescale.answers import better

    if len(models) != 2:
        raise QuestionError(f"--models takes two known models; got {len(models)}.")
    first, second = models
    return better(load_forms(fit, beside), first, second, **options)


def ask_crossing(fit: xr.DataTree, beside: Sequence[str], **options: Any) -> xr.Dataset:
    """Return where L(C) of a posterior crosses L(D) and D(C) of two others."""
    from bayescale.answers import crossing

    if len(beside) != 2:
        raise QuestionError(f"--beside takes two posteriors here, of L(D) and of D(C); got {len(beside)}.")
    return crossing(fit, *map(bs.load_fit, beside), **options)


def read_profiles(fit: xr.DataTree, family: str | None) -> tuple[xr.Dataset, xr.Dataset | None]:
    """Return the IsoFLOP profiles of a posterior's runs, and the curves that they were read off where they were."""
    from bayescale.approaches.sample_estimator import one_family
    from bayescale.inference import runs_of
    from bayescale.runs import isoflop_profiles
    from bayescale.runs.curves.envelope import curves_of_runs
    from bayescale.runs.curves.profiles import profiles_of_curves

    runs = one_family(runs_of(fit), family).assign_attrs(source="the runs of this posterior")
    try:
        return isoflop_profiles(runs), None
    except DesignError as error:
        try:
            curves = curves_of_runs(runs)
            return profiles_of_curves(curves), curves
        except DesignError:
            raise error from None


def ask_profiles(fit: xr.DataTree, family: str | None = None, **options: Any) -> xr.Dataset:
    """Return the IsoFLOP profiles of a posterior's runs with a fitted shape."""
    from bayescale.approaches import isoflop_fit, profile_curves

    return profile_curves(isoflop_fit(read_profiles(fit, family)[0]), **options)


def ask_agreement(fit: xr.DataTree, family: str | None = None, **options: Any) -> xr.Dataset:
    """Return whether the IsoFLOP profiles of a posterior's runs agree with its law."""
    from bayescale.approaches import agreement

    profiles, curves = read_profiles(fit, family)
    return agreement(fit, profiles, curves, family=family, **options)


def ask_approaches(fit: xr.DataTree, compute: Any = ("1x", "10x", "100x"), **options: Any) -> xr.Dataset:
    """Return the three approaches to the compute-optimal split on a posterior's runs."""
    from bayescale.approaches import approaches
    from bayescale.inference import runs_of

    return approaches(runs_of(fit), fit, compute=compute, **options)
