import numpy as np
import pandas as pd
import pytest
from pinned import FAILED, pinned_fit

import bayescale as bs
from bayescale.answers.critical_batch import critical_batch, time_and_compute
from bayescale.errors import QuestionError, UnconvergedError
from bayescale.laws import get_law
from bayescale.posterior import Posterior

# Kaplan et al. 2020, Table 3, with B_star and alpha_B of eq. 1.4.
TABLE_3 = {"N_c": 6.5e13, "alpha_N": 0.077, "S_c": 2.1e3, "alpha_S": 0.76, "B_star": 2e8, "alpha_B": 0.21}
PF_DAY = 8.64e19
LIMIT = {"max_accelerators": 256, "tokens_per_accelerator": 8192}


def runs_of(batches=(2e5, 8e5, 3.2e6), **columns):
    """Runs of Kaplan's law at several sizes, steps and batches."""
    size, step, batch = (v.ravel() for v in np.meshgrid(np.geomspace(1e7, 1e9, 4), [5e3, 2e4, 8e4], batches))
    loss = get_law("kaplan-steps").paper(np, TABLE_3, params=size, step=step, batch=batch)
    return bs.read_runs(
        pd.DataFrame({"params": size, "step": step, "batch": batch, "loss": loss, **columns}), suspicious="keep"
    )


def steps_fit(**options):
    options.setdefault("runs", runs_of())
    return pinned_fit("kaplan-steps", TABLE_3, **options)


@pytest.mark.parametrize("source", ["constants", "posterior"])
def test_the_critical_batch_is_the_published_one(source):
    # Kaplan et al. 2020, eq. 1.4, worked from the printed constants.
    found = critical_batch(TABLE_3 if source == "constants" else steps_fit(), [2, 2.5, 3, 4])["critical_batch"]
    assert found.dims == ("chain", "draw", "point")
    np.testing.assert_allclose(found.isel(chain=0, draw=0), [7.37e6, 2.55e6, 1.07e6, 2.72e5], rtol=2e-3)


def test_it_doubles_for_every_13_percent_off_the_loss():
    # Kaplan et al. 2020, below eq. 1.4: "approximately doubles for every 13% decrease".
    fall = critical_batch(TABLE_3, 3)["fall_to_double"].item()
    assert fall == pytest.approx(0.13, abs=0.006)
    first, second = critical_batch(TABLE_3, [3, 3 * (1 - fall)])["critical_batch"].values.ravel()
    assert second / first == pytest.approx(2, rel=1e-12)


def test_the_posterior_gives_every_draw_its_own_critical_batch():
    fit = steps_fit(spread=0.1)
    answer = critical_batch(fit, [2.5, 3.5])
    draw = {"chain": 1, "draw": 30}
    at = fit["posterior"].to_dataset().isel(draw)
    wanted = at["B_star"] / 3.5 ** (1 / at["alpha_B"])
    assert answer["critical_batch"].isel(point=1, **draw).item() == pytest.approx(wanted.item(), rel=1e-12)
    assert answer["critical_batch"].std() > 0
    assert answer.attrs["lowest_seen"] == float(runs_of()["loss"].min())
    assert answer.attrs["warning"] == ""


def test_runs_at_one_batch_do_not_say_how_steps_depend_on_it():
    assert "mostly the prior's" in critical_batch(steps_fit(runs=runs_of(batches=(5e5,))), 3).attrs["warning"]


def test_it_agrees_with_the_papers_own_summary_of_the_optimum():
    # Kaplan et al. 2020, Table 6 at 1 PF-day: L = 3.1e8**0.05 (eq. 1.3), N = 1.3e9, B_crit = 2.0e6, S_min = 5.4e3.
    # The table is a fit of its own, which the law's constants meet to within a factor.
    loss = 3.1e8**0.05
    assert critical_batch(TABLE_3, loss)["critical_batch"].item() == pytest.approx(2.0e6, rel=0.06)
    front = time_and_compute(TABLE_3, loss, 1.3e9)
    assert front["least_compute"].item() == pytest.approx(PF_DAY, rel=0.45)
    assert front["fewest_steps"].item() == pytest.approx(5.4e3, rel=0.55)


def test_at_the_critical_batch_twice_the_steps_and_twice_the_tokens():
    # Kaplan et al. 2020, eq. 5.1 and 5.2.
    batch = critical_batch(TABLE_3, 2.6)["critical_batch"].item()
    front = time_and_compute(TABLE_3, 2.6, "2B", batches=batch)
    assert front["steps"].item() == pytest.approx(2 * front["fewest_steps"].item(), rel=1e-12)
    assert front["tokens"].item() == pytest.approx(2 * front["least_tokens"].item(), rel=1e-12)
    assert front["extra_compute"].item() == pytest.approx(1, rel=1e-12)
    assert front["least_tokens"].item() / front["fewest_steps"].item() == pytest.approx(batch, rel=1e-12)


def test_every_point_of_the_front_reaches_the_loss_by_the_law_itself():
    fit = steps_fit(spread=0.02)
    front = time_and_compute(fit, 2.8, 5e8, batches=[1e5, 1e6, 1e7])
    inputs = {"params": 5e8, "step": front["steps"], "batch": front["batch"]}
    np.testing.assert_allclose(Posterior(fit).expect(inputs), 2.8, rtol=1e-9)
    np.testing.assert_allclose(front["compute"], 6 * 5e8 * front["steps"] * front["batch"], rtol=1e-12)


