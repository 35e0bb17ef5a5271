import numpy as np
import pytest
import xarray as xr
from curved import END, LAW, PEAK, RUNS, pinned_curves, simulated_curves, upto

import bayescale as bs
from bayescale.errors import QuestionError
from bayescale.posterior import Posterior
from bayescale.report.words.answers import say_answer


@pytest.fixture(scope="module")
def curves():
    return simulated_curves()


@pytest.fixture(scope="module")
def fit(curves):
    return bs.fit(curves, "chinchilla+curve", seed=1)


@pytest.mark.sampling
def test_answers_work_on_a_posterior_of_curves(fit):
    assert bs.verdict(fit).passed
    assert fit["log_likelihood"]["log_loss"].dims == ("chain", "draw", "run")
    assert fit["log_likelihood"].sizes["run"] == RUNS
    low, high = np.quantile(fit["posterior"]["hot"], [0.01, 0.99])
    assert low < 0.038 < high  # 4% over the whole rate, of which the peak is 95%
    low, high = np.quantile(bs.irreducible_loss(fit)["irreducible_loss"], [0.01, 0.99])
    assert low < 1.7 < high
    far = bs.extrapolate(fit, "100x")
    assert float(far["loss"].std()) > float(far["expected_loss"].std())


@pytest.mark.sampling
def test_bands_of_new_runs_shrink_and_hold(fit):
    new = simulated_curves(seed=8, runs=30)
    answer = bs.answers.finish(fit, upto(new, 0.4))
    came = bs.runs.final_runs(new)["loss"].values
    low, high = answer["loss"].quantile([0.05, 0.95], dim=("chain", "draw")).values
    held = ((low <= came) & (came <= high)).sum()
    assert 22 <= held <= 30  # 27 expected of 30; 22 or fewer has a chance of 3%
    width = (answer["upper"] - answer["lower"]).values
    assert (width[:, -1] < 0.6 * width[:, 0]).all()
    # Of 60 checkpoints evenly from 5% to 100%, the last within 40% is the twenty-second.
    np.testing.assert_allclose(answer["share"], 0.05 + 0.95 * 21 / 59)
    best = str(answer["run"].values[answer["loss"].median(("chain", "draw")).values.argmin()])
    assert say_answer(answer).startswith(f"{best} will end at ")
    assert "lowest of 30 (probability " in say_answer(answer)
    assert (answer["tokens"] == END).all()


@pytest.mark.sampling
def test_from_when_on_it_is_safe_to_stop(fit, curves):
    loose, tight = (bs.answers.finish(fit, upto(curves, 0.6), tolerance=t)["safe_from"] for t in (0.05, 0.002))
    assert np.isnan(tight).all()
    assert (loose <= 0.6 * END).all()
    known = bs.answers.finish(fit, upto(curves, 0.6), target=1.0)
    assert (known["safe_from"] == 0).all()  # no run comes near a loss of 1
    at = float(known["median"].isel(run=0, seen=-1))
    assert np.isnan(float(bs.answers.finish(fit, upto(curves, 0.6), target=at)["safe_from"][0]))


@pytest.mark.sampling
def test_annealing_takes_off_what_the_rate_still_holds(fit, curves):
    half = bs.answers.annealed(fit, upto(curves, 0.5))
    end = bs.answers.annealed(fit, curves)
    assert (half["gained"].median(("chain", "draw")) > 0).all()
    np.testing.assert_allclose(end["gained"].median(("chain", "draw")), 0.0, atol=0.004)
    assert float(half["gained"].std(("chain", "draw")).mean()) > float(end["gained"].std(("chain", "draw")).mean())


@pytest.mark.sampling
def test_questions_that_cannot_be_answered(fit, curves):
    early = upto(curves, 0.5)
    with pytest.raises(QuestionError, match="does not say where it will end"):
        bs.answers.finish(fit, early.drop_vars("total_tokens"))
    with pytest.raises(QuestionError, match="already; the end asked for is 1B"):
        bs.answers.finish(fit, early, tokens="1B")
    with pytest.raises(QuestionError, match="do not tell their learning rate"):
        bs.answers.finish(fit, early.drop_vars(["lr", "peak_lr"]))
    with pytest.raises(QuestionError, match="give the runs' checkpoints"):
        bs.answers.finish(fit, bs.runs.final_runs(curves))
    for option, value in (("tolerance", -1.0), ("tolerance", 2.0), ("target", np.nan), ("target", 0.0)):
        with pytest.raises(QuestionError, match=f"{option}: accepted is .*; got {value}"):
            bs.answers.finish(fit, early, **{option: value})
    with pytest.raises(QuestionError, match=r"at tokens 9.695B already; the end asked for is 9.5B"):
        bs.answers.finish(
            fit, early, tokens="9.5B"
        )  # behind its last checkpoint, not behind the middle of its last bin


