import numpy as np
import pytest
import xarray as xr
from pinned import FAILED, PASSED, pinned_fit

import bayescale as bs
from bayescale.errors import QuestionError, UnconvergedError
from bayescale.inference import Verdict, prior_to_posterior, require_quotable
from bayescale.inference.diagnostics import diagnose

CHAINS, DRAWS = 4, 1000
SHAPE = (CHAINS, DRAWS)


def draws(**change):
    """Independent normal draws of two parameters, one of them by family."""
    rng = np.random.default_rng(0)
    values = {
        "E": xr.DataArray(rng.standard_normal(SHAPE), dims=("chain", "draw")),
        "alpha": xr.DataArray(
            rng.standard_normal((*SHAPE, 2)), dims=("chain", "draw", "family"), coords={"family": ["a", "b"]}
        ),
    }
    return xr.Dataset(values | change)


def statistics(diverging=0, energy=None, saturated=0):
    energy = np.random.default_rng(1).standard_normal(SHAPE) if energy is None else energy
    first = np.arange(CHAINS * DRAWS).reshape(SHAPE)
    columns = {"diverging": first < diverging, "energy": energy, "reached_max_treedepth": first < saturated}
    return xr.Dataset({name: (("chain", "draw"), value) for name, value in columns.items()})


def failed(verdict):
    return {check.name for check in verdict.checks if not check.passed}


def ar(rho):
    rng = np.random.default_rng(2)
    out = np.zeros(SHAPE)
    out[:, 0] = rng.standard_normal(CHAINS)
    for i in range(1, DRAWS):
        out[:, i] = rho * out[:, i - 1] + np.sqrt(1 - rho**2) * rng.standard_normal(CHAINS)
    return xr.DataArray(out, dims=("chain", "draw"))


def test_good_draws_pass_every_check():
    verdict = diagnose(draws(), statistics())
    assert verdict.passed
    assert [check.name for check in verdict.checks] == [
        "R-hat", "bulk ESS", "tail ESS", "divergences", "E-BFMI", "tree depth",
    ]  # fmt: skip
    assert verdict.sentence.startswith("Converged: R-hat 1.00")
    assert Verdict(verdict.checks[::-1]).sentence == verdict.sentence


def test_chains_that_disagree_fail_r_hat_and_say_which():
    shifted = draws()["alpha"].copy()
    shifted.loc[{"chain": 3, "family": "b"}] += 3
    verdict = diagnose(draws(alpha=shifted), statistics())
    assert "R-hat" in failed(verdict)
    assert verdict.checks[0].worst == "alpha[b]"
    assert "R-hat of alpha[b] is" in verdict.sentence
    assert verdict.sentence.startswith("Not converged")


def test_draws_that_hardly_move_fail_both_sample_sizes():
    verdict = diagnose(draws(E=ar(0.99)), statistics())
    assert {"bulk ESS", "tail ESS"} <= failed(verdict)
    assert verdict.checks[1].worst == "E"
    assert "E has " in verdict.checks[1].sentence


def test_tails_alone_can_fail():
    # Independent signs and slowly moving scales: the bulk mixes, the tails do not.
    scale = np.exp(2 * ar(0.97))
    sign = np.sign(np.random.default_rng(5).standard_normal(SHAPE))
    verdict = diagnose(draws(E=scale * sign), statistics())
    assert "tail ESS" in failed(verdict)
    assert "bulk ESS" not in failed(verdict)


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # ArviZ divides by a variance of zero
def test_a_parameter_that_never_moves_fails():
    assert "R-hat" in failed(diagnose(draws(E=xr.zeros_like(draws()["E"])), statistics()))


def test_a_parameter_that_is_not_a_number_fails():
    assert {"R-hat", "bulk ESS"} <= failed(diagnose(draws(E=draws()["E"] * np.nan), statistics()))


def test_a_single_divergence_fails():
    verdict = diagnose(draws(), statistics(diverging=1))
    assert failed(verdict) == {"divergences"}
    assert "1 of 4000 draws diverged" in verdict.sentence


def test_an_energy_that_wanders_fails_e_bfmi():
    energy = np.random.default_rng(1).standard_normal(SHAPE)
    energy[2] = np.cumsum(energy[2])
    verdict = diagnose(draws(), statistics(energy=energy))
    assert failed(verdict) == {"E-BFMI"}
    assert verdict.checks[4].worst == "chain 2"


@pytest.mark.parametrize(("saturated", "passed"), [(40, True), (41, False)])
def test_one_draw_in_a_hundred_may_hit_the_depth_limit(saturated, passed):
    verdict = diagnose(draws(), statistics(saturated=saturated))
    assert failed(verdict) == (set() if passed else {"tree depth"})


def test_a_verdict_survives_json():
    shifted = draws(E=draws()["E"] * np.nan)
    for verdict in (PASSED, FAILED, diagnose(draws(), statistics()), diagnose(shifted, statistics(diverging=3))):
        assert Verdict.from_json(verdict.to_json()) == verdict


def test_a_posterior_carries_its_verdict():
    assert bs.verdict(pinned_fit()) == PASSED
    assert bs.verdict(pinned_fit(verdict=FAILED)) == FAILED


def test_quoting_needs_a_verdict_that_passed():
    assert require_quotable(pinned_fit()) == "converged"
    bad = pinned_fit(verdict=FAILED)
    with pytest.raises(UnconvergedError, match="7 of 4000 draws diverged"):
        require_quotable(bad)
    assert require_quotable(bad, allow_unconverged=True) == "NOT CONVERGED"


def test_what_the_runs_taught():
    table = prior_to_posterior(pinned_fit(spread=0.1, prior_spread=0.4, draws=5000))
    assert set(table["parameter"].values) == {"E", "from_params", "from_tokens", "alpha", "beta"}
    # A ratio of interquartile ranges of 10,000 draws each is known to 2%.
    np.testing.assert_allclose(table["learned"], 0.75, atol=0.02)
    row = table.sel(parameter="E")
    assert float(row["lower"]) < float(row["median"]) < float(row["upper"])
    assert float(row["median"]) == pytest.approx(1.8172, rel=0.01)
    assert float(row["upper"]) == pytest.approx(1.8172 * np.exp(0.196), rel=0.02)
    assert float(row["prior_upper"]) == pytest.approx(1.8172 * np.exp(0.784), rel=0.05)


def test_what_they_taught_of_each_family():
    truth = {"E": 1.7, "A": 400.0, "B": 400.0, "alpha": 0.34, "beta": 0.28}
    table = prior_to_posterior(pinned_fit(families={"a": truth, "b": truth | {"E": 2.0}}, spread=0.1))
    assert {"E[a]", "E[b]", "beta[b]"} <= set(table["parameter"].values)
    assert float(table["median"].sel(parameter="E[b]")) == pytest.approx(2.0, rel=0.03)


def test_a_posterior_without_draws_of_the_prior_tells_nothing_of_what_was_learned():
    fit = pinned_fit()
    del fit["prior"]
    with pytest.raises(QuestionError, match="no draws of the prior"):
        bs.inference.prior_to_posterior(fit)
