"""The 92 learning curves of Alabdulmohsin et al. 2022 (arXiv 2209.06640): M1-M4 and BNSL, fitted and scored.

The smaller part of each curve is fitted, the larger predicted: `rmsle`, the root mean square of its log residuals, as
in the paper, and `log_score`, the mean log density of its log losses.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from bayescale.laws import get_law
from benchmarks.point_fits import grid, least_squares, log_loss, scale_starts
from benchmarks.sets import shared

LAWS = {"M1": "power", "M2": "power-floor", "M3": "shifted", "M4": "plateau", "BNSL": "broken-1"}
FILES = ("revisiting_lang.csv", "revisiting_vision.csv")
REFITS, SEED = 50, 1
# Where the search begins: for each parameter, multiples of the lowest (E) or the median loss seen, or plain values.
STARTS: dict[str, tuple[float, ...]] = {
    "E": (0.02, 0.4, 0.8, 0.95),
    "loss_x": (1.0,),
    "from_x": (0.05, 0.3, 1.0),
    "gained": (0.1, 0.5, 3.0),
    "alpha": (0.05, 0.2, 0.5, 1.0, 1.6),
    "shape": (0.3, 1.0, 2.5),
    "c0": (-0.05, 0.1, 0.4),
    "break_1": (0.1, 0.5, 1.0, 3.0, 10.0),
    "c1": (-0.3, 0.2, 0.6),
    "f1": (0.1, 0.4),
}


class Curve(NamedTuple):
    """One curve: examples seen and loss, of the part to fit and of the larger part to predict."""

    domain: str
    name: str
    x: np.ndarray
    loss: np.ndarray
    x_out: np.ndarray
    loss_out: np.ndarray


def curves() -> Iterator[Curve]:
    """Yield the curves, without the copies: the language models' points stand in the file four times each."""
    rows = pd.concat([pd.read_csv(shared("data", "revisiting", name)) for name in FILES]).drop_duplicates()
    for (domain, task, model), curve in rows.sort_values("Seen Examples").groupby(["Domain", "Task", "Model"]):
        parts = [curve[curve.Training == flag] for flag in (1, 0)]
        columns = [part[column].to_numpy(float) for part in parts for column in ("Seen Examples", "Loss")]
        yield Curve(str(domain), f"{task} {model}", *columns)


def point_forecast(method: str, curve: Curve, refits: int = REFITS, seed: int = SEED) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of log loss on the held-out part, by least squares in log loss.

    The variance is that of the residuals, with as many degrees of freedom as points are left over, plus that of the
    prediction over refits to as many points, drawn with replacement.
    """
    law, rng = get_law(LAWS[method]), np.random.default_rng(seed)
    inputs, at = {"x": curve.x}, {"x": curve.x_out}
    reference = law.reference(inputs)
    best = least_squares(law, inputs, curve.loss, grid(law, scale_starts(law, STARTS, curve.loss)))
    residuals = np.log(curve.loss) - log_loss(law, inputs, best, reference)
    variance = (residuals**2).sum() / max(len(residuals) - len(best), 1)
    refitted = []
    for _ in range(refits):
        counts = np.bincount(rng.integers(len(residuals), size=len(residuals)), minlength=len(residuals))
        refitted.append(log_loss(law, at, least_squares(law, inputs, curve.loss, best[None], counts), reference))
    return log_loss(law, at, best, reference), np.sqrt(variance + np.var(refitted, axis=0))


def point_scores(method: str, curve: Curve) -> dict[str, float]:
    """Return both scores of a point method on one curve."""
    mean, sd = point_forecast(method, curve)
    return {"rmsle": rmsle(mean, curve.loss_out), "log_score": gaussian_log_score(mean, sd, curve.loss_out)}


def rmsle(mean: np.ndarray, loss: np.ndarray) -> float:
    """Return the root mean square of the log residuals."""
    return float(np.sqrt(np.mean((np.log(loss) - mean) ** 2)))


def gaussian_log_score(mean: np.ndarray, sd: np.ndarray, loss: np.ndarray) -> float:
    """Return the mean log density of the log losses under normal predictions."""
    return float(np.mean(-0.5 * np.log(2 * np.pi * sd**2) - 0.5 * ((np.log(loss) - mean) / sd) ** 2))
