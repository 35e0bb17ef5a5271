"""Errors that runs share: the same in PyTensor and in NumPy, and how a card says them."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pinned import BESIROGLU, simulated_frame, simulated_runs
from pytensor.compile.mode import Mode
from scipy import stats
from scipy.special import expit

import bayescale as bs
from bayescale.cards import load_card, make_card
from bayescale.cards.card import split_name
from bayescale.errors import CardError, DesignError
from bayescale.inference import log_likelihood
from bayescale.inference.compiled import label_dims
from bayescale.layers import respond, spans_of
from bayescale.layers.pooling import of_name
from bayescale.layers.shared_errors import (
    SHARED_ERRORS,
    alone,
    label_groups,
)
from bayescale.modeling import build_model, prepare
from bayescale.trust.sbc import calibrate, designed_runs

PY = Mode("py", None)  # nothing is compiled
HALF = {"dist": "HalfNormal", "sigma": 0.02}
NORMAL = {"family": "Normal", "sigma": {"dist": "LogNormal", "median": 0.01, "sigma": 0.8}}


def card_with(errors=("budget", "lean"), **content):
    noise = content.pop("noise", NORMAL)
    return make_card({"extends": "chinchilla", "noise": noise, "errors": dict.fromkeys(errors, HALF), **content}, "c")


def budgeted(budgets=3, sizes=9, seed=1, shift=0.0, noise=0.003, lone=3, level=None):
    """Runs of the Besiroglu law on IsoFLOP budgets, each with an error of its own, and a few runs between them."""
    rng = np.random.default_rng(seed)
    n, c = np.meshgrid(np.geomspace(5e7, 2e9, sizes), np.geomspace(1e19, 1e21, budgets))
    error = (shift * rng.standard_normal(budgets) if level is None else np.asarray(level))[:, None] * np.ones(sizes)
    other_n, other_c = np.geomspace(1e8, 1e9, lone), np.resize([2.3e19, 3.7e20, 4.4e19], lone)
    n, c = np.append(n.ravel(), other_n), np.append(c.ravel(), other_c)
    e = np.append(error.ravel(), shift * rng.standard_normal(lone))
    d = c / (6 * n)
    loss = bs.laws.get_law("chinchilla").paper(np, BESIROGLU, params=n, tokens=d)
    loss = loss * np.exp(e + noise * rng.standard_normal(n.size))
    return bs.read_runs(pd.DataFrame({"params": n, "tokens": d, "loss": loss}), suspicious="keep")


def constrained(point):
    undo = {"_log__": np.exp, "_logodds__": expit}
    ends = {name: next((end for end in undo if name.endswith(end)), "") for name in point}
    return {name.removesuffix(end): undo.get(end, np.asarray)(point[name]) for name, end in ends.items()}


def one_draw(card, data, values):
    """One draw of a posterior, as `fit` keeps it."""
    found = {}
    for name, prior in card.all_priors.items():
        scale = float(data.arrays[of_name(prior)]) if prior.of else 1.0
        found[name] = values[f"{name}_share" if prior.of else name] * scale
    out = xr.Dataset({name: (("chain", "draw"), np.full((1, 1), value)) for name, value in found.items()})
    for key in card.errors:
        error = values[f"{key}_error_offset"] * found[f"{key}_sd"] ** (1 - data.arrays[f"{key}_centred"])
        out[f"{key}_error"] = (("chain", "draw", f"{key}_group"), error[None, None])
    return label_dims(out, data)


@pytest.mark.parametrize("noise", [NORMAL, None], ids=["normal", "student-t that grows"])
def test_the_graph_and_the_numpy_response_agree(noise):
    grows = {**bs.load_card("chinchilla").noise.model_dump(mode="json", exclude_none=True),
             "sigma_growth": {"dist": "Normal", "mu": 0.15, "sigma": 0.2}}  # fmt: skip
    card, runs = card_with(noise=noise or grows), budgeted()
    model, data = build_model(card, runs), prepare(card, runs)
    rng = np.random.default_rng(3)
    point = {name: np.asarray(v + 0.5 * rng.standard_normal(np.shape(v))) for name, v in model.initial_point().items()}
    logp = model.logp(vars=[model["log_loss"]], jacobian=False, sum=False)
    (graph,) = model.compile_fn(logp, point_fn=True, mode=PY, on_unused_input="ignore")(point)
    posterior, seen = one_draw(card, data, constrained(point)), label_groups(card, runs)
    numpy = log_likelihood(data, posterior)["log_loss"].isel(chain=0, draw=0)
    np.testing.assert_allclose(numpy, graph, rtol=1e-8)
    # Runs that do not say in which group they are, or are in none that was fitted, are new: other but for the lone.
    new = log_likelihood(data, posterior, runs)["log_loss"].isel(chain=0, draw=0)
    renamed = seen.assign(budget_group=("run", np.full(runs.sizes["run"], "elsewhere")),
                          lean_group=("run", np.full(runs.sizes["run"], "elsewhere")))  # fmt: skip
    np.testing.assert_array_equal(new, log_likelihood(data, posterior, renamed)["log_loss"].isel(chain=0, draw=0))
    np.testing.assert_allclose(new[-3:], graph[-3:], rtol=1e-8)
    assert np.abs(new - graph)[:-3].max() > 0.01


def test_each_group_is_sampled_as_its_size_asks():
    data = prepare(card_with(("budget",)), budgeted(sizes=9))
    assert data.arrays["budget_centred"].tolist() == [1, 1, 1]
    data = prepare(card_with(("budget",)), budgeted(sizes=5, lone=2))
    assert data.arrays["budget_centred"].tolist() == [0, 0, 0]
    assert data.arrays["budget_own"].tolist() == [0] * 15 + [1] * 2
    assert data.arrays["budget_loading"].tolist() == [1] * 15 + [0] * 2
    assert "errors" not in prepare(card_with(()), budgeted()).known


def test_a_new_run_has_errors_of_its_own_in_its_scatter_and_none_in_what_is_expected():
    card, law, reference = card_with(), bs.laws.get_law("chinchilla"), {"params": 1e9, "tokens": 2e10}
    one = xr.DataArray(np.ones((1, 1)), dims=("chain", "draw"))
    theta = {name: one * value for name, value in law.from_paper(np, BESIROGLU, reference).items()}
    theta |= {"sigma": 0.03 * one, "budget_sd": 0.04 * one, "lean_sd": 0.5 * one}
    for key in card.errors:
        theta[f"{key}_error"] = xr.DataArray([[[0.1]]], dims=("chain", "draw", f"{key}_group"),
                                             coords={f"{key}_group": ["a"]})  # fmt: skip
    inputs = {"params": xr.DataArray([1e9], dims="run"), "tokens": xr.DataArray([2e10], dims="run")}
    mean, local = respond(card, theta, inputs, reference, {})
    exact = law.paper(np, BESIROGLU, params=1e9, tokens=2e10)
    assert mean.item() == pytest.approx(exact)
    assert local["sigma"].item() == pytest.approx(0.05), "a new run is in the middle of its own profile: no lean"
    assert alone(card, theta)["sigma"].item() == pytest.approx(0.05)
    names = {f"{key}_group": xr.DataArray(["a"], dims="run") for key in card.errors}
    loading = {"budget_loading": xr.DataArray([1.0], dims="run"), "lean_loading": xr.DataArray([-0.5], dims="run")}
    mean, local = respond(card, theta, inputs | names | loading, reference, {})
    assert mean.item() == pytest.approx(exact * np.exp(0.1 - 0.05))
    assert local["sigma"].item() == pytest.approx(0.03)


def test_runs_that_share_nothing_are_refused_with_the_way_out():
    with pytest.raises(DesignError, match=r"no two of the 36 runs share a design.*without errors.design"):
        build_model(card_with(("design",)), simulated_runs(noise=0.01))
    with pytest.raises(DesignError, match="no column 'corpus' labels the runs"):
        build_model(card_with(("corpus",)), simulated_runs(noise=0.01))


def test_any_label_may_be_shared():
    parts = [simulated_frame(sizes=3, ratios=3, noise=0.01, seed=i, family=name) for i, name in enumerate("ab")]
    runs = bs.read_runs(pd.concat(parts))
    group = prepare(card_with(("family",)), runs).known["errors"].facts["family"]
    assert group.names == ("a", "b")
    assert group.member.tolist() == [0] * 9 + [1] * 9
    assert set(SHARED_ERRORS.read_inputs(card_with(("family",)), label_groups(card_with(("family",)), runs))) == {
        "family_group",
        "family_loading",
    }


# Cards


def test_the_end_of_a_name_adds_what_is_shipped():
    plain, card = load_card("chinchilla"), load_card("chinchilla+budget")
    assert not plain.errors
    assert list(card.errors) == ["budget", "lean"]
    assert card.model_dump(exclude={"name", "errors"}) == plain.model_dump(exclude={"name", "errors"})
    assert list(card.all_priors)[-2:] == ["budget_sd", "lean_sd"]
    both = load_card("power:tokens+drift+design")
    assert (both.name, both.x, list(both.errors)) == ("power:tokens+drift+design", "tokens", ["design"])
    assert both.discrepancy.kind == "drift"
    assert both.on("params").name == "power:params+drift+design"
    assert split_name("power:tokens+drift+design") == ("power:tokens", ("+drift", "+design"))
    assert split_name("my+card.toml") == ("my+card.toml", ())
    assert list(load_card("chinchilla+design+budget").errors) == ["design", "budget", "lean"]


def test_a_card_that_has_its_own_errors_keeps_them(tmp_path):
    (tmp_path / "mine.toml").write_text(
        'extends = "chinchilla"\n[errors]\nbudget = {dist = "HalfNormal", sigma = 0.1}\n'
        'lean = {dist = "Fixed", value = 0}'
    )
    card = load_card(f"{tmp_path}/mine.toml+budget")
    assert card.errors["budget"].arguments == {"sigma": 0.1}
    assert card.fixed == {"lean_sd": 0.0}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"errors": {"budget": {"dist": "Normal", "mu": 0, "sigma": 1}}}, r"errors.budget: .*is positive"),
        ({"errors": {"budget": {"dist": "HalfNormal", "sigma": 1, "of": "min(loss)"}}}, "errors.budget"),
        ({"errors": {"budget": {"dist": "HalfNormal"}}}, "errors.budget.*HalfNormal needs a finite number"),
        ({"noise": {"family": "Normal", "sigma": HALF, "sigma_growth": HALF}, "discrepancy": "drift"}, "sigma_growth"),
        ({"extends": "accuracy", "errors": {"design": HALF}}, "errors.design: errors are of log loss"),
    ],
)
def test_what_is_no_error_is_refused(content, said):
    with pytest.raises(CardError, match=said):
        make_card({"extends": "chinchilla"} | content)


# Scatter by scale and family


def test_scatter_grows_for_smaller_runs_without_a_drift():
    noise = {**NORMAL, "sigma_growth": {"dist": "Fixed", "value": 0.5}}
    card, runs = make_card({"extends": "chinchilla", "noise": noise}), simulated_runs(noise=0.01)
    assert list(spans_of(card, runs)) == ["compute"]
    one = xr.DataArray(np.ones((1, 1)), dims=("chain", "draw"))
    data = prepare(card, runs)
    theta = dict.fromkeys(card.get_law().parameter_names, one) | {"sigma": 0.01 * one, "sigma_growth": 0.5 * one}
    inputs = {name: runs[name] for name in ("params", "tokens", "compute")}
    _, local = respond(card, theta, inputs, data.reference, data.spans)
    below = np.log10(runs["compute"].values.max() / runs["compute"].values)
    np.testing.assert_allclose(local["sigma"].values.ravel(), 0.01 * np.exp(0.5 * below))
    drifting = load_card("chinchilla+drift")
    mine = make_card({"extends": "chinchilla", "noise": noise}, "mine")
    from bayescale.cards.files import with_added

    moved = with_added(mine, "+drift")
    assert moved.noise.growth == {}
    assert moved.discrepancy.sigma_growth.arguments == {"value": 0.5}
    assert moved.discrepancy.tau == drifting.discrepancy.tau


def test_a_noise_without_sigma_cannot_grow():
    noise = {"family": "Beta", "precision": {"dist": "LogNormal", "median": 300, "sigma": 1}, "sigma_growth": HALF}
    with pytest.raises(CardError, match="Beta noise has no sigma"):
        make_card({"extends": "accuracy", "noise": noise})


# Sampled


@pytest.mark.sampling
def test_the_errors_of_budgets_are_found_and_a_new_run_has_one_more():
    level = np.array([0.03, -0.02, 0.025, -0.035])
    runs = budgeted(budgets=4, level=level, shift=0.03, noise=0.002, lone=8)
    fit = bs.fit(runs, card_with(("budget",)), seed=1, draws=500)
    posterior = fit["posterior"].to_dataset()
    assert bs.verdict(fit).passed
    low, high = posterior["budget_sd"].quantile([0.025, 0.975])
    assert low < 0.03 < high
    # The law takes up what a law in C can of four errors; what is left of them is found.
    found = posterior["budget_error"].median(("chain", "draw"))
    found = found.values[np.argsort([float(name.split()[0]) for name in found["budget_group"].values])]
    assert stats.pearsonr(found, level).statistic > 0.9
    assert fit["prior"].to_dataset().data_vars.keys() >= {"budget_sd"}
    assert "budget_error" not in fit["prior"].to_dataset()
    far = bs.extrapolate(fit, "10x")
    both = xr.ufuncs.log(far["loss"]) - xr.ufuncs.log(far["expected_loss"])
    wanted = np.sqrt((posterior["sigma"] ** 2 + posterior["budget_sd"] ** 2).mean())
    assert float(both.std()) == pytest.approx(float(wanted), rel=0.1)
    seen = bs.inference.runs_of(fit)
    assert set(seen["budget_group"].values) == {"", *posterior["budget_group"].values}
    assert bs.trust.check_predictive(fit)["replicated"].sizes["run"] == runs.sizes["run"]


@pytest.mark.sampling
def test_scatter_may_be_each_familys_own_about_a_level():
    parts = [
        simulated_frame(sizes=4, ratios=4, noise=noise, seed=i, family=name)
        for i, (name, noise) in enumerate({"calm": 0.003, "wild": 0.03, "other": 0.01}.items())
    ]
    pooling = {"default": "complete", "sigma": "partial(family)", "spread": {"dist": "HalfNormal", "sigma": 1.0}}
    card = make_card({"extends": "chinchilla", "noise": NORMAL, "pooling": pooling}, "scattered")
    fit = bs.fit(bs.read_runs(pd.concat(parts), suspicious="keep"), card, seed=1, draws=500)
    sigma = fit["posterior"]["sigma"].median(("chain", "draw"))
    for name, truth in {"calm": 0.003, "wild": 0.03, "other": 0.01}.items():
        assert sigma.sel(family=name).item() == pytest.approx(truth, rel=0.5)


# What else asks a card


def test_a_design_is_made_for_a_card_whose_errors_runs_share():
    runs = designed_runs(load_card("chinchilla+budget+design"))
    data = prepare(load_card("chinchilla+budget+design"), runs)
    assert len(data.known["errors"].facts["budget"].names) >= 3
    assert len(data.known["errors"].facts["design"].names) == runs.sizes["run"] // 2
    assert (data.known["errors"].facts["design"].member >= 0).all()


def test_further_runs_are_in_no_group_and_what_is_shared_teaches_less():
    runs = budgeted(budgets=4, sizes=6, level=np.zeros(4))
    held = {"extends": "chinchilla", "noise": NORMAL}
    large = {key: {"dist": "Fixed", "value": 0.05} for key in ("budget", "lean")}
    plain = bs.design.identifiability(runs, make_card(held, "plain"))
    shared = bs.design.identifiability(runs, make_card({**held, "errors": large}, "shared"))
    assert shared["parameter"].values.tolist() == plain["parameter"].values.tolist()
    assert (shared["learned"] <= plain["learned"] + 0.02).all()
    assert float(shared["learned"].mean()) < float(plain["learned"].mean()) - 0.05
    assert np.isfinite(shared["direction_learned_with"]).all()


def test_the_prior_predictive_of_a_new_run_has_its_own_error():
    small = {"family": "Normal", "sigma": {"dist": "Fixed", "value": 0.001}}
    errors = {"budget": {"dist": "Fixed", "value": 0.1}, "lean": {"dist": "Fixed", "value": 9.0}}
    prior = bs.design.prior_predictive(
        make_card({"extends": "chinchilla", "noise": small, "errors": errors}), draws=2000
    )
    apart = np.log(prior["loss"]) - np.log(prior["expected_loss"])
    assert float(apart.std()) == pytest.approx(0.1, rel=0.02)


@pytest.mark.sampling
def test_ranks_of_a_card_with_shared_errors_are_uniform():
    card = card_with(("budget", "lean"))
    ranks = calibrate(card, 25, runs=budgeted(budgets=4, sizes=5, level=np.zeros(4), lone=2))
    names = set(ranks["parameter"].values.tolist())
    assert {"budget_sd", "lean_sd", "budget_error_offset[3]", "lean_error_offset[0]"} <= names
    share = (ranks["rank"] + 0.5) / (ranks.attrs["kept"] + 1)
    unlikely = 1e-4
    for name in ranks["parameter"].values:
        assert stats.kstest(share.sel(parameter=name).values, "uniform").pvalue > unlikely, name
