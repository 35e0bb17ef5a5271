import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pinned import BESIROGLU, simulated_runs
from simulated import simulated_from

import bayescale as bs
from bayescale.design.further_runs import further_runs
from bayescale.design.identifiability import LEARNED, identifiability
from bayescale.design.unidentified import ridge_of, unidentified
from bayescale.errors import DesignError

SIZES = np.geomspace(2e7, 4e9, 20)
# `learned` agrees with sampled posteriors to this; the docstring says so.
NEAR = 0.1


def frame(params, tokens, noise=0.005, seed=3, paper=BESIROGLU, **columns):
    params, tokens = np.broadcast_arrays(np.asarray(params, float), np.asarray(tokens, float))
    scatter = np.exp(noise * np.random.default_rng(seed).standard_normal(params.size))
    loss = bs.laws.get_law("chinchilla").paper(np, paper, params=params, tokens=tokens) * scatter
    return pd.DataFrame({"params": params, "tokens": tokens, "loss": loss, **columns})


def grid(sizes, ratios):
    size, ratio = (each.ravel() for each in np.meshgrid(sizes, ratios))
    return size, size * ratio


DESIGNS = {
    "one ratio": (SIZES, 20 * SIZES),
    "nearly one ratio": (SIZES, np.tile([16, 24], 10) * SIZES),
    "one budget": (np.geomspace(2e7, 2e9, 20), 1e20 / 6 / np.geomspace(2e7, 2e9, 20)),
    "two sizes": grid([1e8, 1e9], np.geomspace(5, 200, 10)),
    "little compute": grid(np.geomspace(1e8, 3e8, 5), np.geomspace(10, 30, 5)),
}


@pytest.fixture(scope="module")
def designs():
    return {name: bs.read_runs(frame(*places)) for name, places in DESIGNS.items()}


@pytest.fixture(scope="module")
def two_sizes(designs):
    return identifiability(designs["two sizes"])


def learned(found, *names):
    return found["learned"].sel(parameter=list(names)).values


# Against closed forms


def card_with(**changes):
    noise = {"family": "Normal", "sigma": {"dist": "Fixed", "value": 0.02}}
    return bs.cards.make_card({"extends": "chinchilla", "noise": noise} | changes, "pinned")


def test_one_parameter_agrees_with_the_conjugate_normal():
    """log L = log loss_x + known, known scatter s, prior sd p: the posterior's sd is (1/p^2 + n/s^2)^-1/2."""
    fixed = {name: {"dist": "Fixed", "value": value} for name, value in {"alpha": 0.2}.items()}
    prior = {"loss_x": {"dist": "LogNormal", "median": 3.0, "sigma": 0.03}}
    noise = {"family": "Normal", "sigma": {"dist": "Fixed", "value": 0.05}}
    card = bs.cards.make_card({"extends": "power", "x": "tokens", "priors": fixed | prior, "noise": noise}, "one")
    runs = bs.read_runs(
        pd.DataFrame({"tokens": np.geomspace(1e8, 1e10, 12), "loss": 3.0 * np.geomspace(1.58, 0.63, 12)})
    )
    found = identifiability(runs, card)
    assert found["parameter"].values.tolist() == ["loss_x"]
    # The runs it takes to fit it are not counted: 12 less the share of the one parameter that they tell.
    said = 12 * (0.03 / 0.05) ** 2
    expected = 1 - (1 + said * (1 - said / (1 + said) / 12)) ** -0.5
    assert learned(found, "loss_x") == pytest.approx(expected, abs=0.01)


def test_five_parameters_agree_with_the_derivatives_by_hand():
    """Chinchilla with log-normal priors and known scatter: J has E/L, a n^-alpha/L, -alpha log(n) a n^-alpha/L, ..."""
    spread = {"E": 0.3, "from_params": 1.0, "from_tokens": 1.0, "alpha": 0.4, "beta": 0.4}
    priors = {name: {"dist": "LogNormal", "median": 0.4, "sigma": sd} for name, sd in spread.items()}
    runs = bs.read_runs(frame(*grid(np.geomspace(2e7, 4e9, 9), np.geomspace(5, 200, 9)), noise=0.02))
    found = identifiability(runs, card_with(priors=priors))
    at = dict(zip(found["parameter"].values.tolist(), found["estimate"].values, strict=True))
    n, d = (runs[k].values / np.exp(np.log(runs[k].values).mean()) for k in ("params", "tokens"))
    of_n, of_d = at["from_params"] * n ** -at["alpha"], at["from_tokens"] * d ** -at["beta"]
    mean = at["E"] + of_n + of_d
    each = [np.full_like(n, at["E"]), of_n, of_d, -at["alpha"] * np.log(n) * of_n, -at["beta"] * np.log(d) * of_d]
    slopes = np.stack(each, axis=1) / mean[:, None] * np.array([*spread.values()])
    covariance = np.linalg.inv(np.eye(5) + slopes.T @ slopes / 0.02**2)
    # The analysis counts as used up the at most five of 81 runs that the parameters take: 3% of a spread.
    assert 1 - found["learned"].values == pytest.approx(np.sqrt(np.diag(covariance)), rel=0.06)
    sd = np.sqrt(np.diag(covariance))
    assert found["correlation"].values == pytest.approx(covariance / np.outer(sd, sd), abs=0.05)


