import arviz_stats
import numpy as np
import pytest
import xarray as xr
from conjugate import conjugate
from curved import pinned_curves, simulated_curves
from pinned import BESIROGLU, FAILED, ROUNDED, pinned_fit, simulated_runs
from scipy import stats

import bayescale as bs
from bayescale.errors import QuestionError, UnconvergedError
from bayescale.inference.power_scaling import POWER_SCALING, log_priors, power_scaling, power_sensitivity
from bayescale.modeling import build_model, prepare
from bayescale.posterior import Posterior
from bayescale.trust.sensitivity import APART, FINE, OUTWEIGHS, lean_on_priors, prior_sensitivity

RESIDUALS = 0.3 + 0.02 * np.random.default_rng(3).standard_normal(12)


def _far(known):
    return {"far": bs.extrapolate(known.fit, "100x")["expected_loss"]}


def _weak(residuals=RESIDUALS):
    """Twelve noisy runs against a prior that knows three times as much as they do together."""
    return conjugate(residuals, sigma=0.3, width=0.05)


def _sensitivity(known, part):
    """Kallioinen et al. 2024, eq. 11 to 13, of two normals, by quadrature over the range of the draws."""
    mean, spread = known.posterior()
    x = np.linspace(mean - 3.6 * spread, mean + 3.6 * spread, 20_001)

    def moved(alpha):
        if part == "prior":
            return known.posterior(counted=alpha)
        of_runs, of_prior = alpha * len(known.y) / known.sigma**2, 1 / known.width**2
        total = of_runs + of_prior
        return (of_prior * np.log(3.0) + of_runs * known.y.mean()) / total, total**-0.5

    def distance(alpha, sign):
        centre, width = moved(alpha)
        p, q = (stats.norm.cdf(sign * (x - m) / s) for m, s in ((mean, spread), (centre, width)))
        m = (p + q) / 2
        log = [np.where(v > 0, v * np.log2(np.maximum(v, 1e-300) / np.maximum(m, 1e-300)), 0) for v in (p, q)]
        each = [np.trapezoid(log[0], x) + np.trapezoid(q - p, x) / 2 / np.log(2),
                np.trapezoid(log[1], x) + np.trapezoid(p - q, x) / 2 / np.log(2)]  # fmt: skip
        return np.sqrt(sum(max(e, 0) for e in each) / np.trapezoid(p + q, x))

    steps = [max(distance(alpha, 1), distance(alpha, -1)) / abs(np.log2(alpha)) for alpha in (0.99, 1.01)]
    return np.mean(steps)


@pytest.mark.parametrize("part", ["prior", "likelihood"])
def test_the_sensitivity_is_that_of_the_exact_posterior(part):
    known = _weak()
    logs = {"log_far": np.log(_far(known)["far"])}
    found = prior_sensitivity(known.fit, logs)
    np.testing.assert_allclose(found[f"{part}_sensitivity"].item(), _sensitivity(known, part), rtol=0.12)


def test_the_moved_band_is_that_of_the_exact_posterior_with_a_wider_prior():
    known = _weak()
    found = prior_sensitivity(known.fit, _far(known)).isel(answer=0, prior=0)
    now, _ = known.posterior()
    for counted in (0.5, 2.0):
        # Counted half, a LogNormal has its sigma times 1.41 and keeps its median; closed form.
        mean, spread = known.posterior(counted=counted)
        row = found.sel(counted=counted)
        for name, z in (("lower", -1.6449), ("median", 0.0), ("upper", 1.6449)):
            moved = np.log(float(row[f"moved_{name}"] / found["median"]))
            assert moved == pytest.approx(mean + z * spread - now, abs=0.15 * spread)
        assert bool(row["reliable"])


def test_an_answer_that_leans_says_on_which_prior_and_where_it_would_go():
    found = prior_sensitivity(_weak().fit)
    row = found.isel(answer=0)
    assert row["answer"].item() == "expected loss at 100x"
    assert bool(row["leans"])
    assert row["leans_on"].item() == bs.laws.get_law("power").parameter_names[0]
    assert row["diagnosis"].item() in (APART, OUTWEIGHS)
    said = row["sentence"].item()
    assert said.startswith("The expected loss at 100x leans on the prior of ")
    assert "LogNormal(median 3, sigma 0.05)" in said
    numbers = [float(row["median"]), *(float(v) for v in row["moved_median"].values.ravel())]
    assert [f"{v:.2f}" in said for v in numbers] == [True] * 3
    assert numbers[2] < numbers[0] < numbers[1]  # the prior lies below the runs: a wider one lets them have their way
    assert found.attrs["not_scaled"] == "alpha, sigma"


def test_runs_that_hardly_speak_are_said_to():
    quiet = conjugate(np.array([0.0, 0.01, -0.01]), sigma=2.0, width=0.05)
    row = prior_sensitivity(quiet.fit, _far(quiet)).isel(answer=0)
    assert row["diagnosis"].item() == OUTWEIGHS
    assert row["sentence"].item().endswith("The runs hardly move it.")


