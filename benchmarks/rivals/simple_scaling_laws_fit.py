"""simple-scaling-laws: a point fit of the separable law with its cluster bootstrap, 1,000 draws (its default)."""

import warnings

import numpy as np
import pandas as pd
from common import PROBABILITIES, run_estimator
from simple_scaling_laws import fit

warnings.simplefilter("ignore")  # of its advice: the runs have no replicates
COLUMNS = {"N": "model_size__n_params", "D": "dataset_size__n_tokens", "loss": "test_loss__nats"}


def fit_and_ask(frame: pd.DataFrame, at: pd.DataFrame, seed: int) -> np.ndarray:
    """Return quantiles of the loss at a run; of three equal probabilities they are their own quantiles."""
    names = [str(k) for k in range(len(frame))]
    runs = frame[["N", "D", "loss"]].rename(columns=COLUMNS).assign(training_run_id=names, test_set_id="one")
    model = fit(runs, law="separable-power", seed=seed)
    points = at.rename(columns=COLUMNS).assign(point_id="far")
    told = model.predict(points, quantiles=list(PROBABILITIES)).to_pandas().iloc[0]
    return told[["test_loss__nats__q050", "test_loss__nats__median", "test_loss__nats__q950"]].to_numpy(dtype=float)


run_estimator(fit_and_ask)
