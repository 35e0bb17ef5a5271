"""How far does an answer lean on the priors, and on which? Power-scaling: each prior counted a little more or less."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.errors import QuestionError
from bayescale.inference import require_quotable
from bayescale.inference.power_scaling import POWER_SCALING, SPREAD, log_priors, power_scaling, power_sensitivity
from bayescale.laws.inputs import DRAW_DIMS
from bayescale.modeling import prepare
from bayescale.numbers import human_number
from bayescale.posterior import Posterior
from bayescale.trust.headline import headline, reweighted_quantiles

# The rule of thumb of Kallioinen et al. 2024, from which on a sensitivity is worth a look.
THRESHOLD = 0.05
# A prior counted half is about 1.4 times wider; counted twice, 1.4 times narrower.
COUNTED = (0.5, 2.0)
BAND = {"lower": 0.05, "median": 0.5, "upper": 0.95}
# Draws whose 90% band spans a larger factor are compared on the log.
ON_THE_LOG = 10.0
FINE, OUTWEIGHS, APART = "", "the prior outweighs the runs", "prior and runs pull apart"


def prior_sensitivity(
    fit: xr.DataTree,
    answers: "Mapping[str, xr.DataArray] | xr.Dataset | None" = None,
    *,
    compute: Any = "100x",
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return how far answers lean on the priors, on which of them, and where they go when one is widened or narrowed.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    answers : mapping of str to xarray.DataArray, or Dataset, optional
        Quantities drawn from this posterior, dims ``chain``, ``draw`` and any others; by default the headline numbers
        as far as the law has them: its loss at ``compute``, the compute-optimal N there, the exponent a and the
        irreducible loss.
    compute : str or float
        Where the headline numbers are asked for.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        Dims ``answer`` (each number of each family), ``prior`` (each that the card states) and ``counted`` (0.5, 2).
        ``prior_sensitivity`` and ``likelihood_sensitivity``, of all priors and all runs together; ``sensitivity``, of
        one prior; ``median``, ``lower`` and ``upper`` (90%) as they are; ``moved_median`` and so on, with one prior
        counted half or twice; ``pareto_k`` and ``reliable`` of that reweighting; ``leans``, ``leans_on``, ``diagnosis``
        and ``sentence``. Coords ``quantity``, ``family``, ``units`` and ``prior_text``.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, or an answer is not drawn from it.

    Notes
    -----
    A sensitivity is how fast the answer's distribution moves (cumulative Jensen-Shannon distance, by octave) as the log
    density of a prior is multiplied by a number near 1; from 0.05 on the answer leans on it (Kallioinen et al. 2024,
    arXiv 2107.14054). Draws are reweighted by Pareto-smoothed importance sampling; nothing is fitted again.

    Scaled are the priors that the card states: of a parameter, or of its level where it is partially pooled, and of the
    spread between families. The families' own values are drawn from a population whose spread is a parameter, so they
    have no prior of their own to scale. Each prior is scaled where widening it leaves its centre: on the log for
    LogNormal and Gamma, on the logit for Beta, otherwise as it stands. A LogNormal counted half is the same one with
    1.4 times the sigma. A fixed value and a uniform prior cannot be scaled; `attrs` name them.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.trust.sensitivity import prior_sensitivity
    >>> found = prior_sensitivity(bs.fit(bs.load_shipped("tinylm"), seed=1))
    >>> sorted(set(found["quantity"].values.tolist()))
    ['a', 'expected_loss', 'irreducible_loss', 'params']
    """
    quotable = require_quotable(fit, allow_unconverged)
    card = Posterior(fit).card
    if answers is None:
        # The scatter of one new run is nearly the data's alone, and its tails would hide how far the law's loss moves.
        known = headline(fit, compute, allow_unconverged=allow_unconverged)
        answers = known.drop_vars(Posterior(fit).response)
    each = _split_answers(answers, fit)
    log_prior = log_priors(prepare(card, Posterior(fit).runs), fit["posterior"].to_dataset())
    stated = card.all_priors | ({SPREAD: card.spread} if SPREAD in log_prior else {})
    out = xr.merge([_measure_leaning(fit, each), _move_priors(_stack_answers(each), log_prior)])
    out = out.assign_coords(
        units=("answer", [str(values.attrs.get("units", "")) for values in each.values()]),
        prior_text=("prior", [str(stated[str(name)]) for name in log_prior]),
    )
    out["sentence"] = ("answer", [_describe_leaning(out.sel(answer=name)) for name in each])
    unscaled = ", ".join(name for name in card.all_priors if name not in log_prior)
    return out.assign_attrs(model=card.name, verdict=quotable, threshold=THRESHOLD, not_scaled=unscaled)


