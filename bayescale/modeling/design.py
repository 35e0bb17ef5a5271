"""Can these runs be asked this law? Columns, number of runs, and whether what the law turns on varies at all."""

from typing import Any

import numpy as np
import xarray as xr

from bayescale.cards.card import Card
from bayescale.errors import BayescaleError, DesignError
from bayescale.laws import LAWS, Law, scale_of
from bayescale.layers.noise import NOISES
from bayescale.runs.curves.bins import OF_RUN


def laws_for(runs: xr.Dataset) -> list[str]:
    """Return the names of the laws whose inputs and response are all in the runs.

    Parameters
    ----------
    runs : xarray.Dataset
        As `read_runs` gives it, dims ``run``.

    Returns
    -------
    list of str
        Shipped laws, in the order in which they are listed. Whether the runs can identify one is not asked here.

    Examples
    --------
    >>> import bayescale as bs
    >>> "chinchilla" in bs.modeling.laws_for(bs.load_shipped("tinylm"))
    True
    """
    return [
        law.name
        for law in LAWS.values()
        if law.response in runs and all(name in runs or name == "x" for name in law.inputs)
    ]


def check_rows(card: Card, runs: xr.Dataset) -> None:
    """Refuse rows that lack what the card's law asks for, or that cannot identify the law.

    Raises
    ------
    DesignError
        If a column is missing, there are fewer runs than parameters, an input of the law is the same in every run, a
        share does not suit the noise, or the law does not give one number for each run.
    """
    law = card.get_law()
    where = runs.attrs.get("source", "the runs")
    _check_columns(card, law, runs, where)
    free = [name for name in law.parameter_names if card.priors[name].dist != "Fixed"]
    # Priors stated at another study's reference run are what it found: they stand in for runs.
    learned = card.reference is not None
    needed, count = 1 if learned else len(free) + 1, runs.sizes["run"]
    if count < needed:
        raise DesignError(
            f"{where}: {count} run{'s' * (count != 1)} cannot fit the {len(free)} parameters of "
            f"{card.name!r} and its noise. It takes at least {needed} runs; 20 at three sizes is sound."
            f"{_suggest_card(card, runs)}"
        )
    if card.curve:
        _check_curves(runs, where)
    for name in () if learned else law.inputs:
        if scale_of(name).relative and name not in law.may_be_constant:
            _check_varies(runs, name, where)
    _check_response(card, law, runs, where)
    _check_mean(card, law, runs, where)


def _suggest_card(card: Card, runs: xr.Dataset) -> str:
    """Return which card may be asked of fewer runs, where these are finished ones of models of N and D."""
    if card.curve or card.get_law().response != "loss" or not {"params", "tokens"} <= set(runs):
        return ""
    return " With fewer, ask the card 'new-lab': its priors are what public families have in common."


def _check_curves(rows: xr.Dataset, where: str) -> None:
    names, counts = np.unique(rows[OF_RUN].values, return_counts=True)
    several = int((counts > 1).sum())
    if names.size < 3 or several < 2:
        raise DesignError(
            f"{where}: {names.size} run{'s' * (names.size != 1)}, {several} of them with checkpoints at more than one "
            "place. How runs differ takes at least three, two of them with several; 20 at three sizes is sound."
        )


def _check_columns(card: Card, law: Law, runs: xr.Dataset, where: str) -> None:
    questions = [name for name in NOISES[card.noise.family].known if name == "questions"]
    missing = [name for name in dict.fromkeys((law.response, *law.inputs, *questions)) if name not in runs]
    if not missing:
        return
    about = {"questions": "how many questions a share was measured on", "accuracy": "a share", "error": "a share"}
    lacking = "; ".join(f"{name} ({about.get(name) or scale_of(name).meaning})" for name in missing)
    raise DesignError(
        f"{where}: the model {card.name!r} needs columns that the runs lack: {lacking}. "
        f"Laws that these runs support: {', '.join(laws_for(runs)) or 'none'}. If a column has another name, read the "
        f"runs with columns={{{missing[0]!r}: 'its name'}} (--columns {missing[0]}=NAME)."
    )


def _check_varies(runs: xr.Dataset, name: str, where: str) -> None:
    values = runs[name].values.astype(float)
    if np.ptp(values) > 1e-6 * np.abs(values).max():
        return
    scale = scale_of(name)
    cure = {"params": "at another model size", "tokens": "of another length"}.get(name, f"at another {name}")
    raise DesignError(
        f"{where}, column {name}: all {len(values)} runs have {scale.symbol} = {values[0]:.4g}, so how the response "
        f"changes with {scale.symbol} cannot be told. Add runs {cure}; at least two values are needed, four are sound."
    )


def _check_response(card: Card, law: Law, runs: xr.Dataset, where: str) -> None:
    noise, values = NOISES[card.noise.family], runs[law.response].values
    at_the_edge = (values <= 0) | (values >= 1)
    if noise.of_shares and not noise.known and at_the_edge.any():
        row = runs["row"].values[at_the_edge][0] if "row" in runs.coords else int(np.flatnonzero(at_the_edge)[0])
        raise DesignError(
            f"{where}, row {row}, column {law.response}: {values[at_the_edge][0]:g} has no density under "
            f"{card.noise.family} noise, which takes shares between 0 and 1. Give a column `questions` and the card "
            "[noise] family = 'Binomial' or 'BetaBinomial'."
        )


def _check_mean(card: Card, law: Law, runs: xr.Dataset, where: str) -> None:
    """Try the law at the priors' medians: one finite number for each run, or a message that says where not."""
    inputs = {name: runs[name].values.astype(float) for name in law.inputs}
    scale = float(np.median(runs["loss"])) if "loss" in runs else 1.0
    theta = {name: card.priors[name].median * (scale if card.priors[name].of else 1.0) for name in law.parameter_names}
    at = "at the medians of the card's priors, " + ", ".join(f"{name} = {value:.4g}" for name, value in theta.items())
    try:
        with np.errstate(all="ignore"):
            mean: Any = law.at(np, inputs, theta, law.reference(inputs) | (card.reference or {}))
    except BayescaleError:
        raise
    except Exception as error:
        raise DesignError(f"the law {law.name!r} failed {at}: {type(error).__name__}: {error}.") from error
    shape = np.shape(mean)
    if shape != (runs.sizes["run"],):
        raise DesignError(
            f"the law {law.name!r} gave an array of shape {shape} for {runs.sizes['run']} runs; it must give one "
            f"number for each run, computed elementwise from its inputs ({', '.join(law.inputs)})."
        )
    highest = 1.0 if NOISES[card.noise.family].of_shares else np.inf
    bad = ~(np.isfinite(mean) & (mean > 0) & (mean < highest))
    if bad.any():
        k = int(np.flatnonzero(bad)[0])
        place = ", ".join(f"{name} = {value[k]:.4g}" for name, value in inputs.items())
        raise DesignError(
            f"the law {law.name!r} gives {mean[k]:.4g} for {bad.sum()} of {len(bad)} runs, the first at {place}, {at}. "
            f"A {law.response} must be a finite number above 0{' and below 1' if highest == 1 else ''}."
        )
