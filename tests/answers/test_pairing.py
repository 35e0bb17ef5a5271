import numpy as np
import pytest
import xarray as xr

from bayescale.answers.crossing import pair_draws
from bayescale.errors import QuestionError


def draws(values, families=()):
    dims = ("chain", "draw", "family") if families else ("chain", "draw")
    return xr.DataArray(np.asarray(values, dtype=float), {"family": list(families)} if families else None, dims)


def test_the_first_keeps_its_order_and_equal_draws_are_no_longer_correlated():
    # Two posteriors of equal models with equal seeds can come out draw by draw alike.
    same = np.random.default_rng(0).standard_normal((4, 1000))
    first, second = pair_draws([{"a": draws(same)}, {"a": draws(same)}], np.random.default_rng(1))
    np.testing.assert_array_equal(first["a"], same)
    assert np.sort(second["a"].values.ravel()).tolist() == np.sort(same.ravel()).tolist()
    assert abs(float(xr.corr(first["a"], second["a"]))) < 0.05


def test_the_parameters_of_one_posterior_stay_together():
    values = np.arange(12.0).reshape(2, 6)
    first = {"x": draws(np.zeros((2, 6)))}
    _, second = pair_draws([first, {"a": draws(values), "b": draws(10 * values)}], np.random.default_rng(1))
    np.testing.assert_array_equal(second["b"], 10 * second["a"])


@pytest.mark.parametrize("count", [3, 50])
def test_fewer_or_more_draws_are_brought_to_the_first(count):
    _, second = pair_draws(
        [{"a": draws(np.zeros((2, 10)))}, {"a": draws([np.arange(count)])}], np.random.default_rng(1)
    )
    assert second["a"].shape == (2, 10)
    used, times = np.unique(second["a"], return_counts=True)
    assert used.size == min(count, 20)
    assert times.max() <= -(-20 // count)


def test_constants_stay_and_do_not_count_as_first():
    constant, drawn = pair_draws([{"k": xr.DataArray(2.0)}, {"a": draws([[1.0, 2.0]])}], np.random.default_rng(1))
    assert float(constant["k"]) == 2.0
    np.testing.assert_array_equal(drawn["a"], [[1.0, 2.0]])


def test_families_must_be_the_same():
    one, two = (draws(np.zeros((1, 2, 2)), families) for families in (("a", "b"), ("a", "c")))
    with pytest.raises(QuestionError, match="differ in their families; say which family"):
        pair_draws([{"x": one}, {"x": two}], np.random.default_rng(1))
    pooled = {"x": one, "y": draws(np.zeros((1, 2)))}
    assert pair_draws([pooled, {"z": one}], np.random.default_rng(1))[1]["z"].dims == ("chain", "draw", "family")
