import numpy as np
import pandas as pd
import pytest
from pinned import BESIROGLU, KAPLAN, simulated_frame, simulated_runs
from pytensor.compile.mode import Mode
from scipy import stats
from scipy.special import expit
from simulated import families_from, simulated_from

import bayescale as bs
from bayescale.cards import Card, load_card
from bayescale.errors import DesignError
from bayescale.layers.noise import observed_name
from bayescale.modeling import build_model, family_names, prepare

PY = Mode("py", None)  # nothing is compiled


def three_families():
    return bs.read_runs(
        pd.concat([simulated_frame(sizes=3, ratios=3, noise=0.01, seed=i, family=f) for i, f in enumerate("cab")])
    )


def pooled(how, name="chinchilla"):
    card = load_card(name)
    pooling = dict.fromkeys(card.get_law().parameter_names, how) | {"spread": card.spread}
    return Card.model_validate(card.model_dump() | {"pooling": pooling})


def free(card):
    return [name for name in card.get_law().parameter_names if name not in card.fixed]


# What a model is conditioned on


def test_data_are_relative_to_the_geometric_mean_run():
    runs = simulated_runs(noise=0.01)
    data = prepare(load_card("chinchilla"), runs)
    np.testing.assert_allclose(np.log(data.arrays["input_n"]).mean(), 0, atol=1e-12)
    np.testing.assert_allclose(np.log(data.arrays["input_d"]).mean(), 0, atol=1e-12)
    np.testing.assert_allclose(data.arrays["input_n"] * data.reference["params"], runs["params"])
    np.testing.assert_allclose(np.exp(data.arrays["observed"]), runs["loss"])
    assert data.families == ("all",)
    assert not data.arrays["family_index"].any()


def test_families_are_sorted_and_each_run_points_at_its_own():
    runs = three_families()
    data = prepare(load_card("chinchilla"), runs)
    assert family_names(runs) == data.families == ("a", "b", "c")
    assert [data.families[i] for i in data.arrays["family_index"]] == list(runs["family"].to_numpy())


def test_a_known_error_of_the_loss_becomes_relative():
    frame = simulated_frame(sizes=3, ratios=3)
    frame["loss_se"] = 0.02
    data = prepare(load_card("chinchilla"), bs.read_runs(frame))
    np.testing.assert_allclose(data.arrays["relative_se"], 0.02 / frame["loss"])


def test_a_prior_of_the_lowest_loss_takes_the_geometric_mean_over_families():
    runs = three_families()
    by_family = runs["loss"].groupby(runs["family"])
    lowest, middle = by_family.min(), by_family.median()
    assert prepare(load_card("chinchilla"), runs).arrays["min_of_loss"] == pytest.approx(stats.gmean(lowest))
    assert prepare(load_card("kaplan"), runs).arrays["median_of_loss"] == pytest.approx(stats.gmean(middle))


# The graph


@pytest.mark.parametrize("name", bs.list_cards())
@pytest.mark.parametrize("how", ["none(family)", "complete", "partial(family)"])
def test_one_family_is_never_pooled(name, how):
    card = pooled(how, name)
    model = build_model(card, simulated_from(card))
    (observed,) = model.observed_RVs
    assert observed.name == observed_name(card.noise.family, card.get_law().response)
    assert model[observed.name].eval(mode=PY).shape == (40,)
    assert not model.coords
    assert set(model.named_vars) >= set(card.all_priors) - set(card.fixed)
    assert not [v for v in model.named_vars if v.endswith(("_spread", "_offset", "_population", "_level"))]
    assert all(model[p].ndim == 0 for p in card.all_priors if p not in card.fixed)


@pytest.mark.parametrize("name", bs.list_cards())
def test_without_pooling_each_family_has_its_own(name):
    card = pooled("none(family)", name)
    model = build_model(card, families_from(card))
    assert model.coords["family"] == ("a", "b", "c")
    for parameter in free(card):
        assert model[parameter].eval(mode=PY).shape == (3,)
        assert f"{parameter}_spread" not in model.named_vars
    assert all(model[p].ndim == 0 for p in card.noise.priors)


@pytest.mark.parametrize("name", bs.list_cards())
def test_with_complete_pooling_families_share_all(name):
    card = pooled("complete", name)
    model = build_model(card, families_from(card))
    assert all(model[p].ndim == 0 for p in card.all_priors if p not in card.fixed)
    assert model[model.observed_RVs[0].name].eval(mode=PY).shape == (36,)


@pytest.mark.parametrize("name", bs.list_cards())
def test_with_partial_pooling_families_vary_about_a_population(name):
    card = pooled("partial(family)", name)
    model = build_model(card, families_from(card))
    for parameter in free(card):
        assert model[f"{parameter}_population"].ndim == model[f"{parameter}_spread"].ndim == 0
        assert model.named_vars_to_dims[parameter] == ("family",)
    assert all(model[p].ndim == 0 for p in card.noise.priors)


