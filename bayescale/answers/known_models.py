"""Where do the models that everybody knows stand, and what loss does each form expect of them?"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.answers.summary import bands, probability
from bayescale.costs import SIX_ND
from bayescale.errors import QuestionError, did_you_mean
from bayescale.laws.inputs import DRAW_DIMS
from bayescale.numbers import parse_number
from bayescale.papers.tables import published_table
from bayescale.posterior import Posterior

FORM, MODEL = "form", "model"
NEEDED, OPTIONAL = ("name", "params", "tokens"), ("source", "note")
UNIT_OF_COMPUTE = "GPT-3"

Fits = xr.DataTree | Mapping[str, xr.DataTree]
Rows = pd.DataFrame | Iterable[Mapping[str, Any]]


def known_models(
    fits: Fits,
    rows: Rows | None = None,
    *,
    at: Mapping[str, Any] | None = None,
    family: str | None = None,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return size, tokens and compute of well-known models, and the loss that one or several forms expect of each.

    Parameters
    ----------
    fits : xarray.DataTree or mapping of str to xarray.DataTree
        A posterior from `fit`, or several by the name that their form shall have.
    rows : DataFrame or iterable of mapping, optional
        Your own models, after the known ones: ``name``, ``params`` and ``tokens`` (numbers, or ``"70B"``), and
        ``source`` and ``note`` where wanted.
    at : mapping of str, optional
        What else a law takes, by column, the same for every model.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    allow_unconverged : bool
        Answer although a posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        ``expected_loss``, dims ``(chain, draw, form, model[, family])``, the law's loss without the scatter of one run;
        coords ``params``, ``tokens``, ``compute`` (6ND), ``compute_in_gpt3`` (the same, GPT-3's being 1),
        ``tokens_per_param``, ``source``, ``note`` and, by form, ``decades_beyond`` the runs.

    Raises
    ------
    UnconvergedError, QuestionError
        If a posterior may not be quoted, the forms' losses are in different units, or a row cannot be used.

    Notes
    -----
    The expected loss is the loss of a model trained as the fitted runs were, on their text with their tokenizer. It is
    not the loss that the authors of the model report.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.answers import known_models
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> models = known_models(fit, [{"name": "mine", "params": "8B", "tokens": "15T"}], family="english")
    >>> models["compute_in_gpt3"].sel(model=["Chinchilla", "mine"]).values.round(2).tolist()
    [1.87, 2.29]
    """
    table, views = _read_table(rows), _open_forms(fits, family, allow_unconverged)
    sizes = {name: xr.DataArray(table[name].to_numpy(), dims=MODEL) for name in ("params", "tokens")}
    compute = SIX_ND.compute(sizes["params"], sizes["tokens"])
    losses = [_expect_losses(view, sizes, at) for view in views.values()]
    beyond = [view.decades_beyond(sizes | {"compute": compute}) for view in views.values()]
    forms = xr.DataArray(list(views), dims=FORM, name=FORM)
    # Posteriors may differ in their numbers of draws. Draws that a posterior lacks are NaN, which bands leave out.
    together = xr.concat(losses, forms, join="outer").transpose(*DRAW_DIMS, FORM, MODEL, ...)
    first = next(iter(views.values()))
    out = xr.Dataset(
        {"expected_loss": together.assign_attrs(units=first.loss_unit, long_name="loss by the law")},
        {MODEL: table["name"].to_numpy(dtype=str), **sizes},
    )
    out = out.assign_coords(
        compute=compute.assign_attrs(units="FLOP"),
        compute_in_gpt3=compute / compute.values[table["name"] == UNIT_OF_COMPUTE].item(),
        tokens_per_param=sizes["tokens"] / sizes["params"],
        source=(MODEL, table["source"].to_numpy(dtype=str)),
        note=(MODEL, table["note"].to_numpy(dtype=str)),
        decades_beyond=xr.concat(beyond, forms),
    )
    attrs = first.attrs("known_models", "known models", warning=_warn_of_embeddings(views))
    attrs["verdict"] = "; ".join(dict.fromkeys(view.verdict for view in views.values()))
    return out.assign_attrs(attrs | {"model": ", ".join(views), "cost": SIX_ND.name})