def test_time_falls_with_the_batch_and_compute_rises_down_to_what_no_batch_beats():
    front = time_and_compute(steps_fit(spread=0.02), 2.8, 5e8, seconds_per_step=3)
    assert bool((front["time"].diff("point") < 0).all())
    assert bool((front["compute"].diff("point") > 0).all())
    # Kumar et al. 2020: no number of accelerators gets below the fewest steps, each as long as it is.
    assert bool((front["time"] > 3 * front["fewest_steps"]).all())
    assert bool((front["compute"] > front["least_compute"]).all())
    excess = (front["steps"] / front["fewest_steps"] - 1) * (front["tokens"] / front["least_tokens"] - 1)
    np.testing.assert_allclose(excess, 1, rtol=1e-9)  # eq. 5.1
    np.testing.assert_allclose(front["time"] / front["steps"], 3, rtol=1e-12)


def test_the_limit_of_accelerators_is_a_batch():
    front = time_and_compute(TABLE_3, 2.6, "2B", **LIMIT)
    assert float(front["largest_batch"]) == 256 * 8192
    assert front["batch"].values[front["feasible"].values].max() == 256 * 8192
    np.testing.assert_array_equal(front["feasible"], front["batch"] <= 256 * 8192)
    assert not front["feasible"].all()
    fewer = time_and_compute(TABLE_3, 2.6, "2B", batches=[8192, 8193], **LIMIT)
    np.testing.assert_array_equal(fewer["accelerators"], [1, 2])


def test_without_a_limit_every_batch_is_feasible():
    front = time_and_compute(TABLE_3, 2.6, "2B", batches=["4M", "1M"])
    assert front["feasible"].all()
    assert front["batch"].values.tolist() == [1e6, 4e6]
    assert "time" not in front


def test_a_model_too_small_for_the_loss_is_an_error_that_says_what_it_reaches():
    converged = (6.5e13 / 1e9) ** 0.077
    with pytest.raises(QuestionError, match=f"in 100% of the draws: it converges to {converged:.3g}"):
        time_and_compute(TABLE_3, 2.3, "1B")


def test_draws_that_never_get_there_are_left_out_and_counted():
    fit = steps_fit(spread=0.01)
    converged = (6.5e13 / 1e9) ** 0.077
    front = time_and_compute(fit, 1.01 * converged, 1e9)
    never = (fit["posterior"]["N_c"] / 1e9) ** fit["posterior"]["alpha_N"] >= 1.01 * converged
    assert 0 < float(never.mean()) < 0.5
    assert float(front["p_reached"]) == pytest.approx(1 - float(never.mean()))
    np.testing.assert_array_equal(np.isnan(front["steps"]).all("point"), never)
    assert "never gets there" in front.attrs["warning"]


def test_families_have_their_own_fronts():
    runs = [runs_of(family=name).to_dataframe().reset_index() for name in ("code", "text")]
    wanted = ["params", "step", "batch", "loss", "family"]
    both = bs.read_runs(pd.concat([frame[wanted] for frame in runs], ignore_index=True))
    fit = pinned_fit("kaplan-steps", families={"text": TABLE_3, "code": TABLE_3 | {"B_star": 1e8}}, runs=both)
    front = time_and_compute(fit, 2.8, 5e8, batches=[1e6])
    assert front["steps"].dims == ("chain", "draw", "point", "family")
    ratio = front["critical_batch"].sel(family="text") / front["critical_batch"].sel(family="code")
    np.testing.assert_allclose(ratio, 2, rtol=1e-9)
    one = time_and_compute(fit, 2.8, 5e8, batches=[1e6], family="code")
    np.testing.assert_allclose(one["steps"], front["steps"].sel(family="code"))


def test_the_answer_carries_the_verdict_and_how_far_it_lies_from_the_runs():
    fit = steps_fit(verdict=FAILED)
    with pytest.raises(UnconvergedError):
        critical_batch(fit, 3)
    marked = time_and_compute(fit, 2.5, 5e9, batches=[1e6], allow_unconverged=True)
    assert marked.attrs["verdict"] == "NOT CONVERGED"
    wanted = np.log10(marked["compute"].median() / runs_of()["compute"].max())
    assert float(marked["decades_beyond"].squeeze()) == pytest.approx(float(wanted))


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: critical_batch(pinned_fit(), 3), "the law 'chinchilla' has no B_star, alpha_B.*kaplan-steps"),
        (lambda: critical_batch({"B_star": 2e8}, 3), "the constants lack alpha_B"),
        (lambda: critical_batch({"B_star": 2e8, "alpha_B": -0.2}, 3), "alpha_B: got -0.2"),
        (lambda: critical_batch(TABLE_3, 0), "loss: got 0"),
        (lambda: critical_batch(TABLE_3, "2x"), "loss: a multiple needs runs"),
        (lambda: time_and_compute(TABLE_3, [2, 3], 1e9), "loss: one value, please; got 2"),
        (lambda: time_and_compute(TABLE_3, 2.6, "2B", max_accelerators=8), "takes both max_accelerators and"),
        (lambda: time_and_compute(TABLE_3, 2.6, "2B", seconds_per_step=0), "seconds_per_step: got 0"),
        (lambda: time_and_compute(TABLE_3, 2.6, "2B", seconds_per_step="fast"), "'fast' is not a number"),
    ],
)
def test_a_wrong_question_is_refused(ask, said):
    with pytest.raises(QuestionError, match=said):
        ask()
