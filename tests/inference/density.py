"""Holds a compiled model against PyMC's own density: for the tests of a few cards and of all."""

import numpy as np
from pytensor.compile.mode import Mode
from simulated import curves_from, families_from

from bayescale.inference import compile_program, program
from bayescale.modeling import build, prepare
from bayescale.trust.sbc import designed_runs

# PyTensor's C code, which nothing here has a share in.
REFERENCE = Mode(linker="cvm", optimizer="fast_compile")


def kept(model):
    """The program of a model as another process reads it."""
    return program.load_program(compile_program.compile_model(model)[1])


def runs_for(card, count):
    """Runs that the card can be fitted to: curves, runs that share errors, or several families."""
    if card.curve:
        return curves_from(card, count)
    return designed_runs(card, count) if card.errors else families_from(card, count=count)


def check_density(card, counts=(13, 14)):
    """A program that was compiled for some runs has the density of the model that PyMC builds for other ones."""
    counts = (40, 42) if card.curve or card.errors else counts
    first, other = (prepare(card, runs_for(card, count)) for count in counts)
    given = other if first.key == other.key else first  # the number of groups may be another
    density, model = kept(build(first)).with_data(given.arrays), build(given)
    options = {"inputs": model.value_vars, "on_unused_input": "ignore", "mode": REFERENCE}
    density_and_slope = model.compile_fn([model.logp(), model.dlogp()], **options)
    shown = model.compile_fn(model.unobserved_value_vars, **options)
    points = density.starts(12, seed=1)
    points += 0.1 * np.random.default_rng(1).standard_normal(points.shape)
    values, slopes = density.log_densities(points)
    everything, shapes = density.constrain(points), {k: v.shape for k, v in model.initial_point().items()}
    checked = 0
    for k, point in enumerate(points):
        at = split_point(point, model.value_vars, shapes)
        wanted, slope = density_and_slope(at)
        if not (np.isfinite(wanted) and np.isfinite(slope).all()):
            assert values[k] == -np.inf
            continue
        checked += 1
        np.testing.assert_allclose(values[k], wanted, rtol=1e-10)
        np.testing.assert_allclose(slopes[k], slope, rtol=1e-10, atol=1e-10 * np.abs(slope).max())
        for variable, value in zip(model.unobserved_value_vars, shown(at), strict=True):
            if variable.name in everything:
                found = everything[variable.name].values[0, k]
                np.testing.assert_allclose(found, value, rtol=1e-10, atol=1e-12, err_msg=variable.name)
    assert checked >= 3
    assert {rv.name for rv in model.unobserved_RVs} == set(everything)


def split_point(point, variables, shapes):
    parts = np.split(point, np.cumsum([int(np.prod(shapes[v.name])) for v in variables])[:-1])
    return {v.name: part.reshape(shapes[v.name]) for v, part in zip(variables, parts, strict=True)}
