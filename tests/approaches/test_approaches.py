"""What the three approaches rest on, without sampling: minima, lines, agreement, tables."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pinned import BESIROGLU, FAILED, PASSED, ROUNDED, pinned_fit

import bayescale as bs
from bayescale.approaches import (
    agreement,
    approaches,
    approaches_table,
    isoflop_fit,
    ladder,
    line_split,
    line_through,
    parabola_minima,
    params_on_line,
    profile_curves,
)
from bayescale.approaches.isoflop_model import PRIORS
from bayescale.approaches.sample_estimator import one_family, require_all, with_priors
from bayescale.errors import CardError, QuestionError, UnconvergedError
from bayescale.report.words.answers import say_answer
from bayescale.runs.checks.budgets import isoflop_profiles
from bayescale.runs.curves.envelope import curves_of_runs
from bayescale.runs.curves.profiles import profiles_of_curves

LOPSIDED = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.465, "beta": 0.155}


def designed(paper, reach=16.0, points=15, budgets=None, noise=0.0, seed=1, scale=1.0):
    """Runs at sizes to either side of the optimum of each budget, as in arXiv 2603.22339."""
    budgets = np.geomspace(1e17, 1e21, 5) if budgets is None else budgets
    alpha, beta = paper["alpha"], paper["beta"]
    ratio = (alpha * paper["A"] / (beta * paper["B"])) ** (1 / (alpha + beta))
    best = ratio * (budgets / 6) ** (beta / (alpha + beta))
    n = (best[:, None] * np.geomspace(1 / reach, reach, points)).ravel()
    c = np.repeat(budgets, points)
    loss = scale * bs.laws.get_law("chinchilla").paper(np, paper, params=n, tokens=c / (6 * n))
    loss = loss * np.exp(noise * np.random.default_rng(seed).standard_normal(n.size))
    return bs.read_runs(pd.DataFrame({"params": n, "compute": c, "loss": loss}), suspicious="keep")


@pytest.mark.parametrize(
    ("paper", "exact", "parabola"),
    # Intercept of log10 D_opt on log10 C, 5 budgets 1e17 to 1e21, 15 sizes within a factor 16: arXiv 2603.22339.
    [(ROUNDED, -0.555357, -0.578092), (LOPSIDED, -1.345791, -1.459957)],
)
def test_the_parabola_is_biased_by_the_published_amount(paper, exact, parabola):
    # Halved losses: a factor moves no minimum, and some would be above what any vocabulary can give.
    minima = parabola_minima(isoflop_profiles(designed(paper, scale=0.5)))
    line = line_through(minima)
    share = paper["beta"] / (paper["alpha"] + paper["beta"])
    assert float(line["a"]) == pytest.approx(share, abs=1e-6)  # the exponent is not biased

    def intercept(n_at):
        return np.log10(n_at["compute"] / (6 * n_at["params"])) - (1 - share) * np.log10(n_at["compute"])

    compute = line.attrs["compute"]
    found = {"compute": compute, "params": float(params_on_line(line, xr.DataArray(compute)))}
    assert intercept(found) == pytest.approx(parabola, abs=2e-6)
    ratio = (paper["alpha"] * paper["A"] / (paper["beta"] * paper["B"])) ** (1 / (paper["alpha"] + paper["beta"]))
    assert intercept({"compute": compute, "params": ratio * (compute / 6) ** share}) == pytest.approx(exact, abs=2e-6)


def test_equal_exponents_have_no_parabola_bias():
    even = BESIROGLU | {"beta": BESIROGLU["alpha"]}
    runs = designed(even)
    minima = parabola_minima(isoflop_profiles(runs))
    middle = runs["params"].values.reshape(5, 15)[:, 7]
    assert minima["params"].values == pytest.approx(middle, rel=1e-6)


def test_a_parabola_that_opens_downward_has_no_minimum_and_does_not_turn_the_line():
    profiles = isoflop_profiles(designed(ROUNDED, reach=4.0))
    flipped = profiles["loss"].where(profiles["budget_index"] != 4, 5.0 - profiles["loss"])
    minima = parabola_minima(profiles, flipped)
    assert np.isnan(minima["params"].values).tolist() == [False] * 4 + [True]
    assert float(line_through(minima)["a"]) == pytest.approx(0.28 / 0.62, abs=1e-6)
    for weighted in (True, False):
        assert np.isnan(line_through(minima.isel(budget=[4]), weighted)["a"])


def test_replicates_are_estimated_as_the_runs_are():
    profiles = isoflop_profiles(designed(ROUNDED, noise=0.01))
    three = xr.concat([profiles["loss"], profiles["loss"] * 1.1, profiles["loss"] + 1.0], dim="replicate")
    found = parabola_minima(profiles, three.reset_coords(drop=True))["params"]
    one = parabola_minima(profiles)["params"].values
    assert found.transpose("replicate", "budget").values == pytest.approx(np.tile(one, (3, 1)), rel=1e-6)


def test_hoffmann_runs_by_parabolas_and_an_unweighted_line(hoffmann_runs):
    # 0.498 (standard error 0.025) on the same digitised runs, by a parabola a budget and a line through the minima: an
    # independent analysis of them; Hoffmann et al.'s own is 0.49 (0.462 to 0.534).
    minima = parabola_minima(isoflop_profiles(hoffmann_runs))
    assert float(line_through(minima, weighted=False)["a"]) == pytest.approx(0.498, abs=0.01)


def test_llama_3_by_parabolas(open_sets):
    runs = bs.read_runs(open_sets["llama3"].rename(columns={"N": "params", "D": "tokens", "C": "compute"}))
    line = line_through(parabola_minima(isoflop_profiles(runs)), weighted=False)
    # Llama 3 paper: D_opt = 0.299 C^0.537.
    assert 1 - float(line["a"]) == pytest.approx(0.537, abs=0.01)
    n = float(params_on_line(line, xr.DataArray(1e21)))
    assert 1e21 / (6 * n) == pytest.approx(0.299 * 1e21**0.537, rel=0.05)


def test_runs_of_the_law_agree_with_it_and_runs_of_another_do_not():
    fit = pinned_fit(paper=BESIROGLU, sigma=0.003, spread=0.002)
    budgets = np.geomspace(1e18, 1e21, 6)
    same = isoflop_profiles(designed(BESIROGLU, reach=6.0, budgets=budgets, noise=0.003))
    found = agreement(fit, same, seed=3)
    assert say_answer(found).startswith("Approaches 2 and 3 agree: parabolas through the runs give a = 0.5")
    assert float(found["tail_a"]) > 0.05
    assert float(found["tail_middle"]) > 0.05
    assert found["replicated_a"].sizes["replicate"] == 500
    other = isoflop_profiles(designed(ROUNDED, reach=6.0, budgets=budgets, noise=0.003))
    found = agreement(fit, other, seed=3)
    assert "do not agree" in say_answer(found)
    assert float(found["tail_a"]) < 0.01


def test_the_parabola_bias_alone_is_no_disagreement():
    # Wide profiles of a lopsided law: the parabolas are off by more than their scatter, and so are the replicates'.
    fit = pinned_fit(paper=ROUNDED, sigma=0.001)
    profiles = isoflop_profiles(designed(ROUNDED, noise=0.001, budgets=np.geomspace(1e18, 1e22, 6)))
    found = agreement(fit, profiles)
    ratio = (0.34 * 406.4 / (0.28 * 410.7)) ** (1 / 0.62)
    exact = ratio * (1e20 / 6) ** (0.28 / 0.62)
    spread = float(np.log(found["replicated_middle"]).std())
    assert abs(np.log(float(found["quick_middle"]) / exact)) > 5 * spread
    assert float(found["tail_middle"]) > 0.05


def test_profiles_read_off_curves_are_read_off_each_replicate_too():
    runs = curves_of_runs(bs.load_shipped("tinylm"))
    one = runs.isel(run=runs["family"].values == "english").drop_vars("family")
    found = agreement(pinned_fit(paper=ROUNDED), profiles_of_curves(one), one, replicates=20)
    assert found.sizes["replicate"] == 20
    assert len(np.unique(found["replicated_a"].values[np.isfinite(found["replicated_a"].values)])) > 10


def line_fit(shape="corrected", verdict=PASSED, a=0.5, draws=100):
    """A posterior of approach 2 made by hand: every draw on one line, N_opt = 1e9 at 1e20 FLOP."""
    budgets = np.array([1e19, 1e20, 1e21])
    exact = 1e9 * (budgets / 1e20) ** a
    flat = np.ones((2, draws))
    each = np.ones((2, draws, 3))
    posterior = xr.Dataset(
        {
            **{name: (("chain", "draw"), value * flat) for name, value in
               (("a", a), ("level", 0.0), ("alpha", 0.34), ("beta", 0.28), ("sigma", 0.004), ("nu", 20.0))},
            "params_opt": (("chain", "draw", "budget"), exact * each),
            "best_loss": (("chain", "draw", "budget"), np.array([2.6, 2.4, 2.2]) * each),
            "curvature": (("chain", "draw", "budget"), 0.04 * each),
        },
        coords={"budget": budgets},
    )  # fmt: skip
    n = (exact[:, None] * np.geomspace(0.2, 5, 5)).ravel()
    tree = xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "observed_data": xr.Dataset({"log_loss": ("run", np.log(np.linspace(2.2, 2.9, 15)))}),
            "constant_data": xr.Dataset({"params": ("run", n), "budget_index": ("run", np.repeat(np.arange(3), 5))}),
        }
    )
    tree.attrs.update(
        model=f"isoflop {shape}", shape=shape, cost="6ND", loss_unit="nats/token", verdict=verdict.to_json(),
        reference=json.dumps({"params": 1e9, "compute": 1e20}),
    )  # fmt: skip
    return tree


def test_a_line_gives_the_split_at_any_compute():
    split = line_split(line_fit(a=0.46), xr.DataArray([1e20, 1e22], dims="point"))
    assert split["params"].isel(chain=0, draw=0).values == pytest.approx([1e9, 1e9 * 100**0.46])
    assert (6 * split["params"] * split["tokens"]).isel(chain=1, draw=3).values == pytest.approx([1e20, 1e22])
    assert float(split["b"].mean()) == pytest.approx(0.54)


@pytest.mark.parametrize("shape", ["corrected", "parabola"])
def test_fitted_profiles_have_their_minimum_at_the_best_size(shape):
    curves = profile_curves(line_fit(shape), points=401)
    lowest = curves["loss"].isel(chain=0, draw=0).argmin("point").values
    found = curves["params"].values[np.arange(3), lowest]
    assert found == pytest.approx([1e9 * 0.1**0.5, 1e9, 1e9 * 10**0.5], rel=0.02)
    assert curves["loss"].min("point").isel(chain=0, draw=0).values == pytest.approx([2.6, 2.4, 2.2], rel=1e-5)
    ends = curves["params"].isel(budget=1).values
    assert (ends[0], ends[-1]) == pytest.approx((1e9 * 0.2 / 1.5, 1e9 * 5 * 1.5))


def test_a_posterior_that_failed_is_not_drawn():
    with pytest.raises(UnconvergedError, match="isoflop corrected"):
        profile_curves(line_fit(verdict=FAILED))
    assert profile_curves(line_fit(verdict=FAILED), allow_unconverged=True).attrs["verdict"] == "NOT CONVERGED"


def made_up_answer():
    """An answer of `approaches` in which each approach's a is known."""
    rng, names = np.random.default_rng(1), ["envelope", "isoflop parabola", "isoflop corrected", "parametric"]
    a = rng.normal([0.52, 0.51, 0.50, 0.49], 0.01, (2, 200, 4))
    dims = ("chain", "draw", "approach")
    return xr.Dataset(
        {
            "a": (dims, a),
            "b": (dims, 1 - a),
            "params": ((*dims, "point"), np.exp(rng.normal(23, 0.1, (2, 200, 4, 2)))),
            "tail_a": ((), 0.4),
            "quick_a": ((), 0.5),
            "replicated_a": ("replicate", rng.normal(0.5, 0.02, 300)),
        },
        coords={"approach": names, "compute": ("point", [1e21, 1e23])},
    )


