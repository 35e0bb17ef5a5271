"""Embeddings in or out? Pearce and Song's way from one count of N to the other, and what it does to a frontier."""

from typing import Any

import numpy as np
import xarray as xr

from bayescale.costs import PowerCost, cost_model
from bayescale.errors import QuestionError
from bayescale.laws.base import PowerTerms
from bayescale.laws.inputs import DRAW_DIMS, POINT
from bayescale.posterior import Posterior
from bayescale.runs import content_hash

OMEGA = 47491.0
"""Pearce and Song 2024 (arXiv 2406.12907): embeddings of Kaplan et al.'s models, from vocabulary, context and shape."""


def total_params(non_embedding: Any, omega: float = OMEGA) -> Any:
    """Return N with embeddings from N without: ``N + omega N**(1/3)``, as embeddings grow with the width alone.

    Parameters
    ----------
    non_embedding : float, array or DataArray
        N without embeddings.
    omega : float
        Pearce and Song's constant, which belongs to Kaplan et al.'s vocabulary, context and aspect ratio.

    Returns
    -------
    float, array or DataArray

    Examples
    --------
    >>> from bayescale.answers.non_embedding_frontier import total_params
    >>> float(total_params(1e9))
    1047491000.0
    """
    return non_embedding + omega * np.cbrt(non_embedding)


def non_embedding_params(total: Any, omega: float = OMEGA) -> Any:
    """Return N without embeddings from N with: the inverse of `total_params`, in closed form.

    Notes
    -----
    With x = N**(1/3), ``x**3 + omega x = total`` has one real root, ``2 sqrt(omega/3) sinh(asinh(q)/3)`` with
    ``q = 3 total / (2 omega) sqrt(3 / omega)``.

    Examples
    --------
    >>> from bayescale.answers.non_embedding_frontier import non_embedding_params, total_params
    >>> round(float(non_embedding_params(total_params(1e9))))
    1000000000
    """
    q = 1.5 * total / omega * np.sqrt(3 / omega)
    return (2 * np.sqrt(omega / 3) * np.sinh(np.arcsinh(q) / 3)) ** 3


def to_total(runs: xr.Dataset, omega: float = OMEGA, recount: bool = True) -> xr.Dataset:
    """Return runs whose N leaves embeddings out as runs whose N counts them.

    Parameters
    ----------
    runs : xarray.Dataset
        As `read_runs` gives it, with ``params_convention`` non-embedding.
    omega : float
        As in `total_params`.
    recount : bool
        Whether compute is counted again from the new N, as papers of either convention do (C = 6ND with their own N);
        otherwise it stays as it is.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    QuestionError
        If the runs' N is not known to be of the other convention.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.answers import to_total
    >>> to_total(bs.load_shipped("tinylm")).attrs["params_convention"]
    'total'
    """
    return _recount_params(runs, "non-embedding", "total", total_params(runs["params"], omega), recount)


def to_non_embedding(runs: xr.Dataset, omega: float = OMEGA, recount: bool = True) -> xr.Dataset:
    """Return runs whose N counts embeddings as runs whose N leaves them out: the inverse of `to_total`.

    Parameters
    ----------
    runs : xarray.Dataset
        As `read_runs` gives it, with ``params_convention`` total.
    omega : float
        As in `total_params`.
    recount : bool
        Whether compute is counted again from the new N, as in `to_total`; otherwise it stays as it is.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    QuestionError
        If the runs' N is not known to be of the other convention.

    Examples
    --------
    >>> import numpy as np, bayescale as bs
    >>> from bayescale.answers import to_non_embedding, to_total
    >>> runs = bs.load_shipped("tinylm")
    >>> bool(np.allclose(to_non_embedding(to_total(runs))["params"], runs["params"]))
    True
    """
    return _recount_params(runs, "total", "non-embedding", non_embedding_params(runs["params"], omega), recount)


def _recount_params(runs: xr.Dataset, have: str, want: str, params: xr.DataArray, recount: bool) -> xr.Dataset:
    convention = runs.attrs.get("params_convention", "unknown")
    if convention != have:
        raise QuestionError(
            f"N of these runs is {convention!r}; it takes {have!r} to make it {want!r}. "
            f"read_runs(..., params_convention={have!r}) says so, where it is."
        )
    out = runs.assign(params=params.assign_attrs(runs["params"].attrs))
    if recount:
        compute = cost_model(runs.attrs["cost"]).compute(out["params"], out["tokens"])
        out["compute"] = compute.assign_attrs(runs["compute"].attrs)
    out.attrs["params_convention"] = want
    out.attrs["sha256"] = content_hash(out)
    return out


