import numpy as np
import pytest
import xarray as xr

from bayescale.errors import QuestionError
from bayescale.papers.power_of import PowerOf, crossing_of_powers, power_with_errors
from bayescale.papers.tables import PF_DAY

# Kaplan et al. 2020, eq. 1.3 and 1.2.
OF_COMPUTE, OF_TOKENS = PowerOf(3.1e8 * PF_DAY, 1.0, -0.050), PowerOf(5.4e13, 1.0, -0.095)


@pytest.mark.parametrize(
    ("value", "exponent", "days"),
    [
        (2e10, 0.27, 1.12e4),  # D_opt of Kaplan et al. 2020, Table 6; the crossing computed from it
        (4e10, 0.26, 1.064e5),  # D_opt of eq. 6.7, likewise
    ],
)
def test_the_published_powers_cross_where_they_are_equal(value, exponent, days):
    tokens = PowerOf(PF_DAY, value, exponent)
    compute = float(crossing_of_powers(OF_COMPUTE, OF_TOKENS, tokens))
    assert compute / PF_DAY == pytest.approx(days, rel=2e-3)
    assert OF_COMPUTE(compute) == pytest.approx(OF_TOKENS(tokens(compute)), rel=1e-12)


def test_where_tokens_grow_fast_enough_they_never_cross():
    # 0.050 < 0.095 * 0.6: the loss that the tokens allow falls faster than the loss.
    assert np.isnan(crossing_of_powers(OF_COMPUTE, OF_TOKENS, PowerOf(PF_DAY, 2e10, 0.6)))
    # Nor where they are parallel, nor so far out that it means nothing.
    assert np.isnan(crossing_of_powers(PowerOf(1e20, 3.0, -0.05), PowerOf(1e9, 2.0, -0.1), PowerOf(1e20, 1e9, 0.5)))
    assert np.isnan(crossing_of_powers(PowerOf(1e20, 3.0, -0.0502), PowerOf(1e9, 2.0, -0.1), PowerOf(1e20, 1e9, 0.5)))


def test_draws_broadcast_by_name():
    steeper = xr.DataArray([[-0.05, -0.06, -0.001]], dims=("chain", "draw"))
    found = crossing_of_powers(OF_COMPUTE._replace(exponent=steeper), OF_TOKENS, PowerOf(PF_DAY, 2e10, 0.27))
    assert found.dims == ("chain", "draw")
    assert np.isfinite(found).values.tolist() == [[True, True, False]]


def test_errors_become_draws():
    power = power_with_errors(1e20, 1e9, 0.5, value_error=0.1, exponent_error=0.02, draws=20_000, seed=3)
    assert float(power.exponent.mean()) == pytest.approx(0.5, abs=1e-3)
    assert float(power.exponent.std()) == pytest.approx(0.02, rel=0.02)
    assert float(np.log(power.value).std()) == pytest.approx(0.1, rel=0.02)
    assert float(np.exp(np.log(power.value).mean())) == pytest.approx(1e9, rel=0.01)
    assert abs(float(xr.corr(np.log(power.value), power.exponent))) < 0.03
    again = power_with_errors(1e20, 1e9, 0.5, value_error=0.1, exponent_error=0.02, draws=20_000, seed=3)
    xr.testing.assert_equal(again.value, power.value)


@pytest.mark.parametrize("wrong", [{"value_error": -0.1}, {"exponent_error": -1}, {"value": 0.0}, {"at": -1.0}])
def test_errors_that_are_none_are_refused(wrong):
    given = {"at": 1e20, "value": 1e9, "exponent": 0.5} | wrong
    with pytest.raises(QuestionError, match="errors of 0 or more"):
        power_with_errors(**given)
