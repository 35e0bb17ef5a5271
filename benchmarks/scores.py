"""How good was a prediction of held-out runs: the score of the open sets, with CRPS added."""

from types import ModuleType

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.forms import crps

PROB = 0.9


def predicted(test: pd.DataFrame, draws: np.ndarray, point: np.ndarray) -> pd.DataFrame:
    """Return a row for each held-out run: its loss and compute, the 90% band, the median and the CRPS of the draws.

    Parameters
    ----------
    test : pandas.DataFrame
        The held-out runs, columns C and loss.
    draws : array
        Their losses as predicted, dims (draw, run).
    point : array
        Their losses by the one best law.
    """
    tail, y = (1 - PROB) / 2, test.loss.to_numpy()
    low, median, high = np.quantile(draws, [tail, 0.5, 1 - tail], axis=0)
    crps_of_runs = crps(xr.DataArray(draws, dims=("draw", "run")), xr.DataArray(y, dims="run"))
    columns = dict(low=low, median=median, high=high, crps=crps_of_runs.values, point=point)
    return pd.DataFrame({"C": test.C.to_numpy(), "loss": y, **columns})


def score(reader: ModuleType, rows: pd.DataFrame) -> dict[str, float]:
    """Return the scores of one prediction: of the 90% band, of the median and of all draws, in % of the loss.

    ``error_point`` is the median error of the one best law, where the method has one.
    """
    y = rows.loss
    found = reader.score(rows.low, rows.high, rows["median"], y, rows.C)
    return {
        "runs": found["n_test"],
        "coverage": found["cover"],
        "coverage_top": found["cover_top"],
        "winkler": found["winkler_pct"],
        "width": found["width_pct"],
        "error": found["err_pct"],
        "error_point": 100 * float((rows.point / y - 1).abs().median()) if "point" in rows else float("nan"),
        "bias": found["bias_pct"],
        "crps": 100 * float((rows.crps / y).mean()),
    }