def test_at_one_ratio_n_and_d_are_exchangeable(designs):
    """With D = 20 N the two terms are the same function of N: what one gains the other can lose, unnoticed."""
    found = identifiability(designs["one ratio"])
    assert float(found["direction_learned"]) == pytest.approx(0.0, abs=0.02)
    parts = dict(zip(found["parameter"].values.tolist(), found["direction"].values, strict=True))
    assert parts["alpha"] == pytest.approx(-parts["beta"], abs=0.02)
    assert learned(found, "alpha") == pytest.approx(learned(found, "beta"), abs=0.02)
    assert (learned(found, "from_params", "from_tokens", "alpha", "beta") < LEARNED).all()


# The designs that cannot identify the law, and those that can


@pytest.mark.parametrize(
    ("design", "apart", "weak"),
    [
        ("one ratio", {"alpha", "beta"}, {"from_params", "from_tokens", "alpha", "beta"}),
        ("nearly one ratio", {"alpha", "beta"}, set()),
        ("one budget", {"beta", "from_tokens", "E"}, {"from_tokens", "beta"}),
        ("two sizes", {"alpha", "E"}, {"alpha"}),
        ("little compute", {"alpha", "E"}, {"alpha"}),
    ],
)
def test_what_a_design_cannot_tell_is_named_with_runs_that_help(designs, design, apart, weak):
    found = identifiability(designs[design])
    assert float(found["direction_learned"]) < LEARNED
    parts = found["direction"].to_series().abs()
    assert apart <= set(parts[parts >= 0.3].index)
    assert weak == {str(name) for name in found["parameter"].values if learned(found, name)[0] < LEARNED}
    (said,) = unidentified(found)
    assert said.startswith("These runs cannot tell ")
    assert "What would help: 3 runs " in said
    assert float(found["direction_learned_with"].max()) > LEARNED


def test_a_good_design_leaves_nothing_to_say():
    found = identifiability(simulated_runs(noise=0.005, seed=7))
    assert (found["learned"] > 0.9).all()
    assert unidentified(found) == []


def test_one_size_is_refused_with_what_would_help():
    with pytest.raises(DesignError, match="Add runs at another model size"):
        identifiability(bs.read_runs(frame(1e8, 20 * SIZES)))


def test_e_against_alpha_is_told_by_its_signs(two_sizes):
    """A higher floor leaves less to fall, and less must fall faster to cover the same ground."""
    parts = two_sizes["direction"].to_series()
    assert parts["alpha"] * parts["E"] > 0 > parts["alpha"] * parts["from_params"]
    assert float(two_sizes["correlation"].sel(parameter="E", other="alpha")) > 0.9
    (said,) = unidentified(two_sizes)
    assert "a higher alpha with a lower from_params and a higher E fits them nearly as well" in said
    assert "Less than half of the prior's spread would go for alpha (1" in said
    assert "3 runs with N below all of these (N = 20M, D = 500M to 20B)" in said
    assert ridge_of(two_sizes) == ("from_params", "alpha")


# What holds for any law


@pytest.mark.parametrize("name", bs.list_cards())
def test_every_card_is_analysed(name):
    found = identifiability(simulated_from(bs.load_card(name), 40, 1), name)
    for values in (found["learned"], found["direction_learned"], found["correlation"], found["place"]):
        assert np.isfinite(values).all()
    assert float(found["direction_learned"]) <= float(found["learned"].min()) + 1e-9
    assert (found["direction_learned_with"] >= found["direction_learned"] - 1e-9).all()
    assert np.allclose(np.sum(found["direction"] ** 2), 1)
    assert all("nan" not in sentence for sentence in unidentified(found))


def test_what_a_card_holds_is_not_asked_about():
    held = {"alpha": {"dist": "Fixed", "value": 0.35}}
    found = identifiability(simulated_runs(noise=0.005), card_with(priors=held))
    assert found["parameter"].values.tolist() == ["E", "from_params", "from_tokens", "beta"]
    every = {p: {"dist": "Fixed", "value": 0.35} for p in ("E", "from_params", "from_tokens", "alpha", "beta")}
    with pytest.raises(DesignError, match="holds every parameter of its law"):
        identifiability(simulated_runs(noise=0.005), card_with(priors=every))