def lean_on_priors(fit: xr.DataTree, answers: "Mapping[str, xr.DataArray] | xr.Dataset") -> xr.Dataset:
    """Return how far answers lean on the priors, and on which: the part of `prior_sensitivity` that a grade asks for.

    A posterior keeps what this takes, so that it is arithmetic, and no library of statistics is loaded for it.
    """
    return _measure_leaning(fit, _split_answers(answers, fit))


def _split_answers(answers: "Mapping[str, xr.DataArray] | xr.Dataset", fit: xr.DataTree) -> dict[str, xr.DataArray]:
    """Return each number of each family by itself, dims ``(chain, draw)``; what does not vary leans on nothing."""
    out = {}
    sizes = {str(dim): size for dim, size in fit["posterior"].sizes.items() if dim in DRAW_DIMS}
    for name, values in answers.items():
        drawn = {dim: values.sizes[dim] for dim in DRAW_DIMS if dim in values.dims}
        if drawn != sizes:
            if isinstance(answers, xr.Dataset):
                continue  # an answer carries more than draws
            raise QuestionError(
                f"{name}: an answer has the draws of the posterior, dims {sizes}; got {dict(values.sizes)}."
            )
        others = [dim for dim in values.dims if dim not in DRAW_DIMS]
        for at in np.ndindex(*(values.sizes[dim] for dim in others)):
            number = values.isel(dict(zip(others, at, strict=True)))
            if not float(number.min()) < float(number.max()):
                continue
            where = [
                str(number[d].item()) if d in number.coords else f"{d} {i}" for d, i in zip(others, at, strict=True)
            ]
            several = [text for dim, text in zip(others, where, strict=True) if values.sizes[dim] > 1]
            label = str(values.attrs.get("long_name", name)) + (f" ({', '.join(several)})" if several else "")
            family = number["family"].item() if "family" in number.coords else ""
            out[label] = number.rename(name).assign_attrs(family=family)
    if not out:
        raise QuestionError(f"none of {', '.join(map(str, answers))} varies over the draws of this posterior.")
    return out


def _stack_answers(each: Mapping[str, xr.DataArray]) -> xr.DataArray:
    draws = xr.concat([values.reset_coords(drop=True) for values in each.values()], "answer").drop_attrs()
    return draws.transpose("answer", *DRAW_DIMS).assign_coords(answer=list(each))


def _measure_leaning(fit: xr.DataTree, each: Mapping[str, xr.DataArray]) -> xr.Dataset:
    """Return the sensitivities of each answer, whether it leans on the priors, on which most, and the diagnosis."""
    weights = _weights_of(fit)
    # Of long logs the densities, and so the weights, are kept of some draws only.
    draws = _put_on_scale(_stack_answers(each).sel(draw=weights["draw"]))
    out = xr.Dataset(
        {
            "prior_sensitivity": power_sensitivity(draws, weights["all_priors"]),
            "likelihood_sensitivity": power_sensitivity(draws, weights["likelihood"]),
            "sensitivity": power_sensitivity(draws, weights["one_prior"]).transpose("prior", "answer"),
        },
        {
            "quantity": ("answer", [str(values.name) for values in each.values()]),
            "family": ("answer", [str(values.attrs["family"]) for values in each.values()]),
        },
    )
    strongest = out["sensitivity"].max("prior")
    leans = xr.ufuncs.maximum(out["prior_sensitivity"], strongest) >= THRESHOLD
    apart = out["likelihood_sensitivity"] >= THRESHOLD
    return out.assign(
        leans=leans,
        leans_on=xr.where(leans, out["sensitivity"].idxmax("prior"), ""),
        diagnosis=xr.where(leans, xr.where(apart, APART, OUTWEIGHS), FINE),
    )


