"""Weights from rehearsals made by hand."""

import numpy as np
import pytest
import xarray as xr

from bayescale.forms.weights import LOWEST, TOGETHER, chosen_form, drawn_together, form_weights, mixed

LARGEST = 1e22
EVEN = {"a": 1.0, "b": 1.0}


def rehearsal(densities, *, largest=LARGEST, names="ab"):
    """What forms said: by factor, the log density of two runs just above the cut-off and at the top, by form."""
    parts = []
    for factor, of_forms in densities.items():
        values = np.array([np.broadcast_to(value, 2) for value in of_forms], dtype=float)
        compute = [LARGEST / factor * 1.2, LARGEST]
        coords = {"factor": ("held_out", [factor] * 2), "compute": ("held_out", compute), "form": list(names)}
        parts.append(xr.Dataset({"log_density": (("form", "held_out"), values)}, coords))
    if not parts:
        nothing = {name: ("held_out", np.zeros(0)) for name in ("factor", "compute")} | {"form": list(names)}
        parts = [xr.Dataset({"log_density": (("form", "held_out"), np.zeros((len(names), 0)))}, nothing)]
    return xr.concat(parts, dim="held_out").assign_attrs(measure="compute", largest=largest)


def weights(prior, rehearsed, reach=1.0, from_factor=1.0):
    found = form_weights(prior, rehearsed, from_factor, reach)
    assert float(found["weight"].sum()) == pytest.approx(1)
    assert found["form"].values.tolist() == list(prior)
    return dict(zip(found["form"].values.tolist(), found["weight"].values, strict=True)), found


def test_without_a_rehearsal_weights_are_those_before():
    found, whole = weights({"a": 3.0, "b": 1.0}, rehearsal({}))
    assert found == pytest.approx({"a": 0.75, "b": 0.25})
    assert float(whole["evidence"]) == 0
    assert whole["score"].sizes == {"form": 2, "rehearsal": 0}
    np.testing.assert_allclose(whole["prior_weight"], [0.75, 0.25])


def test_a_form_three_times_as_dense_over_the_same_distance_has_three_times_the_weight():
    # Runs beyond one cut-off count as one, however many: exp(log 3) : 1.
    found, whole = weights(EVEN, rehearsal({10.0: [[np.log(9), 0.0], 0.0]}))
    assert found == pytest.approx({"a": 0.75, "b": 0.25})
    assert float(whole["evidence"]) == 1
    np.testing.assert_allclose(whole["score"], [[np.log(3)], [0]])
    np.testing.assert_allclose(whole["reach"], [1])


def test_what_a_form_was_worth_before_multiplies():
    found, _ = weights({"a": 1.0, "b": 6.0}, rehearsal({10.0: [np.log(3), 0.0]}))
    assert found == pytest.approx({"a": 1 / 3, "b": 2 / 3})


@pytest.mark.parametrize(("reach", "evidence"), [(0.0, 1.0), (0.5, 1.0), (1.0, 1.0), (2.0, 0.5), (4.0, 0.25)])
def test_evidence_shrinks_with_the_distance_beyond_the_longest_rehearsal(reach, evidence):
    rehearsed = rehearsal({3.0: [np.log(16), 0.0], 10.0: [np.log(16), 0.0]})
    found, whole = weights(EVEN, rehearsed, reach)
    assert float(whole["evidence"]) == pytest.approx(evidence)
    assert found["a"] / found["b"] == pytest.approx(16**evidence)


def test_a_long_rehearsal_counts_more_than_a_short_one():
    # As factors: (3 x 1 + 30 x (-1)) / 33.
    found, whole = weights(EVEN, rehearsal({3.0: [1.0, 0.0], 30.0: [-1.0, 0.0]}), reach=np.log10(30))
    assert np.log(found["a"] / found["b"]) == pytest.approx(-27 / 33)
    np.testing.assert_allclose(whole["reach"], np.log10([3, 30]))


def test_a_form_that_could_not_be_fitted_scores_as_the_others_do():
    prior = {"a": 2.0, "b": 1.0, "c": 1.0}
    found, whole = weights(prior, rehearsal({10.0: [np.log(8), 0.0, np.nan]}, names="abc"))
    # c scores (2 log 8 + 0) / 3 = log 4: 2 x 8 : 1 : 4.
    assert found == pytest.approx({"a": 16 / 21, "b": 1 / 21, "c": 4 / 21})
    assert np.isnan(whole["score"].sel(form="c")).all()
    alike, _ = weights(prior, rehearsal({10.0: [1.0, 1.0, np.nan]}, names="abc"))
    assert alike == pytest.approx({"a": 0.5, "b": 0.25, "c": 0.25})


def test_a_rehearsal_in_which_no_form_could_be_fitted_says_nothing():
    found, whole = weights(EVEN, rehearsal({10.0: [np.nan, np.nan]}))
    assert found == pytest.approx({"a": 0.5, "b": 0.5})
    assert float(whole["evidence"]) == 0
    # Nor does it make the question nearer than the longest rehearsal that says something.
    short, longer = {10.0: [3.0, 0.0]}, {100.0: [np.nan, np.nan]}
    alone, both = (weights(EVEN, rehearsal(said), reach=2.0) for said in (short, short | longer))
    assert alone[0] == both[0]
    assert float(both[1]["evidence"]) == 0.5
    np.testing.assert_allclose(both[1]["reach"], [1])


