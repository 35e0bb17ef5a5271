"""How low can the loss go?"""

from contextlib import suppress

import xarray as xr

from bayescale.answers.posterior import answer_attrs, card_of, law_of, law_theta, loss_unit
from bayescale.errors import QuestionError
from bayescale.inference import new_family, require_quotable
from bayescale.laws import LAWS

# Below this the posterior's spread is more than half the prior's: the answer is mostly what was put in.
IDENTIFIED = 0.5


def irreducible_loss(fit: xr.DataTree, *, family: str | None = None, allow_unconverged: bool = False) -> xr.Dataset:
    """Return the loss with unlimited parameters and tokens, with the draws.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        ``irreducible_loss``, dims ``(chain, draw[, family])``; ``population``, the centre from which the families
        differ, and ``new_family``, that of a family not seen, under partial pooling; ``prior``, its prior draws;
        ``learned`` and ``identified``, how much of the prior's spread the runs removed and whether that is at least
        half; ``lowest_seen``, the smallest loss in the runs. ``attrs["warning"]`` says in words where the answer is not
        the data's.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, or there is no such family.

    Examples
    --------
    >>> import bayescale as bs
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> bs.irreducible_loss(fit, family="english")["irreducible_loss"].dims
    ('chain', 'draw')
    """
    quotable = require_quotable(fit, allow_unconverged)
    law, unit = law_of(fit), loss_unit(fit)
    if law.floor is None:
        able = ", ".join(name for name, other in LAWS.items() if other.has_floor)
        raise QuestionError(f"the law {law.name!r} has no irreducible loss to give. Laws with one: {able}.")
    floor = law.floor(law_theta(fit, family))
    out = xr.Dataset({"irreducible_loss": floor.assign_attrs(units=unit, long_name="irreducible loss")})
    out["lowest_seen"] = _lowest_seen(fit, family, "family" in floor.dims)
    out.attrs = answer_attrs(fit, "irreducible loss", quotable)
    if not law.has_floor:
        out["identified"] = xr.zeros_like(floor.isel(chain=0, draw=0, drop=True), dtype=bool)
        out["learned"] = out["identified"] * 0.0
        out.attrs["warning"] = f"{law.title}: zero by assumption, whatever the runs say."
        return out
    posterior = fit["posterior"].to_dataset()
    if any(f"{name}_population" in posterior for name in law.parameter_names):
        population = law.floor({n: posterior[f"{n}_population" if f"{n}_population" in posterior else n]
                                for n in law.parameter_names})  # fmt: skip
        if "family" not in population.dims:
            out["population"] = population.assign_attrs(units=unit, long_name="population irreducible loss")
        with suppress(QuestionError):  # of some cards nothing can be said of another family
            unseen = law.floor(law_theta(new_family(fit, allow_unconverged=allow_unconverged)))
            out["new_family"] = unseen.assign_attrs(units=unit, long_name="irreducible loss of a family not seen")
    out.attrs["warning"] = ""
    if "prior" in fit.children:
        before = fit["prior"].to_dataset()
        fixed = card_of(fit).fixed
        prior = law.floor({name: fixed[name] if name in fixed else before[name] for name in law.parameter_names})
        if "E" in fixed:
            out["identified"] = xr.zeros_like(floor.isel(chain=0, draw=0, drop=True), dtype=bool)
            out["learned"] = out["identified"] * 0.0
            out.attrs["warning"] = f"the card holds E at {fixed['E']:g}: it was put in, not learned."
            return out
        if family is not None and "family" in prior.dims:
            prior = prior.sel(family=family, drop=True)
        # The prior has its own number of draws, so it keeps its own dimension.
        out["prior"] = prior.stack(prior_draw=("chain", "draw")).reset_index("prior_draw", drop=True)
        out["learned"] = 1 - _log_iqr(floor, ("chain", "draw")) / _log_iqr(out["prior"], ("prior_draw",))
        out["identified"] = out["learned"] >= IDENTIFIED
        out.attrs["warning"] = _warning(out)
    return out


def _log_iqr(values: xr.DataArray, dims: tuple[str, ...]) -> xr.DataArray:
    low, high = (xr.ufuncs.log(values).quantile(q, dim=dims).drop_vars("quantile") for q in (0.25, 0.75))
    return high - low


def _lowest_seen(fit: xr.DataTree, family: str | None, by_family: bool) -> xr.DataArray:
    constant, loss = fit["constant_data"].to_dataset(), fit["observed_data"].to_dataset()["loss"]
    if "family" not in constant or (family is None and not by_family):
        return xr.DataArray(loss.values.min())
    labels = xr.DataArray(constant["family"].values, dims="run", name="family")
    lowest = xr.DataArray(loss.values, dims="run").groupby(labels).min()
    return lowest.sel(family=family, drop=True) if family is not None else lowest


def _warning(out: xr.Dataset) -> str:
    identified = out["identified"]
    if bool(identified.all()):
        return ""
    where = ""
    if "family" in identified.dims:
        where = " for " + ", ".join(identified["family"].values[~identified.values])
    return (
        f"The runs do not identify the irreducible loss{where}: most of the band is the prior's. Runs nearer to the "
        "floor (larger N and D together) would."
    )
