import numpy as np
import pytest
import xarray as xr

from bayescale.costs import SIX_ND, CostModel, PowerCost, cost_model
from bayescale.errors import QuestionError


def test_gopher_budget_is_six_n_d():
    assert SIX_ND.compute(70e9, 1.4e12) == pytest.approx(5.88e23)


@pytest.mark.parametrize(
    "wrap", [float, np.float64, lambda x: np.array([x, 2 * x]), lambda x: xr.DataArray([x], dims="run")]
)
def test_the_three_agree_on_anything_that_multiplies(wrap):
    params, tokens = wrap(1e9), wrap(2e10)
    compute = SIX_ND.compute(params, tokens)
    np.testing.assert_allclose(SIX_ND.tokens(params, compute), tokens)
    np.testing.assert_allclose(SIX_ND.params(tokens, compute), params)


def test_xarray_broadcasts_by_name():
    params = xr.DataArray([1e9, 2e9], dims="split")
    compute = xr.DataArray([1e20, 1e21, 1e22], dims="budget")
    assert SIX_ND.tokens(params, compute).sizes == {"split": 2, "budget": 3}


def test_lookup_by_name_and_by_object():
    assert cost_model("6ND") == SIX_ND
    own = PowerCost(8.0)
    assert cost_model(own) is own
    assert isinstance(own, CostModel)


@pytest.mark.parametrize("factor", [6.0, 8.0, 5.5])
def test_a_cost_is_found_again_by_its_name(factor):
    assert cost_model(PowerCost(factor).name) == PowerCost(factor)


def test_unknown_cost_says_what_there_is():
    with pytest.raises(QuestionError, match=r"no cost model '6N'.*accepted: 6ND"):
        cost_model("6N")


def test_frozen():
    with pytest.raises(AttributeError):
        SIX_ND.factor = 8.0