def local_exponent(non_embedding: Any, alpha: Any, beta: Any, omega: float = OMEGA) -> Any:
    """Return the exponent of the frontier in non-embedding N that a law in total N implies, where N_opt is that.

    Parameters
    ----------
    non_embedding : float, array or DataArray
        N_opt without embeddings.
    alpha : float, array or DataArray
        Exponent of the power term in total N.
    beta : float, array or DataArray
        Exponent of the power term in D.
    omega : float
        As in `total_params`.

    Returns
    -------
    float, array or DataArray
        ``d log N_opt / d log C`` with C = 6ND, N without embeddings in both: beta/(alpha/3 + beta) where embeddings are
        nearly all of the model, beta/(alpha + beta) where they are nearly none.

    Notes
    -----
    With g = d log N_total / d log N, the first-order condition is ``alpha A N_total**-alpha g = beta B D**-beta``; its
    derivative along the frontier gives ``1/a = 1 + (alpha g - d log g / d log N) / beta``.

    Examples
    --------
    >>> from bayescale.answers.non_embedding_frontier import local_exponent
    >>> [round(float(local_exponent(n, 0.3478, 0.3658)), 3) for n in (1e3, 1e7, 1e12)]
    [0.763, 0.853, 0.513]
    """
    embedded = omega * np.cbrt(non_embedding)
    growth = (non_embedding + embedded / 3) / (non_embedding + embedded)
    bend = (non_embedding + embedded / 9) / (non_embedding + embedded / 3) - growth
    return beta / (beta + alpha * growth - bend)


def frontier_compute(non_embedding: Any, terms: PowerTerms, factor: float = 6.0, omega: float = OMEGA) -> Any:
    """Return the compute (counted without embeddings) at which that non-embedding N is optimal by a law in total N."""
    total = total_params(non_embedding, omega)
    growth = (non_embedding + omega * np.cbrt(non_embedding) / 3) / total
    tokens = (terms.beta * terms.B / (terms.alpha * terms.A * growth) * total**terms.alpha) ** (1 / terms.beta)
    return factor * non_embedding * tokens


def fitted_exponent(non_embedding: np.ndarray, terms: PowerTerms, omega: float = OMEGA) -> Any:
    """Return the slope of the least-squares line through log N_opt against log C at those non-embedding sizes."""
    n = xr.DataArray(np.asarray(non_embedding, dtype=float), dims=POINT)
    y, x = xr.ufuncs.log(n), xr.ufuncs.log(frontier_compute(n, terms, omega=omega))
    x = x - x.mean(POINT)
    return (x * (y - y.mean(POINT))).sum(POINT) / (x**2).sum(POINT)


def non_embedding_frontier(
    fit: xr.DataTree | Posterior,
    params: Any,
    *,
    omega: float = OMEGA,
    family: str | None = None,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return what a law fitted in total N says of the frontier in non-embedding N: Kaplan's view of Chinchilla's law.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior of runs whose N counts embeddings, under a law of two power terms, with C = kND.
    params : float or list
        Sizes without embeddings, such as ``["768", "1.5B"]``.
    omega : float
        As in `total_params`.
    family : str, optional
        One family; by default all of them.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        ``a``, the local exponent where each size is optimal, and ``compute``, where that is, counted without
        embeddings, dims ``(chain, draw, point[, family])``; ``a_total``, the exponent in total N; ``a_fitted``, the
        slope of a line through those sizes, which is what a study over their range reports.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, its N leaves embeddings out, or its law or cost has no such closed form.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.answers import non_embedding_frontier
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> non_embedding_frontier(fit, ["1M", "1B"])
    Traceback (most recent call last):
    bayescale.errors.QuestionError: N of these runs leaves embeddings out already; fit them with `to_total` first.
    """
    view = Posterior.quoted(fit, family, allow_unconverged)
    law, cost = view.law, view.cost
    if view.fit.attrs.get("params_convention") == "non-embedding":
        raise QuestionError("N of these runs leaves embeddings out already; fit them with `to_total` first.")
    if law.power_terms is None or not isinstance(cost, PowerCost):
        raise QuestionError(
            f"the law {law.name!r} under the cost {cost.name!r} has no closed form for this: it takes a law of two "
            "power terms, such as chinchilla or kaplan, and C = 6ND."
        )
    reference, relative = view.reference, law.power_terms(view.law_theta)
    terms = PowerTerms(
        relative.A * reference["params"] ** relative.alpha,
        relative.alpha,
        relative.B * reference["tokens"] ** relative.beta,
        relative.beta,
    )
    n = view.points(params, "params")
    out = xr.Dataset(
        {
            "a": local_exponent(n, terms.alpha, terms.beta, omega),
            "compute": frontier_compute(n, terms, cost.factor, omega).assign_attrs(units="FLOP"),
            "a_total": terms.beta / (terms.alpha + terms.beta),
        }
    ).transpose(*DRAW_DIMS, POINT, ...)
    if n.sizes[POINT] > 1:
        out["a_fitted"] = fitted_exponent(n.values, terms, omega)
    out = out.assign_coords(params=n)
    return out.assign_attrs(view.attrs("non_embedding_frontier", "frontier in non-embedding N"))