def _weights_of(fit: xr.DataTree) -> xr.Dataset:
    """Return the weights that a posterior keeps; of one that keeps none, such as an older file, work them out."""
    if POWER_SCALING in fit.children:
        return fit[POWER_SCALING].to_dataset()
    view, density = Posterior(fit), fit["log_likelihood"].to_dataset()
    return power_scaling(prepare(view.card, view.runs), view.draws.sel(draw=density["draw"]), density)


def _put_on_scale(draws: xr.DataArray) -> xr.DataArray:
    """Return the draws, on the log where they span several decades."""
    draws = draws.where(xr.ufuncs.isfinite(draws), draws.where(xr.ufuncs.isfinite(draws)).max(DRAW_DIMS))
    low, high = (draws.quantile(q, DRAW_DIMS).drop_vars("quantile") for q in (0.05, 0.95))
    wide = (draws.min(DRAW_DIMS) > 0) & (high > ON_THE_LOG * low)
    return xr.where(wide, xr.ufuncs.log(draws.where(wide, 1.0)), draws).transpose(*draws.dims)


def _move_priors(draws: xr.DataArray, log_prior: xr.Dataset) -> xr.Dataset:
    """Return the answers as they are, and with one prior at a time counted half and twice."""
    import arviz_stats  # noqa: F401 (registers the accessor azstats)

    counted = xr.DataArray(list(COUNTED), dims="counted", coords={"counted": list(COUNTED)})
    log_ratio = (counted - 1) * log_prior.to_dataarray("prior")
    log_weights, pareto_k = (-log_ratio).azstats.psislw(dim=list(DRAW_DIMS))
    probs = list(BAND.values())
    moved = reweighted_quantiles(draws, log_weights, probs)
    now = reweighted_quantiles(draws, xr.zeros_like(draws), probs)
    out = {name: now.sel(quantile=q, drop=True) for name, q in BAND.items()}
    out |= {f"moved_{name}": moved.sel(quantile=q, drop=True) for name, q in BAND.items()}
    good = min(1 - 1 / np.log10(draws.sizes["chain"] * draws.sizes["draw"]), 0.7)
    return xr.Dataset(out | {"pareto_k": pareto_k, "reliable": pareto_k <= good})


def _describe_leaning(row: xr.Dataset) -> str:
    """Say whether one answer leans on the priors, on which most, and where other priors would take it."""
    top = row.isel(prior=int(np.argmax(row["sensitivity"].values)))
    together, alone = float(row["prior_sensitivity"]), float(top["sensitivity"])
    answer, name = str(row["answer"].item()), str(top["prior"].item())
    of = f"the prior of {'the spread between families' if name == SPREAD else name}, {top['prior_text'].item()}"
    strongest = f"sensitivity {max(together, alone):.2g}"
    if not row["leans"]:
        return f"The {answer} does not lean on the priors ({strongest} at most)."
    width = float(top["upper"] - top["lower"])
    who = of if alone >= THRESHOLD else f"the priors together, most on {of}"
    sentence = f"The {answer} leans on {who} ({strongest}): it is {_band_text(top, '', width)}"
    if bool(top["reliable"].all()):
        wider, narrower = (_band_text(top.sel(counted=c), "moved_", width) for c in COUNTED)
        sentence += f"; with that prior 1.4 times wider {wider}, narrower {narrower}."
    else:
        sentence += "; where another prior would take it, only a fit with that prior can say."
    return sentence + (" The runs hardly move it." if row["diagnosis"] == OUTWEIGHS else "")


def _band_text(row: xr.Dataset, which: str, width: float) -> str:
    """Return median and band, with the digits that a band of that width supports."""
    digits = int(np.clip(1 - np.floor(np.log10(max(width, 1e-9))), 0, 6))
    values = [float(row[which + name]) for name in ("median", "lower", "upper")]
    text = [human_number(v) if abs(values[0]) >= 1000 else f"{v:.{digits}f}" for v in values]
    return f"{text[0]} (90% {text[1]} to {text[2]})"
