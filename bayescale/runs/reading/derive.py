"""Quantities that are computed from others: the third of N, D and C, and the third of tokens, batch and step."""

from collections.abc import Callable, Iterable

import pandas as pd

from bayescale.costs import CostModel
from bayescale.runs.reading.columns import SIZES
from bayescale.runs.reading.findings import Finding

BATCHES = ("tokens", "batch", "step")
BY_BATCHES: dict[str, tuple[str, Callable[[pd.DataFrame], pd.Series]]] = {
    "tokens": ("batch x step", lambda frame: frame["batch"] * frame["step"]),
    "batch": ("tokens / step", lambda frame: frame["tokens"] / frame["step"]),
    "step": ("tokens / batch", lambda frame: frame["tokens"] / frame["batch"]),
}


def derivable(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the quantities that can be computed from these ones, each with the three that it belongs to.

    Examples
    --------
    >>> from bayescale.runs.reading.derive import derivable
    >>> list(derivable(["params", "batch", "step"]))
    ['tokens', 'compute']
    """
    have = set(names)
    found: dict[str, tuple[str, ...]] = {}
    # N, D and C come again at the end, as tokens = batch x step may be the second of them.
    for three in (SIZES, BATCHES, SIZES):
        lacking = [name for name in three if name not in have]
        if len(lacking) == 1:
            found[lacking[0]] = three
            have.add(lacking[0])
    return found


def derive(frame: pd.DataFrame, cost: CostModel) -> tuple[pd.DataFrame, dict[str, str], list[Finding]]:
    """Add the quantities that can be computed from the others.

    Parameters
    ----------
    frame : DataFrame
        Checked values under canonical names.
    cost : CostModel
        What ties N, D and C together.

    Returns
    -------
    frame : DataFrame
    derived : dict of str to str
        What was added, and from what.
    findings : list of Finding

    Examples
    --------
    >>> import pandas as pd
    >>> from bayescale.costs import SIX_ND
    >>> from bayescale.runs.reading.derive import derive
    >>> derive(pd.DataFrame({"params": [1e9], "batch": [5e5], "step": [4e4]}), SIX_ND)[1]
    {'tokens': 'batch x step', 'compute': '6ND'}
    """
    frame = frame.copy()
    derived: dict[str, str] = {}
    notes = []
    for name, three in derivable(frame.columns).items():
        if three == SIZES:
            # A cost model takes the other two in the order of SIZES.
            frame[name] = getattr(cost, name)(*(frame[other].to_numpy() for other in SIZES if other != name))
            derived[name] = cost.name
        else:
            derived[name], formula = BY_BATCHES[name]
            frame[name] = formula(frame)
            notes.append(Finding("derived", "info", f"no column for {name}: it is taken to be {derived[name]}"))
    return frame, derived, notes
