"""The quantities that the loss may depend on: the column, the symbol and the unit of each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Scale:
    """One quantity that a law may take.

    Attributes
    ----------
    name : str
        The canonical column of the quantity in the runs.
    symbol : str
        The symbol in equations: ``x["N"]`` in a law is the quantity in its own unit.
    relative : str
        The symbol relative to the reference run, ``x["n"] = N / N0``; empty for a quantity that is a number by itself,
        such as bits or a share.
    meaning, unit : str
        Texts for readers.
    accepted : str
        The values that the quantity may take, in words.
    lower, upper : float
        Open limits of these values.
    typical : tuple of float
        Values met in practice: relative to the reference run, or of the quantity itself where it is not relative.
    """

    name: str
    symbol: str
    relative: str
    meaning: str
    unit: str
    accepted: str = "a number above 0"
    lower: float = 0.0
    upper: float = np.inf
    typical: tuple[float, float] = (1e-3, 1e3)


_SCALES = (
    Scale("params", "N", "n", "model size", "parameters"),
    Scale("tokens", "D", "d", "training tokens", "tokens"),
    Scale("compute", "C", "c", "training compute", "FLOP"),
    Scale("step", "S", "s", "optimiser steps", "steps"),
    Scale("batch", "B", "b", "batch size", "tokens"),
    Scale("unique_tokens", "U", "u", "unique tokens, of which the training tokens are repeats", "tokens"),
    Scale("words", "W", "w", "words of pretraining data", "words"),
    Scale("examples", "K", "k", "labelled or training examples", "examples"),
    Scale("width", "H", "h", "width of the model (d_model)", "1"),
    Scale("depth", "Z", "z", "depth of the model (layers)", "layers"),
    Scale("lr_area", "S1", "s1", "sum of the learning rate over the steps", "1"),
    Scale(
        "annealing", "S2", "s2", "learning-rate annealing area", "1", "a number (below 0 in warm-up)", -np.inf, np.inf,
        (1e-3, 2.0),
    ),
    Scale(
        "experts", "X", "", "number of experts", "experts", "a number, 1 or more", 1 - 1e-9, np.inf, (1.0, 512.0)
    ),
    Scale(
        "granularity", "G", "", "granularity of the experts", "1", "a number, 1 or more", 1 - 1e-9, np.inf, (1.0, 64.0)
    ),
    Scale(
        "sparsity", "Q", "", "share of the weights that are zero", "1", "a share from 0 to below 1", -1e-9, 1.0,
        (0.0, 0.95),
    ),
    Scale("bits_weights", "PW", "", "bits a weight in training", "bits", typical=(2.0, 16.0)),
    Scale("bits_activations", "PA", "", "bits an activation in training", "bits", typical=(2.0, 16.0)),
    Scale("bits_kv", "PKV", "", "bits of the key-value cache in training", "bits", typical=(2.0, 16.0)),
    Scale("bits_post", "PP", "", "bits a weight after training (post-training quantisation)", "bits",
          typical=(2.0, 16.0)),
    Scale("loss", "L", "l", "loss of the model", "loss", typical=(0.4, 2.5)),
)  # fmt: skip

SCALES: dict[str, Scale] = {scale.name: scale for scale in _SCALES}

# The one variable of a law in one variable: a card says which column it is.
ANY = Scale("x", "x", "x_rel", "the one variable", "of the column that the card names")


def scale_of(name: str) -> Scale:
    """Return the scale of that column."""
    return ANY if name == ANY.name else SCALES[name]


def reference_run(names: Iterable[str], values: Mapping[str, Any]) -> dict[str, float]:
    """Return the reference run: the geometric mean of every quantity that is measured relative to it.

    An annealing area is 0 or less until the learning rate falls. Its mean is over the runs where it is above 0.
    """
    return {name: _take_geometric_mean(values[name]) for name in names if scale_of(name).relative}


def _take_geometric_mean(values: Any) -> float:
    numbers = np.asarray(values, dtype=float)
    above = numbers[numbers > 0]
    return float(np.exp(np.mean(np.log(above)))) if above.size else 1.0


def symbols(values: Mapping[str, Any], reference: Mapping[str, float]) -> dict[str, Any]:
    """Return what a law's equation reads: every quantity by its symbol, and relative to the reference run.

    Examples
    --------
    >>> from bayescale.laws.scales import symbols
    >>> symbols({"params": 2e9, "sparsity": 0.5}, {"params": 1e9})
    {'N': 2000000000.0, 'n': 2.0, 'Q': 0.5}
    """
    out: dict[str, Any] = {}
    for name, value in values.items():
        scale = scale_of(name)
        out[scale.symbol] = value
        if scale.relative:
            out[scale.relative] = value / reference[name]
    return out
