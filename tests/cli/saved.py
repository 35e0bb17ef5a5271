"""Posteriors in files, made by hand: what the questions of the command line are asked of."""

import numpy as np
import pandas as pd
from pinned import BESIROGLU, ROUNDED, pinned_fit

import bayescale as bs
from bayescale.laws import get_law

# Kaplan et al. 2020, Table 3, with B_star and alpha_B of eq. 1.4; Muennighoff et al. 2023, the fit on C4.
STEPS = {"N_c": 6.5e13, "alpha_N": 0.077, "S_c": 2.1e3, "alpha_S": 0.76, "B_star": 2e8, "alpha_B": 0.21}
REPEATS = {"E": 1.87, "A": 521.0, "B": 1488.0, "alpha": 0.353, "beta": 0.353, "R_D": 15.39, "R_N": 5.31}
# Kaplan et al. 2020: L(C_min) of eq. 1.3 and L(D) of eq. 1.2, in PF-days of 8.64e19 FLOP.
POWERS = {
    "compute": {"x_c": 3.1e8 * 8.64e19, "alpha": 0.050},
    "tokens": {"x_c": 5.4e13, "alpha": 0.095},
}


def _runs_of(law, paper, **inputs):
    grid = [v.ravel() for v in np.meshgrid(*inputs.values())]
    columns = dict(zip(inputs, grid, strict=True))
    return bs.read_runs(pd.DataFrame(columns | {"loss": get_law(law).paper(np, paper, **columns)}), suspicious="keep")


def _english():
    runs = bs.load_shipped("tinylm")
    return runs.isel(run=runs["family"].values == "english").drop_vars("family")


MAKERS = {
    "one": lambda: pinned_fit(spread=0.02),
    "two": lambda: pinned_fit(families={"cosine": BESIROGLU, "wsd": ROUNDED}, spread=0.02),
    "rounded": lambda: pinned_fit(paper=ROUNDED, spread=0.02),
    "steps": lambda: pinned_fit(
        "kaplan-steps",
        STEPS,
        runs=_runs_of(
            "kaplan-steps", STEPS, params=np.geomspace(1e7, 1e9, 4), step=[5e3, 2e4, 8e4], batch=[2e5, 8e5, 3.2e6]
        ),
    ),
    "repeats": lambda: pinned_fit(
        "repeats",
        REPEATS,
        runs=_runs_of(
            "repeats", REPEATS, params=np.geomspace(1e8, 4e9, 4), tokens=[1e9, 8e9, 6.4e10], unique_tokens=[1e9, 8e9]
        ),
        spread=0.05,
    ),
    "tiny": lambda: pinned_fit(
        paper={"E": 1.5, "A": 50, "B": 300, "alpha": 0.3, "beta": 0.3}, runs=_english(), spread=0.02
    ),
    "of_compute": lambda: _of_one("compute"),
    "of_tokens": lambda: _of_one("tokens"),
}


def _of_one(column):
    from simulated import simulated_from

    card = bs.cards.make_card({"extends": "power", "x": column})
    return pinned_fit(card, POWERS[column], runs=simulated_from(card, 8), spread=0.01)


class Saved(dict):
    """Files of posteriors by name, each made and saved when it is first asked for."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def __missing__(self, name):
        path = self.folder / f"{name}.nc"
        bs.save_fit(MAKERS[name](), path)
        self[name] = str(path)
        return self[name]
