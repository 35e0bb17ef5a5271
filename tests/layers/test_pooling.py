import numpy as np
import pandas as pd
import pymc as pm
import pytest
from pinned import BESIROGLU, simulated_frame

import bayescale as bs
from bayescale.errors import DesignError, RunsError
from bayescale.inference.compiled import quick_mode
from bayescale.layers.groups import group_columns, groups_of, parse_pooling
from bayescale.report.words.answers import say_answer

CORPORA, SIZES = ("c4", "pile"), ("base", "large", "wide")


def grouped(corpora=CORPORA, kinds=SIZES, each=4):
    """Runs of every combination, with a loss that needs no meaning here."""
    size = np.geomspace(1e7, 1e9, each)
    tables = [pd.DataFrame({"corpus": c, "kind": k, "N": size, "D": 20 * size[::-1]}) for c in corpora for k in kinds]
    frame = pd.concat(tables, ignore_index=True)
    kinds = pd.factorize(frame["kind"])[0]
    return frame.assign(loss=1.8 + 0.01 * kinds + 400 * frame["N"] ** -0.34 + 400 * frame["D"] ** -0.28)


@pytest.fixture(scope="module")
def runs():
    return bs.read_runs(grouped(), family=["corpus", "kind"], suspicious="keep")


def card(pooling, spread=0.2):
    """A card whose spreads are known, so that what the effects vary by is too."""
    fixed = {"dist": "Fixed", "value": spread}
    return bs.cards.make_card({"extends": "chinchilla", "pooling": {"spread": fixed} | pooling}, "grouped")


# What a card may say


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("complete", []),
        ("partial", [("partial", "family")]),
        ("none(corpus)", [("none", "corpus")]),
        ("partial(corpus)+effect( schedule )", [("partial", "corpus"), ("effect", "schedule")]),
        ("partial(a/b/c)", [("partial", "a"), ("partial", "a_b"), ("partial", "a_b_c")]),
        ("none(a / b)", [("none", "a_b")]),
        ("effect(a/b)", [("effect", "a"), ("effect", "a_b")][1:]),
        ("partial + slope( log  lr )", [("partial", "family"), ("slope", "lr")]),
    ],
)
def test_what_a_card_says_of_a_parameter(text, terms):
    assert [(term.kind, term.group) for term in parse_pooling(text)] == terms


@pytest.mark.parametrize(
    "text",
    [
        *("", "partial()", "partial(a", "some(a)", "complete + partial(a)", "partial(a) partial(b)"),
        *("slope", "slope()", "slope(a/b)", "slope(family)", "slope(log family)", "effect(log a)", "log a"),
    ],
)
def test_what_it_may_not_say(text):
    with pytest.raises(ValueError, match=r"accepted are complete; none\(GROUP\)"):
        parse_pooling(text)


# Which group a family is of


def test_several_columns_make_families_and_stay_groups(runs):
    assert group_columns(runs) == ("family", "corpus", "kind")
    assert sorted(set(runs["family"].values)) == [f"{c} / {k}" for c in CORPORA for k in SIZES]
    families = tuple(sorted(set(runs["family"].values)))
    groups = groups_of(set(parse_pooling("partial(kind)") + parse_pooling("effect(corpus)")), runs, families)
    assert groups["kind"].levels == SIZES
    assert groups["kind"].of_family.tolist() == [0, 1, 2, 0, 1, 2]
    assert groups["corpus"].of_family.tolist() == [0, 0, 0, 1, 1, 1]


def test_one_column_of_families_may_be_called_by_its_own_name():
    runs = bs.read_runs(grouped(kinds=SIZES[:1]), suspicious="keep", columns={"family": "corpus"})
    families = tuple(CORPORA)
    assert groups_of(set(parse_pooling("partial(corpus)")), runs, families)["corpus"].levels == families


def test_a_group_that_the_runs_do_not_have(runs):
    with pytest.raises(
        DesignError, match=r"(?s)no group 'corpsu'.*Did you mean 'corpus'.*family, corpus, kind.*--family"
    ):
        bs.modeling.build_model(card({"E": "partial(corpsu)"}), runs)


def test_a_family_of_two_groups():
    runs = bs.read_runs(grouped(), family="corpus", suspicious="keep")
    runs = runs.assign_coords(schedule=("run", np.where(np.arange(runs.sizes["run"]) % 2, "wsd", "cosine")))
    with pytest.raises(DesignError, match=r"effect\(schedule\): the family 'c4' has runs of cosine, wsd; "):
        bs.modeling.build_model(card({"E": "effect(schedule)"}), runs)


# Numbers and yes or no


def numbered(**columns):
    """Runs of three learning rates, each at a third of the sizes and more, with other columns."""
    frame = grouped(corpora=("c4",), kinds=("1e-2", "1e-3", "0.1"), each=6).rename(columns={"kind": "lr"})
    frame = frame.assign(lr=frame["lr"].astype(float), **columns)
    return bs.read_runs(frame, family=["lr", *columns], suspicious="keep")