@pytest.mark.sampling
def test_a_posterior_of_finished_runs_is_refused(curves):
    plain = bs.fit(bs.runs.final_runs(bs.runs.load_shipped_curves("tinylm")), seed=1, draws=50, tune=50, tries=1)
    with pytest.raises(QuestionError, match="posterior is of finished runs"):
        bs.answers.finish(plain, curves, allow_unconverged=True)


def test_what_is_asked_is_annealed_and_what_was_seen_was_not(curves):
    fit = pinned_curves(curves, spread=0.0)
    rows, law = bs.inference.runs_of(fit), bs.laws.get_law("chinchilla")
    asked = {"params": [1e8, 1e9], "tokens": [4e9, 2e10]}
    by_law = law.paper(np, LAW, **{name: np.array(values) for name, values in asked.items()})
    np.testing.assert_allclose(bs.extrapolate(fit, **asked)["expected_loss"].isel(chain=0, draw=0), by_law, rtol=1e-9)
    np.testing.assert_allclose(bs.irreducible_loss(fit)["irreducible_loss"], LAW["E"], rtol=1e-9)
    split, exact = bs.optimal_split(fit, "10x"), LAW["beta"] / (LAW["alpha"] + LAW["beta"])
    np.testing.assert_allclose(split["a"], exact, rtol=1e-9)
    expected, _ = Posterior(fit).respond_at_runs()
    heat = rows["lr"].values / PEAK
    seen = law.paper(np, LAW, params=rows["params"].values, tokens=rows["tokens"].values) * np.exp(0.04 * PEAK * heat)
    np.testing.assert_allclose(expected.isel(chain=0, draw=0), seen, rtol=1e-9)


def test_annealing_is_asked_where_each_run_stands(curves):
    half = upto(curves, 0.5)
    now, ends = bs.answers.annealed(pinned_curves(curves), half), bs.runs.final_runs(half)
    np.testing.assert_array_equal(now["measured"], ends["loss"])
    np.testing.assert_array_equal(now["tokens"], ends["tokens"])
    # At half of the tokens half of the rate is left, which holds 2% of the loss.
    np.testing.assert_allclose(now["gained"].median(("chain", "draw")), 0.02, atol=0.006)


def test_curves_of_another_kind_are_refused(curves):
    fit = pinned_curves(curves)
    with pytest.raises(QuestionError, match=r"loss_unit is 'nats/byte', and 'nats/token' in the runs .*--loss-unit"):
        bs.answers.finish(fit, curves.assign_attrs(loss_unit="nats/byte"))
    with pytest.raises(QuestionError, match="params_convention is 'non-embedding', and 'total'"):
        bs.answers.annealed(fit, curves.assign_attrs(params_convention="non-embedding"))
    of_family = curves.assign_coords(family=("checkpoint", np.full(curves.sizes["checkpoint"], "source")))
    assert bs.answers.finish(fit, of_family)["loss"].sizes["run"] == RUNS  # the fitted runs named no family
    fit.attrs["families"] = '["english"]'
    assert bs.answers.finish(fit, curves)["loss"].sizes["run"] == RUNS
    with pytest.raises(QuestionError, match="run 'r00' is of the family 'source'; the posterior knows: english"):
        bs.answers.finish(fit, of_family)
    fit.attrs["families"] = '["a new family"]'
    assert bs.answers.finish(fit, of_family)["loss"].sizes["run"] == RUNS


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lr_fraction": 7}, "lr_fraction: accepted is a number from 0 to 1; got 7"),
        ({"lr_fraction": "a"}, "lr_fraction: accepted is a number from 0 to 1; got 'a'"),
        ({"prob": 90}, "prob: accepted is a number from 0.01 to 0.999; got 90"),
        ({"at": {"toknes": 3}}, "there is no 'toknes' at a run's end. Did you mean 'tokens'"),
        ({"at": {"params": "big"}}, "params: "),
        ({"tokens": "many"}, "tokens: "),
    ],
)
def test_options_that_are_not_understood(curves, options, said):
    with pytest.raises(QuestionError, match=said):
        bs.answers.finish(pinned_curves(curves), curves, **options)


@pytest.mark.sampling
@pytest.mark.parametrize("model", ["chinchilla+drift+curve", "kaplan-steps+curve"])
def test_a_drift_and_a_law_of_steps_can_be_asked_of_curves(model):
    log = simulated_curves(runs=8)
    log = log.assign(batch=xr.full_like(log["tokens"], 1e6), step=log["tokens"] / 1e6)
    fit = bs.fit(log, model, seed=1, draws=150, tune=200, chains=2, tries=1, prior_draws=0)
    answer = bs.answers.finish(fit, upto(log, 0.5), allow_unconverged=True)
    came = bs.runs.final_runs(log)["loss"].values
    np.testing.assert_allclose(answer["loss"].median(("chain", "draw")), came, rtol=0.02)
    checked = bs.trust.check_predictive(fit, allow_unconverged=True)
    np.testing.assert_allclose(checked["median"], came, rtol=0.06)
    assert fit["log_likelihood"]["log_loss"].sizes["run"] == fit.attrs["runs"] == 8
