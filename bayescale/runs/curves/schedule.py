"""The areas S1 and S2 of a learning-rate schedule at each checkpoint: Tissue et al. 2024 (arXiv 2408.11029)."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bayescale.errors import QuestionError

DECAY = 0.999
AREAS = ("lr_area", "annealing")


def learning_rate_areas(lr: ArrayLike, decay: float = DECAY) -> dict[str, np.ndarray]:
    """Return S1 and S2 after each step of a learning-rate schedule.

    Parameters
    ----------
    lr : array-like
        The learning rate of every step from the first, along the last axis.
    decay : float
        How much of a fall of the learning rate is still felt a step later.

    Returns
    -------
    dict
        ``lr_area``, the sum of the learning rate, and ``annealing``: ``sum over i <= s and k <= i`` of
        ``(lr[k-1] - lr[k]) * decay**(i-k)``. A warm-up counts against it for good; give the schedule from its end on
        to leave it out.

    Raises
    ------
    QuestionError
        If a learning rate is negative or not a number, or `decay` is not a share below 1.

    Examples
    --------
    >>> from bayescale.runs.curves.schedule import learning_rate_areas
    >>> areas = learning_rate_areas([1.0, 1.0, 0.5, 0.5], decay=0.9)
    >>> areas["lr_area"].tolist(), areas["annealing"].tolist()
    ([1.0, 2.0, 2.5, 3.0], [0.0, 0.0, 0.5, 0.95])
    """
    from scipy.signal import lfilter  # slow to import, and most logs have no need of it

    rates = np.asarray(lr, dtype=float)
    if not (rates >= 0).all():
        step = int(np.argmin(rates.ravel() >= 0))
        raise QuestionError(f"a learning rate must be a number, 0 or more; found {rates.ravel()[step]} at step {step}.")
    if not 0 <= decay < 1:
        raise QuestionError(f"decay must be a share from 0 to below 1, got {decay}.")
    falls = -np.diff(rates, axis=-1, prepend=rates[..., :1])
    remembered = lfilter([1.0], [1.0, -decay], falls, axis=-1)
    return {"lr_area": np.cumsum(rates, axis=-1), "annealing": np.cumsum(remembered, axis=-1)}


def with_areas(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Add S1 and S2 to checkpoints with a step and a learning rate, unless the log has them.

    Between checkpoints the rate is taken to change linearly, before the first to be that of the first. S2 counts from
    the peak on: a warm-up is no annealing.

    Parameters
    ----------
    frame : DataFrame
        Checkpoints in order, in columns ``run``, ``step`` and ``lr``.

    Returns
    -------
    frame : DataFrame
    derived : dict of str to str
        What was added, and from what.

    Examples
    --------
    >>> import pandas as pd
    >>> from bayescale.runs.curves.schedule import with_areas
    >>> log = pd.DataFrame({"run": "a", "step": [2.0, 4.0], "lr": [1.0, 0.5]})
    >>> with_areas(log)[0]["lr_area"].tolist()
    [2.0, 3.25]
    """
    known = {"run", "step", "lr"} <= set(frame) and frame[["step", "lr"]].notna().all(axis=None)
    if not known or set(AREAS) & set(frame):
        return frame, {}
    found = {name: pd.Series(np.nan, frame.index) for name in AREAS}
    for _, run in frame.groupby("run", sort=False):
        at = run["step"].round().astype(int).to_numpy()
        rates = np.interp(np.arange(1, at[-1] + 1), at, run["lr"])
        peak = int(np.argmax(rates))
        annealed = np.r_[np.zeros(peak), learning_rate_areas(rates[peak:])["annealing"]]
        for name, values in zip(AREAS, (learning_rate_areas(rates)["lr_area"], annealed), strict=True):
            found[name][run.index] = values[at - 1]
    return frame.assign(**found), dict.fromkeys(AREAS, "step and lr")
