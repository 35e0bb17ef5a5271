import json

import numpy as np
import pytest
import xarray as xr
from pinned import BESIROGLU, FAILED, pinned_fit, with_errors

import bayescale as bs
from bayescale.errors import QuestionError, UnconvergedError

DRAWS, LEVEL, FAMILIES = 4000, 0.34, ("a / x", "a / y", "b / x", "b / y")
# Four families of two corpora; the corpora's spread of alpha, that of the families within them, and the corpora seen.
SPREAD = {"corpus": 0.3, "family": 0.1}
CORPUS = {"a": 0.2, "b": -0.2}


def made(pooling, **more):
    """A posterior of known spreads, with the card that would have sampled it."""
    fit = pinned_fit(families=dict.fromkeys(FAMILIES, BESIROGLU), draws=DRAWS)
    card = bs.cards.make_card({"extends": "chinchilla", "pooling": {"alpha": pooling} | more}, "made")
    posterior = fit["posterior"].to_dataset().drop_vars(["E", "beta", "from_params", "from_tokens"])
    every = xr.DataArray(np.ones((2, DRAWS)), dims=("chain", "draw"))
    posterior = posterior.assign(dict.fromkeys(("E", "beta", "from_params", "from_tokens"), every))
    effects = xr.DataArray(list(CORPUS.values()), dims="corpus", coords={"corpus": list(CORPUS)})
    posterior = posterior.assign(
        alpha_level=LEVEL * every,
        alpha_spread=SPREAD["family"] * every,
        alpha_corpus_spread=SPREAD["corpus"] * every,
        alpha_corpus=every * effects,
    )
    out = xr.DataTree.from_dict(
        {name: node.to_dataset() for name, node in fit.children.items() if name not in ("posterior", "prior")}
        | {"posterior": posterior}
    )
    out.attrs.update(fit.attrs | {"card": json.dumps(card.model_dump(mode="json"))})
    return out


def logs(fit):
    return np.log(fit["posterior"]["alpha"].values.ravel() / LEVEL)


def test_a_family_of_nothing_known_differs_by_all_spreads():
    apart = logs(bs.inference.new_family(made("partial(corpus) + partial(family)")))
    # Each spread about a centre that K levels tell within spread / sqrt(K): 2 corpora, 4 families.
    expected = np.sqrt(0.3**2 * (1 + 1 / 2) + 0.1**2 * (1 + 1 / 4))
    assert np.std(apart) == pytest.approx(expected, rel=4 / np.sqrt(2 * 2 * DRAWS))
    assert np.mean(apart) == pytest.approx(0, abs=4 * expected / np.sqrt(2 * DRAWS))


def test_a_known_corpus_leaves_what_is_the_familys_own():
    new = bs.inference.new_family(made("partial(corpus) + partial(family)"), corpus="b")
    expected = 0.1 * np.sqrt(1 + 1 / 4)
    assert np.std(logs(new)) == pytest.approx(expected, rel=4 / np.sqrt(2 * 2 * DRAWS))
    assert np.mean(logs(new)) == pytest.approx(-0.2, abs=4 * expected / np.sqrt(2 * DRAWS))
    assert json.loads(new.attrs["families"]) == ["a new family, corpus b"]


def sloped(how="slope(log lr)"):
    """Four families of as many learning rates, and a slope of log alpha of 0.6 from the lowest to the highest."""
    fit = made(how)
    rates = ["0.001", "0.01", "0.1", "1"]
    posterior = fit["posterior"].to_dataset().drop_vars(["alpha_corpus", "alpha_corpus_spread"])
    along = xr.DataArray(np.linspace(-0.5, 0.5, 4), dims="lr", coords={"lr": rates})
    slope = xr.full_like(posterior["sigma"], 0.6)
    fit["posterior"] = posterior.drop_dims("corpus").assign(alpha_lr_slope=slope, alpha_lr=slope * along)
    return fit


@pytest.mark.parametrize(
    ("lr", "along"), [(0.1, 1 / 6), ("1e-1", 1 / 6), (10 ** (-1.5), 0), (1, 0.5), ("10", 0.5 + 1 / 3)]
)
def test_a_family_at_a_number_is_on_the_slope(lr, along):
    np.testing.assert_allclose(logs(bs.inference.new_family(sloped(), lr=lr)), 0.6 * along, atol=1e-9)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({}, r"alpha depends on the lr: say which: new_family\(fit, lr=...\)"),
        ({"lr": 0}, r"lr='0': slope\(log lr\): got '0'; accepted: a number above 0"),
        ({"lr": "cosine"}, r"lr='cosine': .*got 'cosine'"),
    ],
)
def test_a_slope_needs_a_number_to_be_asked_at(groups, said):
    with pytest.raises(QuestionError, match=said):
        bs.inference.new_family(sloped(), **groups)