def test_more_runs_and_less_scatter_teach_more():
    few, many, quiet = (
        identifiability(bs.read_runs(frame(*grid(np.geomspace(1e8, 1e9, 4), np.geomspace(10, 60, k)), noise=noise)))
        for k, noise in ((3, 0.01), (30, 0.01), (3, 0.002))
    )
    assert (many["learned"] > few["learned"]).all()
    assert (quiet["learned"] > few["learned"]).all()


def test_more_questions_teach_more_of_an_accuracy():
    words = np.geomspace(1e6, 1e10, 20)
    share = 0.3 + 0.5 / (1 + np.exp(-(np.log10(words) - 8)))
    noise = {"family": "Binomial"}
    card = bs.cards.make_card({"extends": "accuracy", "x": "words", "noise": noise}, "counted")
    few, many = (
        identifiability(bs.read_runs(pd.DataFrame({"words": words, "accuracy": share, "questions": count})), card)
        for count in (50, 5000)
    )
    assert (many["learned"] > few["learned"] + 0.05).all()


def test_a_drift_leaves_less_to_be_learned():
    runs = simulated_runs(noise=0.005, seed=7)
    exact, drifting = identifiability(runs, "chinchilla"), identifiability(runs, "chinchilla+drift")
    assert (drifting["learned"] < exact["learned"]).all()
    assert float(drifting["learned"].sel(parameter="E")) < float(exact["learned"].sel(parameter="E")) - 0.05


# Families


def families(*sizes, noise=0.005):
    parts = [
        frame(*grid(np.geomspace(1e8, 2e9, 5)[:count], np.geomspace(10, 100, 5)), noise, k, family=f"f{k}")
        for k, count in enumerate(sizes)
    ]
    return bs.read_runs(pd.concat(parts))


def test_shared_parameters_are_learned_alike_and_separate_ones_alone():
    runs = families(5, 5)
    shared = identifiability(runs, card_with(pooling={"default": "complete"}))
    assert shared["learned"].sel(family="f0").values == pytest.approx(shared["learned"].sel(family="f1").values)
    apart = identifiability(runs, card_with(pooling={"default": "none(family)"}))
    alone = identifiability(runs.isel(run=runs["family"].values == "f0"), card_with())
    # The same N and D in both, so the same reference run; the prior of E is a multiple of a slightly other loss.
    assert apart["learned"].sel(family="f0").values == pytest.approx(alone["learned"].isel(family=0).values, abs=0.03)
    assert (shared["learned"] > apart["learned"]).all()


def test_a_family_at_one_size_borrows_from_the_others():
    found = identifiability(families(1, 5, 5))
    alpha = found["learned"].sel(parameter="alpha")
    assert float(alpha.sel(family="f0")) < float(alpha.sel(family="f1"))
    separate = identifiability(
        families(1, 5, 5), bs.cards.make_card({"extends": "chinchilla", "pooling": {"default": "none"}})
    )
    assert float(separate["learned"].sel(parameter="alpha", family="f0")) == pytest.approx(0, abs=0.05)
    assert float(alpha.sel(family="f0")) > 0.3
    (said,) = unidentified(separate)
    assert said.startswith("family 'f0': these runs ")


def test_many_weak_families_are_told_briefly():
    separate = bs.cards.make_card({"extends": "chinchilla", "pooling": {"default": "none"}})
    said = unidentified(identifiability(families(2, 2, 2, 2, 2), separate))
    assert len(said) == 4
    assert said[-1].startswith("Of 2 more families less than half is learned of some combination: f")


# Further runs


def test_further_runs_are_affordable_and_usual(designs):
    law = bs.laws.get_law("chinchilla")
    for runs in designs.values():
        largest = float(runs["compute"].max())
        ratio = runs["tokens"] / runs["params"]
        for one in further_runs(law, runs, law.reference(runs)):
            assert one.compute == pytest.approx(6 * one.inputs["params"] * one.inputs["tokens"])
            assert one.compute_factor == pytest.approx(one.compute.max() / largest)
            assert one.compute_factor <= 10.01
            proposed = one.inputs["tokens"] / one.inputs["params"]
            assert (proposed >= min(1, float(ratio.min())) * 0.999).all()
            assert (proposed <= max(1000, float(ratio.max())) * 1.001).all()


