"""Values that are a power of ten off: a run that agrees with the others only after a 10x, 100x or 1000x correction."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_RUNS = 12
NEAR_SD = 2.0
FAR = (6.0, 0.05)  # robust sd, and log loss
FAR_WHEN_ALONE = (3.0, 0.01)  # for a run a decade or more from all others: its position is evidence too
LEAST_SD = 0.002  # for simulated grids without noise
MOST_TYPOS = 5
# Among more runs than this, one that has less leverage than this does not move the surface: it is held against that of
# all runs, and the work grows with the runs and not with their square.
MANY, LITTLE = 1000, 0.02
# Above these the runs follow more than a law and noise (repeated data, untuned runs), and outliers are no typos.
MOST_SCATTER, MOST_OUTLIERS = 0.03, 0.03


@dataclass(frozen=True)
class Typo:
    """One row whose ``column`` would agree with the other runs if it were divided by ``factor``.

    It is not ``sure`` where the other runs scatter so much that a chance agreement is as likely.
    """

    row: int
    column: str
    factor: float
    sure: bool = True


@dataclass(frozen=True)
class Surface:
    """A robust quadratic surface of log loss over (log N, log D), with the design it was fitted on."""

    centre: Floats
    spread: Floats
    beta: Floats
    precision: Floats
    reach: float
    sd: float

    def basis(self, points: Floats) -> Floats:
        """Return the quadratic terms at ``points`` (rows of log N, log D)."""
        n, d = ((points - self.centre) / self.spread).T
        return np.stack([np.ones_like(n), n, d, n * n, n * d, d * d], axis=-1)

    def predict(self, points: Floats) -> Floats:
        """Return the expected log loss at ``points``."""
        return self.basis(points) @ self.beta

    def supports(self, points: Floats) -> NDArray[np.bool_]:
        """Say which points lie among the other runs: not farther from them than they are from one another."""
        terms = self.basis(points)
        # The pseudo-inverse has no variance in directions without runs (one N, one ratio): check these by themselves.
        unseen = terms - terms @ (self.precision @ np.linalg.pinv(self.precision, rcond=1e-8))
        leverage = np.einsum("ij,jk,ik->i", terms, self.precision, terms)
        return (leverage <= self.reach) & (np.abs(unseen).max(axis=1) < 0.05)


def fit_surface(points: Floats, log_loss: Floats) -> Surface:
    """Fit the surface by iteratively reweighted least squares with Tukey's biweight, started from an L1 fit."""
    centre, spread = points.mean(axis=0), np.maximum(points.std(axis=0), 1e-6)
    bare = Surface(centre, spread, np.zeros(6), np.eye(6), 0.0, 0.0)
    terms = bare.basis(points)
    weights = np.ones(len(terms))
    beta, sd = np.zeros(6), LEAST_SD
    for step in range(24):
        root = np.sqrt(weights)[:, None]
        beta = np.linalg.lstsq(terms * root, log_loss * root[:, 0], rcond=1e-6)[0]
        residual = np.abs(log_loss - terms @ beta)
        spare = max(len(terms) - 6, 1) / len(terms)
        sd = max(float(np.median(residual)) / 0.6745 / spare, LEAST_SD)
        if step < 12:
            weights = 1 / np.maximum(residual, sd / 10)
        else:
            weights = np.clip(1 - (residual / (5 * sd)) ** 2, 0, None) ** 2
    precision = np.linalg.pinv(terms.T @ terms, rcond=1e-8)
    reach = float(np.einsum("ij,jk,ik->i", terms, precision, terms).max())
    return Surface(centre, spread, beta, precision, reach, sd)


def _predict_least_change(surface: Surface, start: Floats, end: Floats) -> float:
    """Return the log loss expected at ``end``, going on from the last supported point no faster than a law would."""
    way = start + np.linspace(0, 1, 61)[:, None] * (end - start)
    seen = np.flatnonzero(surface.supports(way))
    last = int(seen[-1])
    level = surface.predict(way)
    # The quadratic may turn round outside the runs, so the slope at the edge is carried on and damped as a power term
    # with exponent 1/2 would be: real exponents are lower, so a real run moves at least this far.
    edge = level[last] - level[max(last - 3, 0)]
    step = np.abs(way[1] - way[0]).max()
    slope = edge / (step * max(min(3, last), 1))
    beyond = step * (len(way) - 1 - last)
    return float(level[last] + slope * (1 - np.exp(-0.5 * beyond)) / 0.5)


Moves = dict[str, tuple[float, float]]
"""What a tenfold value in a column does to (log10 N, log10 D): a derived column moves with those it comes from."""


@dataclass(frozen=True)
class _Guess:
    """A correction that would bring a row back among the others."""

    typo: Typo
    gap: float
    left: float


