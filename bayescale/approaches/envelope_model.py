"""The envelope of training curves as a PyMC model: where the best size changes, on a line in the logarithms."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayescale.approaches.isoflop_model import sampled
from bayescale.priors import Prior

if TYPE_CHECKING:
    import pymc as pm

_BELIEFS: dict[str, dict[str, Any]] = {
    "a": dict(dist="Normal", mu=0.5, sigma=0.25),
    # log(N_opt / N0) = level + a log(C / C0), at the mean of the changes of size; their scatter about it, in log N
    "level": dict(dist="Normal", mu=0.0, sigma=2.0),
    "sigma": dict(dist="HalfNormal", sigma=0.3),
    "nu": dict(dist="Gamma", alpha=2, beta=0.1),
}
PRIORS = {name: Prior(**belief) for name, belief in _BELIEFS.items()}
"""What is believed of an envelope."""


def envelope_data(envelope: xr.Dataset) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Return the arrays that condition the model, and the reference: the geometric mean of the changes of size."""
    log_n, log_c = (np.log(envelope[f"change_{name}"].values) for name in ("params", "compute"))
    arrays = {"log_c": log_c - log_c.mean(), "log_n": log_n - log_n.mean()}
    return arrays, {"params": float(np.exp(log_n.mean())), "compute": float(np.exp(log_c.mean()))}


def build_envelope(arrays: Mapping[str, np.ndarray], priors: Mapping[str, Prior] = PRIORS) -> "pm.Model":
    """Build the model of the places where the best size changes: ``log N_opt = level + a log C``, Student-t scatter.

    Parameters
    ----------
    arrays : mapping of str to array
        From `envelope_data`.
    priors : mapping of str to Prior
        As `PRIORS`.

    Returns
    -------
    pymc.Model
        The observed variable is ``log_params``.
    """
    import pymc as pm

    with pm.Model() as model:
        data = {name: pm.Data(name, values) for name, values in arrays.items()}
        theta = {name: sampled(prior, name) for name, prior in priors.items()}
        mean = theta["level"] + theta["a"] * data["log_c"]
        pm.StudentT("log_params", nu=theta["nu"], mu=mean, sigma=theta["sigma"], observed=data["log_n"])
    return model
