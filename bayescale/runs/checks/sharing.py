"""Which runs share something that makes them err alike: an IsoFLOP budget, a design, a label."""

from collections.abc import Callable, Collection

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import DesignError, did_you_mean
from bayescale.runs.checks.budgets import found_budgets
from bayescale.runs.reading.columns import QUANTITIES, RESPONSES
from bayescale.runs.reading.families import BUDGET, DESIGN, LEAN, label_names, places_by_family
from bayescale.runs.reading.findings import Finding, rows_of

ALONE = ""  # the label of a run that shares nothing with another run
# Values of N, D or C whose logs differ by less than this count as equal: they were counted or rounded differently.
SAME = 1e-3
# The least share of the rows in groups for which the groups are mentioned.
OFTEN = 0.2


def shared_labels(runs: xr.Dataset, key: str) -> np.ndarray:
    """Return the group of each run: the runs with which it shares something. It is empty for a run by itself.

    Parameters
    ----------
    runs : xarray.Dataset
        Validated runs, dims ``run``.
    key : str
        ``budget`` or ``lean``, the IsoFLOP budget, found in each family; ``design``, all that a law may take, within a
        family: runs of one design differ by their seed alone; or a column that labels the runs, such as ``family``.

    Returns
    -------
    numpy.ndarray of str
        One a run, in their order.

    Raises
    ------
    DesignError
        If the runs have no such column.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.runs.checks.sharing import shared_labels
    >>> sorted(set(shared_labels(bs.load_shipped("tinylm"), "family").tolist()))
    ['english', 'source']
    """
    labels = _WAYS[key](runs) if key in _WAYS else _read_label(runs, key)
    names, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.where(counts[index] > 1, names[index], ALONE)


def labels_of_asked(asked: xr.Dataset, key: str) -> np.ndarray:
    """Return the groups of runs that are asked about, by what they would share.

    Runs of the same compute are of one budget and those alike in all of one design, each within a family. Of any other
    label than the family nothing is known, and each run is by itself.

    Examples
    --------
    >>> import xarray as xr
    >>> from bayescale.runs.checks.sharing import labels_of_asked
    >>> asked = xr.Dataset({"params": ("run", [1e8, 1e9, 1e9]), "compute": ("run", [1e20, 1e20, 1e21])})
    >>> labels_of_asked(asked, "budget").tolist()
    ['0', '0', '1']
    """
    if key == DESIGN:
        return _label_by_design(asked)
    cells = {"family": asked["family"].values} if "family" in asked.coords else {}
    if key == BUDGET and "compute" in asked:
        cells["compute"] = _round_logs(asked["compute"].values.astype(float))
    elif key != "family":
        cells["run"] = np.arange(asked.sizes["run"])
    table = pd.DataFrame(cells, index=range(asked.sizes["run"]))
    return table.groupby(list(cells), sort=False).ngroup().to_numpy().astype(str) if cells else np.full(len(table), "0")


def _read_label(runs: xr.Dataset, key: str) -> np.ndarray:
    accepted = [*_WAYS, *label_names(runs)]
    if key not in accepted:
        raise DesignError(
            f"{runs.attrs.get('source', 'the runs')}: no column {key!r} labels the runs, so they share no error by it."
            f"{did_you_mean(key, accepted)} Accepted: {', '.join(accepted)}. A column of the file becomes one by "
            f"read_runs(..., labels={key!r}) (on the command line: --labels {key})."
        )
    return runs[key].values.astype(str)


def _label_by_budget(runs: xr.Dataset) -> np.ndarray:
    labels = np.full(runs.sizes["run"], ALONE, dtype=object)
    if not {"params", "compute"} <= set(runs):
        return labels.astype(str)
    for family, places in places_by_family(runs).items():
        for members in found_budgets(runs.isel(run=places)):
            budget = float(np.median(runs["compute"].values[places[members]]))
            labels[places[members]] = f"{family}{': ' * bool(family)}{budget:.3g} FLOP"
    return labels.astype(str)


def _label_by_design(runs: xr.Dataset) -> np.ndarray:
    names = [name for name in QUANTITIES if name in runs and name not in RESPONSES]
    cells = {name: _round_logs(runs[name].values.astype(float)) for name in names}
    if "family" in runs.coords:
        cells = {"family": runs["family"].values} | cells
    # Where N and D are the same, a compute that jitters makes no other design.
    if {"params", "tokens"} <= set(names):
        cells.pop("compute", None)
    table = pd.DataFrame(cells)
    first = table.groupby(list(cells), sort=False).ngroup().to_numpy()
    return np.array([f"design {k}" for k in first + 1])


def _round_logs(values: np.ndarray) -> np.ndarray:
    """Return values that are equal if they differ by rounding alone."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values > 0, np.round(np.log(values) / SAME), values)


_WAYS: dict[str, Callable[[xr.Dataset], np.ndarray]] = {
    BUDGET: _label_by_budget,
    LEAN: _label_by_budget,
    DESIGN: _label_by_design,
}


def loading_of(runs: xr.Dataset, key: str, labels: np.ndarray) -> np.ndarray:
    """Return the factor by which the error of its group enters each run: 1, or for a lean the distance in log10 N.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.runs.checks.sharing import loading_of
    >>> runs = xr.Dataset({"params": ("run", [1e8, 1e9, 1e8])})
    >>> loading_of(runs, "lean", np.array(["a", "a", ""])).tolist()
    [-0.5, 0.5, 0.0]
    """
    shared = (labels != ALONE).astype(float)
    if key != LEAN or not shared.any():
        return shared
    logs = pd.Series(np.log10(runs["params"].values.astype(float)))
    return (logs - logs.groupby(labels).transform("mean")).to_numpy() * shared


def sharing_findings(runs: xr.Dataset, known: Collection[str] = ()) -> list[Finding]:
    """Say where rows are not independent: runs on IsoFLOP budgets, of one design, of one label within a family.

    What is ``known`` to a card, by the keys of its errors, is not said.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.runs.checks.sharing import sharing_findings
    >>> [finding.message[:37] for finding in sharing_findings(bs.load_shipped("tinylm"))]
    ['48 of 92 runs repeat 16 designs (the ']
    """
    found = []
    said = {
        BUDGET: "lie on {groups} IsoFLOP budgets: runs of one budget are often tuned alike, and then err alike",
        DESIGN: "repeat {groups} designs (the same N, D and family): they tell how seeds scatter, not how the law fits",
    }
    cards = {key: f"chinchilla+{key}, or any other card with +{key}," for key in said}
    for key in (name for name in label_names(runs) if _varies_within_families(runs, name)):
        said[key] = f"share {{groups}} values of {key}: what has the same {key} may err alike"
        cards[key] = f"a card with a prior for it, errors.{key},"
    for key, words in said.items():
        if key in known:
            continue
        labels = shared_labels(runs, key)
        shared = labels != ALONE
        groups = len(np.unique(labels[shared]))
        if groups > 1 and shared.mean() >= OFTEN:
            message = (
                f"{shared.sum()} of {runs.sizes['run']} runs {words.format(groups=groups)}. Rows that share something "
                f"are not independent: {cards[key]} has an error that they share."
            )
            found.append(Finding("errors-shared", "info", message, rows_of(runs, shared)))
    return found


def _varies_within_families(runs: xr.Dataset, name: str) -> bool:
    """Say whether runs of one family have different labels. Pooling knows labels that differ between families only."""
    return any(len(np.unique(runs[name].values[places])) > 1 for places in places_by_family(runs).values())