def test_the_table_stands_next_to_hoffmanns():
    table = approaches_table(made_up_answer())
    assert table["a"].tolist() == pytest.approx([0.52, 0.51, 0.50, 0.49], abs=0.003)
    # Hoffmann et al. 2022, Table 2.
    assert table["published_a"].tolist() == [0.50, 0.49, 0.49, 0.46]
    assert table.loc["parametric", ["published_a_low", "published_a_high"]].tolist() == [0.454, 0.455]
    assert table["published_b"].tolist() == [0.50, 0.51, 0.51, 0.54]
    assert (table["a_low"] < table["a"]).all()
    assert table["a_high"].to_numpy() - table["a_low"].to_numpy() == pytest.approx(2 * 1.2816 * 0.01, rel=0.2)
    assert "N at 1e+21" in table


def test_one_posterior_that_failed_marks_the_whole_answer():
    good, bad = line_fit(), line_fit(verdict=FAILED)
    assert require_all([good, good], False) == "converged"
    assert require_all([good, bad, good], True) == "NOT CONVERGED"
    with pytest.raises(UnconvergedError):
        require_all([good, bad], False)


def test_approaches_that_the_runs_do_not_support_are_named_with_the_reason():
    n, d = (x.ravel() for x in np.meshgrid([1e8, 1e9], np.geomspace(1e9, 1e11, 5)))
    loss = bs.laws.get_law("chinchilla").paper(np, BESIROGLU, params=n, tokens=d)
    runs = bs.read_runs(pd.DataFrame({"params": n, "tokens": d, "loss": loss}))
    answer = approaches(runs, pinned_fit(runs=runs, spread=0.01), compute=["1x", 1e22])
    assert answer["approach"].values.tolist() == ["parametric"]
    left_out = json.loads(answer.attrs["left_out"])
    assert set(left_out) == {"envelope", "isoflop parabola", "isoflop corrected"}
    assert "the best size changes at" in left_out["envelope"]
    assert "0 IsoFLOP profiles among 10 runs" in left_out["isoflop corrected"]
    assert "agreement" not in answer.attrs
    assert answer.sizes["pair"] == 0
    # N_opt at 1e22 FLOP by Besiroglu et al.'s coefficients, closed form: G (C/6)^a.
    ratio = (0.3478 * 482.01 / (0.3658 * 2085.43)) ** (1 / 0.7136)
    expected = ratio * (1e22 / 6) ** (0.3658 / 0.7136)
    assert float(answer["params"].isel(point=1).median()) == pytest.approx(expected, rel=0.05)