def test_parameters_may_be_pooled_each_in_its_own_way():
    base = load_card("chinchilla")
    pooling = {"E": "none(family)", "alpha": "partial(family)", "spread": base.spread}
    model = build_model(Card.model_validate(base.model_dump() | {"pooling": pooling}), three_families())
    assert [model[p].ndim for p in ("E", "alpha", "beta", "sigma")] == [1, 1, 0, 0]
    assert "alpha_spread" in model.named_vars
    assert "E_spread" not in model.named_vars


def constrained(point):
    """Sampled values by parameter, from PyMC's unconstrained ones."""
    undo = {"_log__": np.exp, "_logodds__": expit}
    ends = {name: next(end for end in undo if name.endswith(end)) for name in point}
    return {name.removesuffix(end): float(undo[end](point[name])) for name, end in ends.items()}


@pytest.mark.parametrize(("name", "paper"), [("chinchilla", BESIROGLU), ("kaplan", KAPLAN)])
def test_the_density_at_a_point_is_the_laws_and_scipys(name, paper):
    frame = simulated_frame(name, paper, sizes=3, ratios=3, noise=0.01)
    frame["loss_se"] = 0.01 * frame["loss"]
    runs, card = bs.read_runs(frame), load_card(name)
    model, data, law = build_model(card, runs), prepare(card, runs), card.get_law()
    rng = np.random.default_rng(0)
    point = {k: np.asarray(v + 0.3 * rng.standard_normal()) for k, v in model.initial_point().items()}
    values = constrained(point)
    prior, theta = 0.0, {}
    for parameter, belief in card.all_priors.items():
        sampled = f"{parameter}_share" if belief.of else parameter
        prior += belief.scipy.logpdf(values[sampled])
        theta[parameter] = values[sampled] * (
            float(data.arrays[belief.of[:-1].replace("(", "_of_")]) if belief.of else 1.0
        )
    paper = theta | law.to_paper(np, theta, data.reference)
    mu = np.log(law.paper(np, paper, params=frame["params"], tokens=frame["tokens"]))
    observed = stats.t.logpdf(np.log(frame["loss"]), theta["nu"], mu, np.hypot(theta["sigma"], 0.01)).sum()

    def density(**which):
        return float(
            model.compile_fn(model.logp(jacobian=False, **which), point_fn=True, mode=PY, on_unused_input="ignore")(
                point
            )
        )

    assert density(vars=[model["log_loss"]]) == pytest.approx(observed, rel=1e-8)
    assert density() == pytest.approx(observed + prior, rel=1e-8)


# Designs that cannot answer


def design(params, tokens, tmp_path):
    params, tokens = np.broadcast_arrays(np.atleast_1d(params), tokens)
    loss = bs.laws.get_law("chinchilla").paper(np, BESIROGLU, params=params, tokens=tokens)
    path = tmp_path / "mine.csv"
    pd.DataFrame({"params": params, "tokens": tokens, "loss": loss}).to_csv(path, index=False)
    return bs.read_runs(path)


SPAN = np.geomspace(1e9, 1e11, 8)


@pytest.mark.parametrize("count", [1, 3])
def test_too_few_runs_say_how_many_it_takes(tmp_path, count):
    runs = design(SPAN[:count] / 10, SPAN[:count], tmp_path)
    with pytest.raises(DesignError) as caught:
        prepare(load_card("chinchilla"), runs)
    text = str(caught.value)
    assert "mine.csv" in text
    assert f"{count} run{'s' * (count > 1)} cannot fit the 5 parameters" in text
    assert "at least 6 runs" in text
    assert "ask the card 'new-lab'" in text
    assert prepare(load_card("new-lab"), runs).runs.identical(runs)


def test_too_few_runs_are_refused_in_the_name_of_what_was_asked(tmp_path):
    runs = design(SPAN[:3] / 10, SPAN[:3], tmp_path)
    with pytest.raises(DesignError, match=r"the 6 parameters of 'coupled-public\+drift' and its noise"):
        prepare(load_card("coupled-public+drift"), runs)
    with pytest.raises(DesignError, match="parameters of 'power:tokens'") as caught:
        prepare(load_card("power:tokens"), runs.isel(run=[0]).drop_vars("params"))
    assert "new-lab" not in str(caught.value)


@pytest.mark.parametrize(("column", "symbol"), [("params", "N"), ("tokens", "D")])
def test_one_size_or_one_length_only(tmp_path, column, symbol):
    runs = design(*((1e9, SPAN) if column == "params" else (SPAN / 20, 2e10)), tmp_path)
    with pytest.raises(DesignError) as caught:
        build_model(load_card("chinchilla"), runs)
    text = str(caught.value)
    assert "mine.csv" in text
    assert f"column {column}: all 8 runs have {symbol} = " in text
    assert "at least two values are needed" in text


def test_a_sound_design_passes(tmp_path):
    assert prepare(load_card("chinchilla"), design(SPAN / 20, SPAN[::-1], tmp_path)).families == ("all",)