def test_an_answer_that_the_runs_pin_leans_on_nothing():
    row = prior_sensitivity(conjugate(RESIDUALS).fit).isel(answer=0)
    assert not bool(row["leans"])
    assert (row["leans_on"].item(), row["diagnosis"].item()) == ("", FINE)
    assert row["sentence"].item().startswith("The expected loss at 100x does not lean on the priors (sensitivity 0.0")


def test_log_priors_are_those_of_the_sampler():
    # The sampler sees LogNormal and Gamma on the log and Beta on the logit, with the Jacobian.
    families = {"old": ROUNDED, "new": BESIROGLU}
    fit = pinned_fit(families=families, draws=3, chains=1, spread=0.1)
    card, runs = bs.load_card("chinchilla"), bs.inference.runs_of(fit)
    rng = np.random.default_rng(5)
    level = {name: rng.lognormal(-1, 0.1, (1, 3)) for name in card.priors}
    spread = {name: rng.lognormal(-2, 0.1, (1, 3)) for name in card.priors}
    model = build_model(card, runs)
    smallest = float(model["min_of_loss"].get_value())
    assert smallest == pytest.approx(np.exp(runs["loss"].groupby("family").min().pipe(np.log).mean()))
    posterior = fit["posterior"].to_dataset()
    posterior = posterior.assign({f"{k}_level": (("chain", "draw"), v) for k, v in level.items()})
    fit["posterior"] = posterior.assign({f"{k}_spread": (("chain", "draw"), v) for k, v in spread.items()})
    found = log_priors(prepare(card, runs), fit["posterior"].to_dataset())
    logs = {name: f"{name}_level" for name in card.priors} | {"E": "E_level_share", "sigma": "sigma", "nu": "nu"}
    variables = [model[name] for name in logs.values()] + [model[f"{name}_spread"] for name in card.priors]
    density = model.compile_logp(vars=variables, sum=False, mode="FAST_COMPILE")
    point = model.initial_point()
    for draw in range(3):
        values = {logs[name]: (posterior[name] if name in ("sigma", "nu") else level[name])[0, draw] for name in logs}
        values["E_level_share"] = values["E_level_share"] / smallest
        values |= {f"{name}_spread": spread[name][0, draw] for name in card.priors}
        for name, value in values.items():
            share = name == "E_level_share"
            point[f"{name}_{'logodds' if share else 'log'}__"] = np.log(value) - (np.log1p(-value) if share else 0)
        wanted = [float(v) for v in density(point)]
        for name, value in zip(logs, wanted, strict=False):
            np.testing.assert_allclose(found[name].values[0, draw], value, rtol=1e-7)
        np.testing.assert_allclose(found["spread"].values[0, draw], sum(wanted[len(logs) :]), rtol=1e-9)


def _weights_of(fit):
    view = Posterior(fit)
    return power_scaling(prepare(view.card, view.runs), view.draws, fit["log_likelihood"].to_dataset())


def test_the_sensitivity_is_that_of_arviz():
    fit = pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}, spread=0.03, draws=300)
    view, weights = Posterior(fit), _weights_of(fit)
    drawn = bs.extrapolate(fit, "100x")["expected_loss"].isel(point=0, family=0).reset_coords(drop=True)
    log_prior = log_priors(prepare(view.card, view.runs), view.draws)
    groups = {"posterior": drawn.to_dataset(name="drawn"), "log_prior": log_prior}
    tree = xr.DataTree.from_dict(groups | {"log_likelihood": fit["log_likelihood"].to_dataset()})
    pairs = [("all_priors", {"group": "prior"}), ("likelihood", {"group": "likelihood"})]
    for part, asked in pairs:
        wanted = arviz_stats.psense(tree, **asked)["drawn"].item()
        np.testing.assert_allclose(power_sensitivity(drawn, weights[part]).item(), wanted, rtol=1e-6, atol=1e-8)
    each = power_sensitivity(drawn, weights["one_prior"])
    wanted = [arviz_stats.psense(tree, group_var_names=[name])["drawn"].item() for name in log_prior]
    np.testing.assert_allclose(each, wanted, rtol=1e-6, atol=1e-8)


def test_weights_that_a_posterior_keeps_give_what_is_worked_out_without_them():
    fit = pinned_fit(spread=0.03, draws=300)
    answers = {"far": bs.extrapolate(fit, "100x")["expected_loss"]}
    kept = fit.assign({POWER_SCALING: xr.DataTree(_weights_of(fit))})
    xr.testing.assert_identical(lean_on_priors(kept, answers), lean_on_priors(fit, answers))
    whole = prior_sensitivity(fit, answers)
    for name in ("leans", "leans_on", "diagnosis", "sensitivity", "prior_sensitivity", "likelihood_sensitivity"):
        np.testing.assert_array_equal(lean_on_priors(kept, answers)[name], whole[name])