def test_one_family_is_asked_for_by_name():
    runs = bs.load_shipped("tinylm")
    assert one_family(runs, "english").sizes["run"] == 46
    with pytest.raises(QuestionError, match=r"say which family\. Families: english, source"):
        one_family(runs, None)
    with pytest.raises(QuestionError, match="Did you mean 'english'"):
        one_family(runs, "englsh")


def test_priors_are_replaced_by_name():
    changed = with_priors(PRIORS, {"a": {"dist": "Normal", "mu": 0.5, "sigma": 0.1}})
    assert changed["a"].arguments == {"mu": 0.5, "sigma": 0.1}
    assert changed["nu"] == PRIORS["nu"]
    with pytest.raises(CardError, match="no prior 'aa'"):
        with_priors(PRIORS, {"aa": {"dist": "Normal", "mu": 0.5, "sigma": 0.1}})


def test_questions_that_make_no_sense_are_refused_before_sampling():
    runs = designed(ROUNDED)
    with pytest.raises(QuestionError, match="shape: got 'cubic'"):
        isoflop_fit(runs, shape="cubic")
    with pytest.raises(QuestionError, match="a ladder takes two experiments or more; got one"):
        ladder({"one": runs})
    with pytest.raises(QuestionError, match="have no families"):
        ladder(runs)