def test_yes_and_no_are_labels():
    runs = numbered(decayed=np.arange(18) % 2 == 0)
    groups = groups_of(set(parse_pooling("effect(decayed)")), runs, tuple(sorted(set(runs["family"].values))))
    assert groups["decayed"].levels == ("False", "True")
    assert groups["decayed"].of_family.tolist() == [0, 1, 0, 1, 0, 1]


def test_levels_that_are_numbers_are_in_their_order():
    runs = numbered(length=np.resize([2048, 512, 1024], 18))
    groups = groups_of(set(parse_pooling("partial(length)")), runs, tuple(sorted(set(runs["family"].values))))
    assert groups["length"].levels == ("512", "1024", "2048")
    first = [family.endswith("/ 512") for family in sorted(set(runs["family"].values))]
    assert (groups["length"].of_family == 0).tolist() == first


def test_a_slope_is_along_the_numbers_or_their_logarithm():
    runs = numbered()
    data = bs.modeling.prepare(card({"E": "slope(log lr)", "beta": "slope(lr)"}), runs)
    assert data.arrays["lr_log_slope"] == pytest.approx([-0.5, 0, 0.5])
    assert data.arrays["lr_slope"] == pytest.approx([-0.5, 0.009 / 0.099 - 0.5, 0.5])
    assert [str(term) for term in parse_pooling("slope(lr) + effect(a/b)")] == ["slope(lr)", "effect(a/b)"]


@pytest.mark.parametrize(
    ("pooling", "columns", "said"),
    [
        (
            "slope(schedule)",
            {"schedule": ["wsd", "cosine"] * 9},
            r"got 'cosine'; accepted: a number. effect\(schedule\)",
        ),
        ("slope(log dropout)", {"dropout": [0.0, 0.1] * 9}, r"got '0'; accepted: a number above 0. slope\(dropout\)"),
        (
            "effect(warmup)",
            {"warmup": range(18)},
            r"18 different numbers in 18 runs, such as 0: .*slope\(log warmup\)",
        ),
    ],
)
def test_numbers_and_labels_are_not_taken_for_one_another(pooling, columns, said):
    runs = numbered(**columns)
    with pytest.raises(DesignError, match=said):
        bs.modeling.build_model(card({"E": pooling}), runs)


def test_a_slope_needs_two_numbers():
    runs = numbered(warmup=["0.10", "0.1"] * 9)
    with pytest.raises(DesignError, match=r"slope\(warmup\): warmup is 0.10? in all runs"):
        bs.modeling.build_model(card({"E": "slope(warmup)"}), runs)


def test_identifiability_takes_a_slope_between_two_numbers_as_an_effect_of_two_labels():
    runs = numbered(dropout=[0.0, 0.1] * 9)
    ways = {"E": "effect(dropout)"}, {"E": "slope(dropout)"}, {"E": "complete"}
    effect, slope, neither = (bs.design.identifiability(runs, card(way))["learned"] for way in ways)
    np.testing.assert_allclose(slope, effect, rtol=1e-5)
    assert np.abs(slope - neither).max() > 1e-3


# How the reader refuses


@pytest.mark.parametrize(
    ("family", "said"),
    [
        (["corpus", "knid"], r"no column 'knid'.*Did you mean 'kind'"),
        ([], r"empty list"),
        (["corpus", "blank"], r"row 3, column 'blank': got nothing; accepted: a name"),
    ],
)
def test_families_that_cannot_be_made(family, said):
    frame = grouped()
    frame["blank"] = ["x", "x", "x", None, *["x"] * (len(frame) - 4)]
    with pytest.raises(RunsError, match=r"(?s)" + said):
        bs.read_runs(frame, family=family, suspicious="keep")


def test_a_quantity_that_groups_keeps_its_own_name():
    runs = bs.read_runs(grouped().assign(seed=1), family=["corpus", "seed"], suspicious="keep")
    assert set(runs["seed_group"].values) == {"1"}
    assert runs["seed"].dtype == np.int64


# What effects are worth before any run


def prior_of(pooling, runs, names, draws=3000):
    model = bs.modeling.build_model(card(pooling), runs)
    with model:
        found = pm.sample_prior_predictive(draws, var_names=names, random_seed=1, compile_kwargs={"mode": quick_mode()})
    return found["prior"].to_dataset().isel(chain=0)


def test_families_differ_from_the_population_as_much_as_their_groups_do(runs):
    prior = prior_of(
        {"alpha": "partial(corpus) + partial(family)"}, runs, ["alpha", "alpha_population", "alpha_corpus"]
    )
    apart = np.log(prior["alpha"] / prior["alpha_population"]).values
    cov = np.cov(apart.T)
    # Each of 36 (co)variances has a standard error of at most sqrt(2 / 3000) of the variance: 2.6%.
    expected = np.kron(np.eye(2), np.full((3, 3), 0.2**2)) + 0.2**2 * np.eye(6)
    np.testing.assert_allclose(cov, expected, atol=4 * 0.026 * 0.08)
    assert prior["alpha_corpus"].sum("corpus").values == pytest.approx(0, abs=1e-9)


