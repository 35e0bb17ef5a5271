"""The three approaches on real runs and on simulated ones: posteriors that share one compiled model."""

import json

import numpy as np
import pandas as pd
import pytest
from approaches.test_approaches import LOPSIDED, designed

import bayescale as bs
from bayescale.approaches import approaches, isoflop_fit, ladder, line_split
from bayescale.inference.compiled import _compiled
from bayescale.papers.tables import published_table
from bayescale.posterior import Posterior
from bayescale.report.words.answers import say_answer

RUNGS = (
    ("base", "long", "kaplan", "kaplan"),
    ("base", "long", "kaplan", "standard"),
    ("base", "short", "kaplan", "standard"),
    ("base", "short", "chinchilla", "standard"),
    ("tuned", "short", "const", "standard"),
)
# Porian et al. 2024, their repository's fits: from Kaplan's recipe to the tuned one.
PORIAN = {"rw": (0.835, 0.706, 0.602, 0.571, 0.497), "owt2": (0.864, 0.699, 0.603, 0.574, 0.518)}


@pytest.fixture(scope="session")
def porian_points(shared_data):
    return pd.read_csv(shared_data / "porian" / "derived_isoflop_points.csv")


def rungs(points, corpus):
    """Runs by experiment, in the order of the ladder."""
    mine = points[(points["dataset"] == corpus) & points["source_file"].isin(["summary_df", "summary_df_owt2"])]
    keys = mine[["hparams", "warmup", "decay", "param_count"]].apply(tuple, axis=1)
    found = {}
    for rung in RUNGS:
        frame = mine.loc[keys == rung, ["flops", "N", "D", "loss"]]
        frame = frame.rename(columns={"flops": "compute", "N": "params", "D": "tokens"})
        found[" ".join(rung)] = bs.read_runs(frame, suspicious="keep")
    return found


@pytest.fixture(scope="session")
def hoffmann_approaches(hoffmann_runs, hoffmann_fit):
    return approaches(hoffmann_runs, hoffmann_fit, compute=[1e21, 5.76e23])


@pytest.mark.sampling
def test_hoffmann_approaches_agree_on_one_half(hoffmann_approaches):
    medians = hoffmann_approaches["a"].median(("chain", "draw"))
    assert hoffmann_approaches["approach"].values.tolist() == [
        "envelope",
        "isoflop parabola",
        "isoflop corrected",
        "parametric",
    ]
    # Besiroglu et al. 2024: a = 0.513 (0.018) by approach 3 on the same runs, so that the three approaches agree.
    assert np.abs(medians.values - 0.513).max() < 0.025
    assert say_answer(hoffmann_approaches).startswith("Approaches 2 and 3 agree")
    assert min(float(hoffmann_approaches[f"tail_{name}"]) for name in ("a", "middle")) > 0.05
    assert (hoffmann_approaches["probability"] > 0.1).all()
    assert (hoffmann_approaches["probability"] < 0.9).all()


@pytest.mark.sampling
def test_the_side_by_side_says_what_it_rests_on(hoffmann_approaches):
    assert all("Converged" in str(said) for said in hoffmann_approaches["verdict"].values)
    assert hoffmann_approaches.attrs["verdict"] == "converged"
    caveats = json.loads(hoffmann_approaches.attrs["caveats"])
    assert "runs are on no profile" in caveats["isoflop corrected"]
    assert "finished run" in caveats["envelope"]
    assert json.loads(hoffmann_approaches.attrs["left_out"]) == {}
    # C = 6ND at each budget, whatever the approach.
    product = (6 * hoffmann_approaches["params"] * hoffmann_approaches["tokens"]).isel(chain=0, draw=0)
    assert product.transpose("approach", "point").values == pytest.approx(np.tile([1e21, 5.76e23], (4, 1)), rel=1e-9)
    pair = hoffmann_approaches.sel(pair="envelope - parametric")
    a = hoffmann_approaches["a"]
    expected = (a.sel(approach="envelope") > a.sel(approach="parametric")).mean()
    assert float(pair["probability"]) == pytest.approx(float(expected))