def known_models_table(models: xr.Dataset, prob: float = 0.95) -> pd.DataFrame:
    """Return `known_models` as a table with a row for each model (and family).

    Parameters
    ----------
    models : xarray.Dataset
        What `known_models` returned.
    prob : float
        Mass of the band.

    Returns
    -------
    pandas.DataFrame
        ``params``, ``tokens``, ``compute``, ``compute_in_gpt3``, ``tokens_per_param``, and for each form its median
        loss, the limits of the band and ``decades_beyond``; ``note`` last.

    Raises
    ------
    ValueError
        If the mass is not between 0 and 1.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.answers import known_models, known_models_table
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> known_models_table(known_models(fit, family="english")).index.tolist()[:3]
    ['GPT-NeoX', 'GPT-3', 'Gopher']
    """
    sizes = ("params", "tokens", "compute", "compute_in_gpt3", "tokens_per_param")
    columns = {name: models[name] for name in sizes}
    for form in models[FORM].values:
        found = bands(models["expected_loss"].sel(form=form, drop=True), [prob]).sel(prob=prob, drop=True)
        columns |= {f"{form}: loss": found["median"]}
        columns |= {f"{form}: {side} {100 * prob:g}%": found[side] for side in ("lower", "upper")}
        columns |= {f"{form}: decades beyond": models["decades_beyond"].sel(form=form, drop=True)}
    columns |= {"note": models["note"]}
    plain = xr.Dataset({name: values.reset_coords(drop=True) for name, values in columns.items()})
    order = [MODEL, *(dim for dim in plain.dims if dim != MODEL)]
    table = plain.to_dataframe(dim_order=order)
    return table.reindex(models[MODEL].values, level=MODEL) if len(order) > 1 else table