def test_correlated_effects_vary_as_much_and_go_together_between_parameters(runs):
    pooling = {"alpha": "partial(family)", "beta": "partial(family)", "correlated": True}
    names = ["alpha", "beta", "alpha_population", "beta_population", "family_correlation"]
    prior = prior_of(pooling, runs, names)
    alpha, beta = (np.log(prior[p] / prior[f"{p}_population"]).values for p in ("alpha", "beta"))
    np.testing.assert_allclose(np.cov(alpha.T), 0.04 * np.eye(6), atol=4 * 0.026 * 0.04)
    # In each draw alpha's and beta's effects have that draw's correlation; its mean square is 1/(2 eta + 1) = 1/5.
    rho = prior["family_correlation"].isel(family_pair=0).values
    assert prior["family_pair"].values.tolist() == ["beta, alpha"]
    assert np.mean(rho**2) == pytest.approx(1 / 5, abs=4 * np.sqrt(0.035 / 3000))
    slope = np.sum(alpha * beta * rho[:, None]) / np.sum(rho**2) / 6
    assert slope == pytest.approx(0.04, rel=0.1)


def test_a_parameter_of_its_own_for_each_level_is_the_same_within_it(runs):
    prior = prior_of(
        {"E": "none(corpus)", "beta": "none(corpus) + effect(kind)"}, runs, ["E", "beta", "beta_kind"], 400
    )
    e = prior["E"].values
    assert np.ptp(e[:, :3], axis=1).max() == 0
    assert np.abs(e[:, 0] - e[:, 3]).min() > 0
    within = np.log(prior["beta"].values)[:, :3] - prior["beta_kind"].values
    assert np.ptp(within, axis=1).max() == pytest.approx(0, abs=1e-9)
    # Three effects of standard deviation 0.3 that sum to zero: each varies by 0.3 sqrt(2/3).
    assert prior["beta_kind"].std("draw").values == pytest.approx(0.3 * np.sqrt(2 / 3), rel=4 / np.sqrt(2 * 400))


def test_a_slope_is_worth_what_an_effect_of_two_levels_is():
    found = prior_of(
        {"E": "slope(log lr)", "beta": "partial(lr)"}, numbered(), ["E", "E_level", "E_lr", "E_lr_slope"], 2000
    )
    logs = np.log(found["E"] / found["E_level"]).values
    slope = found["E_lr_slope"].values
    np.testing.assert_allclose(logs, slope[:, None] * [-0.5, 0, 0.5], atol=1e-9)
    np.testing.assert_allclose(found["E_lr"].values, logs, atol=1e-9)
    # Two effects of 0.3 that sum to zero differ by 0.3 sqrt(2).
    assert slope.std() == pytest.approx(0.3 * np.sqrt(2), rel=4 / np.sqrt(2 * 2000))


def test_a_group_of_one_level_says_nothing():
    runs = bs.read_runs(grouped(corpora=CORPORA[:1]), family=["corpus", "kind"], suspicious="keep")
    model = bs.modeling.build_model(card({"E": "partial(corpus)", "beta": "effect(corpus)"}), runs)
    assert not [name for name in model.named_vars if "corpus" in name and "of_family" not in name]


def test_enough_runs_of_each_level_centre_its_effects():
    few, many = (bs.read_runs(grouped(each=n), family=["corpus", "kind"], suspicious="keep") for n in (4, 8))
    for runs, centred in ((few, {"family": False, "corpus": False}), (many, {"family": False, "corpus": True})):
        given = bs.modeling.prepare(card({"E": "partial(corpus/kind)"}), runs)
        assert {name: given.known["pooling"].facts.centred[name] for name in centred} == centred


@pytest.mark.sampling
def test_a_slope_is_found_and_asked_at_a_number_between():
    rates = np.geomspace(1e-4, 1e-2, 5).round(6)
    parts = []
    for i, (lr, along) in enumerate(zip(rates, np.linspace(-0.5, 0.5, 5), strict=True)):
        paper = BESIROGLU | {"E": BESIROGLU["E"] * np.exp(0.1 * along)}
        parts.append(simulated_frame("chinchilla", paper, 3, 3, noise=0.002, seed=i).assign(lr=lr))
    runs = bs.read_runs(pd.concat(parts), family="lr", suspicious="keep")
    fit = bs.fit(runs, card({"E": "slope(log lr)"}), seed=1, draws=400)
    slope = fit["posterior"]["E_lr_slope"]
    assert float(slope.quantile(0.01)) < 0.1 < float(slope.quantile(0.99))
    assert float(slope.std()) < 0.02
    found = bs.answers.differences(fit, "lr", rates[1])
    np.testing.assert_allclose(np.log(found["E"].sel(lr="0.01", drop=True)), 0.75 * slope, rtol=1e-3)
    assert "E of 0.01 is higher" in say_answer(found)
    floor = bs.inference.new_family(fit, lr=5e-4)["posterior"]["E"]
    truth = BESIROGLU["E"] * np.exp(0.1 * (np.log(5e-4 / 1e-4) / np.log(100) - 0.5))
    assert float(floor.quantile(0.005)) < truth < float(floor.quantile(0.995))
