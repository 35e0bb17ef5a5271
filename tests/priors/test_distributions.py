import numpy as np
import pymc as pm
import pytest
from pytensor.compile.mode import Mode
from scipy import stats

from bayescale.priors import Prior
from bayescale.priors.distributions import DISTRIBUTIONS

Q = [0.025, 0.25, 0.5, 0.75, 0.975]
EXAMPLES = {
    "LogNormal": ({"median": 0.35, "sigma": 0.4}, 0.35 * np.exp(0.4 * stats.norm.ppf(Q))),
    "Beta": ({"a": 4, "b": 2}, stats.beta.ppf(Q, 4, 2)),
    "HalfNormal": ({"sigma": 0.3}, 0.3 * stats.norm.ppf(0.5 + np.array(Q) / 2)),
    "Gamma": ({"alpha": 2, "beta": 0.1}, stats.gamma.ppf(Q, 2) / 0.1),
    "Exponential": ({"mean": 0.02}, -0.02 * np.log1p(-np.array(Q))),
    "Normal": ({"mu": -0.2, "sigma": 0.5}, -0.2 + 0.5 * stats.norm.ppf(Q)),
    "Fixed": ({"value": 0.25}, np.full(5, 0.25)),
    "Uniform": ({"lower": 0.5, "upper": 2}, 0.5 + 1.5 * np.array(Q)),
}


def test_every_distribution_has_an_example_here():
    assert set(EXAMPLES) == set(DISTRIBUTIONS)


@pytest.mark.parametrize("name", EXAMPLES)
def test_quantiles_are_those_that_the_arguments_promise(name):
    arguments, wanted = EXAMPLES[name]
    np.testing.assert_allclose(Prior(dist=name, **arguments).scipy.ppf(Q), wanted, rtol=1e-10)
    np.testing.assert_allclose(Prior(dist=name, **arguments).quantile(Q), wanted, rtol=1e-10)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "Fixed"])
def test_pymc_samples_what_scipy_describes(name):
    arguments, quantiles = EXAMPLES[name]
    prior = Prior(dist=name, **arguments)
    with pm.Model():
        variable = prior.in_pymc("x")
    found = pm.logp(variable, quantiles).eval(mode=Mode("py", None))
    # PyTensor keeps a constant such as 0.5 in single precision, so normalising constants agree to 1e-7 only.
    np.testing.assert_allclose(found, prior.scipy.logpdf(quantiles), atol=1e-7)


def test_a_prior_reads_as_a_sentence():
    prior = Prior(dist="Beta", a=4, b=2, of="min(loss)")
    assert str(prior) == "Beta(a 4, b 2) x min(loss)"


def test_a_fixed_parameter_is_a_number_and_not_sampled():
    with pm.Model() as model:
        assert Prior(dist="Fixed", value=0.25).in_pymc("x") == 0.25
    assert not model.named_vars


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "Fixed"])
def test_the_support_is_that_of_scipy(name):
    prior = Prior(dist=name, **EXAMPLES[name][0])
    assert prior.support == prior.scipy.support()
    assert prior.median == pytest.approx(prior.scipy.ppf(0.5), rel=1e-12)