def test_numbers_are_compared_along_the_slope_from_the_lowest():
    found = bs.answers.differences(sloped(), "lr")
    assert found.attrs["baseline"] == "0.001"
    np.testing.assert_allclose(found["alpha"].mean(("chain", "draw")), np.exp([0.2, 0.4, 0.6]))
    np.testing.assert_allclose(bs.answers.differences(sloped(), "lr", 0.1)["alpha"].sel(lr="1"), np.exp(0.2))


def test_it_answers_like_any_fit_and_the_papers_coefficients_follow():
    new = bs.inference.new_family(made("partial(corpus) + partial(family)"), corpus="a")
    posterior, reference = new["posterior"], json.loads(new.attrs["reference"])
    np.testing.assert_allclose(posterior["A"], reference["params"] ** posterior["alpha"])
    assert bs.extrapolate(new, params=["1B"], tokens=["20B"])["loss"].dims == ("chain", "draw", "point")
    assert "family" not in bs.inference.runs_of(new).coords


def test_correlated_effects_stay_so():
    fit = made("partial(family)", beta="partial(family)", correlated=True)
    posterior = fit["posterior"].to_dataset()
    each = xr.DataArray(np.ones(4), dims="family", coords={"family": list(FAMILIES)})
    pair = xr.DataArray([0.8], dims="family_pair", coords={"family_pair": ["beta, alpha"]})
    one = posterior["alpha_level"] / LEVEL
    fit["posterior"] = posterior.assign(
        beta=one * each, beta_level=one, beta_spread=0.2 * one, family_correlation=one * pair
    )
    new = bs.inference.new_family(fit)
    alpha, beta = logs(new), np.log(new["posterior"]["beta"].values.ravel())
    # The standard error of a correlation of 0.8 is (1 - 0.64) / sqrt(8000).
    assert np.corrcoef(alpha, beta)[0, 1] == pytest.approx(0.8, abs=4 * 0.36 / np.sqrt(2 * DRAWS))
    assert np.std(beta) == pytest.approx(0.2 * np.sqrt(1.25), rel=4 / np.sqrt(2 * 2 * DRAWS))


def test_a_new_family_shares_no_error_that_was_fitted():
    plain = made("partial(corpus) + partial(family)")
    fit = with_errors(plain, design=0.02)
    fit["posterior"] = fit["posterior"].to_dataset().assign(design_error=fit["posterior"]["design_error"] + 1.0)
    asked = {"params": ["1B"], "tokens": ["20B"]}
    new = bs.extrapolate(bs.inference.new_family(fit), **asked)
    without = bs.extrapolate(bs.inference.new_family(plain), **asked)
    np.testing.assert_allclose(new["expected_loss"], without["expected_loss"])
    pooled = with_errors(pinned_fit(families=dict.fromkeys(FAMILIES, BESIROGLU)), design=0.02)
    assert bs.irreducible_loss(pooled)["irreducible_loss"].sizes["family"] == len(FAMILIES)


@pytest.mark.parametrize(
    ("pooling", "groups", "said"),
    [
        ("partial(corpus)", {"corpsu": "a"}, r"no group 'corpsu'.*Did you mean 'corpus'"),
        ("partial(corpus)", {"corpus": "c"}, r"corpus='c': not among the runs.*Accepted: a, b"),
        ("none(corpus)", {}, r"alpha is its own in each corpus: say which"),
        ("effect(corpus)", {}, r"alpha depends on the corpus: say which"),
        ("none(family)", {}, r"alpha is its own in each family: nothing is known of another"),
    ],
)
def test_what_cannot_be_said_of_a_new_family(pooling, groups, said):
    with pytest.raises(QuestionError, match=said):
        bs.inference.new_family(made(pooling), **groups)


def test_one_family_is_no_population():
    with pytest.raises(QuestionError, match="one family"):
        bs.inference.new_family(pinned_fit())


def test_a_posterior_that_may_not_be_quoted():
    fit = pinned_fit(families=dict.fromkeys(FAMILIES, BESIROGLU), verdict=FAILED)
    with pytest.raises(UnconvergedError):
        bs.inference.new_family(fit)
