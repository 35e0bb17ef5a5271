"""What people do today: a law's Huber point fit, refitted to resampled runs, with resampled residuals added."""

import numpy as np
import pandas as pd

from bayescale.laws import get_law
from benchmarks.point_fits import grid, least_huber, log_loss, scale_starts
from benchmarks.scores import predicted

REFITS, RESIDUALS, SEED = 100, 40, 1
EXPONENTS = (0.15, 0.3, 0.6, 1.0)
# Where the search begins: for each parameter, multiples of the lowest (E) or the median loss seen, or exponents. At the
# reference run, the geometric mean of the runs, one grid serves every set.
STARTS: dict[str, dict[str, tuple[float, ...]]] = {
    "chinchilla": {
        "E": (0.3, 0.6, 0.8, 0.95),
        "from_params": (0.03, 0.1, 0.3),
        "from_tokens": (0.03, 0.1, 0.3),
        "alpha": EXPONENTS,
        "beta": EXPONENTS,
    },
    "kaplan": {
        "loss_params": (0.3, 0.6, 0.8, 0.95),
        "loss_tokens": (0.3, 0.6, 0.8, 0.95),
        "alpha_N": (0.03, 0.07, 0.15, 0.3),
        "alpha_D": (0.03, 0.07, 0.15, 0.3),
    },
}


def huber_bootstrap(
    train: pd.DataFrame, test: pd.DataFrame, form: str = "chinchilla", seed: int = SEED
) -> pd.DataFrame:
    """Predict the runs of ``test`` from those of ``train``: a point fit, and draws for the band about it.

    Each of 100 refits is to as many runs, drawn with replacement, and begun at the point fit; its predictions get
    residuals of the point fit, drawn with replacement too.
    """
    law, rng = get_law(form), np.random.default_rng(seed)
    loss = train.loss.to_numpy()
    inputs, at = ({"params": runs.N.to_numpy(), "tokens": runs.D.to_numpy()} for runs in (train, test))
    reference = law.reference(inputs)
    best = least_huber(law, inputs, loss, grid(law, scale_starts(law, STARTS[form], loss)))
    residuals = np.log(loss) - log_loss(law, inputs, best, reference)
    draws = []
    for _ in range(REFITS):
        # A run that is drawn twice counts twice.
        counts = np.bincount(rng.integers(len(loss), size=len(loss)), minlength=len(loss))
        refit = least_huber(law, inputs, loss, best[None], counts)
        noise = rng.choice(residuals, size=(RESIDUALS, len(test)))
        draws.append(np.exp(log_loss(law, at, refit, reference) + noise))
    return predicted(test, np.concatenate(draws), np.exp(log_loss(law, at, best, reference)))
