import numpy as np
import pytest
from scipy import stats

import bayescale as bs
from bayescale.design.prior_predictive import TYPICAL_LOSS, TYPICAL_RUN, prior_predictive
from bayescale.errors import DesignError
from bayescale.laws import SCALES

CARDS = bs.list_cards()
# The natural log of a vocabulary of 300,000: what a model that knows nothing loses a token.
KNOWS_NOTHING = 12.7


def parameter(prior, name):
    return prior["parameters"].sel(parameter=name).values


@pytest.fixture(scope="module")
def chinchilla():
    return prior_predictive("chinchilla", draws=4000, seed=3)


@pytest.fixture(scope="module")
def tinylm():
    return bs.load_shipped("tinylm")


def test_the_typical_run_has_every_quantity_and_agrees_with_itself():
    assert set(TYPICAL_RUN) == set(SCALES)
    assert TYPICAL_RUN["compute"] == pytest.approx(6 * TYPICAL_RUN["params"] * TYPICAL_RUN["tokens"])
    assert TYPICAL_RUN["tokens"] == pytest.approx(TYPICAL_RUN["step"] * TYPICAL_RUN["batch"])
    assert all(SCALES[name].lower < value < SCALES[name].upper for name, value in TYPICAL_RUN.items())
    assert set(TYPICAL_LOSS) == {"min(loss)", "median(loss)"}


@pytest.mark.parametrize("name", CARDS)
def test_every_shipped_card_expects_what_a_run_can_show(name):
    card = bs.load_card(name)
    law, prior = card.get_law(), prior_predictive(card)
    assert prior["input"].values.tolist() == list(law.inputs)
    for variable in (f"expected_{law.response}", law.response):
        assert prior[variable].dims == ("draw", "input", "point")
        assert prior[variable].sizes["draw"] == 400
    assert prior.attrs["unusable"] == 0
    here = prior[f"expected_{law.response}"].isel(input=0, point=20).quantile([0.025, 0.5, 0.975]).values
    if law.response == "loss":
        assert 1.5 < here[1] < 4
        assert here[2] < KNOWS_NOTHING
    else:
        assert here[0] < here[1] < here[2]
        assert float(prior[law.response].min()) >= 0
        assert float(prior[law.response].max()) <= 1


@pytest.mark.parametrize("name", ["chinchilla", "examples-params", "routed"])
def test_parameters_are_drawn_from_the_cards_priors(name):
    card, prior = bs.load_card(name), prior_predictive(name, draws=4000, seed=3)
    assert prior["parameter"].values.tolist() == list(card.all_priors)
    for each, believed in card.all_priors.items():
        multiple = TYPICAL_LOSS[believed.of] if believed.of else 1.0
        assert stats.kstest(parameter(prior, each) / multiple, believed.scipy.cdf).pvalue > 1e-3, each


def test_each_input_moves_alone_about_the_reference_run(chinchilla):
    E, A, B, alpha, beta = (parameter(chinchilla, k) for k in ("E", "from_params", "from_tokens", "alpha", "beta"))
    assert chinchilla["reference"].values.tolist() == [1e9, 2e10]
    for name, reference, wanted in (
        ("params", 1e9, lambda n: E + A * n**-alpha + B),
        ("tokens", 2e10, lambda d: E + A + B * d**-beta),
    ):
        value = chinchilla["value"].sel(input=name).values
        assert value[[0, 20, -1]] == pytest.approx([reference / 100, reference, reference * 100])
        for point in (0, 20, 40):
            found = chinchilla["expected_loss"].sel(input=name).isel(point=point).values
            np.testing.assert_allclose(found, wanted(value[point] / reference), rtol=1e-10)


def test_inputs_keep_to_the_values_met_in_practice():
    ends = {}
    for card in ("sparse", "routed", "annealing", "width-depth", "loss-to-error"):
        value = prior_predictive(card, draws=2)["value"]
        ends |= {str(name): value.sel(input=name).values[[0, -1]] for name in value["input"].values}
    assert ends["sparsity"] == pytest.approx([0, 0.95])
    assert ends["experts"] == pytest.approx([1, 512])
    assert ends["annealing"] == pytest.approx([0.0025, 0.5])
    assert ends["depth"] == pytest.approx([2.4, 240])
    assert ends["loss"] == pytest.approx([2.7 * 0.4, 2.7 * 2.5])


