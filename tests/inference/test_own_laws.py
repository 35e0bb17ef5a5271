"""A law of the user's own is fitted, split, compared, kept and left out like those that are shipped."""

import numpy as np
import pytest

import bayescale as bs
from bayescale.errors import DesignError

PRIORS = {
    "E": {"dist": "Beta", "a": 4, "b": 2, "of": "min(loss)"},
    "a": {"dist": "LogNormal", "median": 0.3, "sigma": 1.0},
    "b": {"dist": "LogNormal", "median": 0.3, "sigma": 1.0},
    "alpha": {"dist": "LogNormal", "median": 0.35, "sigma": 0.4},
}
ONE_EXPONENT = {"law": {"expression": "E + a*n^-alpha + b*d^-alpha"}, "priors": PRIORS}


@pytest.fixture(scope="module")
def own_card():
    return bs.cards.make_card(ONE_EXPONENT, "one-exponent")


@pytest.fixture(scope="module")
def own_fit(known_runs, own_card):
    return bs.fit(known_runs, own_card, seed=1)


@pytest.mark.sampling
def test_it_converges_and_splits_where_its_first_order_condition_holds(own_fit):
    assert bs.verdict(own_fit).passed
    split = bs.optimal_split(own_fit, "10x")
    # With one exponent for both, a n^-alpha = b d^-alpha at the optimum: half of the compute goes either way.
    np.testing.assert_allclose(split["a"], 0.5, atol=1e-4)
    posterior, reference = own_fit["posterior"], {"params": split["params"], "tokens": split["tokens"]}
    n, d = (reference[name] / own_fit["constant_data"][name].pipe(np.log).mean().pipe(np.exp) for name in reference)
    left, right = (posterior[k] * at ** -posterior["alpha"] for k, at in (("a", n), ("b", d)))
    np.testing.assert_allclose(left, right, rtol=1e-4)
    assert bool(bs.irreducible_loss(own_fit)["identified"])


@pytest.mark.sampling
def test_it_is_compared_with_the_shipped_forms(own_fit, known_fit):
    table = bs.compare({"one-exponent": own_fit, "chinchilla": known_fit}, refit=False)
    # The truth has exponents .3478 and .3658: one exponent is nearly right, and must not be far behind.
    assert abs(float(table["elpd_diff"].max())) < 6


@pytest.mark.sampling
def test_a_saved_posterior_answers_without_the_card(own_fit, tmp_path):
    bs.save_fit(own_fit, tmp_path / "own.nc")
    again = bs.load_fit(tmp_path / "own.nc")
    one, two = (bs.extrapolate(fit, "100x", seed=3)["expected_loss"] for fit in (own_fit, again))
    np.testing.assert_allclose(one, two)


@pytest.mark.sampling
def test_it_takes_part_in_the_report(known_runs, own_card):
    study = bs.study(known_runs, model=own_card, against="chinchilla", forms=["chinchilla"], seed=1)
    assert study.model == "one-exponent"
    assert study.held["one-exponent"].sizes["held_out"] > 0
    assert np.isfinite(study.far["one-exponent"]["loss"].median())


@pytest.mark.parametrize(
    ("mean", "said"),
    [
        (lambda xp, x, t: t["E"] + xp.log(-x["n"]), r"gives nan for 36 of 36 runs, the first at params = .*E = 1"),
        (lambda xp, x, t: t["E"] - 5 * x["n"], "gives -.* A loss must be a finite number above 0"),
        (lambda xp, x, t: t["E"] + np.ones(3), r"failed|gave an array of shape \(3,\) for 36 runs"),
        (lambda xp, x, t: t["E"] + 0 * t["oops"], "failed at the medians.*KeyError: 'oops'"),
        (lambda xp, x, t: t["E"] + x["U"], "failed at the medians.*KeyError: 'U'"),
    ],
)
def test_a_law_that_goes_wrong_is_refused_before_sampling(known_runs, mean, said):
    bs.law(parameters={"E": "floor"})(mean)
    card = bs.cards.make_card({"law": "<lambda>", "priors": {"E": {"dist": "LogNormal", "median": 1.5, "sigma": 0.2}}})
    with pytest.raises(DesignError, match=said):
        bs.modeling.build_model(card, known_runs)


def test_a_law_asked_for_columns_that_the_runs_lack_says_which_and_what_they_do_support(known_runs):
    for name, lacking in (("kaplan-steps", "step.*batch"), ("repeats", "unique_tokens"), ("accuracy", "accuracy")):
        with pytest.raises(DesignError, match=f"needs columns that the runs lack: {lacking}") as caught:
            bs.fit(known_runs, name)
        assert "Laws that these runs support: " in str(caught.value)
        assert "chinchilla, kaplan, coupled" in str(caught.value)
        assert "repeats" not in str(caught.value).partition("support:")[2]