def find_typos(points: Floats, log_loss: Floats, moves: Moves, meant: NDArray[np.bool_] | None = None) -> list[Typo]:
    """Find rows that agree with the others only after one of their values is moved by a power of ten.

    A row is named only if it disagrees with a robust surface through the other runs (six robust sd and 5%, or three
    and 1% where it also lies a decade from every other run), and if the corrected row lies among the other runs and
    agrees with them to two robust sd. An outlier that no power of ten explains is left alone: it may be real.

    Parameters
    ----------
    points : ndarray of shape (runs, 2)
        log N and log D.
    log_loss : ndarray of shape (runs,)
        The log of the loss.
    moves : dict
        For each column that was typed in, what a tenfold value does to (log10 N, log10 D).
    meant : ndarray of bool, optional
        Rows whose N and D are known to be meant, so that only their loss may be a typo.

    Returns
    -------
    list of Typo
        The clearest first.

    Examples
    --------
    >>> import numpy as np
    >>> from bayescale.runs.checks.typos import find_typos
    >>> grid = np.log(np.stack(np.meshgrid(np.logspace(7, 9, 5), np.logspace(9, 11, 5)), axis=-1).reshape(-1, 2))
    >>> log_loss = np.log(1.7 + 400 * np.exp(-0.34 * grid[:, 0]) + 410 * np.exp(-0.28 * grid[:, 1]))
    >>> grid[12, 1] += np.log(100)
    >>> find_typos(grid, log_loss, {"params": (1.0, 0.0), "tokens": (0.0, 1.0)})
    [Typo(row=12, column='tokens', factor=100.0, sure=True)]
    """
    points, log_loss = points.copy(), log_loss.copy()
    found: list[Typo] = []
    while len(found) < MOST_TYPOS:
        surface = fit_surface(points, log_loss)
        guesses = [
            guess
            for row in map(int, _find_suspects(points, log_loss, surface))
            for guess in _propose_corrections(
                points, log_loss, row, {} if meant is not None and meant[row] else moves, surface
            )
        ]
        guesses = [guess for guess in guesses if guess.typo.row not in {typo.row for typo in found}]
        if not guesses:
            break
        worst = max(guesses, key=lambda guess: guess.gap).typo.row
        typo = min((guess for guess in guesses if guess.typo.row == worst), key=lambda guess: guess.left).typo
        found.append(typo)
        # One typo bends the surface and may hide or feign another, so the search goes on with this one corrected.
        shift = np.log(typo.factor)
        if typo.column == "loss":
            log_loss[worst] -= shift
        else:
            points[worst] -= shift * np.asarray(moves[typo.column])
    return found if _follows_surface(points, log_loss) else [replace(typo, sure=False) for typo in found]


def _follows_surface(points: Floats, log_loss: Floats) -> bool:
    """Say whether the corrected runs follow a smooth surface with hardly an outlier."""
    surface = fit_surface(points, log_loss)
    off = np.abs(log_loss - surface.predict(points)) > np.maximum(FAR[0] * surface.sd, FAR[1])
    return surface.sd < MOST_SCATTER and int(off.sum()) <= max(1, MOST_OUTLIERS * len(points))


def _find_suspects(points: Floats, log_loss: Floats, surface: Surface) -> NDArray[np.int64]:
    """Return the rows to check by themselves: those off the surface, and those far out that bend it."""
    residual = np.abs(log_loss - surface.predict(points))
    leverage = _measure_leverage(points, surface)
    suspects = np.flatnonzero((residual > 3 * surface.sd) | (leverage > 2 * 6 / len(points)))
    if len(points) <= MANY:
        return suspects
    from scipy.spatial import cKDTree

    # Among many runs a row is as far off the surface of the others as off that of all. Most are too near to be named.
    nearest = cKDTree(points).query(points[suspects], k=2, p=np.inf)[0][:, 1]
    limits = [max(sd * surface.sd, share) for sd, share in (FAR_WHEN_ALONE, FAR)]
    far = residual[suspects] > 0.9 * np.where(nearest > np.log(10.0), *limits)
    return suspects[far | (leverage[suspects] > LITTLE)]


def _measure_leverage(points: Floats, surface: Surface) -> Floats:
    terms = surface.basis(points)
    return np.asarray(np.einsum("ij,jk,ik->i", terms, surface.precision, terms, optimize=True))


def _propose_corrections(
    points: Floats, log_loss: Floats, row: int, moves: Moves, surface: Surface
) -> Iterator[_Guess]:
    """Yield the corrections that would bring a row back among the others; ``surface`` is that of all rows."""
    rest = np.arange(len(points)) != row
    if len(points) <= MANY or _measure_leverage(points[[row]], surface)[0] > LITTLE:
        surface = fit_surface(points[rest], log_loss[rest])
    here, value = points[row], log_loss[row]
    off = value - surface.predict(here[None])[0]
    inside = bool(surface.supports(here[None])[0])
    alone = np.abs(points[rest] - here).max(axis=1).min() > np.log(10.0)
    spreads, share = FAR_WHEN_ALONE if alone else FAR
    for power in (-3, -2, -1, 1, 2, 3):
        shift = power * np.log(10.0)
        left = abs(off - shift)
        # No run is an honest outlier by a factor of ten in loss, so a looser agreement than for N and D is enough.
        if inside and abs(off) > 1 and left < max(2 * NEAR_SD * surface.sd, FAR[1]):
            yield _Guess(Typo(row, "loss", 10.0**power), abs(off), left)
        for column, move in moves.items():
            there = here - shift * np.asarray(move)
            left = abs(value - surface.predict(there[None])[0])
            if left > NEAR_SD * surface.sd or not surface.supports(there[None])[0]:
                continue
            gap = abs(value - _predict_least_change(surface, there, here))
            if gap > max(spreads * surface.sd, share):
                yield _Guess(Typo(row, column, 10.0**power), gap, left)