@pytest.mark.sampling
def test_llama_3_splits_its_flagship_as_its_authors_did(open_sets):
    runs = bs.read_runs(open_sets["llama3"].rename(columns={"N": "params", "D": "tokens", "C": "compute"}))
    fit = isoflop_fit(runs)
    assert bs.verdict(fit).passed
    split = line_split(fit, Posterior(bs_seen(runs)).points(3.8e25))
    # Llama 3 paper: 16.55T tokens and 402B parameters at 3.8e25 FLOP, D_opt ~ C^0.537.
    assert float(split["b"].median()) == pytest.approx(0.537, abs=0.02)
    low, high = np.quantile(split["tokens"].values, (0.05, 0.95))
    assert low < 16.55e12 < high


def bs_seen(runs):
    """As much of a posterior as `Posterior.points` asks for."""
    import xarray as xr

    return xr.DataTree(xr.Dataset(attrs={"seen": json.dumps({"compute": [1.0, float(runs["compute"].max())]})}))


@pytest.mark.sampling
def test_the_corrected_shape_finds_the_minima_of_lopsided_profiles():
    # Nine budgets, so that the model is the one compiled for Hoffmann's runs.
    budgets = np.geomspace(1e18, 1e22, 9)
    runs = designed(LOPSIDED, reach=8.0, budgets=budgets, noise=0.002, scale=0.5)
    best = runs["params"].values.reshape(9, 15)[:, 7]
    fit = isoflop_fit(runs, shape="corrected")
    assert bs.verdict(fit).passed
    posterior = fit["posterior"]
    # beta - alpha is what makes a profile lopsided, -0.31 here.
    assert float(posterior["beta"].mean() - posterior["alpha"].mean()) == pytest.approx(-0.31, abs=0.08)
    assert np.quantile(posterior["a"], 0.01) < 0.155 / 0.62 < np.quantile(posterior["a"], 0.99)
    z = (np.log(posterior["params_opt"]) - np.log(best)).mean(("chain", "draw")) / np.log(posterior["params_opt"]).std(
        ("chain", "draw")
    )
    assert np.abs(z.values).max() < 3.5
    off = np.log(posterior["params_opt"].median(("chain", "draw")).values / best)
    assert np.abs(off.mean()) < 0.05


@pytest.mark.sampling
def test_porians_ladder_comes_down_step_by_step(porian_points):
    answer = ladder(rungs(porian_points, "rw"), published=dict(zip(map(" ".join, RUNGS), PORIAN["rw"], strict=True)))
    medians = answer["a"].median(("chain", "draw")).values
    assert medians == pytest.approx(PORIAN["rw"], abs=0.03)
    assert (answer["probability"] > 0.99).all()
    effects = answer["effect"].median(("chain", "draw")).values
    assert effects == pytest.approx(answer["published_effect"].values, abs=0.04)
    assert answer["left_out"].values.tolist() == [0] * 5
    assert answer["runs"].values.tolist() == [107, 131, 132, 88, 121]
    # Experiments with 11 and 12 budgets, and 88 to 132 runs, share one compiled model.
    shapes = [key[0] for key in _compiled if isinstance(key, tuple) and key[0][:2] == ("isoflop", "corrected")]
    assert shapes.count(("isoflop", "corrected", 12)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["owt2"])
def test_porians_ladder_on_the_other_corpus(porian_points, corpus):
    answer = ladder(rungs(porian_points, corpus))
    assert answer["a"].median(("chain", "draw")).values == pytest.approx(PORIAN[corpus], abs=0.04)
    assert (answer["probability"] > 0.99).all()


def test_the_published_ladder_is_that_of_the_table():
    table = published_table("exponents").query("study == 'Porian 2024'")
    for corpus, exponents in (("RefinedWeb", PORIAN["rw"]), ("OpenWebText2", PORIAN["owt2"])):
        assert set(exponents) <= set(table[table["setup"].str.startswith(corpus)]["a"])
