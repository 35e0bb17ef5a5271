"""chinchilla: the package's point fit (L-BFGS from a grid of starts); it has no band."""

import contextlib
import io
import logging
import tempfile

import numpy as np
import pandas as pd
from chinchilla import Chinchilla
from common import run_estimator

logging.disable(logging.CRITICAL)
GRID = {
    "E": np.linspace(1, 2, 2), "a": np.linspace(1, 10, 3), "b": np.linspace(1, 10, 3),
    "alpha": np.linspace(0.1, 0.7, 3), "beta": np.linspace(0.1, 0.7, 3),
}  # fmt: skip


def fit_and_ask(frame: pd.DataFrame, at: pd.DataFrame, seed: int) -> np.ndarray:
    """Return the loss at a run."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        frame.assign(C=6 * frame["N"] * frame["D"]).to_csv(f"{folder}/df.csv", index=False)
        ranges = {"C": (1e18, 1e20), "N_to_D": (1, 100)}
        package = Chinchilla(folder, param_grid=GRID, seed_ranges=ranges, model_search_config=None)
        package.fit(parallel=False)
        return np.array([package.predict_loss(at["N"].iloc[0], at["D"].iloc[0])])


run_estimator(fit_and_ask)