def test_each_family_has_its_rows_and_shares_the_priors():
    fit = pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}, spread=0.03, draws=300)
    found = prior_sensitivity(fit)
    assert found["answer"].values[:2].tolist() == ["expected loss at 100x (new)", "expected loss at 100x (old)"]
    assert found["family"].values[:2].tolist() == ["new", "old"]
    assert found["quantity"].values[::2].tolist() == ["expected_loss", "params", "a", "irreducible_loss"]
    assert found["units"].values[::2].tolist() == ["nats/token", "parameters", "", "nats/token"]
    assert found["prior_text"].sel(prior="E").item() == "Beta(a 4, b 2) x min(loss)"


def test_answers_of_ones_own_by_any_dimension():
    fit = pinned_fit(spread=0.03, draws=300)
    far = bs.extrapolate(fit, ["10x", "100x"])
    found = prior_sensitivity(fit, far)
    names = [far[name].attrs["long_name"] for name in ("expected_loss", "loss")]
    assert found["answer"].values.tolist() == [f"{name} (point {i})" for name in names for i in (0, 1)]
    two = prior_sensitivity(fit, {"loss": far["expected_loss"].isel(point=[1])})
    np.testing.assert_allclose(two["median"].item(), found["median"].values[1])


def test_a_quantity_over_many_decades_is_compared_on_the_log():
    known = _weak()
    z = np.log(_far(known)["far"])
    # Any factor of the log gives the same sensitivity on the log: 50 makes it span seven decades.
    wide = prior_sensitivity(known.fit, {"wide": np.exp(50 * (z - z.mean()))})
    plain = prior_sensitivity(known.fit, {"plain": z})
    np.testing.assert_allclose(wide["sensitivity"].item(), plain["sensitivity"].item(), rtol=1e-6)


def test_an_infinite_draw_does_not_spoil_the_number():
    known = _weak()
    answer = _far(known)["far"].copy(deep=True)
    plain = prior_sensitivity(known.fit, {"far": answer})
    top = np.unravel_index(answer.values.argmax(), answer.shape)
    answer.values[top] = np.inf
    found = prior_sensitivity(known.fit, {"far": answer})
    np.testing.assert_allclose(found["prior_sensitivity"].item(), plain["prior_sensitivity"].item(), rtol=0.05)
    np.testing.assert_allclose(found["moved_upper"], plain["moved_upper"], rtol=1e-3)


def test_questions_that_cannot_be_answered():
    known = conjugate(RESIDUALS, draws=50)
    with pytest.raises(QuestionError, match=r"far: an answer has the draws of the posterior"):
        prior_sensitivity(known.fit, {"far": xr.DataArray(np.ones((2, 7)), dims=("chain", "draw"))})
    with pytest.raises(QuestionError, match="none of same varies"):
        prior_sensitivity(known.fit, {"same": xr.DataArray(np.ones((4, 50)), dims=("chain", "draw"))})
    outside = known.fit.copy(deep=True)
    outside["posterior"][bs.laws.get_law("power").parameter_names[0]].values[0, 0] = -1.0
    with pytest.raises(QuestionError, match=r"draws of .* that its prior does not allow"):
        prior_sensitivity(outside, _far(known))
    of_tokens = pinned_fit("power:tokens", {"x_c": 1e15, "alpha": 0.1}, runs=simulated_runs(), draws=20)
    with pytest.raises(QuestionError, match="takes tokens, not compute; accepted: a multiple"):
        prior_sensitivity(of_tokens, compute=1e24)


def test_an_unconverged_posterior_is_refused_or_marked():
    bad = conjugate(RESIDUALS, draws=100, verdict=FAILED).fit
    with pytest.raises(UnconvergedError):
        prior_sensitivity(bad)
    assert prior_sensitivity(bad, allow_unconverged=True).attrs["verdict"] == "NOT CONVERGED"


@pytest.mark.sampling
def test_a_moved_answer_is_that_of_a_fit_with_the_wider_prior(known_runs, known_fit):
    wide = {"extends": "chinchilla", "priors": {"E": {"dist": "Beta", "a": 2, "b": 1, "of": "min(loss)"}}}
    other = bs.fit(known_runs, bs.cards.make_card(wide), seed=3)
    found = prior_sensitivity(known_fit).sel(prior="E", counted=0.5)
    floor = [bs.irreducible_loss(fit)["irreducible_loss"] for fit in (known_fit, other)]
    error = float(floor[0].std()) * 1.25 * np.sqrt(2 / 1000)  # two medians of at least 1000 effective draws
    moved = found.sel(answer="irreducible loss")
    assert float(moved["moved_median"]) == pytest.approx(float(floor[1].median()), abs=3 * error)
    assert bool(moved["reliable"])


def test_the_priors_of_a_curve_are_scaled_too_and_its_runs_counted_whole():
    fit = pinned_curves(simulated_curves(), spread=0.01)
    found = prior_sensitivity(fit)
    assert {"offset_sd", "tilt_sd", "wander_sd", "hot"} <= set(found["prior"].values)
    twice = fit.assign(log_likelihood=xr.DataTree(2 * fit["log_likelihood"].to_dataset()))
    more = prior_sensitivity(twice)["likelihood_sensitivity"]
    assert (more > found["likelihood_sensitivity"]).all()