def better(
    fits: Fits,
    first: str,
    second: str,
    rows: Rows | None = None,
    *,
    at: Mapping[str, Any] | None = None,
    family: str | None = None,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return the probability that one model has a lower expected loss than another, under each form.

    Parameters
    ----------
    fits : xarray.DataTree or mapping of str to xarray.DataTree
        A posterior from `fit`, or several by the name that their form shall have.
    first : str
        Name of a known model or of one of your own.
    second : str
        Name of the model that the first is compared with.
    rows : DataFrame or iterable of mapping, optional
        Your own models, as in `known_models`.
    at : mapping of str, optional
        What else a law takes, by column, the same for every model.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    allow_unconverged : bool
        Answer although a posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        ``probability`` that the loss of `first` is below that of `second` and its Monte Carlo standard error
        ``mc_error``, dims ``(form[, family])``; ``difference``, the loss of `first` less that of `second` draw by draw.

    Raises
    ------
    UnconvergedError, QuestionError
        As in `known_models`, or if there is no such model.

    Notes
    -----
    The two losses of a draw share its parameters, so their difference is far surer than either. The error is the
    standard deviation of a Beta distribution over the effective draws, which is above zero even where all draws agree.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.answers import better
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> float(better(fit, "PaLM", "GPT-NeoX", family="english")["probability"].squeeze()) > 0.99
    True
    """
    models = known_models(fits, rows, at=at, family=family, allow_unconverged=allow_unconverged)
    known = [str(name) for name in models[MODEL].values]
    for name in (first, second):
        if name not in known:
            raise QuestionError(
                f"there is no model {name!r}.{did_you_mean(name, known)} Models: {', '.join(known)}; add yours by rows."
            )
    loss = models["expected_loss"].reset_coords(drop=True)
    difference = loss.sel(model=first) - loss.sel(model=second)
    by_form = [_measure_share_below_zero(difference.sel(form=form)) for form in difference[FORM].values]
    out = xr.Dataset({"difference": difference.assign_attrs(units=models.attrs["loss_unit"])})
    out = out.merge(xr.concat(by_form, difference[FORM]))
    return out.assign_attrs(models.attrs, asked="better", question=f"is the loss of {first} below that of {second}?")


def _measure_share_below_zero(difference: xr.DataArray) -> xr.Dataset:
    # Draws that only another form has are missing in all families at once.
    draws = difference.dropna("draw", how="all").dropna("chain", how="all")
    return probability(draws < 0)


def _open_forms(fits: Fits, family: str | None, allow_unconverged: bool) -> dict[str, Posterior]:
    named = {str(fits.attrs["model"]): fits} if isinstance(fits, xr.DataTree) else dict(fits)
    if not named:
        raise QuestionError("no posterior was given; pass a fit, or several by name.")
    views = {name: Posterior(fit, family) for name, fit in named.items()}
    odd = [f"{name} (of {view.response})" for name, view in views.items() if view.response != "loss"]
    if odd:
        raise QuestionError(
            f"known models are compared by their loss; this is not a law of the loss: {', '.join(odd)}."
        )
    units = {name: view.loss_unit for name, view in views.items()}
    if len(set(units.values())) > 1:
        named_units = ", ".join(f"{name} in {unit}" for name, unit in units.items())
        raise QuestionError(f"losses in different units cannot stand in one table: {named_units}.")
    return {name: Posterior.quoted(fit, family, allow_unconverged) for name, fit in named.items()}


def _expect_losses(view: Posterior, sizes: Mapping[str, xr.DataArray], at: Mapping[str, Any] | None) -> xr.DataArray:
    loss = view.expect({**sizes, **view.single_points(at)})
    return loss.assign_coords({dim: np.arange(loss.sizes[dim]) for dim in DRAW_DIMS})


def _warn_of_embeddings(views: Mapping[str, Posterior]) -> str:
    bare = [name for name, view in views.items() if view.fit.attrs.get("params_convention") == "non-embedding"]
    if not bare:
        return ""
    return f"N of the known models counts the embeddings, N of the runs of {', '.join(bare)} does not."


def _read_table(rows: Rows | None) -> pd.DataFrame:
    known = published_table("known-models")
    own = _read_own_rows(rows)
    table = known if own.empty else pd.concat([known, own], ignore_index=True)
    twins = sorted(set(table["name"][table["name"].duplicated()]))
    if twins:
        raise QuestionError(f"rows: {', '.join(twins)} stands in the table more than once; give each model a name.")
    return table.fillna({"source": "", "note": ""})


def _read_own_rows(rows: Rows | None) -> pd.DataFrame:
    if rows is None:
        return pd.DataFrame()
    given = rows.reset_index(drop=True) if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    accepted = (*NEEDED, *OPTIONAL)
    for column in given.columns:
        if column not in accepted:
            meant = did_you_mean(str(column), accepted)
            raise QuestionError(
                f"rows: there is no column {column!r} in this table.{meant} Columns: {', '.join(accepted)}."
            )
    if given.empty:
        return given
    missing = [name for name in NEEDED if name not in given]
    if missing:
        raise QuestionError(f"rows: {', '.join(missing)} is missing; each row needs {', '.join(NEEDED)}.")
    ready = given.astype(object)
    for column in ("params", "tokens"):
        ready[column] = [_parse_size(value, column, i, given) for i, value in enumerate(given[column])]
    ready["name"] = [_parse_name(value, i) for i, value in enumerate(given["name"])]
    return ready.astype({"params": float, "tokens": float})


def _parse_size(value: Any, column: str, i: int, given: pd.DataFrame) -> float:
    try:
        number = parse_number(value)
    except ValueError:
        number = np.nan
    if not (np.isfinite(number) and number > 0):
        raise QuestionError(
            f"rows, row {i} ({given['name'].iloc[i]}), column {column!r}: got {value!r}; accepted: a number above 0, "
            "such as 70B or 1.4e12."
        )
    return number


def _parse_name(value: Any, i: int) -> str:
    if pd.isna(value) or not str(value).strip():
        raise QuestionError(f"rows, row {i}, column 'name': got {value!r}; accepted: a name.")
    return str(value).strip()