def test_a_new_run_scatters_by_the_cards_noise(chinchilla):
    card = bs.cards.make_card(
        {"extends": "chinchilla", "noise": {"family": "Normal", "sigma": {"dist": "Fixed", "value": 0.02}}}
    )
    prior = prior_predictive(card, seed=3)
    scatter = np.log(prior["loss"] / prior["expected_loss"]).values.ravel()
    assert stats.kstest(scatter, stats.norm(scale=0.02).cdf).pvalue > 1e-3
    assert parameter(prior, "sigma").tolist() == [0.02] * 400
    assert chinchilla["loss"].attrs == {"units": "nats/token", "long_name": "loss of one new run"}


def test_the_seed_decides_the_draws():
    first, again, other = (prior_predictive("kaplan", draws=20, seed=seed) for seed in (5, 5, 6))
    assert first.identical(again)
    assert not np.allclose(first["loss"], other["loss"])


def test_beliefs_about_runs_are_at_their_reference_and_multiples_of_their_losses(tinylm):
    prior = prior_predictive("chinchilla", tinylm, draws=300)
    geometric = [float(np.exp(np.log(tinylm[name]).mean())) for name in ("params", "tokens")]
    np.testing.assert_allclose(prior["reference"], geometric, rtol=1e-10)
    # The lowest loss of each family, and their geometric mean.
    lowest = tinylm["loss"].groupby("family").min()
    scale = float(np.exp(np.log(lowest).mean()))
    assert stats.kstest(parameter(prior, "E") / scale, stats.beta(4, 2).cdf).pvalue > 1e-3
    assert parameter(prior, "E").max() < scale
    theta = {name: parameter(prior, name)[:, None] for name in prior["parameter"].values}
    wanted = (
        theta["E"]
        + theta["from_params"] * (tinylm["params"].values / geometric[0]) ** -theta["alpha"]
        + theta["from_tokens"] * (tinylm["tokens"].values / geometric[1]) ** -theta["beta"]
    )
    np.testing.assert_allclose(prior["expected_loss_at_runs"], wanted, rtol=1e-10)
    assert prior["loss_at_runs"].dims == ("draw", "run")
    assert 0 < np.abs(prior["loss_at_runs"] / prior["expected_loss_at_runs"] - 1).median() < 0.05
    assert prior.attrs["loss_unit"] == "nats/byte"
    assert "92 runs" in prior.attrs["about"]


def test_runs_that_lack_a_column_are_refused(tinylm):
    with pytest.raises(DesignError, match="granularity"):
        prior_predictive("moe", tinylm)


def test_what_is_no_loss_is_counted_and_left_out_of_the_new_runs():
    # Log n falls below -1.5 / a along the input for some draws: the loss turns negative there.
    card = bs.cards.make_card(
        {
            "law": {"expression": "1.5 + a*log(n)"},
            "priors": {"a": {"dist": "Normal", "mu": 0.0, "sigma": 1.0}},
        }
    )
    prior = prior_predictive(card, draws=500)
    bad = (prior["expected_loss"] <= 0).values
    assert prior.attrs["unusable"] == pytest.approx(bad.mean())
    assert 0.1 < bad.mean() < 0.6
    assert (np.isnan(prior["loss"].values) == bad).all()


def test_a_share_at_its_very_edge_is_drawn_too():
    card = bs.cards.make_card(
        {
            "law": {"expression": "minimum(a*n, 1.0)", "response": "accuracy"},
            "priors": {"a": {"dist": "Fixed", "value": 0.5}},
        }
    )
    prior = prior_predictive(card, draws=50)
    assert float(prior["expected_accuracy"].max()) == 1
    assert prior.attrs["unusable"] == 0
    assert bool(prior["accuracy"].notnull().all())
    assert float(prior["accuracy"].isel(point=-1).min()) > 0.99