def test_further_runs_are_what_their_words_say():
    law, runs = bs.laws.get_law("chinchilla"), bs.load_shipped("tinylm")
    largest, highest = float(runs["compute"].max()), float(runs["params"].max())
    by_words = {one.words: one for one in further_runs(law, runs, law.reference(runs))}
    assert by_words["at 10x the compute of the largest run"].compute == pytest.approx(np.full(3, 10 * largest))
    assert by_words["with N above all of these"].inputs["params"] == pytest.approx(np.full(3, 5 * highest))
    assert (by_words["with D below all of these"].inputs["tokens"] < float(runs["tokens"].min())).all()


def test_no_more_unique_tokens_than_tokens_are_proposed():
    card = bs.load_card("repeats")
    runs = simulated_from(card, 40, 1)
    for one in further_runs(card.get_law(), runs, card.get_law().reference(runs)):
        assert (one.inputs["unique_tokens"] <= one.inputs["tokens"]).all()


# Where nothing can be said


def log_with_outliers(seed, share):
    """Runs on a 5 x 4 grid, each with that probability 10 to 60% too high."""
    rng = np.random.default_rng(seed)
    params, tokens = grid(np.geomspace(1e7, 1e9, 5), [10, 30, 100, 300])
    table = frame(params, tokens, seed=seed)
    return table.assign(loss=table["loss"] * np.where(rng.random(20) < share, 1 + rng.uniform(0.1, 0.6, 20), 1))


@pytest.mark.parametrize("share", [0.2, 0.3])
def test_scatter_with_heavy_tails_is_no_obstacle(share):
    for seed in range(20):
        found = identifiability(bs.read_runs(log_with_outliers(seed, share), suspicious="keep"))
        assert np.isfinite(found["learned"]).all(), seed
        assert "cannot_say" not in found.attrs, seed


def test_a_point_fit_that_fails_is_said_and_no_crash(designs, monkeypatch):
    def fail(*_):
        raise ValueError("Residuals are not finite in the initial point.")

    whole = identifiability(bs.load_shipped("tinylm"))
    # The function of the same name hides the module from `import ... as`.
    monkeypatch.setattr(sys.modules["bayescale.design.identifiability"], "_fit_point", fail)
    found = identifiability(bs.load_shipped("tinylm"))
    assert set(found.variables) == set(whole.variables)
    assert found["learned"].dims == whole["learned"].dims
    assert np.isnan(found["learned"]).all()
    assert unidentified(found) == [
        "What these runs can tell of its parameters could not be worked out: no point fit succeeded (Residuals are not "
        "finite in the initial point)."
    ]
    assert unidentified(identifiability(designs["two sizes"])) == unidentified(found)


# Against posteriors that were sampled


def compare(fit, found):
    sampled = bs.inference.prior_to_posterior(fit)["learned"]
    for name in found["parameter"].values:
        for label in found["family"].values if "family" in found.dims else [None]:
            predicted = found["learned"].sel(parameter=name)
            predicted = predicted if label is None else predicted.sel(family=label)
            key = name if label is None else f"{name}[{label}]"
            assert float(predicted) == pytest.approx(float(sampled.sel(parameter=key)), abs=NEAR), key


@pytest.mark.sampling
def test_it_agrees_with_the_posterior_of_a_good_design(known_runs, known_fit):
    compare(known_fit, identifiability(known_runs))


@pytest.mark.sampling
def test_it_agrees_with_the_posterior_of_three_families(gadre_runs, gadre_fit):
    compare(gadre_fit, identifiability(gadre_runs))


@pytest.mark.sampling
def test_it_agrees_with_the_posterior_of_a_poor_design_and_its_cure(designs, two_sizes):
    compare(bs.fit(designs["two sizes"], seed=1), two_sizes)
    best = two_sizes.isel(further=two_sizes["direction_learned_with"].values.argmax())
    params, tokens = (best["place"].sel(input=name).values for name in ("params", "tokens"))
    more = pd.concat([frame(*DESIGNS["two sizes"]), frame(params, tokens, seed=4)])
    fit = bs.fit(bs.read_runs(more), seed=1)
    names = two_sizes["parameter"].values
    after, before = (np.log(xr.concat([fit[g][n] for n in names], "parameter")) for g in ("posterior", "prior"))
    quartiles = before.quantile([0.25, 0.75], ("chain", "draw"))
    # A spread is 0.74 of the interquartile range, as `prior_to_posterior` measures it.
    spread = quartiles.diff("quantile").isel(quantile=0, drop=True) / 1.349
    along = (after / spread * xr.DataArray(two_sizes["direction"].values, dims="parameter")).sum("parameter")
    assert 1 - float(along.std()) == pytest.approx(float(best["direction_learned_with"]), abs=NEAR)
