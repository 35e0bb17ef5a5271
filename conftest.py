"""The examples in the docstrings are tests too; they share one posterior for each model."""

import functools
import os
import tempfile

import matplotlib
import pytest
from _pytest.doctest import DoctestItem

matplotlib.use("agg")
# Tests that need other processes say so.
os.environ["BAYESCALE_WORKERS"] = "1"
SAMPLES = ("bs.fit(", "bs.backtest(", "isoflop_fit(", "envelope_fit(", "ladder(", "approaches(", "compile_problem(")


def pytest_configure(config):
    # Tests keep compiled models beside pytest's own notes, from one run to the next, and never in the user's folder.
    cache = getattr(config, "cache", None)
    if cache is None:
        folder = tempfile.TemporaryDirectory(prefix="bayescale-tests-")
        config.add_cleanup(folder.cleanup)
    os.environ["BAYESCALE_CACHE"] = folder.name if cache is None else str(cache.mkdir("bayescale") / "programs")


def pytest_collection_modifyitems(items):
    for item in items:
        if isinstance(item, DoctestItem) and any(call in item.dtest.docstring for call in SAMPLES):
            item.add_marker("sampling")


@functools.cache
def _fit_once(model, seed):
    import bayescale as bs

    return bs.inference.fit(bs.load_shipped("tinylm"), model, seed=seed)


@pytest.fixture(autouse=True)
def _examples_share_fits(request, monkeypatch):
    if not isinstance(request.node, DoctestItem):
        yield
        return
    import bayescale as bs

    monkeypatch.setattr(bs, "fit", lambda runs, model="chinchilla", *, seed=1: _fit_once(model, seed))
    yield
    import matplotlib.pyplot as plt

    plt.close("all")
