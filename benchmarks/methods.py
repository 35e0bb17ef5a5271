"""What is compared on the open sets: a name, and how it predicts the largest runs from the smaller ones."""

import pandas as pd

from benchmarks import ours
from benchmarks.peers import huber_bootstrap
from benchmarks.sets import reader

PEERS = {"Huber bootstrap, Chinchilla": "chinchilla", "Huber bootstrap, Kaplan": "kaplan"}
METHODS = [*PEERS, *ours.methods()]


def predict(method: str, name: str, runs: pd.DataFrame, factor: float) -> pd.DataFrame | None:
    """Return the prediction of a set's runs above Cmax / factor by a method; None where it could not be fitted."""
    if method in PEERS:
        train, test = reader().split(runs, factor)
        return huber_bootstrap(train, test, PEERS[method])
    return ours.predict(name, runs, factor, method)
