"""Published numbers: small tables typed in from papers, and laws at the coefficients that their papers print."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import QuestionError, did_you_mean
from bayescale.laws import get_law
from bayescale.laws.base import Quantity
from bayescale.shipped_files import shipped_path

FOLDER = "tables"
LAWS_TABLE = "laws"
PF_DAY = 1e15 * 86400.0
"""FLOP in a PF-day, the unit of compute of Kaplan et al. 2020 and Henighan et al. 2020."""


@dataclass(frozen=True)
class PublishedFit:
    """A law at published coefficients.

    Attributes
    ----------
    law : str
        The law that was fitted.
    name : str
        The name by which the fit is asked for.
    source : str
        Where it is printed.
    paper : mapping of str to float
        The coefficients under the law's own names, in the paper's units.
    params : str
        The convention of N.
    loss : str
        The unit of the loss.
    x : str
        The column that a law in one variable is in.
    units : mapping of str to float
        The paper's unit of an input in this package's, where they differ.
    note : str
        What is odd about it.
    """

    law: str
    name: str
    source: str
    paper: Mapping[str, float]
    params: str = "unknown"
    loss: str = "nats/token"
    x: str = ""
    units: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    def __call__(self, **inputs: Quantity) -> Any:
        """Return the law's value at inputs by column, in this package's units (FLOP, parameters, tokens).

        Examples
        --------
        >>> from bayescale.papers.tables import published_law
        >>> round(published_law("chinchilla", "besiroglu-2024")(params=70e9, tokens=1.4e12), 5)
        1.97388
        """
        law = get_law(self.law).on(self.x) if self.x else get_law(self.law)
        lacking = [name for name in law.inputs if name not in inputs]
        if lacking:
            raise QuestionError(
                f"the fit {self.name!r} of {self.law!r} is in {', '.join(law.inputs)}; missing: {', '.join(lacking)}."
            )
        given = {name: inputs[name] / self.units.get(name, 1.0) for name in law.inputs}
        return law.paper(np, self.paper, **given)


def published_table(name: str) -> pd.DataFrame:
    """Return a table of published numbers.

    Parameters
    ----------
    name : str
        ``known-models``, ``henighan``, ``henighan-images``, ``exponents``, ``trends``; or ``laws``, every coefficient
        of every published fit. Columns and units are told in ``data/tables/README.md``.

    Returns
    -------
    pandas.DataFrame
        As typed in, each row with its source.

    Raises
    ------
    QuestionError
        If there is no such table; the message lists those there are.

    Examples
    --------
    >>> from bayescale.papers.tables import published_table
    >>> published_table("known-models").set_index("name").loc["Chinchilla", ["params", "tokens"]].tolist()
    [70000000000.0, 1400000000000.0]
    """
    folder = shipped_path("data") / FOLDER
    known = {path.stem: path for path in sorted(folder.glob("*.csv"))}
    if name == LAWS_TABLE:
        return _tabulate_fits()
    if name not in known:
        accepted = [*known, LAWS_TABLE]
        raise QuestionError(
            f"there is no published table {name!r}.{did_you_mean(name, accepted)} Tables: {', '.join(accepted)}."
        )
    return pd.read_csv(known[name])


def published_law(law: str, fit: str) -> PublishedFit:
    """Return a law at published coefficients.

    Parameters
    ----------
    law : str
        Name of a law.
    fit : str
        Name of one of its published fits; ``published_table("laws")`` lists them.

    Returns
    -------
    PublishedFit
        Its ``paper`` holds the coefficients; called with inputs by column, it gives the loss there.

    Raises
    ------
    QuestionError
        If there is no such law or fit; the message lists those there are.

    Examples
    --------
    >>> from bayescale.papers.tables import published_law
    >>> published_law("chinchilla", "hoffmann-2022").paper["E"]
    1.69
    """
    fits = _read_fits()
    if law not in fits:
        raise QuestionError(
            f"no published fit of {law!r} is at hand.{did_you_mean(law, fits)} Laws with one: {', '.join(fits)}."
        )
    if fit not in fits[law]:
        raise QuestionError(
            f"there is no published fit {fit!r} of {law!r}.{did_you_mean(fit, fits[law])} "
            f"Published: {', '.join(fits[law])}."
        )
    return fits[law][fit]


@cache
def _read_fits() -> dict[str, dict[str, PublishedFit]]:
    printed = tomllib.loads((shipped_path("data") / FOLDER / f"{LAWS_TABLE}.toml").read_text(encoding="utf-8"))
    return {
        law: {name: PublishedFit(law, name, **entry) for name, entry in fits.items()} for law, fits in printed.items()
    }


def _tabulate_fits() -> pd.DataFrame:
    rows = [
        {"law": fit.law, "fit": fit.name, "parameter": parameter, "value": value, "source": fit.source}
        for fits in _read_fits().values()
        for fit in fits.values()
        for parameter, value in fit.paper.items()
    ]
    return pd.DataFrame(rows)
