"""The shape of training curves: long form over ``checkpoint``, run after run, each in the order of its tokens."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayescale.errors import RunsError
from bayescale.runs.reading.columns import CHECKPOINT


@dataclass(frozen=True)
class Segments:
    """Where each run's checkpoints lie along ``checkpoint``.

    Attributes
    ----------
    names : ndarray of str
        The runs, in the order in which they stand.
    index : ndarray of int
        Which of them each checkpoint belongs to: what indexes a run-level offset.
    starts : ndarray of int
        Where each run begins, and at the end where the last one ends: one more than there are runs.
    """

    names: NDArray[np.str_]
    index: NDArray[np.intp]
    starts: NDArray[np.intp]

    @property
    def last(self) -> NDArray[np.intp]:
        """The place of each run's last checkpoint."""
        return self.starts[1:] - 1

    @property
    def counts(self) -> NDArray[np.intp]:
        """How many checkpoints each run has."""
        return np.diff(self.starts)

    @property
    def opens(self) -> NDArray[np.bool_]:
        """Whether each checkpoint is its run's first: one that no earlier residual bears on."""
        return np.isin(np.arange(self.index.size), self.starts[:-1])

    def slices(self) -> Iterator[slice]:
        """Yield each run's checkpoints."""
        for start, end in zip(self.starts[:-1], self.starts[1:], strict=True):
            yield slice(int(start), int(end))


def run_segments(curves: xr.Dataset) -> Segments:
    """Say where each run's checkpoints lie.

    Parameters
    ----------
    curves : xarray.Dataset
        From `read_curves`, or a selection from it that left every run in one piece.

    Returns
    -------
    Segments

    Raises
    ------
    RunsError
        If a run is not in one piece, or not in the order of its tokens.

    Examples
    --------
    >>> from bayescale.runs import load_shipped_curves, run_segments
    >>> curves = load_shipped_curves("tinylm")
    >>> segments = run_segments(curves)
    >>> len(segments.names), int(segments.starts[-1]) == curves.sizes["checkpoint"]
    (92, True)
    """
    if CHECKPOINT not in curves.dims or "run" not in curves.coords:
        raise RunsError("these are no training curves: read them with bs.read_curves")
    run = curves["run"].values
    starts = np.flatnonzero(np.concatenate([[True], run[1:] != run[:-1]])) if run.size else np.array([], dtype=int)
    index = np.repeat(np.arange(starts.size), np.diff([*starts, run.size]))
    if len(set(run[starts].tolist())) < starts.size:
        raise RunsError("the checkpoints of a run must stand together: sort the curves by run, then by tokens")
    clock = next((curves[name].values for name in ("tokens", "step") if name in curves), None)
    if clock is not None and (np.diff(clock)[np.diff(index) == 0] <= 0).any():
        raise RunsError("the checkpoints of a run must stand in order of tokens, each at its own")
    return Segments(run[starts], index, np.append(starts, run.size))
