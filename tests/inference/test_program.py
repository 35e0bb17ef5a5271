"""A compiled model: PyMC's density, the sampler's draws, and the same of both after it was read in another process."""

import os
import subprocess
import sys

import numpy as np
import nutpie
import pymc as pm
import pytest
from inference.density import check_density, kept

import bayescale as bs
from bayescale.inference import compile_program, nuts, program
from bayescale.inference.native.graphs import draw_prior_points
from bayescale.inference.nuts import start_nuts
from bayescale.modeling import build, build_model, prepare


@pytest.mark.sampling
@pytest.mark.parametrize("name", ["chinchilla+drift", "loss-to-error", "kaplan+curve"])
def test_the_density_is_pymcs(name):
    check_density(bs.load_card(name))


def list_variants():
    """Every card that is shipped, and what can be added to it."""
    for name in bs.list_cards():
        yield name
        law = bs.load_card(name).get_law()
        if law.response == "loss" and name != "zhang":
            shared = "+design+budget" if {"params", "tokens"} <= set(law.inputs) else "+design"
            yield from (name + added for added in ("+drift", "+curve", shared))


@pytest.mark.slow
@pytest.mark.parametrize("name", list(list_variants()))
def test_the_density_of_every_card_is_pymcs(name):
    check_density(bs.load_card(name))


@pytest.mark.sampling
def test_draws_are_nutpies(hoffmann_runs):
    problem = prepare(bs.load_card("chinchilla"), hoffmann_runs)
    settings = {"draws": 1000, "tune": 500, "chains": 2, "cores": 2, "seed": 5}
    density = kept(build(problem)).with_data(problem.arrays)
    posterior, stats = finish(start_nuts(density, **settings, target_accept=0.9))
    settings |= {"target_accept": 0.9, "adaptation": "low_rank", "progress_bar": False}
    plain = nutpie.sample(nutpie.compile_pymc_model(build(problem)), **settings)
    assert list(posterior.data_vars) == list(plain["posterior"].data_vars)
    assert posterior.sizes == plain["posterior"].sizes
    names = nuts.SAMPLE_STATS
    theirs = plain["sample_stats"].to_dataset()[list(names)].rename(names)
    assert {name: stats[name].dtype for name in stats} == {name: theirs[name].dtype for name in theirs}
    for name in ("E", "alpha", "sigma"):
        # 500 effective draws each or more: means differ by sd / 16 at one sigma.
        mean, sd = plain["posterior"][name].mean(), plain["posterior"][name].std()
        assert float(posterior[name].mean()) == pytest.approx(float(mean), abs=0.25 * float(sd))


def finish(sampling):
    while True:
        try:
            return sampling.wait(1.0)
        except TimeoutError:
            pass


READ = """
import sys
import numpy as np
from bayescale.inference.nuts import start_nuts
from bayescale.inference.program import load_program
loaded = load_program(open(sys.argv[1], "rb").read()).with_data(dict(np.load(sys.argv[2])))
sampler = start_nuts(loaded, draws=50, tune=100, chains=2, cores=2, seed=3, target_accept=0.9)
while True:
    try:
        posterior, _ = sampler.wait(1.0)
        break
    except TimeoutError:
        pass
assert not {"pymc", "pytensor", "numba", "arviz", "arviz_stats", "matplotlib", "nutpie"} & set(sys.modules)
np.savez(sys.argv[3], **{name: posterior[name].values for name in posterior})
"""


@pytest.mark.sampling
def test_another_process_draws_the_same(tmp_path, known_runs):
    card = bs.load_card("chinchilla")
    arrays = prepare(card, known_runs).arrays
    content = compile_program.compile_model(build_model(card, known_runs))[1]
    loaded = program.load_program(content).with_data(arrays)
    settings = {"draws": 50, "tune": 100, "chains": 2, "cores": 2, "seed": 3, "target_accept": 0.9}
    here, _ = finish(start_nuts(loaded, **settings))
    (tmp_path / "program").write_bytes(content)
    np.savez(tmp_path / "data.npz", **arrays)
    files = [str(tmp_path / name) for name in ("program", "data.npz", "there.npz")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", READ, *files], check=True, timeout=300, env=environment)
    with np.load(tmp_path / "there.npz") as there:
        for name in here:
            np.testing.assert_array_equal(here[name].values, there[name])


@pytest.mark.sampling
def test_chains_start_at_draws_from_the_prior(known_runs):
    card = bs.load_card("chinchilla")
    model = build_model(card, known_runs)
    starts, _ = draw_prior_points(model, 500)
    np.testing.assert_array_equal(starts, draw_prior_points(model, 500)[0])
    names = [value.name for value in model.value_vars]
    prior = card.priors["alpha"].scipy
    column = starts[:, names.index("alpha_log__")]
    # 500 draws: a median is known to 1.25 sd / sqrt(500).
    assert np.median(column) == pytest.approx(np.log(prior.ppf(0.5)), abs=4 * 1.25 * column.std() / 500**0.5)


def test_starts_do_not_depend_on_the_runs_that_were_compiled_for():
    def draws(real):
        with pm.Model() as model:
            used = pm.Data("real", np.array(real))
            pm.Normal("x", 0.0, pm.math.switch(used, 1.0, 50.0))
        return draw_prior_points(model, 20)[0]

    np.testing.assert_array_equal(draws([True, False]), draws([True, True]))
