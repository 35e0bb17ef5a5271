import numpy as np
import pytest
from pinned import BESIROGLU, FAILED, KAPLAN, ROUNDED, pinned_fit, simulated_runs

from bayescale.answers.data_dimension import data_dimension
from bayescale.errors import QuestionError, UnconvergedError

OWN = """
law = {{ expression = "{equation}", floor = "E" }}
[priors]
E = {{ dist = "LogNormal", median = 1.5, sigma = 0.3 }}
a = {{ dist = "LogNormal", median = 0.3, sigma = 1 }}
b = {{ dist = "LogNormal", median = 0.3, sigma = 1 }}
alpha = {{ dist = "LogNormal", median = 0.3, sigma = 0.4 }}
beta = {{ dist = "LogNormal", median = 0.3, sigma = 0.4 }}
"""
THETA = {"E": 1.5, "a": 0.3, "b": 0.3, "alpha": 0.2, "beta": 0.4}


def own_fit(tmp_path, equation):
    card = tmp_path / "own.toml"
    card.write_text(OWN.format(equation=equation))
    return pinned_fit(str(card), THETA, runs=simulated_runs())


@pytest.mark.parametrize(
    ("law", "paper", "wanted"),
    [
        # Sharma and Kaplan 2020: d = 4/alpha; Kaplan et al. 2020, Table 2, alpha_N = 0.076 gives 52.6.
        ("kaplan", KAPLAN, (52.63, 4 / 0.103)),
        ("chinchilla", BESIROGLU, (4 / 0.3478, 4 / 0.3658)),
    ],
)
def test_the_dimension_is_four_over_the_exponent(law, paper, wanted):
    answer = data_dimension(pinned_fit(law, paper))
    assert answer["resource"].values.tolist() == ["params", "tokens"]
    np.testing.assert_allclose(answer["dimension"].isel(chain=0, draw=0), wanted, rtol=1e-4)
    np.testing.assert_allclose(answer["dimension_if_rough"] * 2, answer["dimension"])
    assert answer["dimension"].dims == ("chain", "draw", "resource")


def test_it_is_in_the_exponent_that_the_uncertainty_lies():
    fit = pinned_fit(spread=0.05)
    answer = data_dimension(fit)
    np.testing.assert_allclose(answer["exponent"].sel(resource="params"), fit["posterior"]["alpha"], rtol=1e-9)
    np.testing.assert_allclose(answer["exponent"].sel(resource="tokens"), fit["posterior"]["beta"], rtol=1e-9)


def test_it_comes_with_its_caveats():
    with_floor, without = (data_dimension(pinned_fit(*law)).attrs["warning"] for law in ((), ("kaplan", KAPLAN)))
    for said in (with_floor, without):
        assert all(word in said for word in ("smooth", "2/alpha", "variance", "lower bound"))
    assert "The law has no floor" in without
    assert "a law without a floor" in with_floor


def test_families_have_their_own():
    fit = pinned_fit(families={"old": ROUNDED, "new": BESIROGLU})
    answer = data_dimension(fit)
    got = answer["dimension"].isel(chain=0, draw=0).sel(resource="params", family=["old", "new"])
    np.testing.assert_allclose(got, [4 / 0.34, 4 / 0.3478])
    assert "family" not in data_dimension(fit, family="old").dims
    with pytest.raises(UnconvergedError):
        data_dimension(pinned_fit(verdict=FAILED))


def test_a_law_of_ones_own_has_its_exponents_too(tmp_path):
    answer = data_dimension(own_fit(tmp_path, "E + (a * n**-alpha + b * d**-beta)**0.5"))
    np.testing.assert_allclose(answer["dimension"].isel(chain=0, draw=0), [4 / 0.1, 4 / 0.2])


def test_a_law_without_one_exponent_is_refused(tmp_path):
    with pytest.raises(QuestionError, match="has no one exponent in params"):
        data_dimension(own_fit(tmp_path, "E + a * n**-alpha + b * n**-beta + d**-beta"))