def test_one_run_far_out_does_not_decide_alone():
    far, at_the_end = (weights(EVEN, rehearsal({10.0: [[value, 0.0], 0.0]}))[0] for value in (-1e9, LOWEST))
    assert far == at_the_end
    assert far["a"] / far["b"] == pytest.approx(np.exp(LOWEST / 2))
    assert weights(EVEN, rehearsal({10.0: [[-np.inf, 0.0], 0.0]}))[0] == at_the_end


def test_at_a_cut_off_only_rehearsals_below_it_count():
    # In use are runs up to LARGEST / 10. What was said at that cut-off, or of larger runs, was not yet known then.
    honest = {30.0: [1.0, 0.0], 100.0: [1.0, 0.0]}
    rehearsed = rehearsal({10.0: [-15.0, 0.0], **honest})
    below = rehearsed["compute"] <= LARGEST / 10
    rehearsed["log_density"] = xr.where(below | (rehearsed["form"] == "b"), rehearsed["log_density"], -15.0)
    # Two runs below the cut-off in each: of the hand-made ones only the first is, so another is put beside it.
    twice = xr.concat([rehearsed, rehearsed.isel(held_out=below.values)], dim="held_out").assign_attrs(rehearsed.attrs)
    found, whole = weights(EVEN, twice, reach=1.0, from_factor=10.0)
    np.testing.assert_allclose(whole["score"].sel(form="a"), [1.0, 1.0])
    np.testing.assert_allclose(whole["reach"], np.log10([3, 10]))
    assert np.log(found["a"] / found["b"]) == pytest.approx(1)


def test_a_single_larger_run_is_no_rehearsal():
    rehearsed = rehearsal({10.0: [5.0, 0.0]}).isel(held_out=[0]).assign_attrs(measure="compute", largest=LARGEST)
    assert weights(EVEN, rehearsed)[0] == pytest.approx({"a": 0.5, "b": 0.5})


def test_the_largest_run_may_be_of_a_family_that_was_not_predicted():
    # The cut-off is at a hundredth of it, where both runs of the rehearsal from 1000x lie.
    densities = {1000.0: [1.0, 0.0]}
    rehearsed = rehearsal(densities, largest=100 * LARGEST)
    assert np.log(np.divide(*weights(EVEN, rehearsed, from_factor=100.0)[0].values())) == pytest.approx(1)


def test_the_order_and_the_sum_of_what_was_believed_do_not_matter():
    rehearsed = rehearsal({10.0: [1.0, 0.0]})
    assert weights({"b": 5.0, "a": 10.0}, rehearsed)[0] == pytest.approx(weights({"a": 2, "b": 1}, rehearsed)[0])


# The mixture


def test_draws_of_the_mixture_have_the_weights_shares():
    weight = xr.DataArray([0.1, 0.65, 0.25], dims="form", coords={"form": list("abc")})
    place = chosen_form(weight, 4, 250, seed=1)
    assert np.bincount(place.values.ravel()).tolist() == [100, 650, 250]
    values = xr.DataArray(
        np.arange(3 * 4 * 250 * 2).reshape(3, 4, 250, 2), dims=("form", "chain", "draw", "point")
    ).assign_coords(form=list("abc"))
    found = mixed(values, weight, seed=1)
    assert found.dims == ("chain", "draw", "point")
    for chain, draw in ((0, 0), (1, 7), (3, 249)):
        np.testing.assert_array_equal(found[chain, draw], values[int(place[chain, draw]), chain, draw])
    # Forms take turns in every chain, or chains would disagree.
    assert (np.abs((place == 1).mean("draw") - 0.65) < 0.12).all()


def test_forms_are_drawn_together_in_logs_by_a_fixed_share_and_keep_their_spread():
    rng = np.random.default_rng(1)
    far = xr.DataArray(
        np.exp([1.0, 2.0, 4.0])[:, None, None, None] * np.exp(0.1 * rng.standard_normal((3, 2, 101, 2))),
        dims=("form", "chain", "draw", "point"),
    ).assign_coords(form=list("abc"))
    weight = xr.DataArray([0.5, 0.5, 0.0], dims="form", coords={"form": list("abc")})
    near = drawn_together(far, weight)
    before, after = (np.log(v.median(("chain", "draw"))) for v in (far, near))
    common = (before * weight).sum("form")
    # A form without weight is moved too, and moves none.
    np.testing.assert_allclose(after - common, (1 - TOGETHER) * (before - common))
    np.testing.assert_allclose(np.log(near).std("draw"), np.log(far).std("draw"))
    one = drawn_together(far.sel(form=["b"]), weight.sel(form=["b"]) * 2)
    np.testing.assert_allclose(one, far.sel(form=["b"]))


def test_a_form_that_says_nought_or_beyond_all_numbers_is_left_as_it_is():
    far = xr.DataArray(np.ones((2, 1, 3, 2)), dims=("form", "chain", "draw", "point"))
    far[1, :, :, 1] = np.inf
    weight = xr.DataArray([0.9, 0.1], dims="form")
    np.testing.assert_array_equal(drawn_together(far, weight), far)


def test_the_same_seed_chooses_the_same_draws():
    weight = xr.DataArray([0.5, 0.5], dims="form")
    assert (chosen_form(weight, 2, 50, 1) == chosen_form(weight, 2, 50, 1)).all()
    assert (chosen_form(weight, 2, 50, 1) != chosen_form(weight, 2, 50, 2)).any()


@pytest.mark.parametrize("shares", [[1.0, 0.0], [0.0, 1.0], [1.0]])
def test_a_form_of_all_the_weight_is_all_that_is_said(shares):
    weight = xr.DataArray(shares, dims="form", coords={"form": list("ab")[: len(shares)]})
    assert np.unique(chosen_form(weight, 2, 50, 1)).tolist() == [int(np.argmax(shares))]
